//! Logins and sessions over a real OpenSSH server.
// A real sshd of Linux; OpenSSH for Windows tells by events: tests/windows/logins.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "support/sshd.rs"]
mod sshd;
mod support;

use host_watchdog::finding::{Code, Finding};
use host_watchdog::host::Host;
use host_watchdog::pass::{self, At, Memories, Watching};
use host_watchdog::policy::Policy;
use host_watchdog::processes::Processes;
use host_watchdog::snapshot::Snapshot;
use host_watchdog::watch::login::LoginFacts;
use jiff::{SignedDuration, Timestamp};
use sshd::{LOG, Sshd, forget_journal, soon};
use std::fs;
use std::sync::atomic::Ordering;
use support::world;

/// A watchdog that looks at logins and sessions, and remembers.
struct Eyes {
    watches: Vec<Box<dyn Watching>>,
    memory: Memories,
    /// So far is its clock ahead.
    ahead: SignedDuration,
}

impl Eyes {
    fn new() -> Self {
        let mut watches = pass::watches();
        watches.retain(|watch| ["login", "session"].contains(&watch.name()));
        Self { watches, memory: Memories::default(), ahead: SignedDuration::ZERO }
    }

    fn look(&mut self, policy: &Policy) -> Snapshot {
        let now: Timestamp = Host::this().now() + self.ahead;
        let host = Host::this().at_moment(now);
        let at = At { host: &host, processes: &Processes::default(), now };
        pass::look_all(&mut self.watches, &at, policy, &mut self.memory)
    }

    fn logins(&mut self) -> LoginFacts {
        let snapshot = self.look(&Policy::default());
        snapshot.logins.unwrap().facts().unwrap().clone()
    }

    fn check(&mut self, policy: &str) -> Vec<Finding> {
        let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
        let snapshot = self.look(&policy);
        pass::check_all(&self.watches, &snapshot, &policy, &mut self.memory)
    }

    /// The titles of findings of these codes.
    fn titles(&mut self, policy: &str, codes: &[Code]) -> Vec<String> {
        let found = self.check(policy).into_iter().filter(|finding| codes.contains(&finding.code));
        found.map(|finding| finding.title).collect()
    }
}

/// True inside a world in which a server can be started.
fn is_entered(test: &str) -> bool {
    let is_there = std::path::Path::new("/usr/sbin/sshd").exists();
    !support::left_out("an OpenSSH server", is_there) && world::is_entered(test)
}

/// Waits until the log tells of it: the service that writes it takes a moment.
fn logged(text: &str) {
    soon(&format!("the log tells {text:?}"), || {
        String::from_utf8_lossy(&fs::read(LOG).unwrap_or_default()).contains(text)
    });
}

const REQUIRED: &str = "[sessions]\nrequire-env = \"KEYHOLDER\"\n";

#[test]
fn a_session_without_a_keyholder_is_found_with_account_address_and_terminal() {
    if !is_entered("a_session_without_a_keyholder_is_found_with_account_address_and_terminal") {
        return;
    }
    let sshd = Sshd::start();
    let mut eyes = Eyes::new();
    let codes = [Code::MissingKeyholder, Code::WrongKeyholder];
    let _good = sshd.session("alice", "key", Some("alice"), &[]);
    let _transfer = sshd.transfer("alice");
    logged("Accepted publickey for alice");
    assert_eq!(eyes.titles(REQUIRED, &codes), [""; 0]);

    let bad = sshd.session("root", "other", None, &["-tt", "-b127.0.0.9"]);
    let found: Vec<Finding> =
        eyes.check(REQUIRED).into_iter().filter(|finding| codes.contains(&finding.code)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let terminal = found[0].title.strip_prefix("SSH session of root from 127.0.0.9 (pts/").unwrap();
    assert!(terminal.ends_with(") has no KEYHOLDER"), "{terminal}");
    assert_eq!(found[0].evidence["key"], sshd.fingerprint("other"));
    assert_eq!(found[0].evidence["address told by"], "the log");
    assert_eq!(eyes.titles(&format!("{REQUIRED}{}", found[0].suggest.as_ref().unwrap()), &codes), [""; 0]);

    let gaps = eyes.look(&Policy::default()).gaps.remove("session").unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].gap.as_str(), gaps[0].seen, gaps[0].of), ("session-not-observable", 2, 3));

    drop(bad);
    soon("the session has ended", || eyes.titles(REQUIRED, &codes).is_empty());
}

#[test]
fn each_channel_of_a_shared_connection_is_a_session() {
    if !is_entered("each_channel_of_a_shared_connection_is_a_session") {
        return;
    }
    let sshd = Sshd::start();
    let control = ["-oControlMaster=auto", "-oControlPath=/run/%C"];
    let _first = sshd.session("alice", "key", Some("alice"), &control);
    let _second = sshd.session("alice", "key", None, &control);
    logged("Accepted publickey for alice");
    let titles = Eyes::new().titles(REQUIRED, &[Code::MissingKeyholder]);
    assert_eq!(titles, ["SSH session of alice from 127.0.0.1 (no terminal) has no KEYHOLDER"]);
}

#[test]
fn a_keyholder_is_held_against_the_key_of_the_login() {
    if !is_entered("a_keyholder_is_held_against_the_key_of_the_login") {
        return;
    }
    let sshd = Sshd::start();
    let _session = sshd.session("alice", "key", Some("alice"), &[]);
    logged("Accepted publickey for alice");
    let holder = |key: &str| {
        format!("{REQUIRED}[[keyholder]]\nname = \"alice\"\nkeys = [\"{}\"]\n", sshd.fingerprint(key))
    };
    let mut eyes = Eyes::new();
    assert_eq!(eyes.titles(&holder("key"), &[Code::WrongKeyholder]), [""; 0]);
    let wrong = eyes.titles(&holder("other"), &[Code::WrongKeyholder]);
    let key = sshd.fingerprint("key");
    assert_eq!(
        wrong,
        [format!("SSH session of alice from 127.0.0.1: KEYHOLDER is alice, but the key was {key}")]
    );
}

#[test]
fn logins_and_failures_are_told_once_with_user_source_and_method() {
    if !is_entered("logins_and_failures_are_told_once_with_user_source_and_method") {
        return;
    }
    let sshd = Sshd::start();
    let mut eyes = Eyes::new();
    assert_eq!(eyes.logins().logins, []);
    drop(sshd.session("alice", "key", None, &["-tt", "-b127.0.0.9"]));
    assert!(
        sshd.password("alice", "right horse")
            && !sshd.password("root", "wrong")
            && !sshd.password("root", "worse")
    );
    let name = "x from 9.9.9.9 port 22 ssh2";
    assert!(!sshd.password(name, "any"));
    logged("Failed password for invalid user x");
    logged("Failed password for root");
    // A record of a terminal waits some seconds for its line in the log, and both are one login.
    eyes.ahead = SignedDuration::from_secs(30);
    let facts = eyes.logins();
    let told: Vec<String> = facts
        .logins
        .iter()
        .map(|login| {
            let key = if login.key.is_some() { "a key" } else { "no key" };
            let terminal = if login.terminal.is_some() { "a terminal" } else { "no terminal" };
            format!("{} from {} by {}, {key}, {terminal}", login.user, login.from, login.method)
        })
        .collect();
    assert_eq!(
        told,
        [
            "alice from 127.0.0.9 by publickey, a key, a terminal",
            "alice from 127.0.0.1 by password, no key, no terminal"
        ]
    );
    let failed: u64 = facts.failed_in.iter().map(|minute| minute.count).sum();
    assert_eq!(failed, 3, "{:?}", facts.failures);
    assert!(facts.failures.iter().all(|failure| failure.from == "127.0.0.1"), "{:?}", facts.failures);
    let hostile = facts.failures.iter().find(|failure| failure.no_account).unwrap();
    assert_eq!(hostile.user, name);
    assert_eq!(facts.unlogged, []);

    let again = eyes.logins();
    assert!(again.logins.is_empty() && again.failed_in.is_empty());
    fs::rename(LOG, format!("{LOG}.1")).unwrap();
    drop(sshd.session("alice", "key", None, &[]));
    logged("Accepted publickey for alice");
    assert_eq!(eyes.logins().logins.len(), 1);
    assert_eq!(eyes.logins().logins.len(), 0);
}

#[test]
fn logins_at_the_wrong_time_and_of_the_wrong_people_are_found() {
    if !is_entered("logins_at_the_wrong_time_and_of_the_wrong_people_are_found") {
        return;
    }
    let sshd = Sshd::start();
    drop(sshd.session("alice", "key", None, &[]));
    for _ in 0..3 {
        assert!(!sshd.password("root", "wrong"));
    }
    soon("the log tells of all", || fs::read_to_string(LOG).unwrap().matches("Failed password").count() == 3);
    let codes = [Code::UnknownLogin, Code::OffHoursLogin, Code::FailedLogins];
    let rule = "[[login]]\nusers = [\"alice\"]\nfrom = [\"127.0.0.0/8\"]\nmethods = [\"publickey\"]\n";
    let titles = |logins: &str, rule: &str| {
        let policy = format!("[logins]\ntime-zone = \"UTC\"\n{logins}\n{rule}");
        Eyes::new().titles(&policy, &codes)
    };
    assert_eq!(titles("", rule), [""; 0]);
    assert_eq!(titles("failures = 2", rule), ["3 logins failed within 1h, 2 are tolerated"]);
    assert_eq!(titles("", ""), ["alice logged in from 127.0.0.1 by publickey"]);
    let in_an_hour = Host::this().now() + SignedDuration::from_hours(2);
    let hours = in_an_hour.strftime("hours = [\"%a %H:00-%H:59\"]").to_string();
    let outside = titles(&hours, rule);
    assert!(outside[0].starts_with("alice logged in from 127.0.0.1 outside the hours, "), "{outside:?}");
    assert_eq!(outside[1], "3 logins failed outside the hours within 1h");
    assert_eq!(outside.len(), 2);
}

#[test]
fn a_log_that_falls_silent_is_found() {
    if !is_entered("a_log_that_falls_silent_is_found") {
        return;
    }
    let sshd = Sshd::start();
    let mut eyes = Eyes::new();
    let silent = [Code::SourceSilent];
    let _first = sshd.session("alice", "key", None, &[]);
    logged("Accepted publickey for alice");
    assert_eq!(eyes.titles("", &silent), [""; 0]);
    sshd.logging.store(false, Ordering::SeqCst);
    let _second = sshd.session("root", "key", None, &["-tt"]);
    // Its record is there at once, and is held against the log after some seconds.
    eyes.ahead = SignedDuration::from_secs(30);
    assert_eq!(eyes.titles("", &silent), ["/var/log/auth.log does not tell of 1 SSH login (root)"]);
    // The stamps of the log are whole seconds: this one must clearly come after its first line.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let _third = sshd.session("alice", "key", None, &[]);
    // It has no terminal and so no record: its process is, after some minutes.
    let mut fresh = Eyes::new();
    fresh.ahead = SignedDuration::from_secs(600);
    let titles = fresh.titles("", &silent);
    assert_eq!(titles.len(), 1, "{titles:?}");
    assert!(
        titles[0].starts_with("/var/log/auth.log does not tell of ") && titles[0].ends_with("(alice, root)")
    );
}

#[test]
fn a_check_right_after_a_snapshot_finds_nothing_of_logins_and_sessions() {
    if !is_entered("a_check_right_after_a_snapshot_finds_nothing_of_logins_and_sessions") {
        return;
    }
    let sshd = Sshd::start();
    let _lacking = sshd.session("root", "key", None, &["-tt"]);
    let _good = sshd.session("alice", "other", Some("alice"), &[]);
    assert!(!sshd.password("root", "wrong"));
    logged("Failed password for root");
    let policy = std::path::Path::new("/run/policy.toml");
    let snapshot = support::watchdog(&["snapshot", "-o", policy.to_str().unwrap()]);
    assert!(snapshot.status.success(), "{}", String::from_utf8_lossy(&snapshot.stderr));
    let ours = ["login", "session", "keyholder", "source-silent"];
    let of_ours = || -> Vec<String> {
        let found = support::check(policy).into_iter().map(|finding| finding.to_string());
        found.filter(|finding| ours.iter().any(|word| finding.contains(word))).collect()
    };
    assert_eq!(of_ours(), [""; 0]);
    let _new = sshd.session("alice", "other", None, &["-b127.0.0.7"]);
    logged("from 127.0.0.7");
    let found = of_ours();
    assert!(
        found
            .iter()
            .any(|f| f.contains("SSH session of alice from 127.0.0.7 (no terminal) has no KEYHOLDER")),
        "{found:?}"
    );
    assert!(found.iter().any(|f| f.contains("alice logged in from 127.0.0.7 by publickey")), "{found:?}");

    let explain = |what: &str| {
        let output = support::watchdog(&["explain", what, "--policy", policy.to_str().unwrap()]);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = explain("alice@127.0.0.1");
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("alice from 127.0.0.1 by publickey: 1 login in seven days, last "), "{said}");
    assert!(said.contains("\n  allowed as login alice from 127.0.0.1 (/run/policy.toml:"), "{said}");
    let (code, said) = explain("@127.0.0.7");
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("alice logged in from 127.0.0.7 by publickey\n  not allowed\n"), "{said}");
    assert_eq!(explain("bob@"), (2, String::new()));
}

#[test]
fn where_there_is_no_log_the_journal_is_read_and_each_login_told_once() {
    let is_there = std::path::Path::new("/lib/systemd/systemd-journald").exists();
    if support::left_out("the journal of systemd", is_there)
        || !is_entered("where_there_is_no_log_the_journal_is_read_and_each_login_told_once")
    {
        return;
    }
    let sshd = Sshd::start_with_journal();
    let mut eyes = Eyes::new();
    let _session = sshd.session("alice", "key", Some("alice"), &[]);
    assert!(!sshd.password("x from 9.9.9.9 port 22 ssh2", "any"));
    let told = |eyes: &mut Eyes| {
        let facts = eyes.logins();
        let logins = facts.logins.into_iter().map(|login| format!("{} by {}", login.user, login.method));
        let failures =
            facts.failures.into_iter().map(|failure| format!("{} from {}", failure.user, failure.from));
        logins.chain(failures).collect::<Vec<String>>()
    };
    let until = |eyes: &mut Eyes, count: usize| {
        let mut all: Vec<String> = Vec::new();
        soon("the journal tells of all", || {
            all.extend(told(eyes));
            all.len() >= count
        });
        all
    };
    let all = until(&mut eyes, 2);
    assert_eq!(all, ["alice by publickey", "x from 9.9.9.9 port 22 ssh2 from 127.0.0.1"]);
    assert_eq!(told(&mut eyes), [""; 0]);
    let holder =
        format!("{REQUIRED}[[keyholder]]\nname = \"alice\"\nkeys = [\"{}\"]\n", sshd.fingerprint("other"));
    assert_eq!(eyes.titles(&holder, &[Code::WrongKeyholder]).len(), 1, "the key is known from the journal");

    assert!(sshd.password("alice", "right horse"));
    assert_eq!(until(&mut eyes, 1), ["alice by password"]);
    forget_journal(&sshd);
    assert!(sshd.password("root", "right horse"));
    let mut gaps = Vec::new();
    let mut all = Vec::new();
    soon("the journal tells of the last", || {
        let mut snapshot = eyes.look(&Policy::default());
        gaps.extend(snapshot.gaps.remove("login").unwrap_or_default());
        all.extend(snapshot.logins.unwrap().facts().unwrap().logins.clone());
        !all.is_empty()
    });
    assert_eq!((all.len(), all[0].user.as_str()), (1, "root"));
    let gaps: Vec<&str> = gaps.iter().map(|gap| gap.gap.as_str()).collect();
    assert_eq!(gaps, ["login-log-cut"]);
    assert_eq!(told(&mut eyes), [""; 0]);
}
