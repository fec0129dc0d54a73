#[path = "tests/gaps.rs"]
mod gaps;

use super::super::follow::tests::Shelf;
use super::super::tests::{logon, security, xml};
use super::*;
use crate::policy::Policy;
use crate::watch::login::LoginWatch;
use crate::watch::{Facts, Memory, Watch};
use expect_test::expect;

const RCM: &str = "Microsoft-Windows-TerminalServices-RemoteConnectionManager";
const LSM: &str = "Microsoft-Windows-TerminalServices-LocalSessionManager";

/// A host: its channels, and what is remembered of them.
#[derive(Default)]
struct Host {
    channels: BTreeMap<&'static str, Shelf>,
    broken: BTreeMap<&'static str, ErrorKind>,
    remembered: Remembered,
}

impl Host {
    fn has(mut self, channel: &'static str, events: Vec<String>) -> Self {
        self.channels.entry(channel).or_default().events.extend(events);
        self
    }

    fn look(&mut self, now: &str, bounds: Bounds) -> (Outcome, Vec<Gap>) {
        // What is remembered goes through the store.
        let stored = serde_json::to_string(&self.remembered).unwrap();
        self.remembered = serde_json::from_str(&stored).unwrap();
        let mut gaps = Vec::new();
        let open = |name: &str| match (self.broken.get(name), self.channels.get(name)) {
            (Some(kind), _) => Err(io::Error::from(*kind)),
            (None, Some(channel)) => Ok(channel.open()),
            (None, None) => Err(io::Error::from(ErrorKind::NotFound)),
        };
        let name_of = |sid: &str| (sid == "S-1-5-21-1-2-3-1105").then(|| r"CORP\alice".to_owned());
        let now = now.parse().unwrap();
        (within(bounds, &mut self.remembered, now, &mut gaps, open, name_of), gaps)
    }

    fn facts(&mut self, now: &str) -> (LoginFacts, Vec<String>) {
        let (outcome, gaps) = self.look(now, BOUNDS);
        let Outcome::Facts(facts) = outcome else { panic!("{outcome:?}") };
        let gaps = gaps.iter().map(|gap| format!("{} {} of {}: {}", gap.gap, gap.seen, gap.of, gap.why));
        (*facts, gaps.collect())
    }
}

fn user_data(
    channel: &'static str,
    provider: &str,
    id: u32,
    record: u64,
    at: &str,
    fields: &[(&str, &str)],
) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
    let data = format!("<UserData><EventXML xmlns='Event_NS'>{fields}</EventXML></UserData>");
    xml(channel, provider, id, record, at, &data)
}

fn sshd(record: u64, at: &str, payload: &str) -> String {
    let data = format!(
        "<EventData><Data Name='process'>sshd</Data><Data Name='payload'>{payload}</Data></EventData>"
    );
    xml(OPENSSH, "OpenSSH", 4, record, at, &data)
}

const RCM_LOG: &str = "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational";
const LSM_LOG: &str = "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational";

/// A night on a host: somebody tries, gets in over RDP, makes himself an account and clears the log.
fn night() -> Host {
    let fail = |record: u64, at: &str| {
        let fields = [
            ("TargetUserName", "Administrator"),
            ("TargetDomainName", "WEB1"),
            ("Status", "0xc000006d"),
            ("SubStatus", "0xc000006a"),
            ("LogonType", "3"),
            ("IpAddress", "192.0.2.7"),
            ("WorkstationName", "kali"),
        ];
        security(4625, record, at, &fields)
    };
    let of_sshd = [
        ("ProcessName", "C:\\Windows\\System32\\OpenSSH\\sshd.exe"),
        ("IpAddress", "-"),
        ("TargetLogonId", "0x77"),
    ];
    let by = [
        ("SubjectUserName", "alice"),
        ("SubjectDomainName", "CORP"),
        ("SubjectUserSid", "S-1-5-21-1-2-3-1105"),
    ];
    let account =
        [("TargetUserName", "eve"), ("TargetDomainName", "WEB1"), ("TargetSid", "S-1-5-21-9-9-9-1005")];
    let group = [
        ("MemberName", "-"),
        ("MemberSid", "S-1-5-21-9-9-9-1005"),
        ("TargetUserName", "Administrators"),
        ("TargetDomainName", "Builtin"),
        ("TargetSid", "S-1-5-32-544"),
    ];
    Host::default()
        .has(SECURITY, vec![
            logon(1, "2026-11-22T02:00:00Z", "5", &[("TargetUserSid", "S-1-5-18")]),
            fail(2, "2026-11-22T03:00:00Z"),
            fail(3, "2026-11-22T03:00:01Z"),
            fail(4, "2026-11-22T03:00:02Z"),
            logon(5, "2026-11-22T03:10:00Z", "3", &[("TargetLogonId", "0x1")]),
            logon(6, "2026-11-22T03:10:01Z", "10", &[("TargetLogonId", "0x2"), ("TargetLinkedLogonId", "0x3")]),
            logon(7, "2026-11-22T03:10:01Z", "10", &[("TargetLogonId", "0x3"), ("TargetLinkedLogonId", "0x2")]),
            security(4672, 8, "2026-11-22T03:10:01Z", &[("SubjectLogonId", "0x2"), ("SubjectUserName", "alice")]),
            security(4720, 9, "2026-11-22T03:12:00Z", &[&account[..], &by].concat()),
            security(4732, 10, "2026-11-22T03:12:01Z", &[&group[..], &by].concat()),
            logon(11, "2026-11-22T03:20:00Z", "3", &of_sshd),
            security(4634, 12, "2026-11-22T03:25:00Z", &[("TargetLogonId", "0x2")]),
            user_data(SECURITY, "Microsoft-Windows-Eventlog", 1102, 13, "2026-11-22T03:30:00Z", &[("SubjectUserName", "alice"), ("SubjectDomainName", "CORP")]),
        ])
        .has("System", vec![])
        .has(RCM_LOG, vec![user_data(RCM_LOG, RCM, 1149, 1, "2026-11-22T03:10:00.5Z", &[("Param1", "alice"), ("Param2", "CORP"), ("Param3", "10.8.0.2")])])
        .has(LSM_LOG, vec![user_data(LSM_LOG, LSM, 21, 1, "2026-11-22T03:10:03Z", &[("User", "CORP\\alice"), ("SessionID", "3"), ("Address", "10.8.0.2")])])
        .has(OPENSSH, vec![
            sshd(1, "2026-11-22T03:20:00Z", "Accepted publickey for corp\\\\alice from 10.8.0.2 port 50000 ssh2: ED25519 SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs"),
            sshd(2, "2026-11-22T03:21:00Z", "Failed password for invalid user admin from 192.0.2.9 port 4711 ssh2"),
        ])
}

#[test]
fn a_night_is_told_by_each_thing_that_happened_once() {
    let mut host = night();
    let (facts, gaps) = host.facts("2026-11-22T04:00:00Z");
    expect![[r#"
        {
          "logins": [
            {
              "user": "CORP\\alice",
              "from": "10.8.0.2",
              "method": "rdp",
              "at": "2026-11-22T03:10:01Z",
              "terminal": "session 3",
              "told-by": "Security",
              "administrator": true,
              "until": "2026-11-22T03:25:00Z"
            },
            {
              "user": "CORP\\alice",
              "from": "10.8.0.2",
              "method": "publickey",
              "at": "2026-11-22T03:20:00Z",
              "key": "SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs",
              "pid": 744,
              "told-by": "OpenSSH/Operational"
            }
          ],
          "failures": [
            {
              "user": "Administrator",
              "from": "192.0.2.7",
              "method": "network",
              "reason": "wrong-password",
              "count": 3,
              "first": "2026-11-22T03:00:00Z",
              "last": "2026-11-22T03:00:02Z"
            },
            {
              "user": "admin",
              "from": "192.0.2.9",
              "method": "password",
              "no-account": true,
              "count": 1,
              "first": "2026-11-22T03:21:00Z",
              "last": "2026-11-22T03:21:00Z"
            }
          ],
          "failed-in": [
            {
              "at": "2026-11-22T03:00:00Z",
              "count": 3
            },
            {
              "at": "2026-11-22T03:21:00Z",
              "count": 1
            }
          ],
          "sources": [
            {
              "name": "Security",
              "read": 13,
              "last": "2026-11-22T03:30:00Z"
            },
            {
              "name": "System",
              "read": 0
            },
            {
              "name": "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
              "read": 1,
              "last": "2026-11-22T03:10:00.5Z"
            },
            {
              "name": "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
              "read": 1,
              "last": "2026-11-22T03:10:03Z"
            },
            {
              "name": "OpenSSH/Operational",
              "read": 2,
              "last": "2026-11-22T03:21:00Z"
            }
          ],
          "changes": [
            {
              "kind": "account-created",
              "at": "2026-11-22T03:12:00Z",
              "what": "eve",
              "sid": "S-1-5-21-9-9-9-1005",
              "actor": "CORP\\alice",
              "told-by": "Security"
            },
            {
              "kind": "group-changed",
              "at": "2026-11-22T03:12:01Z",
              "what": "eve",
              "sid": "S-1-5-21-9-9-9-1005",
              "group": "Administrators",
              "group-sid": "S-1-5-32-544",
              "actor": "CORP\\alice",
              "told-by": "Security"
            },
            {
              "kind": "audit-log-cleared",
              "at": "2026-11-22T03:30:00Z",
              "what": "Security",
              "actor": "CORP\\alice",
              "told-by": "Security"
            }
          ],
          "left-out": {
            "service": 1
          },
          "names": "windows"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&facts).unwrap());
    assert_eq!(gaps, Vec::<String>::new());
    let (again, _) = host.facts("2026-11-22T04:01:00Z");
    assert_eq!((again.logins.len(), again.failures.len(), again.changes.len()), (0, 0, 0));
}

#[test]
fn the_night_makes_these_findings() {
    let policy = r#"schema = 1
[logins]
time-zone = "Europe/London"
hours = ["Mon-Fri 09:00-18:00"]
failures = 2
off-hours-failures = 10

[[login]]
users = ['CORP\alice']
from = ["10.8.0.0/24"]
methods = ["rdp"]
"#;
    let policy = Policy::from_text("policy.toml", policy).unwrap();
    let (facts, _) = night().facts("2026-11-22T04:00:00Z");
    // A snapshot is checked the same after it was written down.
    let facts: LoginFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    let now = "2026-11-22T04:00:00Z".parse().unwrap();
    let seen = Facts::<LoginWatch> { facts: &facts, rules: &policy.login, now };
    let findings = LoginWatch::check(&seen, &mut Memory::default());
    let shown: String = findings
        .iter()
        .map(|f| {
            format!(
                "{} {} [{}] {}\n{}",
                f.severity.as_str(),
                f.code,
                f.subject,
                f.title,
                f.suggest.as_deref().unwrap_or("")
            )
        })
        .collect();
    expect![[r#"
        urgent unknown-login [CORP\alice from 10.8.0.2] CORP\alice logged in from 10.8.0.2 by publickey
        [[login]]
        users   = ['CORP\alice']
        from    = ["10.8.0.2"]
        methods = ["publickey"]
        why     = "…"
        urgent off-hours-login [CORP\alice from 10.8.0.2] CORP\alice logged in from 10.8.0.2 outside the hours, Sun 2026-11-22 03:20:00 (Europe/London), 2 times
        [[login]]
        users   = ['CORP\alice']
        from    = ["10.8.0.2"]
        methods = ["publickey", "rdp"]
        hours   = ["Sun 03:00-04:00"]
        why     = "…"
        warning failed-logins [all] 4 logins failed within 1h, 2 are tolerated
        [logins]
        time-zone          = "Europe/London"
        hours              = ["Mon-Fri 09:00-18:00"]
        failures           = 4
        off-hours-failures = 10
        urgent audit-log-cleared [Security] the log Security was cleared by CORP\alice
        urgent account-created [eve] account eve was created by CORP\alice
        [[account-change]]
        changes  = ["account-created"]
        accounts = ["eve"]
        actors   = ['CORP\alice']
        why      = "…"
        urgent group-changed [eve in Administrators] eve was added to Administrators by CORP\alice
        [[account-change]]
        changes  = ["group-changed"]
        accounts = ["eve"]
        groups   = ["S-1-5-32-544"]
        actors   = ['CORP\alice']
        why      = "…"
    "#]].assert_eq(&shown);
    let learned = format!("schema = 1\n{}", LoginWatch::learn(&facts, "test", now));
    let learned = Policy::from_text("policy.toml", &learned).unwrap();
    let seen = Facts::<LoginWatch> { facts: &facts, rules: &learned.login, now };
    let left: Vec<&str> =
        LoginWatch::check(&seen, &mut Memory::default()).iter().map(|f| f.code.as_str()).collect();
    assert_eq!(
        left,
        ["audit-log-cleared", "account-created", "group-changed"],
        "what happened to accounts is never learned"
    );
}

#[test]
fn an_account_that_joins_a_group_is_named_if_it_can_be() {
    let joins = |record, sid: &str| {
        let fields = [
            ("MemberName", "-"),
            ("MemberSid", sid),
            ("TargetUserName", "Administrators"),
            ("TargetDomainName", "Builtin"),
            ("TargetSid", "S-1-5-32-544"),
        ];
        security(4732, record, "2026-11-22T03:00:00Z", &fields)
    };
    let events = vec![joins(1, "S-1-5-21-1-2-3-1105"), joins(2, "S-1-5-21-1-2-3-4711")];
    let (facts, _) = Host::default().has(SECURITY, events).facts("2026-11-22T04:00:00Z");
    let names: Vec<&str> = facts.changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(names, [r"CORP\alice", "S-1-5-21-1-2-3-4711"]);
}

proptest::proptest! {
    #[test]
    fn a_night_cut_into_passes_anywhere_tells_the_same(most in 1_u64..5, seconds in proptest::collection::vec(0_u32..1800, 0..5)) {
        let mut whole = night();
        let (expected, _) = whole.facts("2026-11-22T04:00:00Z");
        let mut host = night();
        let mut logins = Vec::new();
        let (mut failed, mut changes) = (0, 0);
        let mut take = |facts: LoginFacts| {
            logins.extend(facts.logins);
            failed += facts.failed_in.iter().map(|minute| minute.count).sum::<u64>();
            changes += facts.changes.len();
        };
        let mut seconds = seconds;
        seconds.sort_unstable();
        let all = host.channels.clone();
        for second in seconds {
            let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
            let now = now + SignedDuration::from_secs(i64::from(second));
            for (name, shelf) in &all {
                let at = |xml: &String| super::super::parse_event(xml.as_bytes()).unwrap().at;
                let there = shelf.events.iter().filter(|xml| at(xml) <= now).cloned().collect();
                host.channels.insert(name, Shelf { events: there, ..Shelf::default() });
            }
            take(host.facts(&now.to_string()).0);
        }
        host.channels = all;
        for _ in 0..20 {
            let bounds = Bounds { events: most, ..BOUNDS };
            let (outcome, _) = host.look("2026-11-22T04:00:00Z", bounds);
            let Outcome::Facts(facts) = outcome else { panic!() };
            take(*facts);
        }
        let failures: u64 = expected.failed_in.iter().map(|minute| minute.count).sum();
        proptest::prop_assert_eq!((failed, changes), (failures, expected.changes.len()));
        let shown = |logins: &[crate::watch::login::Login]| {
            let mut lines: Vec<String> = logins.iter().map(|l| format!("{} {} {} {} {}", l.at, l.user, l.from, l.method, l.administrator)).collect();
            lines.sort();
            lines
        };
        proptest::prop_assert_eq!(shown(&logins), shown(&expected.logins));
    }
}
