//! What the service tells those who collect: counts over HTTP, records in the journal.

use crate::host::{Host, PROMISED, subject};

/// Asks as Prometheus would, without a program that a policy would have to allow.
fn counts(host: &Host) -> String {
    host.run(
        "exec 3<>/dev/tcp/127.0.0.1/9469
         printf 'GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' >&3
         cat <&3",
    )
}

#[test]
fn the_counts_are_told_over_http_and_each_alert_is_a_record_of_the_journal() {
    let Some(host) = Host::boot("telemetry") else { return };
    host.install("none");
    host.run("systemctl enable --now host-watchdog-metrics.socket");
    host.wait_for_passes(2);
    // The port is the watchdog's own, and no alarm.
    assert_eq!(host.mails().len(), 0, "{}", host.journal());
    let said = counts(&host);
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
    assert!(said.contains("\nhost_watchdog_running 1\n"), "{said}");
    let none = r#"host_watchdog_open_alerts{code="unknown-process",severity="urgent"} 0"#;
    assert!(said.contains(none), "{said}");
    assert!(host.run("cat /run/host-watchdog/metrics.prom").contains(none));
    let intruder = host.try_run("setpriv --reuid=nobody --clear-groups cat /run/host-watchdog/metrics.prom");
    assert!(!intruder.status.success(), "an intruder sees that he was noticed");

    host.run("cp /usr/bin/sleep /tmp/x; systemd-run -q --unit=x /tmp/x 900");
    assert_eq!(subject(&host.next_mail(PROMISED)), "web1: unknown process /tmp/x run by root");
    let said = counts(&host);
    assert!(said.contains(&none.replace("} 0", "} 1")), "{said}");
    let records = host.run(
        "journalctl -q -o json MESSAGE_ID=adc72a43bef54b0184c05d5658055096 WATCHDOG_CODE=unknown-process",
    );
    let records: Vec<serde_json::Value> =
        records.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records.len(), 1, "{records:?}");
    for (field, value) in [
        ("SYSLOG_IDENTIFIER", "host-watchdog"),
        ("PRIORITY", "2"),
        ("WATCHDOG_SEVERITY", "urgent"),
        ("WATCHDOG_STATE", "opened"),
        ("WATCHDOG_WATCH", "process"),
        ("_SYSTEMD_UNIT", "host-watchdog.service"),
    ] {
        assert_eq!(records[0][field], value, "{field} in {}", records[0]);
    }
}
