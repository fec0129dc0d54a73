//! The hardened unit sees what a root shell sees: the facts of both, compared whole.

use crate::host::Host;
use serde_json::Value;
use std::time::Duration;

/// A host on which there is something to be hidden from a sandbox.
const SIGHTS: &str = r#"
    # Code in every place that a sandbox may hide.
    for place in /tmp /var/tmp /home/alice /root /dev/shm /run; do cp /usr/bin/sleep $place/.sight; done
    chmod 700 /root /home/alice
    systemd-run -q --unit=sight-tmp /tmp/.sight 3600
    systemd-run -q --unit=sight-var-tmp --uid=bob /var/tmp/.sight 3600
    systemd-run -q --unit=sight-home --uid=alice /home/alice/.sight 3600
    systemd-run -q --unit=sight-root /root/.sight 3600
    systemd-run -q --unit=sight-shm --uid=deploy /dev/shm/.sight 3600
    systemd-run -q --unit=sight-run /run/.sight 3600
    # Deleted since; with a private /tmp; in a mount and a network namespace of its own.
    cp /usr/bin/sleep /tmp/.gone; systemd-run -q --unit=sight-gone /tmp/.gone 3600; sleep 0.3; rm /tmp/.gone
    systemd-run -q --unit=sight-private -p PrivateTmp=yes sh -c 'cp /usr/bin/sleep /tmp/.inner && exec /tmp/.inner 3600'
    systemd-run -q --unit=sight-network -p PrivateNetwork=yes nc -l 127.0.0.1 7777
    systemd-run -q --unit=sight-door --uid=alice nc -l 0.0.0.0 8888
    systemd-run -q --unit=sight-udp --uid=bob nc -u -l 127.0.0.1 9999
    # Of an unprivileged user who may not be traced, with a secret in the environment.
    systemd-run -q --unit=sight-undumpable --uid=nobody -p NoNewPrivileges=yes -p ProtectSystem=strict -p PrivateUsers=yes sleep 3600
    # What to read takes a right that the unit does not have.
    nft 'add table inet sight; add chain inet sight door { type filter hook input priority 0; }; add rule inet sight door tcp dport 7777 accept'
    mkdir -p /var/log/apache2; echo '198.51.100.1 - - [22/Nov/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"' >/var/log/apache2/access.log
    chmod 700 /var/log/apache2
    sleep 1
"#;

/// The unit as it is shipped, but that it prints its facts once; and one without any sandbox.
const UNITS: &str = r#"
    sed -e 's/^Type=.*/Type=oneshot/; s/^Restart=.*//; s/^WatchdogSec=.*//; s/^Wants=.*//' \
        -e 's|^ExecStart=.*|ExecStartPre=/bin/sleep 1\nExecStart=/usr/bin/watchdog snapshot --facts\nStandardOutput=file:/root/inside.json\nStandardError=journal|' \
        -e 's|/run/host-watchdog\b|/run/host-watchdog-facts|; s/^RuntimeDirectory=.*/RuntimeDirectory=host-watchdog-facts/' \
        /lib/systemd/system/host-watchdog.service >/run/systemd/system/facts-inside.service
    grep -q '^ProtectSystem=strict' /run/systemd/system/facts-inside.service
    grep -q '^User=host-watchdog' /run/systemd/system/facts-inside.service
    printf '[Service]\nType=oneshot\nExecStartPre=/bin/sleep 1\nExecStart=/usr/bin/watchdog snapshot --facts\nStandardOutput=file:/root/outside.json\nStandardError=journal\n' \
        >/run/systemd/system/facts-outside.service
    systemctl daemon-reload
"#;

/// What must differ between two looks at one host, and no more.
fn normalise(value: &mut Value) {
    let facts = value.as_object_mut().unwrap();
    // The moment, and how long looking took.
    for key in ["taken", "took-ms"] {
        facts.remove(key);
    }
    strip(value);
}

/// Figures that change from moment to moment, wherever they stand.
fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["available", "free", "computed", "io", "cpu", "load", "some", "took-ms"] {
                object.remove(key);
            }
            object.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

#[test]
fn the_hardened_unit_sees_what_a_root_shell_sees() {
    let Some(host) = Host::boot("parity") else { return };
    host.install("none");
    // Neither what the service itself starts to look, nor the mail about the sights and what the mail server does with it,
    // may come between the two looks.
    host.run_seen("systemctl stop host-watchdog host-watchdog-mail");
    host.run_seen(SIGHTS);
    host.run(UNITS);
    // What web logs are counted over begins at a full minute: both look within the same one.
    while !(2..15).contains(&jiff::Timestamp::now().as_second().rem_euclid(60)) {
        std::thread::sleep(Duration::from_millis(200));
    }
    // Each by itself, a moment later, when nobody who started it runs any more.
    for unit in ["facts-inside", "facts-outside"] {
        host.run(&format!("systemctl --no-block start {unit}"));
        host.wait_for(unit, Duration::from_secs(90), || {
            let output = host.journal_of(unit);
            output.contains(&format!("{unit}.service: Deactivated")) || output.contains("Failed")
        });
    }
    let [inside, outside] = ["inside", "outside"].map(|side| {
        let text = host.read(&format!("/root/{side}.json"));
        let mut value: Value = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("{side}: {error}\n{}", host.journal_of(&format!("facts-{side}"))));
        normalise(&mut value);
        serde_json::to_string_pretty(&value).unwrap()
    });
    for sight in [
        "/tmp/.sight",
        "/var/tmp/.sight",
        "/home/alice/.sight",
        "/root/.sight",
        "/dev/shm/.sight",
        "/run/.sight",
        "/tmp/.gone",
        "/tmp/.inner",
    ] {
        assert!(outside.contains(&format!("\"{sight}\"")), "a root shell does not see {sight}: {outside}");
    }
    for sight in ["7777 accept", "7777", "8888", "9999"] {
        assert!(outside.contains(sight), "a root shell does not see {sight}: {outside}");
    }
    let difference = difference(&inside, &outside);
    assert!(difference.is_empty(), "lines with - only the unit sees, with + only root:\n{difference}");
}

/// The lines that differ, by the `diff` of the machine.
fn difference(one: &str, other: &str) -> String {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("inside"), one).unwrap();
    std::fs::write(folder.path().join("outside"), other).unwrap();
    let output = std::process::Command::new("diff")
        .args(["-U4", "inside", "outside"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
