//! systemd and the service: it is ready when it is, ended when it hangs, and reads what was changed.

use crate::host::{Host, PROMISED, subject, text};
use std::time::{Duration, Instant};

/// `[alerts]` without waiting for more news, which is not what is tested here.
const AT_ONCE: &str = "\n[alerts]\ngather = \"1s\"\n";

/// The watching unit as it is shipped, but that it tries to connect to the mail server, once.
const TO_THE_NETWORK: &str = r#"
    sed -e 's/^Type=.*/Type=oneshot/; s/^Restart=.*//; s/^WatchdogSec=.*//; s/^Wants=.*//; s/^RuntimeDirectory.*//' \
        -e "s|^ExecStart=.*|ExecStart=/bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/25'|" \
        /lib/systemd/system/host-watchdog.service >/run/systemd/system/to-the-network.service
    systemctl daemon-reload
    : </dev/tcp/127.0.0.1/25
    ! systemctl start to-the-network
"#;

#[test]
fn both_units_are_locked_in_as_promised() {
    for suite in ["bookworm", "trixie"] {
        let Some(host) = Host::boot_suite(suite, "security") else { return };
        are_locked_in(&host);
    }
}

fn are_locked_in(host: &Host) {
    host.install("none");
    for unit in ["host-watchdog.service", "host-watchdog-mail.service"] {
        let said = host.run(&format!("systemd-analyze security --no-pager {unit}"));
        let exposure = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
        note!("{exposure}");
        let figure: f64 = exposure.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
        assert!(figure <= 1.5, "{said}");
    }
    let shown =
        host.run("systemctl show -p Type,NotifyAccess,NRestarts,User host-watchdog host-watchdog-mail");
    assert_eq!(shown.matches("Type=notify").count(), 2, "{shown}");
    assert_eq!(shown.matches("NRestarts=0").count(), 2, "{shown}");
    let ceilings = host.run("systemctl show -P MemoryMax -P TasksMax -P CPUQuotaPerSecUSec host-watchdog");
    assert_eq!(ceilings, "800ms\n536870912\n256\n");
    host.run(TO_THE_NETWORK);
    let refused = host.journal_of("to-the-network");
    assert!(refused.contains("Address family not supported by protocol"), "{refused}");
    let capabilities = host.run("for unit in host-watchdog host-watchdog-mail; do
        grep -E '^Cap(Prm|Eff|Bnd|Amb)|^NoNewPrivs|^Seccomp:' /proc/$(systemctl show -P MainPID $unit)/status; done");
    // CAP_DAC_READ_SEARCH is 2 and CAP_SYS_PTRACE 19.
    let of = |set: &str, privileges: &str| {
        format!(
            "CapPrm:\t{set}\nCapEff:\t{set}\nCapBnd:\t{set}\nCapAmb:\t{set}\nNoNewPrivs:\t{privileges}\nSeccomp:\t2\n"
        )
    };
    assert_eq!(capabilities, of("0000000000080004", "1") + &of("0000000000000000", "1"));
}

#[test]
fn a_typo_in_the_policy_is_mailed_with_its_caret_and_the_old_policy_stays_in_force() {
    let Some(host) = Host::boot("typo") else { return };
    host.install("none");
    host.run(&format!(
        "printf '{}' >>/etc/host-watchdog/watchdog.toml; watchdog validate; systemctl reload host-watchdog",
        AT_ONCE.replace('\n', "\\n")
    ));
    host.reload();
    host.wait_for_passes(1);
    host.write(
        "/etc/host-watchdog/policy.d/typo.toml",
        "schema = 1\n\n[[process]]\nexe  = \"/usr/bin/sleep\"\nuser = \"root\"\n",
    );
    host.run("chgrp host-watchdog /etc/host-watchdog/policy.d/typo.toml");
    host.reload();
    let mail = host.next_mail(PROMISED);
    let said = text(&mail);
    assert!(said.contains("policy-rejected"), "{said}");
    assert!(said.contains("typo.toml") && said.contains("5 | user") && said.contains("^^^^"), "{said}");
    assert!(!host.try_run("watchdog validate").status.success());

    // What the old one does not allow is still told of, and it is the old one's digest that stands below.
    host.run("cp /usr/bin/sleep /tmp/x; systemd-run -q --unit=x /tmp/x 900");
    let mail = host.next_mail(PROMISED);
    assert_eq!(subject(&mail), "web1: unknown process /tmp/x run by root");

    // Corrected, it is in force after a reload.
    host.write(
        "/etc/host-watchdog/policy.d/typo.toml",
        "schema = 1\n\n[[process]]\nexe   = \"/tmp/*\"\nusers = [\"root\"]\n",
    );
    host.run("chgrp host-watchdog /etc/host-watchdog/policy.d/typo.toml");
    host.reload();
    host.run("cp /usr/bin/sleep /tmp/y; systemd-run -q --unit=y /tmp/y 900");
    host.wait_for_passes(2);
    let told = host.mails().iter().any(|mail| text(mail).contains("/tmp/y"));
    assert!(!told, "the corrected policy is not in force");
    assert_eq!(host.run("systemctl show -P NRestarts host-watchdog").trim(), "0");
}

#[test]
fn a_service_that_hangs_is_started_again_and_says_that_it_was_not_watching() {
    let Some(host) = Host::boot("hangs") else { return };
    host.install("none");
    host.run(&format!(
        "printf '{}' >>/etc/host-watchdog/watchdog.toml; systemctl restart host-watchdog",
        AT_ONCE.replace('\n', "\\n")
    ));
    host.reload();
    host.wait_for_passes(1);
    let limit = host.run("systemctl show -P WatchdogUSec host-watchdog");
    assert_eq!(limit.trim(), "5min");
    let stopped = Instant::now();
    host.run("kill -STOP $(systemctl show -P MainPID host-watchdog)");
    // Its last word came up to half the time before it was stopped; that it ends takes a moment too.
    let mail = host.next_mail(Duration::from_secs(300 + 60 + 30));
    note!("{} s after it was stopped the mail lay in root's mailbox", stopped.elapsed().as_secs());
    let said = text(&mail);
    assert!(said.contains("not-watching") && said.contains("nobody was watching for"), "{said}");
    let shown = host.run("systemctl show -p NRestarts,ActiveState host-watchdog");
    assert_eq!(shown, "NRestarts=1\nActiveState=active\n");
    assert!(host.journal_of("host-watchdog").contains("Watchdog timeout"), "{}", host.journal());
}
