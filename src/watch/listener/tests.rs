//! Sockets and policies side by side: what is found, in whole.

mod explained;
mod random;
mod written;

use super::check::check;
use super::learn::learn;
use super::*;
use crate::finding::{Code, Severity};
use crate::policy::Policy;
use crate::processes::Executable;

use expect_test::{Expect, expect};
use proptest::prelude::*;

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn rules(text: &str) -> Rules {
    match Policy::from_text("policy.toml", &format!("schema = 1\n{text}")) {
        Ok(policy) => policy.listener,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn process(pid: u32, exe: &str, user: &str) -> Process {
    let exe = match exe.strip_prefix("memfd:") {
        Some(name) => Executable::Memory(name.into()),
        None => Executable::Path(exe.into()),
    };
    Process {
        pid,
        start: 100,
        since: now(),
        parent: 1,
        exe,
        script: None,
        name: "x".into(),
        args: vec!["x".into(), "-l".into()],
        uid: 0,
        user: user.into(),
        unit: None,
        container: false,
        files: None,
    }
}

fn listener(protocol: Protocol, place: &str, owners: Vec<Process>) -> Listener {
    let place: std::net::SocketAddr = place.parse().unwrap();
    Listener {
        protocol,
        address: place.ip(),
        port: place.port(),
        only_ipv6: None,
        user: "root".into(),
        inode: 1,
        owners: owners.into_iter().map(Arc::new).collect(),
        heirs: Vec::new(),
        namespace: None,
        sought: false,
    }
}

fn tcp(place: &str, exe: &str) -> Listener {
    listener(Protocol::Tcp, place, vec![process(7, exe, "root")])
}

fn facts(listeners: Vec<Listener>) -> ListenerFacts {
    ListenerFacts { listeners, ephemeral: (32_768, 60_999), sees_all: true, transaction: None }
}

fn titles(facts: &ListenerFacts, policy: &str) -> Vec<String> {
    check(facts, &rules(policy), now()).into_iter().map(|finding| finding.title).collect()
}

fn why_not(facts: &ListenerFacts, policy: &str) -> String {
    let findings = check(facts, &rules(policy), now());
    findings[0].nearest.as_ref().map(|nearest| nearest.why_not.clone()).unwrap_or_default()
}

const NGINX: &str = r#"
[[listener]]
protocol = "tcp"
bind = "any"
port = 443
exe = "/usr/sbin/nginx"
"#;

#[test]
fn a_new_port_is_reported_with_all_that_is_known() {
    let mut seen = vec![
        tcp("0.0.0.0:4444", "/usr/bin/nc"),
        tcp("[::]:4444", "/usr/bin/nc"),
        tcp("[::]:443", "/usr/sbin/nginx"),
    ];
    seen[1].only_ipv6 = Some(false);
    let found = check(&facts(seen), &rules(NGINX), now());
    expect![[r#"
        [
          {
            "code": "new-listener",
            "severity": "urgent",
            "subject": "tcp any 4444 exe=/usr/bin/nc",
            "title": "tcp port 4444 on every address is opened by /usr/bin/nc run by root",
            "evidence": {
              "protocol": "tcp",
              "listens on": [
                "0.0.0.0:4444",
                "[::]:4444 and IPv4"
              ],
              "executable": "/usr/bin/nc",
              "user": "root",
              "pid": [
                7
              ],
              "arguments": "x -l",
              "started": "2026-03-01T12:00:00Z"
            },
            "suggest": "[[listener]]\nprotocol = \"tcp\"\nbind     = \"any\"\nport     = 4444\nexe      = \"/usr/bin/nc\"\nwhy      = \"…\"\n"
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn a_rule_for_every_address_means_ipv4_and_ipv6_and_nothing_narrower() {
    for place in ["0.0.0.0:443", "[::]:443", "[::ffff:0.0.0.0]:443"] {
        assert_eq!(titles(&facts(vec![tcp(place, "/usr/sbin/nginx")]), NGINX), [""; 0], "{place}");
    }
    for (place, why) in [
        ("127.0.0.1:443", "it is for every address, and this listens on loopback"),
        ("[::1]:443", "it is for every address, and this listens on loopback"),
        ("10.0.0.1:443", "it is for every address, and this listens on 10.0.0.1"),
    ] {
        assert_eq!(why_not(&facts(vec![tcp(place, "/usr/sbin/nginx")]), NGINX), why);
    }
}

#[test]
fn a_net_holds_its_addresses_but_not_every_address() {
    let policy = NGINX.replace("any", "10.0.0.0/8");
    assert_eq!(titles(&facts(vec![tcp("10.1.2.3:443", "/usr/sbin/nginx")]), &policy), [""; 0]);
    assert_eq!(titles(&facts(vec![tcp("11.1.2.3:443", "/usr/sbin/nginx")]), &policy).len(), 1);
    let policy = NGINX.replace("any", "0.0.0.0/0");
    assert_eq!(titles(&facts(vec![tcp("0.0.0.0:443", "/usr/sbin/nginx")]), &policy).len(), 1);
}

#[test]
fn the_nearest_rule_says_what_does_not_fit() {
    for (seen, why) in [
        (tcp("0.0.0.0:443", "/usr/bin/nc"), "it is for /usr/sbin/nginx, and this is /usr/bin/nc"),
        (tcp("0.0.0.0:8443", "/usr/sbin/nginx"), "it is for port 443"),
        (tcp("0.0.0.0:8443", "/usr/bin/nc"), ""),
        (listener(Protocol::Udp, "0.0.0.0:443", vec![process(7, "/usr/sbin/nginx", "root")]), ""),
        (listener(Protocol::Tcp, "0.0.0.0:443", vec![]), "it is for /usr/sbin/nginx, and no owner was found"),
    ] {
        assert_eq!(why_not(&facts(vec![seen]), NGINX), why);
    }
    let policy = format!("{NGINX}users = [\"www-data\"]\nexpires = \"2026-02-01\"");
    assert_eq!(
        why_not(&facts(vec![tcp("0.0.0.0:443", "/usr/sbin/nginx")]), &policy),
        "user root is not one of www-data; the rule expired on 2026-02-01"
    );
}

#[test]
fn a_deleted_file_is_still_the_same_door_and_memory_is_not() {
    let mut replaced = tcp("0.0.0.0:443", "/usr/sbin/nginx");
    let mut owner = process(7, "/usr/sbin/nginx", "root");
    owner.exe = Executable::Deleted("/usr/sbin/nginx".into());
    replaced.owners = vec![Arc::new(owner)];
    assert_eq!(titles(&facts(vec![replaced.clone()]), NGINX), [""; 0]);
    assert_eq!(
        titles(&facts(vec![replaced]), ""),
        [
            "tcp port 443 on every address is opened by /usr/sbin/nginx (a deleted or replaced file) run by root"
        ]
    );
    assert_eq!(
        titles(&facts(vec![tcp("0.0.0.0:443", "memfd:kit")]), NGINX),
        ["tcp port 443 on every address is opened by memfd:kit (memory, no file) run by root"]
    );
}

#[test]
fn an_interpreter_is_named_with_its_script() {
    let python = NGINX.replace("/usr/sbin/nginx", "/usr/bin/python3.11");
    let mut seen = tcp("0.0.0.0:443", "/usr/bin/python3.11");
    let mut owner = process(7, "/usr/bin/python3.11", "root");
    owner.script = Some("/srv/evil.py".into());
    seen.owners = vec![Arc::new(owner)];
    let seen = facts(vec![seen]);
    assert_eq!(why_not(&seen, &python), "it allows no script, and this runs /srv/evil.py");
    assert_eq!(
        why_not(&seen, &format!("{python}script = \"/srv/app.py\"")),
        "it is for the script /srv/app.py"
    );
    assert_eq!(titles(&seen, &format!("{python}script = \"/srv/*.py\"")), [""; 0]);
}

#[test]
fn every_owner_must_be_allowed_but_not_those_who_inherited() {
    let mut seen = tcp("0.0.0.0:443", "/usr/sbin/nginx");
    seen.heirs = vec![Arc::new(process(8, "/usr/lib/helper", "www-data"))];
    assert_eq!(titles(&facts(vec![seen.clone()]), NGINX), [""; 0]);
    seen.owners.push(Arc::new(process(9, "/usr/sbin/mysqld", "mysql")));
    assert_eq!(
        titles(&facts(vec![seen]), NGINX),
        ["tcp port 443 on every address is opened by /usr/sbin/mysqld run by mysql"]
    );
}

#[test]
fn a_socket_of_the_service_manager_is_its_own_or_of_all_it_was_handed_to() {
    let systemd = NGINX.replace("/usr/sbin/nginx", "/usr/lib/systemd/systemd");
    let mut seen =
        listener(Protocol::Tcp, "0.0.0.0:443", vec![process(1, "/usr/lib/systemd/systemd", "root")]);
    let opened = ["tcp port 443 on every address is opened by /usr/lib/systemd/systemd run by root"];
    assert_eq!(titles(&facts(vec![seen.clone()]), &systemd), [""; 0]);
    assert_eq!(titles(&facts(vec![seen.clone()]), NGINX), opened);
    seen.heirs = vec![Arc::new(process(8, "/usr/sbin/nginx", "root"))];
    assert_eq!(titles(&facts(vec![seen.clone()]), &systemd), [""; 0]);
    assert_eq!(titles(&facts(vec![seen.clone()]), NGINX), [""; 0]);
    seen.heirs.push(Arc::new(process(9, "/usr/bin/nc", "root")));
    assert_eq!(titles(&facts(vec![seen]), NGINX), opened);
}

#[test]
fn root_is_told_of_a_socket_without_an_owner_and_others_are_told_what_they_cannot_see() {
    let mut seen = facts(vec![listener(Protocol::Udp, "0.0.0.0:51820", vec![])]);
    let rule = NGINX.replace("tcp", "udp").replace("443", "51820");
    assert_eq!(
        titles(&seen, &rule),
        ["udp port 51820 on every address is open, and no process was found that holds it"]
    );
    // Not all open files were looked through yet.
    seen.listeners[0].sought = true;
    assert_eq!(titles(&seen, &rule), [""; 0]);
    seen.listeners[0].sought = false;
    seen.sees_all = false;
    assert_eq!(titles(&seen, &rule), [""; 0]);
    assert_eq!(
        titles(&seen, ""),
        ["an ephemeral udp port on every address is open, and whose it is could not be seen"]
    );
}

#[test]
fn a_container_does_not_satisfy_a_rule_of_the_host() {
    let mut elsewhere = tcp("0.0.0.0:443", "/usr/sbin/nginx");
    elsewhere.namespace = Some(4_026_532_000);
    let mut inside = tcp("0.0.0.0:443", "/usr/sbin/nginx");
    let mut owner = process(7, "/usr/sbin/nginx", "root");
    owner.container = true;
    inside.owners = vec![Arc::new(owner)];
    let seen = facts(vec![elsewhere, inside]);
    let found = check(&seen, &rules(NGINX), now());
    // One finding for the same service in however many containers.
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Warning);
    assert_eq!(
        found[0].nearest.as_ref().unwrap().why_not,
        "it is for the host, and this is in a container or another network namespace"
    );
    assert_eq!(titles(&seen, &format!("{NGINX}container = true")), [""; 0]);
    assert_eq!(
        why_not(&facts(vec![tcp("0.0.0.0:443", "/usr/sbin/nginx")]), &format!("{NGINX}container = true")),
        "it is for containers, and this is the host's own"
    );
}

#[test]
fn udp_clients_are_one_door_for_each_program() {
    let udp = |port: u16| {
        listener(Protocol::Udp, &format!("0.0.0.0:{port}"), vec![process(7, "/usr/sbin/chronyd", "root")])
    };
    let seen = facts(vec![udp(40_000), udp(40_001), udp(123)]);
    let found = check(&seen, &Rules::default(), now());
    let told: Vec<_> = found.iter().map(|f| (f.severity, f.subject.as_str(), f.title.as_str())).collect();
    assert_eq!(
        told,
        [
            (
                Severity::Urgent,
                "udp any 123 exe=/usr/sbin/chronyd",
                "udp port 123 on every address is opened by /usr/sbin/chronyd run by root"
            ),
            (
                Severity::Warning,
                "udp any ephemeral exe=/usr/sbin/chronyd",
                "2 ephemeral udp ports on every address are opened by /usr/sbin/chronyd run by root"
            ),
        ]
    );
    assert_eq!(titles(&seen, found[1].suggest.as_ref().unwrap()).len(), 1);
}

#[test]
fn a_required_socket_that_nobody_opened_is_reported() {
    let policy = format!("{NGINX}required = true\nwhy = \"the shop\"");
    assert_eq!(titles(&facts(vec![tcp("[::]:443", "/usr/sbin/nginx")]), &policy), [""; 0]);
    let seen = facts(vec![tcp("127.0.0.1:443", "/usr/sbin/nginx")]);
    let found = check(&seen, &rules(&policy), now());
    let missing = found.iter().find(|finding| finding.code == Code::MissingListener).unwrap();
    expect![[r##"
        {
          "code": "missing-listener",
          "severity": "urgent",
          "subject": "listener tcp any 443 /usr/sbin/nginx users=",
          "title": "nothing listens on tcp port 443 on every address by /usr/sbin/nginx, as it must",
          "evidence": {
            "on that port instead": [
              "127.0.0.1:443 by /usr/sbin/nginx (7, root)"
            ],
            "rule": "policy.toml:3",
            "why the rule": "the shop"
          },
          "suggest": "# instead of the rule at policy.toml:3\n[[listener]]\nprotocol = \"tcp\"\nbind     = \"any\"\nport     = 443\nexe      = \"/usr/sbin/nginx\"\nwhy      = \"the shop\"\n"
        }"##]]
    .assert_eq(&serde_json::to_string_pretty(missing).unwrap());
    assert_eq!(titles(&facts(vec![]), missing.suggest.as_ref().unwrap()), [""; 0]);
    assert_eq!(titles(&facts(vec![]), &format!("{policy}\nexpires = \"2026-02-28\"")), [""; 0]);
}

/// A pass while, or after, packages change: what was found.
fn pass(
    listeners: Vec<Listener>,
    transaction: crate::transaction::Transaction,
    policy: &str,
    memory: &mut Memory,
) -> Vec<String> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
    let facts = ListenerFacts { transaction: Some(transaction), ..facts(listeners) };
    let seen = Facts { facts: &facts, rules: &policy.listener, now: now() };
    let found = ListenerWatch::check(&seen, memory);
    found.into_iter().map(|finding| finding.title).collect()
}

#[test]
fn a_service_that_an_upgrade_stops_for_a_moment_is_not_missed_and_what_it_opens_is_told_at_the_end() {
    use crate::transaction::{Change, Phase, Transaction};
    let at = |phase| Transaction {
        since: now(),
        phase,
        changes: vec![Change { name: "web".into(), arch: "all".into(), from: None, to: Some("1-2".into()) }],
        unverified: 0,
        fresh: [("/usr/sbin/nginx".into(), Some("web".into()))].into(),
    };
    let required = "[[listener]]\nprotocol = \"tcp\"\nbind = \"any\"\nport = 22\nrequired = true";
    let door = || tcp("0.0.0.0:80", "/usr/sbin/nginx");
    let evil = || tcp("0.0.0.0:81", "/tmp/x");
    let mut memory = crate::watch::Memory::default();
    assert_eq!(
        pass(vec![door(), evil()], at(Phase::UnderWay), required, &mut memory),
        ["tcp port 81 on every address is opened by /tmp/x run by root"]
    );
    let ended = "tcp port 80 on every address is opened by /usr/sbin/nginx run by root, installed just now by web 1-2";
    let missing = "nothing listens on tcp port 22 on every address, as it must";
    let mut again = memory.clone();
    assert_eq!(pass(vec![door()], at(Phase::Ended(now())), required, &mut memory), [ended, missing]);
    assert_eq!(pass(vec![door()], at(Phase::Ended(now())), required, &mut memory), [ended, missing]);
    // A door that was open for a moment only was open.
    assert_eq!(pass(vec![], at(Phase::UnderWay), "", &mut again), [""; 0]);
    assert_eq!(pass(vec![], at(Phase::Slow), "", &mut again)[0].split(", ").next(), ended.split(", ").next());
    assert_eq!(pass(vec![], at(Phase::Slow), "", &mut again), [""; 0], "once");
}
