use super::*;
use crate::policy::Policy;
use crate::processes::Executable;
use expect_test::expect;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn socket(path: &str, exe: &str) -> UnixListener {
    let owner = Process {
        pid: 7,
        start: 100,
        since: now(),
        parent: 1,
        exe: Executable::Path(exe.into()),
        script: None,
        name: "x".into(),
        args: Vec::new(),
        uid: 33,
        user: "www-data".into(),
        unit: None,
        container: false,
        files: None,
    };
    UnixListener { path: path.into(), owners: vec![Arc::new(owner)], sought: false }
}

fn found(facts: &UnixListenerFacts, text: &str) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{text}")).unwrap();
    check::check(facts, &policy.unix_listener, now())
}

#[test]
fn a_socket_that_no_rule_allows_is_told_and_learned_ones_are_silent() {
    let facts = UnixListenerFacts {
        sockets: Some(vec![
            socket("/run/a", "/usr/bin/a"),
            socket("/tmp/x", "/tmp/evil"),
            socket("@y", "/usr/bin/a"),
        ]),
        sees_all: true,
    };
    let policy =
        "[[unix-listener]]\npath = \"/run/*\"\nexe = \"/usr/bin/a\"\n[[unix-listener]]\npath = \"@y\"\n";
    expect![[r#"
        [
          {
            "code": "new-unix-listener",
            "severity": "warning",
            "subject": "/tmp/x exe=/tmp/evil",
            "title": "everybody on the host may talk to /tmp/x, opened by /tmp/evil run by www-data",
            "evidence": {
              "path": "/tmp/x",
              "executable": "/tmp/evil",
              "user": "www-data",
              "pid": 7
            },
            "suggest": "[[unix-listener]]\npath = \"/tmp/x\"\nexe  = \"/tmp/evil\"\nwhy  = \"…\"\n"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&found(&facts, policy)).unwrap());
    assert_eq!(found(&facts, &check::learn(&facts, "test")), []);
    assert_eq!(found(&facts, ""), []);
    let other = "[[unix-listener]]\npath = \"/tmp/x\"\nexe = \"/usr/bin/a\"\n";
    assert_eq!(found(&facts, other).len(), 3);
}

#[test]
fn facts_without_them_are_a_gap_where_the_policy_asks() {
    let subjects = |text: &str| -> Vec<String> {
        found(&UnixListenerFacts::default(), text).into_iter().map(|finding| finding.subject).collect()
    };
    assert_eq!(subjects(""), [""; 0]);
    assert_eq!(subjects("[[unix-listener]]\npath = \"/run/a\"\n"), ["unix-listeners not looked at"]);
}
