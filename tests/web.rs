//! Real requests to real web servers: bursts and odd methods are found, and rotation loses and doubles nothing.
// Real web servers of Linux; logs of IIS are tested beside src/watch/request.rs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "support/web.rs"]
mod web;

use host_watchdog::coverage::Gap;
use host_watchdog::finding::{Code, Finding};
use host_watchdog::host::Host;
use host_watchdog::policy::Policy;
use host_watchdog::processes::Processes;
use host_watchdog::watch::request::{RequestFacts, RequestWatch};
use host_watchdog::watch::{Facts, Look, Memory, Seen, Watch};
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use web::{Kind, Server, start};

const ONE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The watch with its memory, pass after pass.
struct Watching<'a> {
    server: &'a Server,
    policy: Policy,
    watch: RequestWatch,
    look: Memory,
    check: Memory,
    /// The requests counted so far, by log.
    counted: BTreeMap<String, u64>,
    gaps: Vec<Gap>,
}

impl<'a> Watching<'a> {
    fn new(server: &'a Server, policy: &str) -> Self {
        Self {
            server,
            policy: Policy::from_text("policy.toml", policy).unwrap(),
            watch: RequestWatch::default(),
            look: Memory::default(),
            check: Memory::default(),
            counted: BTreeMap::new(),
            gaps: Vec::new(),
        }
    }

    fn pass(&mut self) -> (RequestFacts, Vec<Finding>) {
        let host = Host::at(self.server.root());
        let now = host.now();
        let seen = self.watch.collect(&mut Look {
            host: &host,
            processes: &Processes::default(),
            rules: &self.policy.request,
            now,
            memory: &mut self.look,
            gaps: &mut self.gaps,
        });
        let facts = match seen {
            Seen::Facts(facts) => facts,
            other => panic!("{other:?}"),
        };
        for log in &facts.logs {
            *self.counted.entry(log.log.to_string()).or_default() += log.lines;
        }
        let rules = &self.policy.request;
        let findings = RequestWatch::check(&Facts { facts: &facts, rules, now }, &mut self.check);
        (facts, findings)
    }

    /// Passes until every log of the policy shows `sent` requests, and once more to see whether that was too early.
    fn settle(&mut self, sent: u64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.pass();
            if self.counted.values().all(|counted| *counted >= sent) || Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(100));
        self.pass();
        let kind = self.server.kind;
        let expected: BTreeMap<String, u64> = kind.forms().into_iter().map(|log| (log, sent)).collect();
        assert_eq!(self.counted, expected);
        assert_eq!(self.gaps, []);
    }
}

fn rules(kind: Kind) -> String {
    format!(
        r#"schema = 1
[[requests]]
log     = "{logs}/*access.log"
methods = ["GET", "HEAD", "POST"]
limit   = {{ per = "client", max = 50, in = "1h" }}
"#,
        logs = kind.logs()
    )
}

fn titles(findings: &[Finding], code: Code) -> Vec<&str> {
    findings.iter().filter(|finding| finding.code == code).map(|finding| finding.title.as_str()).collect()
}

fn a_burst_and_odd_methods_are_found(kind: Kind) {
    let Some(server) = start(kind) else { return };
    for _ in 0..51 {
        server.request(TWO, "GET", "/burst?q=secret", "");
    }
    for _ in 0..45 {
        server.request(ONE, "GET", "/", "");
    }
    server.request(ONE, "TRACE", "/", "");
    server.request(ONE, "PROPFIND", "/", "");
    server.send(ONE, b"\x16\x03\x01\x02\r\n\r\n");
    let mut watching = Watching::new(&server, &rules(kind));
    // The last lines may still be on their way.
    std::thread::sleep(Duration::from_millis(300));
    let (facts, findings) = watching.pass();
    let logs = kind.forms();
    let found = |code| titles(&findings, code);
    let each = |title: fn(&str) -> String| logs.iter().map(|log| title(log)).collect::<Vec<_>>();
    assert_eq!(
        found(Code::RequestLimit),
        each(|log| format!("127.0.0.2 sent 51 requests within 1h, 50 are allowed ({log})"))
    );
    let methods: Vec<String> = logs
        .iter()
        .flat_map(|log| {
            [
                format!("1 request with the method PROPFIND in {log}"),
                format!("1 request with the method TRACE in {log}"),
                format!("1 request with \\\\x16\\\\x03\\\\x01\\\\x02, no method of HTTP, in {log}"),
            ]
        })
        .collect();
    assert_eq!(found(Code::UnexpectedMethod), methods);
    assert_eq!(findings.len(), 12);
    assert_eq!(facts.logs[0].requests["127.0.0.2"], "GET /burst?… HTTP/1.1");
    assert_eq!(watching.gaps, []);
    // What the findings suggest would have allowed all of it.
    let suggested: String = findings.iter().map(|finding| finding.suggest.clone().unwrap() + "\n").collect();
    let mut again = Watching::new(&server, &(rules(kind) + &suggested));
    assert_eq!(again.pass().1, []);
}

#[test]
fn a_burst_and_odd_methods_in_the_logs_of_nginx_are_found() {
    a_burst_and_odd_methods_are_found(Kind::Nginx);
}

#[test]
fn a_burst_and_odd_methods_in_the_logs_of_apache_are_found() {
    a_burst_and_odd_methods_are_found(Kind::Apache);
}

#[test]
fn requests_are_counted_per_user_as_nginx_names_them() {
    let Some(server) = start(Kind::Nginx) else { return };
    // alice:x and "bob [x] :" with a space, brackets and a quote in his name.
    for (count, credentials) in [(11, "YWxpY2U6eA=="), (12, "Ym9iICJbeF0gOg==")] {
        for _ in 0..count {
            server.request(ONE, "GET", "/", &format!("Authorization: Basic {credentials}\r\n"));
        }
    }
    let rules = r#"schema = 1
[[requests]]
log   = "/var/log/nginx/access.log"
limit = { per = "user", max = 10, in = "5m" }
"#;
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(
        titles(&Watching::new(&server, rules).pass().1, Code::RequestLimit),
        [
            "user bob \\x22[x]  sent 12 requests within 5m, 10 are allowed (/var/log/nginx/access.log)",
            "user alice sent 11 requests within 5m, 10 are allowed (/var/log/nginx/access.log)"
        ]
    );
}

#[test]
fn a_policy_learned_from_real_logs_finds_nothing() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(server) = start(kind) else { continue };
        server.request(ONE, "GET", "/", "");
        server.request(ONE, "OPTIONS", "/", "");
        std::thread::sleep(Duration::from_millis(300));
        let (facts, _) = Watching::new(&server, "schema = 1").pass();
        let logs: Vec<&str> = facts.logs.iter().map(|log| log.log.as_str()).collect();
        assert_eq!(logs, kind.forms());
        let learned = RequestWatch::learn(&facts, "test", Host::this().now());
        let mut watching = Watching::new(&server, &format!("schema = 1\n{learned}"));
        assert_eq!(watching.pass().1, []);
        assert_eq!(watching.gaps, []);
    }
}

/// Shifts the rotated forms of a log by one, so that `.1` is free.
fn shift(log: &Path) {
    let numbered = |number: usize| log.with_extension(format!("log.{number}"));
    let last = (1..100).find(|number| !numbered(*number).exists()).unwrap();
    for number in (1..last).rev() {
        fs::rename(numbered(number), numbered(number + 1)).unwrap();
    }
}

fn rotation_in_the_midst_of_requests(kind: Kind, rotate: impl Fn(&Server, &Mutex<()>)) {
    let Some(server) = start(kind) else { return };
    let mut watching = Watching::new(&server, &rules(kind));
    let (sent, done, gate) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(()));
    let forms = kind.forms();
    std::thread::scope(|scope| {
        for from in [ONE, TWO] {
            let (server, sent, done, gate) = (&server, &sent, &done, &gate);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let open = gate.lock().unwrap_or_else(PoisonError::into_inner);
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    server.request(from, "GET", &format!("/{number}"), "");
                    drop(open);
                    // So that the other and the rotation get the lock too.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for round in 0..4 {
            std::thread::sleep(Duration::from_millis(150));
            // Now and then two rotations fall between two passes.
            if round != 2 {
                watching.pass();
            }
            rotate(&server, &gate);
        }
        std::thread::sleep(Duration::from_millis(150));
        done.store(true, Ordering::Relaxed);
    });
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent > 40, "{sent}");
    watching.settle(sent);
    assert!(forms.iter().all(|log| server.path(log).with_extension("log.4").exists()));
}

fn rename_and_reopen(server: &Server, _: &Mutex<()>) {
    for log in server.kind.forms() {
        let log = server.path(&log);
        shift(&log);
        fs::rename(&log, log.with_extension("log.1")).unwrap();
    }
    // For a while the server writes on to what was renamed.
    std::thread::sleep(Duration::from_millis(50));
    server.reopen();
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.kind.forms().iter().any(|log| !server.path(log).exists()) {
        assert!(Instant::now() < deadline, "the logs were not opened anew");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What comes between the copy and the cut is lost by this kind of rotation itself: so nothing comes.
fn copy_and_cut(server: &Server, gate: &Mutex<()>) {
    let _closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::sleep(Duration::from_millis(100));
    for log in server.kind.forms() {
        let log = server.path(&log);
        shift(&log);
        fs::copy(&log, log.with_extension("log.1")).unwrap();
        fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    }
}

#[test]
fn nginx_logs_renamed_in_the_midst_lose_and_double_no_request() {
    rotation_in_the_midst_of_requests(Kind::Nginx, rename_and_reopen);
}

#[test]
fn apache_logs_renamed_in_the_midst_lose_and_double_no_request() {
    rotation_in_the_midst_of_requests(Kind::Apache, rename_and_reopen);
}

#[test]
fn nginx_logs_copied_and_cut_in_the_midst_lose_and_double_no_request() {
    rotation_in_the_midst_of_requests(Kind::Nginx, copy_and_cut);
}

#[test]
fn apache_logs_copied_and_cut_in_the_midst_lose_and_double_no_request() {
    rotation_in_the_midst_of_requests(Kind::Apache, copy_and_cut);
}
