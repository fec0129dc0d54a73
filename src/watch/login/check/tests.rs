#[path = "tests/failed.rs"]
mod failed;
#[path = "tests/learned.rs"]
mod learned;

use super::super::Failures;
use super::failures::{MOST_GROUPS, Remembered};
use super::*;
use crate::policy::Policy;
use crate::rule::Span;
use crate::watch::login::{Minute, learn};
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// Hours in London, and alice from the office.
const POLICY: &str = r#"schema = 1

[logins]
time-zone = "Europe/London"
hours = ["Mon-Fri 09:00-18:00"]
failures = 5
failures-in = "10m"
off-hours-failures = 3

[[login]]
users = ["alice"]
from = ["10.8.0.0/24"]
methods = ["publickey"]
"#;

/// A Friday noon.
const NOON: &str = "2026-11-20T12:00:00Z";
/// The Sunday before, at night.
const NIGHT: &str = "2026-11-15T03:12:44Z";

fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

fn login(user: &str, from: &str, method: &str, moment: &str) -> Login {
    Login {
        user: user.into(),
        from: from.into(),
        method: method.into(),
        at: at(moment),
        key: None,
        terminal: None,
        pid: Some(77),
        told_by: "/var/log/auth.log".into(),
        ..Login::default()
    }
}

fn facts(logins: Vec<Login>) -> LoginFacts {
    LoginFacts { time_zone: Some("UTC".into()), logins, ..LoginFacts::default() }
}

/// `counts` failures in each minute from a moment on, each from a source of its own.
fn failed(counts: &[u64], from: &str) -> LoginFacts {
    let minute = |n: usize| at(from) + jiff::SignedDuration::from_mins(n.try_into().unwrap());
    let mut facts = facts(Vec::new());
    for (n, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        facts.failed_in.push(Minute { at: minute(n), count: *count });
        facts.failures.push(Failures {
            user: "root\x1b[2J".into(),
            from: Text::new(format!("192.0.2.{n}")),
            method: "password".into(),
            no_account: false,
            reason: None,
            count: *count,
            first: minute(n),
            last: minute(n),
        });
    }
    facts
}

fn findings_at(facts: &LoginFacts, policy: &str, now: &str, memory: &mut Memory) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", policy).unwrap();
    check(facts, &policy.login, at(now), memory)
}

fn findings(facts: &LoginFacts, policy: &str) -> Vec<Finding> {
    findings_at(facts, policy, "2026-11-20T12:10:00Z", &mut Memory::default())
}

fn keys(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::key).collect()
}

/// Also proves that what a finding suggests makes it go away, and no other finding come. A suggested `[logins]`
/// takes the place of the one there is.
fn shows(facts: &LoginFacts, policy: &str, expected: &Expect) {
    let found = findings(facts, policy);
    for finding in &found {
        let suggest = finding.suggest.as_ref().unwrap();
        let rest = policy.find("[[login]]").map_or("", |at| &policy[at..]);
        let amended = if suggest.starts_with("[logins]") {
            format!("schema = 1\n{suggest}{rest}")
        } else {
            format!("{policy}{suggest}")
        };
        let left = keys(&findings(facts, &amended));
        assert!(!left.contains(&finding.key()), "{suggest}");
        assert!(
            left.iter().all(|key| keys(&found).contains(key) || key.contains("off-hours-login")),
            "{left:?}"
        );
    }
    let shown: Vec<String> = found.iter().map(|f| serde_json::to_string_pretty(f).unwrap()).collect();
    expected.assert_eq(&shown.join("\n"));
}

#[test]
fn a_login_that_a_rule_allows_in_its_hours_is_no_finding() {
    let mut mapped = login("alice", "::ffff:10.8.0.3", "publickey", NOON);
    mapped.at = at("2026-11-20T09:00:00Z");
    assert_eq!(findings(&facts(vec![login("alice", "10.8.0.2", "publickey", NOON), mapped]), POLICY), []);
}

#[test]
fn an_unknown_login_names_user_source_and_method_and_the_rule_that_came_nearest() {
    let mut keyed = login("alice", "192.0.2.7", "publickey", NOON);
    keyed.key = Some("SHA256:abc".into());
    let facts = facts(vec![keyed.clone(), keyed, login("mallory", "console", "console", NOON)]);
    shows(
        &facts,
        POLICY,
        &expect![[r#"
        {
          "code": "unknown-login",
          "severity": "urgent",
          "subject": "alice from 192.0.2.7",
          "title": "alice logged in from 192.0.2.7 by publickey, 2 times",
          "evidence": {
            "user": "alice",
            "from": "192.0.2.7",
            "method": [
              "publickey"
            ],
            "at": [
              "Fri 2026-11-20 12:00:00 (Europe/London)",
              "Fri 2026-11-20 12:00:00 (Europe/London)"
            ],
            "times": 2,
            "key": [
              "SHA256:abc"
            ],
            "told by": [
              "/var/log/auth.log"
            ]
          },
          "nearest": {
            "rule": "login alice from 10.8.0.0/24 (policy.toml:10)",
            "why-not": "it came from 192.0.2.7"
          },
          "suggest": "[[login]]\nusers   = [\"alice\"]\nfrom    = [\"192.0.2.7\"]\nmethods = [\"publickey\"]\nwhy     = \"…\"\n"
        }
        {
          "code": "unknown-login",
          "severity": "urgent",
          "subject": "mallory from console",
          "title": "mallory logged in from console by console",
          "evidence": {
            "user": "mallory",
            "from": "console",
            "method": [
              "console"
            ],
            "at": [
              "Fri 2026-11-20 12:00:00 (Europe/London)"
            ],
            "times": 1,
            "told by": [
              "/var/log/auth.log"
            ]
          },
          "nearest": {
            "rule": "login alice from 10.8.0.0/24 (policy.toml:10)",
            "why-not": "the user is mallory; it came from console; the method was console"
          },
          "suggest": "[[login]]\nusers   = [\"mallory\"]\nfrom    = [\"console\"]\nmethods = [\"console\"]\nwhy     = \"…\"\n"
        }"#]],
    );
}

#[test]
fn a_login_outside_the_hours_is_one_finding_per_user_and_source() {
    let night = |minute: &str| login("alice", "10.8.0.2", "publickey", &NIGHT.replace(":12:", minute));
    shows(
        &facts(vec![night(":12:"), night(":40:")]),
        POLICY,
        &expect![[r#"
            {
              "code": "off-hours-login",
              "severity": "urgent",
              "subject": "alice from 10.8.0.2",
              "title": "alice logged in from 10.8.0.2 outside the hours, Sun 2026-11-15 03:40:44 (Europe/London), 2 times",
              "evidence": {
                "user": "alice",
                "from": "10.8.0.2",
                "method": [
                  "publickey"
                ],
                "at": [
                  "Sun 2026-11-15 03:12:44 (Europe/London)",
                  "Sun 2026-11-15 03:40:44 (Europe/London)"
                ],
                "times": 2,
                "told by": [
                  "/var/log/auth.log"
                ]
              },
              "nearest": {
                "rule": "logins (policy.toml:3)",
                "why-not": "it was Sun 2026-11-15 03:12:44 (Europe/London), the hours are Mon-Fri 09:00-18:00"
              },
              "suggest": "[[login]]\nusers   = [\"alice\"]\nfrom    = [\"10.8.0.2\"]\nmethods = [\"publickey\"]\nhours   = [\"Sun 03:00-04:00\"]\nwhy     = \"…\"\n"
            }"#]],
    );
}

#[test]
fn a_stranger_at_night_is_unknown_and_outside_the_hours() {
    let found = findings(&facts(vec![login("eve", "192.0.2.7", "password", NIGHT)]), POLICY);
    assert_eq!(keys(&found), ["unknown-login eve from 192.0.2.7", "off-hours-login eve from 192.0.2.7"]);
}

#[test]
fn hours_of_a_rule_stand_above_those_of_all() {
    let policy = format!("{POLICY}[[login]]\nusers = [\"backup\"]\nhours = [\"22:00-06:00\"]\n");
    let backup = |moment| facts(vec![login("backup", "10.9.9.9", "publickey", moment)]);
    assert_eq!(findings(&backup(NIGHT), &policy), []);
    let found = findings(&backup(NOON), &policy);
    assert_eq!(keys(&found), ["off-hours-login backup from 10.9.9.9"]);
    let why_not = &found[0].nearest.as_ref().unwrap().why_not;
    assert_eq!(why_not, "it was Fri 2026-11-20 12:00:00 (Europe/London), the rule's hours are 22:00-06:00");
}

#[test]
fn without_a_rule_nobody_may_log_in_and_a_rule_without_conditions_lets_everybody_in() {
    let facts = facts(vec![login("alice", "10.8.0.2", "publickey", NIGHT)]);
    assert_eq!(keys(&findings(&facts, "schema = 1\n")), ["unknown-login alice from 10.8.0.2"]);
    assert_eq!(keys(&findings(&facts, "schema = 1\n[logins]\n")), ["unknown-login alice from 10.8.0.2"]);
    assert_eq!(findings(&facts, "schema = 1\n[[login]]\n"), []);
}

#[test]
fn what_has_expired_allows_nothing() {
    let policy = |logins: &str, rule: &str| {
        format!(
            "schema = 1\n[logins]\nhours = [\"00:00-24:00\"]\n{logins}\n[[login]]\nusers = [\"alice\"]\n{rule}\n"
        )
    };
    let facts = facts(vec![login("alice", "10.8.0.2", "publickey", NOON)]);
    assert_eq!(findings(&facts, &policy("expires = \"2026-11-20\"", "expires = \"2026-11-20\"")), []);
    let found = findings(&facts, &policy("expires = \"2026-11-19\"", ""));
    assert_eq!(keys(&found), ["off-hours-login alice from 10.8.0.2"]);
    let found = findings(&facts, &policy("", "expires = \"2026-11-19\""));
    assert_eq!(keys(&found), ["unknown-login alice from 10.8.0.2"]);
    assert!(found[0].nearest.as_ref().unwrap().why_not.contains("expired on 2026-11-19"));
}

#[test]
fn a_log_that_keeps_silent_is_a_finding() {
    let mut facts = facts(Vec::new());
    let unlogged = |user: &str, from: Option<&str>, told_by: &str| Unlogged {
        log: "/var/log/auth.log".into(),
        user: user.into(),
        from: from.map(Text::from),
        at: at(NOON),
        pid: Some(7),
        told_by: told_by.into(),
    };
    facts.unlogged = vec![
        unlogged("root", Some("192.0.2.1"), "/var/log/wtmp"),
        unlogged("bob", None, "a process of sshd"),
    ];
    let found = findings(&facts, POLICY);
    expect![[r#"
        [
          {
            "code": "source-silent",
            "severity": "warning",
            "subject": "/var/log/auth.log",
            "title": "/var/log/auth.log does not tell of 2 SSH logins (bob, root)",
            "evidence": {
              "log": "/var/log/auth.log",
              "logins": [
                "root from 192.0.2.1 at 2026-11-20T12:00:00Z (told by /var/log/wtmp, process 7)",
                "bob at 2026-11-20T12:00:00Z (told by a process of sshd, process 7)"
              ],
              "what to look at": "is the logging service running, is sshd's LogLevel at least INFO, was the log tampered with?"
            }
          }
        ]"#]].assert_eq(&serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn a_typo_in_a_rule_of_logins_is_an_error_with_a_caret() {
    for (policy, says) in [
        ("[logins]\ntimezone = \"UTC\"", "unknown field `timezone`"),
        ("[logins]\ntime-zone = \"Europe/Lundun\"", "is not a time zone"),
        ("[logins]\nhours = [\"Mo-Fr 9-18\"]", "is not a day"),
        ("[logins]\nfailures-in = \"30s\"", "not from 1m to 7d"),
        ("[[login]]\nfrom = [\"10.8.0.0/33\"]", "is not a source"),
        ("[[login]]\nmethods = [\"pubkey\"]", "is not a way to log in"),
        ("[[login]]\nhours = [\"Mon 09:00-09:00\"]", "is no time at all"),
    ] {
        let error =
            Policy::from_text("policy.toml", &format!("schema = 1\n{policy}\n")).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains('^'), "{error}");
    }
}
