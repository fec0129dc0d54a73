use super::*;
use crate::policy::Policy;
use crate::processes::Executable;
use expect_test::expect;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn rules(text: &str) -> Rules {
    Policy::from_text("policy.toml", &format!("schema = 1\n{text}")).unwrap().connection
}

fn process(pid: u32, exe: &str) -> Process {
    Process {
        pid,
        start: 100,
        since: now(),
        parent: 1,
        exe: Executable::Path(exe.into()),
        script: None,
        name: "x".into(),
        args: vec!["x".into()],
        uid: 0,
        user: "root".into(),
        unit: Some("x.service".into()),
        container: false,
        files: None,
    }
}

fn connection(protocol: Protocol, to: &str, pid: u32, exe: &str) -> Connection {
    let to: std::net::SocketAddr = to.parse().unwrap();
    let owner = Some(Arc::new(process(pid, exe)));
    Connection {
        protocol,
        to: to.ip(),
        port: to.port(),
        count: 1,
        user: "root".into(),
        owner,
        namespace: None,
        sought: false,
    }
}

fn tcp(to: &str, exe: &str) -> Connection {
    connection(Protocol::Tcp, to, 7, exe)
}

fn facts(connections: Vec<Connection>) -> ConnectionFacts {
    ConnectionFacts { connections: Some(connections), sees_all: true }
}

fn subjects(facts: &ConnectionFacts, policy: &str) -> Vec<String> {
    check::check(facts, &rules(policy), now()).into_iter().map(|finding| finding.subject).collect()
}

const DNS: &str = "[[connection]]\nprotocol = \"udp\"\nport = 53\n";

#[test]
fn a_connection_that_no_rule_allows_is_told_with_all_that_is_known() {
    let seen = facts(vec![
        tcp("203.0.113.5:443", "/tmp/x"),
        connection(Protocol::Tcp, "203.0.113.5:443", 8, "/tmp/x"),
    ]);
    let policy = "[[connection]]\nprotocol = \"tcp\"\nto = [\"10.0.0.0/8\"]\nexe = \"/tmp/x\"\n";
    let found = check::check(&seen, &rules(policy), now());
    expect![[r#"
        [
          {
            "code": "unknown-connection",
            "severity": "urgent",
            "subject": "tcp to 203.0.113.5:443 exe=/tmp/x",
            "title": "/tmp/x run by root is connected to 203.0.113.5:443 over tcp",
            "evidence": {
              "protocol": "tcp",
              "to": "203.0.113.5:443",
              "connections": 2,
              "executable": "/tmp/x",
              "user": "root",
              "pid": [
                7,
                8
              ],
              "arguments": "x",
              "unit": "x.service",
              "started": "2026-03-01T12:00:00Z"
            },
            "nearest": {
              "rule": "connection tcp to 10.0.0.0/8 by /tmp/x (policy.toml:2)",
              "why-not": "it is for 10.0.0.0/8"
            },
            "suggest": "[[connection]]\nprotocol = \"tcp\"\nto       = [\"203.0.113.5\"]\nport     = 443\nexe      = \"/tmp/x\"\nwhy      = \"…\"\n"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&found).unwrap());
    let suggested = format!("{policy}{}", found[0].suggest.as_deref().unwrap());
    assert_eq!(subjects(&seen, &suggested), [""; 0]);
}

#[test]
fn nobody_who_has_no_rule_is_told_of_connections() {
    let seen = facts(vec![tcp("203.0.113.5:443", "/tmp/x")]);
    assert_eq!(subjects(&seen, ""), [""; 0]);
    assert_eq!(subjects(&seen, DNS), ["tcp to 203.0.113.5:443 exe=/tmp/x"]);
}

#[test]
fn facts_without_connections_are_a_gap_where_the_policy_asks_for_them() {
    assert_eq!(subjects(&ConnectionFacts::default(), ""), [""; 0]);
    assert_eq!(subjects(&ConnectionFacts::default(), DNS), ["connections not looked at"]);
}

#[test]
fn one_rule_allows_the_questions_of_all_programs() {
    let ask = |exe: &str| connection(Protocol::Udp, "192.0.2.53:53", 7, exe);
    let seen = facts(vec![ask("/usr/bin/a"), ask("/usr/bin/b"), tcp("192.0.2.53:53", "/usr/bin/a")]);
    assert_eq!(subjects(&seen, DNS), ["tcp to 192.0.2.53:53 exe=/usr/bin/a"]);
}

#[test]
fn a_rule_is_as_narrow_as_it_says() {
    let rule = |more: &str| format!("[[connection]]\nprotocol = \"tcp\"\n{more}\n");
    let mut seen = tcp("[2001:db8::7]:5432", "/usr/bin/app");
    for (more, fits) in [
        ("", true),
        ("to = [\"2001:db8::/32\"]", true),
        ("to = [\"2001:db9::/32\", \"2001:db8::7\"]", true),
        ("to = [\"10.0.0.0/8\"]", false),
        ("port = 5432", true),
        ("port = \"5000-5431\"", false),
        ("exe = \"/usr/bin/*\"", true),
        ("exe = \"/usr/bin/psql\"", false),
        ("users = [\"root\"]", true),
        ("users = [\"alice\"]", false),
        ("container = true", false),
        ("expires = 2026-02-28", false),
    ] {
        assert_eq!(subjects(&facts(vec![seen.clone()]), &rule(more)).is_empty(), fits, "{more}");
    }
    seen.namespace = Some(4711);
    assert!(!subjects(&facts(vec![seen.clone()]), &rule("")).is_empty());
    assert_eq!(subjects(&facts(vec![seen]), &rule("container = true")), [""; 0]);
}

#[test]
fn an_owner_that_nobody_finds_is_a_finding_for_root_and_none_for_others() {
    let mut seen = facts(vec![Connection { owner: None, ..tcp("203.0.113.5:443", "") }]);
    let policy = "[[connection]]\nprotocol = \"tcp\"\nexe = \"/usr/bin/app\"\n";
    assert_eq!(subjects(&seen, policy), ["tcp to 203.0.113.5:443 user=root"]);
    seen.sees_all = false;
    assert_eq!(subjects(&seen, policy), [""; 0]);
}

#[test]
fn what_is_learned_is_allowed_and_short() {
    let mut all: Vec<Connection> =
        (1..30).map(|n| tcp(&format!("203.0.113.{n}:443"), "/usr/bin/browser")).collect();
    all.push(connection(Protocol::Udp, "192.0.2.53:53", 7, "/usr/bin/a"));
    all.push(connection(Protocol::Udp, "192.0.2.53:53", 8, "/usr/bin/b"));
    all.push(tcp("10.9.0.5:5432", "/usr/bin/app"));
    let seen = facts(all);
    let learned = learn::learn(&seen, "test");
    expect![[r#"
        # Where this host may connect to. Every connection needs a rule while there is one.

        [[connection]]
        protocol = "tcp"
        port     = 443
        exe      = "/usr/bin/browser"
        why      = "was connected when this policy was learned"
        by       = "test"

        [[connection]]
        protocol = "tcp"
        to       = ["10.9.0.5"]
        port     = 5432
        exe      = "/usr/bin/app"
        why      = "was connected when this policy was learned"
        by       = "test"

        [[connection]]
        protocol = "udp"
        to       = ["192.0.2.53"]
        port     = 53
        why      = "was connected when this policy was learned"
        by       = "test"
    "#]]
    .assert_eq(&learned);
    assert_eq!(subjects(&seen, &learned), [""; 0]);
}

#[test]
fn a_wrong_destination_is_refused_with_words() {
    for (to, says) in [("any", "leave `to` out"), ("10.0.0.1/8", "write 10.0.0.1 or 10.0.0.0/8")] {
        let text = format!("schema = 1\n[[connection]]\nprotocol = \"tcp\"\nto = [\"{to}\"]\n");
        let error = Policy::from_text("policy.toml", &text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
