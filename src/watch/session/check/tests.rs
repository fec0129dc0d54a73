use super::*;
use crate::policy::Policy;
use crate::watch::session::{Leader, learn};
use expect_test::{Expect, expect};
use proptest::prelude::*;

const KEY: &str = "SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs";
const OTHER: &str = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k";
const REQUIRED: &str = "schema = 1\n[sessions]\nrequire-env = \"KEYHOLDER\"\n";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn session(account: &str, from: Option<&str>, value: Option<&str>) -> Session {
    let leader = Leader {
        pid: 4711,
        start: 99,
        since: "2026-11-22T11:00:00Z".parse().unwrap(),
        exe: "/usr/bin/bash".into(),
        user: account.into(),
    };
    Session {
        account: account.into(),
        from: from.map(Text::from),
        port: Some(50_000),
        told_by: from.map(|_| ToldBy::Environment),
        terminal: Some("pts/0".into()),
        value: value.map(Text::from),
        method: None,
        key: None,
        leader,
    }
}

/// As a log that tells of the login.
fn by_key(mut session: Session, key: &str) -> Session {
    (session.method, session.key) = (Some("publickey".into()), Some(key.into()));
    session.told_by = Some(ToldBy::Log);
    session
}

fn facts(sessions: Vec<Session>) -> SessionFacts {
    SessionFacts { variable: "KEYHOLDER".into(), sessions, ..SessionFacts::default() }
}

fn findings(facts: &SessionFacts, policy: &str) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", policy).unwrap();
    check(facts, &policy.session, now())
}

/// Also proves that adding what a finding suggests makes it go away, and nothing else come.
fn shows(facts: &SessionFacts, policy: &str, expected: &Expect) {
    let found = findings(facts, policy);
    for finding in &found {
        let suggest = finding.suggest.as_ref().unwrap();
        let left = findings(facts, &format!("{policy}{suggest}"));
        assert_eq!(left.len(), found.len() - 1, "{suggest}");
        assert!(left.iter().all(|other| other.key() != finding.key()), "{suggest}");
        Policy::from_text("suggest.toml", &format!("schema = 1\n{suggest}")).unwrap();
    }
    let lines: Vec<String> =
        found.iter().map(|finding| serde_json::to_string_pretty(finding).unwrap()).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_session_without_the_variable_is_a_finding_with_account_address_and_terminal() {
    let facts = facts(vec![
        session("root", Some("10.8.0.9"), None),
        session("root", Some("10.8.0.2"), Some("alice")),
    ]);
    shows(
        &facts,
        REQUIRED,
        &expect![[r#"
        {
          "code": "missing-keyholder",
          "severity": "urgent",
          "subject": "root from 10.8.0.9",
          "title": "SSH session of root from 10.8.0.9 (pts/0) has no KEYHOLDER",
          "evidence": {
            "account": "root",
            "from": "10.8.0.9",
            "address told by": "the session's own environment, which its owner can change",
            "sessions": [
              "/usr/bin/bash as root, pts/0, port 50000, since 2026-11-22T11:00:00Z, process 4711"
            ]
          },
          "suggest": "[[session]]\naccounts = [\"root\"]\nfrom     = [\"10.8.0.9\"]\nwhy      = \"…\"\n"
        }"#]],
    );
}

#[test]
fn several_sessions_of_one_account_and_address_are_one_finding() {
    let mut second = session("root", Some("10.8.0.9"), None);
    second.terminal = None;
    second.leader.pid = 4712;
    let facts = facts(vec![session("root", Some("10.8.0.9"), None), second, session("bob", None, Some(""))]);
    let titles: Vec<String> = findings(&facts, REQUIRED).into_iter().map(|f| f.title).collect();
    assert_eq!(
        titles,
        [
            "SSH session of bob from an unknown address (pts/0) has an empty KEYHOLDER",
            "2 SSH sessions of root from 10.8.0.9 have no KEYHOLDER",
        ]
    );
}

#[test]
fn accounts_and_exceptions_limit_what_is_required() {
    let facts =
        facts(vec![session("backup", Some("10.8.0.9"), None), session("root", Some("10.8.0.9"), None)]);
    let subjects = |policy: &str| findings(&facts, policy).into_iter().map(|f| f.subject).collect::<Vec<_>>();
    assert_eq!(subjects(&format!("{REQUIRED}accounts = [\"root\"]\n")), ["root from 10.8.0.9"]);
    let with = |rule: &str| subjects(&format!("{REQUIRED}[[session]]\n{rule}"));
    assert_eq!(with("accounts = [\"backup\"]"), ["root from 10.8.0.9"]);
    assert_eq!(with("accounts = [\"backup\", \"root\"]\nfrom = [\"10.8.0.0/24\"]"), [""; 0]);
    assert_eq!(with("accounts = [\"backup\", \"root\"]\nfrom = [\"10.9.0.0/24\"]").len(), 2);
    assert_eq!(with("expires = \"2026-11-21\"").len(), 2);
    assert_eq!(subjects("schema = 1\n"), [""; 0]);
}

fn holders() -> String {
    format!("{REQUIRED}[[keyholder]]\nname = \"alice\"\nkeys = [\"{KEY}\"]\naccounts = [\"root\"]\n")
}

#[test]
fn a_key_holder_is_held_against_key_and_account() {
    let right = by_key(session("root", Some("10.8.0.2"), Some("alice")), KEY);
    shows(&facts(vec![right.clone()]), &holders(), &expect![""]);
    let mut by_password = right.clone();
    (by_password.method, by_password.key) = (Some("password".into()), None);
    let sessions = vec![
        right,
        by_key(session("root", Some("10.8.0.3"), Some("alice")), OTHER),
        by_key(session("bob", Some("10.8.0.3"), Some("alice")), KEY),
        by_key(session("root", Some("10.8.0.3"), Some("mallory")), OTHER),
        by_password,
    ];
    shows(
        &facts(sessions),
        &holders(),
        &expect![[r#"
        {
          "code": "wrong-keyholder",
          "severity": "urgent",
          "subject": "alice as bob with SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs",
          "title": "SSH session of bob from 10.8.0.3: KEYHOLDER is alice, who may not enter bob",
          "evidence": {
            "holder": "alice",
            "account": "bob",
            "from": "10.8.0.3",
            "address told by": "the log",
            "sessions": [
              "/usr/bin/bash as bob, pts/0, port 50000, since 2026-11-22T11:00:00Z, process 4711"
            ],
            "method": "publickey",
            "key": "SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs"
          },
          "nearest": {
            "rule": "keyholder alice (policy.toml:4)",
            "why-not": "the account is bob"
          },
          "suggest": "[[keyholder]]\nname     = \"alice\"\nkeys     = [\"SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs\"]\naccounts = [\"bob\"]\nwhy      = \"…\"\n"
        }
        {
          "code": "wrong-keyholder",
          "severity": "urgent",
          "subject": "alice as root with no key",
          "title": "SSH session of root from 10.8.0.2: KEYHOLDER is alice, but it came in by password, with no key",
          "evidence": {
            "holder": "alice",
            "account": "root",
            "from": "10.8.0.2",
            "address told by": "the log",
            "sessions": [
              "/usr/bin/bash as root, pts/0, port 50000, since 2026-11-22T11:00:00Z, process 4711"
            ],
            "method": "password"
          },
          "nearest": {
            "rule": "keyholder alice (policy.toml:4)",
            "why-not": "it came in by password, with no key"
          },
          "suggest": "[[keyholder]]\nname     = \"alice\"\nkeys     = [\"none\"]\naccounts = [\"root\"]\nwhy      = \"…\"\n"
        }
        {
          "code": "wrong-keyholder",
          "severity": "urgent",
          "subject": "alice as root with SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k",
          "title": "SSH session of root from 10.8.0.3: KEYHOLDER is alice, but the key was SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k",
          "evidence": {
            "holder": "alice",
            "account": "root",
            "from": "10.8.0.3",
            "address told by": "the log",
            "sessions": [
              "/usr/bin/bash as root, pts/0, port 50000, since 2026-11-22T11:00:00Z, process 4711"
            ],
            "method": "publickey",
            "key": "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k"
          },
          "nearest": {
            "rule": "keyholder alice (policy.toml:4)",
            "why-not": "the key was SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k"
          },
          "suggest": "[[keyholder]]\nname     = \"alice\"\nkeys     = [\"SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k\"]\naccounts = [\"root\"]\nwhy      = \"…\"\n"
        }
        {
          "code": "wrong-keyholder",
          "severity": "urgent",
          "subject": "mallory as root with SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k",
          "title": "SSH session of root from 10.8.0.3: KEYHOLDER is mallory, whom the policy does not know",
          "evidence": {
            "holder": "mallory",
            "account": "root",
            "from": "10.8.0.3",
            "address told by": "the log",
            "sessions": [
              "/usr/bin/bash as root, pts/0, port 50000, since 2026-11-22T11:00:00Z, process 4711"
            ],
            "method": "publickey",
            "key": "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k"
          },
          "nearest": {
            "rule": "keyholder alice (policy.toml:4)",
            "why-not": "the holder is mallory; the key was SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k"
          },
          "suggest": "[[keyholder]]\nname     = \"mallory\"\nkeys     = [\"SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDgcbEBrHkVEYKeo1k\"]\naccounts = [\"root\"]\nwhy      = \"…\"\n"
        }"#]],
    );
}

#[test]
fn a_key_that_nothing_tells_of_is_not_called_wrong() {
    let unknown = session("root", Some("10.8.0.2"), Some("alice"));
    assert_eq!(findings(&facts(vec![unknown]), &holders()), []);
}

#[test]
fn facts_that_tell_of_another_variable_are_not_enough() {
    let policy = REQUIRED.replace("KEYHOLDER", "PERSON");
    let found = findings(&facts(vec![session("root", None, Some("alice"))]), &policy);
    assert_eq!(found[0].title, "the facts tell of KEYHOLDER, the policy requires PERSON");
}

#[test]
fn the_learned_policy_requires_the_variable_and_excepts_what_lacks_it_now() {
    let facts = facts(vec![
        session("root", Some("10.8.0.9"), None),
        session("root", Some("10.8.0.10"), Some("")),
        session("root", None, None),
        session("alice", Some("10.8.0.2"), Some("alice")),
    ]);
    let learned = learn::learn(&facts, "watchdog 2026-11-22", now());
    expect![[r#"
        # What every SSH session must have. A [[keyholder]] with name, keys and accounts for each person makes it a proof.

        [sessions]
        require-env = "KEYHOLDER"
        why         = "every session must name who holds its key"
        by          = "watchdog 2026-11-22"

        [[session]]
        accounts = ["root"]
        why      = "had no KEYHOLDER when this policy was learned; remove this rule"
        by       = "watchdog 2026-11-22"
        expires  = "2026-11-29"

        [[session]]
        accounts = ["root"]
        from     = ["10.8.0.10", "10.8.0.9"]
        why      = "had no KEYHOLDER when this policy was learned; remove this rule"
        by       = "watchdog 2026-11-22"
        expires  = "2026-11-29"
    "#]].assert_eq(&learned);
    let policy = format!("schema = 1\n{learned}");
    assert_eq!(findings(&facts, &policy), []);
    let later = Policy::from_text("policy.toml", &policy).unwrap();
    let in_ten_days = now() + jiff::SignedDuration::from_hours(240);
    assert_eq!(check(&facts, &later.session, in_ten_days).len(), 3);
    let news =
        super::super::SessionFacts { sessions: vec![session("alice", Some("10.8.0.9"), None)], ..facts };
    assert_eq!(findings(&news, &policy).len(), 1);
}

#[test]
fn on_windows_an_account_of_a_domain_is_held_against_its_own_rules_in_any_case() {
    let policy = r#"schema = 1
[sessions]
require-env = "KEYHOLDER"
[[session]]
accounts = ['corp\BACKUP']
[[keyholder]]
name = "alice"
keys = ["SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs"]
accounts = ["Administrator"]
"#;
    let key = "SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs";
    let sessions = vec![
        session(r"CORP\backup", Some("10.8.0.9"), None),
        session("backup", Some("10.8.0.9"), None),
        by_key(session("administrator", Some("10.8.0.2"), Some("alice")), key),
        by_key(session(r"CORP\Administrator", Some("10.8.0.2"), Some("alice")), key),
        by_key(session("administrator", Some("10.8.0.3"), Some("alice")), "SHA256:other"),
    ];
    let facts = SessionFacts { names: crate::watch::login::Names::Windows, ..facts(sessions) };
    let shown: Vec<String> =
        findings(&facts, policy).iter().map(|f| format!("{}: {}", f.code, f.title)).collect();
    expect![[r#"
        missing-keyholder: SSH session of backup from 10.8.0.9 (pts/0) has no KEYHOLDER
        wrong-keyholder: SSH session of CORP\Administrator from 10.8.0.2: KEYHOLDER is alice, who may not enter CORP\Administrator
        wrong-keyholder: SSH session of administrator from 10.8.0.3: KEYHOLDER is alice, but the key was SHA256:other"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn a_typo_in_a_rule_of_sessions_is_an_error_with_a_caret() {
    for (policy, says) in [
        ("[sessions]\nrequire_env = \"X\"", "unknown field `require_env`"),
        ("[sessions]\nrequire-env = \"A B\"", "is not the name of a variable"),
        ("[[session]]\nfrom = [\"10.8.0\"]", "is not a source"),
        ("[[keyholder]]\nname = \"a\"\nkeys = [\"SHA256:x\"]", "is not a fingerprint"),
        ("[[keyholder]]\nkeys = []", "missing field `name`"),
    ] {
        let error =
            Policy::from_text("policy.toml", &format!("schema = 1\n{policy}\n")).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains('^'), "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_learned_allows_what_was_seen(
        sessions in proptest::collection::vec((any::<Vec<u8>>(), proptest::option::of(any::<Vec<u8>>()), proptest::option::of(any::<Vec<u8>>())), 0..5)
    ) {
        let sessions = sessions.into_iter().map(|(account, from, value)| Session {
            account: Text::new(account),
            from: from.map(Text::new),
            value: value.map(Text::new),
            ..session("x", None, None)
        });
        let facts = facts(sessions.collect());
        let learned = format!("schema = 1\n{}", learn::learn(&facts, "test", now()));
        prop_assert_eq!(findings(&facts, &learned), []);
    }
}
