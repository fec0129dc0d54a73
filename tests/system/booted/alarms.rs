//! The five alarms, each by what people really do, each one mail in root's mailbox within the promised time.

use crate::host::{Host, PROMISED, subject, subjects, text};
use crate::support::Running;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Two keys: one whose sessions say who holds it, and one that says nothing.
struct Keys(tempfile::TempDir);

impl Keys {
    /// Makes them, and lets both into this account.
    fn let_into(host: &Host, user: &str) -> Self {
        let keys = Self(tempfile::TempDir::new().unwrap());
        let mut authorized = String::new();
        for (name, environment) in [("named", "environment=\"KEYHOLDER=alice\" "), ("nameless", "")] {
            let path = keys.path(name);
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path]).status();
            assert!(made.unwrap().success());
            authorized += environment;
            authorized += &fs::read_to_string(format!("{path}.pub")).unwrap();
        }
        let folder = format!("/home/{user}/.ssh");
        host.write(&format!("{folder}/authorized_keys"), &authorized);
        host.run(&format!(
            "chown -R {user}: {folder}; chmod 700 {folder}; chmod 600 {folder}/authorized_keys"
        ));
        keys
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A session of this account with this key, from this address, that stays.
    fn session(&self, host: &Host, user: &str, key: &str, from: &str) -> Running {
        let ssh = Path::new("/usr/bin/ssh").to_str().unwrap();
        Running(host.client(&[
            ssh,
            "-n",
            "-q",
            "-F",
            "none",
            "-b",
            from,
            "-i",
            &self.path(key),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            &format!("{user}@198.51.100.2"),
            "sleep",
            "1800",
        ]))
    }
}

/// Hours of the day that now, and what this test takes, does not belong to.
fn hours_without_now() -> String {
    let hour = Timestamp::now().to_zoned(TimeZone::UTC).hour();
    format!(
        "Mon-Sun {:02}:00-{:02}:00",
        (i32::from(hour) + 3).rem_euclid(24),
        (i32::from(hour) - 2).rem_euclid(24)
    )
}

/// What these people may do: alice always, bob not now; their sessions are known, so that only the login speaks.
fn people() -> String {
    format!(
        r#"schema = 1

[[login]]
users   = ["alice"]
from    = ["198.51.100.0/24"]
methods = ["publickey"]
hours   = ["Mon-Sun 00:00-24:00"]

[[login]]
users   = ["bob"]
methods = ["publickey"]
hours   = ["{}"]

[[process]]
exe   = "/usr/*/*"
users = ["alice", "bob"]

[[process]]
exe   = "/usr/lib/systemd/*"
users = ["alice", "bob"]

[[process]]
exe    = "/usr/bin/*"
script = "*"
users  = ["alice", "bob"]

[[requests]]
log   = "/var/log/nginx/access.log"
limit = {{ per = "client", max = 200, in = "1m" }}
"#,
        hours_without_now()
    )
}

#[test]
fn each_of_the_five_alarms_is_one_mail_to_root_within_the_promised_time_and_a_second_pass_mails_nothing() {
    let Some(host) = Host::boot("alarms") else { return };
    host.install("none");
    let alice = Keys::let_into(&host, "alice");
    let bob = Keys::let_into(&host, "bob");
    host.write("/etc/host-watchdog/policy.d/people.toml", &people());
    host.run("chgrp host-watchdog /etc/host-watchdog/policy.d/people.toml; watchdog validate");
    host.reload();
    host.wait_for_passes(1);
    assert_eq!(subjects(&host.mails()), [""; 0]);

    // A session that says who holds its key, at an hour that is allowed, is none of them.
    let _good = alice.session(&host, "alice", "named", "198.51.100.10");
    host.wait_for_passes(1);
    assert_eq!(subjects(&host.mails()), [""; 0]);

    let mut sessions = Vec::new();
    let mut alarm = |name: &str, act: &mut dyn FnMut() -> Option<Running>, words: &[&str]| {
        let started = Instant::now();
        sessions.extend(act());
        let mail = host.next_mail(PROMISED);
        note!("{name}: {} s until the mail lay in root's mailbox", started.elapsed().as_secs());
        let said = subject(&mail) + "\n" + &text(&mail);
        for word in words {
            assert!(said.contains(word), "{name}: no {word:?} in\n{said}");
        }
    };
    alarm(
        "a program copied to /tmp",
        &mut || {
            host.run("cp /usr/bin/sleep /tmp/.x11-agent; systemd-run -q --unit=thief --uid=nobody /tmp/.x11-agent 1800");
            None
        },
        &["web1: unknown process /tmp/.x11-agent run by nobody", "unknown-process", "thief.service"],
    );
    alarm(
        "nc -l",
        &mut || {
            host.run("systemd-run -q --unit=door nc -l 0.0.0.0 4444");
            None
        },
        &["new-listener", "4444", "/usr/bin/nc.openbsd"],
    );
    alarm(
        "ssh at a forbidden hour",
        &mut || Some(bob.session(&host, "bob", "named", "198.51.100.11")),
        &["off-hours-login", "bob", "198.51.100.11"],
    );
    alarm(
        "ssh without KEYHOLDER",
        &mut || Some(alice.session(&host, "alice", "nameless", "198.51.100.12")),
        &["missing-keyholder", "alice", "198.51.100.12", "KEYHOLDER"],
    );
    alarm(
        "a burst of web requests",
        &mut || {
            let burst = "for i in $(seq 400); do exec 3<>/dev/tcp/198.51.100.2/80
                printf 'GET /?%s HTTP/1.0\\r\\n\\r\\n' $i >&3; cat <&3 >/dev/null; done";
            assert!(host.client(&["bash", "-c", burst]).wait().unwrap().success());
            None
        },
        &["request-limit", "198.51.100.1", "400"],
    );

    host.wait_for_passes(2);
    assert_eq!(host.mails().len(), 5, "{:?}", subjects(&host.mails()));
    let open = host.run("watchdog alerts --json");
    for code in ["unknown-process", "new-listener", "off-hours-login", "missing-keyholder", "request-limit"] {
        assert!(open.contains(&format!("\"{code}\"")), "{code} is not open: {open}");
    }
}
