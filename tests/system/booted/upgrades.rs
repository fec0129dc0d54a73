//! Upgrades of the host and of the watchdog leave its policy, outbox and alerts as they were; so do removal and
//! installation anew, and after a purge nothing is left.

use crate::host::{Host, PROMISED, text};
use std::time::Duration;

/// What must stay as it is: the policy, the mail that waits, the alerts that are open.
#[derive(Debug, PartialEq)]
struct Kept {
    files: String,
    waiting: Vec<String>,
    alerts: Vec<String>,
}

/// The two alerts by their ids, as those of the upgrade itself come and go.
fn kept(host: &Host) -> Kept {
    let files =
        host.run("cd /etc/host-watchdog; find . -type f | sort | xargs sha256sum; stat -c '%U:%G %a %n' . *");
    let mut waiting = host.list("/var/lib/host-watchdog/outbox/queue");
    waiting.truncate(1);
    let open = host.run("watchdog alerts --json");
    let mut alerts: Vec<String> = open
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|alert| alert.to_string().contains("/tmp/kept"))
        .map(|alert| alert["id"].as_str().unwrap().to_owned())
        .collect();
    alerts.sort();
    Kept { files, waiting, alerts }
}

fn is_watching(host: &Host) {
    let active = host.run(
        "systemctl is-active host-watchdog.service host-watchdog-mail.service host-watchdog-sendmail.path",
    );
    assert_eq!(active, "active\nactive\nactive\n");
    assert_eq!(host.run("systemctl --failed --no-legend --plain"), "");
}

#[test]
fn upgrades_of_the_host_and_of_the_watchdog_leave_policy_outbox_and_alerts_as_they_were() {
    let Some(host) = Host::boot("upgrades") else { return };
    host.install("none");
    host.write("/etc/host-watchdog/policy.d/mine.toml", "schema = 1\n\n[[process]]\nexe = \"/opt/mine\"\n");
    host.run("chgrp host-watchdog /etc/host-watchdog/policy.d/mine.toml; echo '# mine' >>/etc/host-watchdog/watchdog.toml");
    host.reload();
    // One alert that was mailed, and one whose mail waits here for a mail server: with `local` it would wait with the
    // server, whose program takes it all the same.
    host.run("sed -i 's/^via = .*/via = \"smtp\"/' /etc/host-watchdog/watchdog.toml; watchdog validate; systemctl reload host-watchdog-mail");
    host.run("cp /usr/bin/sleep /tmp/kept1; systemd-run -q --unit=kept1 /tmp/kept1 3600");
    host.next_mail(PROMISED);
    host.run("systemctl -q mask --now postfix@-.service postfix.service");
    host.run("cp /usr/bin/sleep /tmp/kept2; systemd-run -q --unit=kept2 /tmp/kept2 3600");
    host.wait_for("a mail that waits", PROMISED, || {
        !host.list("/var/lib/host-watchdog/outbox/queue").is_empty()
    });
    let before = kept(&host);
    assert_eq!((before.waiting.len(), before.alerts.len()), (1, 2), "{before:?}");

    // Debian's own updates.
    let main = host.run("systemctl show -P MainPID host-watchdog");
    let said = host.run("/root/offer-updates; DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold upgrade 2>&1");
    let upgraded: u32 =
        said.lines().find_map(|line| line.split_once(" upgraded, ")?.0.parse().ok()).unwrap_or(0);
    note!("{upgraded} packages upgraded");
    assert!(upgraded > 5, "{said}");
    assert_eq!(kept(&host), before);
    is_watching(&host);
    assert_eq!(
        host.run("systemctl show -P MainPID host-watchdog"),
        main,
        "the upgrade of others is not ours"
    );

    // The watchdog's: up, down, and up again after a removal.
    let newer = "rm -rf /root/new; dpkg-deb -R /root/host-watchdog.deb /root/new
        sed -i 's/^Version: .*/Version: 99.0-1/' /root/new/DEBIAN/control; dpkg-deb -b --root-owner-group /root/new /root/newer.deb
        DEBIAN_FRONTEND=noninteractive apt-get -q -y install /root/newer.deb 2>&1";
    let said = host.run(newer);
    assert!(said.contains("(99.0-1) over"), "{said}");
    assert_eq!(kept(&host), before);
    is_watching(&host);
    assert_ne!(host.run("systemctl show -P MainPID host-watchdog"), main, "the new program runs");

    host.run("DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades install /root/host-watchdog.deb 2>&1");
    assert_eq!(kept(&host), before);
    is_watching(&host);

    host.run("DEBIAN_FRONTEND=noninteractive apt-get -q -y remove host-watchdog 2>&1");
    assert!(!host.try_run("systemctl is-active host-watchdog host-watchdog-mail").status.success());
    assert_eq!(
        host.run("systemctl --failed --no-legend --plain; ls /usr/bin/watchdog 2>&1 || true"),
        "ls: cannot access '/usr/bin/watchdog': No such file or directory\n"
    );
    host.run("DEBIAN_FRONTEND=noninteractive apt-get -q -y install /root/host-watchdog.deb 2>&1");
    assert_eq!(kept(&host), before);
    is_watching(&host);

    // The mail that waited through all of it comes, once.
    host.run(
        "systemctl -q unmask postfix@-.service postfix.service; systemctl start postfix; watchdog deliver",
    );
    let told = |name: &str| {
        let told = format!("unknown process {name} run by root: first seen");
        host.mails().iter().filter(|mail| text(mail).contains(&told)).count()
    };
    host.wait_for("the mail that waited", Duration::from_secs(30), || told("/tmp/kept2") > 0);
    assert_eq!((told("/tmp/kept1"), told("/tmp/kept2")), (1, 1));
}

#[test]
fn after_a_purge_nothing_is_left_and_it_can_be_installed_anew() {
    let Some(host) = Host::boot("purge") else { return };
    let everything = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log -o -path /var/cache -o -path /var/lib/apt
        -o -path /var/lib/systemd -o -path /var/tmp -o -path /root -o -path /var/lib/dpkg -o -path /var/spool \\) -prune -o -print | sort";
    let everything = &everything.replace('\n', " ");
    let before = host.run(everything);
    host.install("none");
    host.wait_for_passes(1);
    let said = host.run("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge host-watchdog 2>&1");
    assert!(said.contains("Purging configuration files for host-watchdog"), "{said}");
    let after = host.run(everything);
    let left: Vec<&str> = after.lines().filter(|path| !before.lines().any(|was| was == *path)).collect();
    assert_eq!(left, [""; 0]);
    assert_eq!(host.run("ls -d /run/host-watchdog* /etc/systemd/system/*/host-watchdog* 2>/dev/null || true; systemctl --failed --no-legend --plain"), "");

    let said = host.install("7d");
    assert!(said.contains("for the first 7d it observes"), "{said}");
    is_watching(&host);
    assert_eq!(host.run("watchdog alerts --json"), "");
}
