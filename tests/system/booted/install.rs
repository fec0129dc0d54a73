//! Installed with apt: it watches at once, and a quiet host is quiet.

use crate::host::{Host, subjects};

const NONE: [&str; 0] = [];

fn is_quiet_after_its_installation(host: &Host, passes: u32) {
    let said = host.install("none");
    assert!(
        said.contains(
            "host-watchdog: learned what runs here now and allows it: /etc/host-watchdog/policy.toml"
        ),
        "{said}"
    );
    assert!(said.contains("it watches at once"), "{said}");
    let active = host.run(
        "systemctl is-active host-watchdog.service host-watchdog-mail.service host-watchdog-sendmail.path
         systemctl is-enabled host-watchdog.service host-watchdog-mail.service host-watchdog-sendmail.path",
    );
    assert_eq!(active, "active\nactive\nactive\nenabled\nenabled\nenabled\n");
    assert_eq!(host.run("systemctl --failed --no-legend --plain"), "");
    assert_eq!(
        host.run("stat -c '%U:%G %a %n' /etc/host-watchdog/policy.toml /var/lib/host-watchdog /var/lib/host-watchdog/outbox"),
        "root:host-watchdog 640 /etc/host-watchdog/policy.toml\n\
         host-watchdog:host-watchdog-mail 710 /var/lib/host-watchdog\n\
         host-watchdog:host-watchdog-mail 2750 /var/lib/host-watchdog/outbox\n"
    );
    let valid = host.run("watchdog validate");
    assert!(valid.contains("/etc/host-watchdog/policy.toml"), "{valid}");

    host.wait_for_passes(passes);
    assert_eq!(subjects(&host.mails()), NONE);
    let status = host.run("watchdog status --json");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["open-alerts"], 0, "{status}");
    assert_eq!(status["outbox"]["waiting"], 0, "{status}");
    for name in ["listener", "login", "process", "request", "resource", "session", "update"] {
        let watch = &status["watches"][name];
        assert!(watch["looked"].is_string(), "the {name} watch never looked: {status}");
        assert_eq!(watch["looked"], watch["saw"], "the {name} watch saw nothing: {status}");
    }
    assert_eq!(host.run("watchdog alerts --json"), "");
}

#[test]
fn installed_with_apt_it_learns_a_policy_watches_at_once_and_a_quiet_host_is_quiet() {
    let Some(host) = Host::boot("install") else { return };
    is_quiet_after_its_installation(&host, 3);

    // The doctor finds nothing wrong but what is: nobody reads root's mail elsewhere. Its mail goes the whole way.
    let said = String::from_utf8(host.try_run("watchdog doctor --json").stdout).unwrap();
    let checks = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let (fine, other): (Vec<_>, Vec<_>) = checks.partition(|check| check["verdict"] == "ok");
    let other: Vec<String> = other
        .iter()
        .map(|check| format!("{} {}", check["verdict"], check["check"]).replace('"', ""))
        .collect();
    assert_eq!(other, ["note events", "note clock", "warning root-mail"], "{said}");
    assert!(fine.len() >= 15, "{said}");
    assert!(said.contains("accepted by the server") && said.contains("250 "), "{said}");
    let within = std::time::Duration::from_secs(20);
    assert_eq!(crate::host::subject(&host.next_mail(within)), "web1: a test of the watchdog's mail");
    let said = host.run("watchdog mail test");
    assert!(said.contains("250 "), "{said}");
    assert_eq!(crate::host::subject(&host.next_mail(within)), "web1: a test of the watchdog's mail");

    // It comes up again by itself.
    host.reboot();
    host.wait_for_passes(1);
    assert_eq!(
        host.run("systemctl is-active host-watchdog.service host-watchdog-mail.service"),
        "active\nactive\n"
    );
    assert_eq!(host.mails().len(), 2, "{:?}", subjects(&host.mails()));
}

#[test]
fn on_debian_13_too_it_learns_a_policy_and_a_quiet_host_is_quiet() {
    let Some(host) = Host::boot_suite("trixie", "trixie") else { return };
    is_quiet_after_its_installation(&host, 2);
    learns_its_policy_at_the_first_boot_of_a_machine_made_from_an_image(&host);
}

/// In an image there was no systemd when the package was installed, so nothing was learned.
fn learns_its_policy_at_the_first_boot_of_a_machine_made_from_an_image(host: &Host) {
    host.run(
        "systemctl stop host-watchdog host-watchdog-mail host-watchdog-sendmail.path
         rm /etc/host-watchdog/policy.toml
         find /var/lib/host-watchdog -mindepth 1 -delete",
    );
    host.reboot();
    host.wait_for_passes(2);
    let learned = host.journal_of("host-watchdog-learn");
    assert!(learned.contains("learned what runs here now and allows it"), "{learned}");
    assert_eq!(
        host.run("stat -c '%U:%G %a' /etc/host-watchdog/policy.toml; systemctl is-active host-watchdog host-watchdog-mail"),
        "root:host-watchdog 640\nactive\nactive\n"
    );
    assert_eq!(subjects(&host.mails()), NONE);
    assert_eq!(host.run("watchdog alerts --json"), "");
}
