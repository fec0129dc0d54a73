mod iis;
mod logs;
mod rise;

use super::*;
use crate::coverage::Gap;
use crate::host::Host;
use crate::policy::Policy;
use crate::processes::Processes;
use expect_test::{Expect, expect};
use std::fs;
use std::io::Write as _;

const NGINX: &str = "/var/log/nginx/access.log";

/// A host in a folder, with memory, at a moment that the test moves.
struct Bed {
    root: tempfile::TempDir,
    now: Timestamp,
    look: Memory,
    check: Memory,
    gaps: Vec<Gap>,
}

impl Bed {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/log/nginx")).unwrap();
        let now = "2026-11-22T12:00:30Z".parse().unwrap();
        Self { root, now, look: Memory::default(), check: Memory::default(), gaps: Vec::new() }
    }

    fn wait(&mut self, minutes: i64) {
        self.now += jiff::SignedDuration::from_mins(minutes);
    }

    fn append(&self, log: &str, bytes: &[u8]) {
        let path = self.root.path().join(log.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// `count` lines of this moment, or so many minutes ago.
    fn send(&self, log: &str, ago: i64, count: usize, client: &str, user: &str, request: &str) {
        let time =
            (self.now - jiff::SignedDuration::from_mins(ago)).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        let line = format!("{client} - {user} [{time}] \"{request}\" 200 5 \"-\" \"-\"\n");
        self.append(log, line.repeat(count).as_bytes());
    }

    fn get(&self, count: usize, client: &str) {
        self.send(NGINX, 0, count, client, "-", "GET /shop?token=secret HTTP/1.1");
    }

    fn collect(&mut self, policy: &Policy) -> Seen<RequestFacts> {
        self.gaps.clear();
        let host = Host::at(self.root.path()).at_moment(self.now);
        let mut look = Look {
            host: &host,
            processes: &Processes::default(),
            rules: &policy.request,
            now: self.now,
            memory: &mut self.look,
            gaps: &mut self.gaps,
        };
        RequestWatch::default().collect(&mut look)
    }

    fn facts(&mut self, policy: &Policy) -> RequestFacts {
        match self.collect(policy) {
            // The hours of the week are not those of whoever runs the test.
            Seen::Facts(facts) => RequestFacts { utc_offset: 0, ..facts },
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, policy: &str) -> Vec<Finding> {
        let policy = load(policy);
        let facts = self.facts(&policy);
        self.checked(&facts, &policy)
    }

    fn checked(&mut self, facts: &RequestFacts, policy: &Policy) -> Vec<Finding> {
        // Facts may go through JSON between the two.
        let facts: RequestFacts = serde_json::from_str(&serde_json::to_string(facts).unwrap()).unwrap();
        let seen = Facts { facts: &facts, rules: &policy.request, now: self.now };
        RequestWatch::check(&seen, &mut self.check)
    }
}

fn load(rules: &str) -> Policy {
    Policy::from_text("policy.toml", &format!("schema = 1\n{rules}"))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn titles(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.code, finding.title))
        .collect::<Vec<_>>()
        .join("\n")
}

fn whole(findings: &[Finding], expected: &Expect) {
    let text: Vec<String> = findings
        .iter()
        .map(|finding| {
            let evidence = serde_json::to_string(&finding.evidence).unwrap();
            let nearest =
                finding.nearest.as_ref().map_or("none".to_owned(), |n| format!("{}: {}", n.rule, n.why_not));
            let suggest = finding.suggest.as_deref().unwrap_or("nothing to suggest\n");
            format!("{}\n{}\n{evidence}\nnearest: {nearest}\n{suggest}", finding.key(), finding.title)
        })
        .collect();
    expected.assert_eq(&text.join("\n"));
}

/// Whether adding what a finding suggests makes it go away, and it alone.
fn suggestions_hold(bed: &mut Bed, rules: &str) {
    let (look, check) = (bed.look.clone(), bed.check.clone());
    let before = bed.pass(rules);
    assert!(!before.is_empty());
    for finding in &before {
        (bed.look, bed.check) = (look.clone(), check.clone());
        let suggest =
            finding.suggest.as_ref().unwrap_or_else(|| panic!("{} suggests nothing", finding.title));
        let after = bed.pass(&format!("{rules}\n{suggest}"));
        let expected: Vec<String> =
            before.iter().map(Finding::key).filter(|key| *key != finding.key()).collect();
        assert_eq!(after.iter().map(Finding::key).collect::<Vec<_>>(), expected, "{suggest}");
    }
}

const LIMIT: &str = r#"
[[requests]]
log     = "/var/log/nginx/access.log"
methods = ["GET", "HEAD", "POST"]
limit   = { per = "client", max = 600, in = "1h" }
"#;

#[test]
fn more_requests_of_a_client_than_allowed_within_an_hour_are_found() {
    let mut bed = Bed::new();
    bed.get(600, "203.0.113.8");
    bed.send(NGINX, 50, 300, "203.0.113.9", "-", "GET /a HTTP/1.1");
    bed.get(301, "203.0.113.9");
    // The hour before does not count.
    bed.send(NGINX, 61, 900, "203.0.113.10", "-", "GET /a HTTP/1.1");
    let findings = bed.pass(LIMIT);
    whole(
        &findings,
        &expect![[r#"
        request-limit /var/log/nginx/access.log client 203.0.113.9 in 1h
        203.0.113.9 sent 601 requests within 1h, 600 are allowed (/var/log/nginx/access.log)
        {"log":"/var/log/nginx/access.log","counted-per":"client","who":"203.0.113.9","requests":601,"allowed":600,"within":"1h","from":"2026-11-22T11:10:00Z","to":"2026-11-22T12:01:00Z","last-request":"GET /shop?… HTTP/1.1"}
        nearest: requests /var/log/nginx/access.log (policy.toml:3): it allows 600 within 1h, not 601
        [[requests]]
        log   = "/var/log/nginx/access.log"
        limit = { per = "client", max = 760, in = "1h", only = ["203.0.113.9"] }
        why   = "…"
    "#]],
    );
}

#[test]
fn a_limit_is_counted_over_passes_and_the_window_slides() {
    let mut bed = Bed::new();
    bed.get(400, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), []);
    bed.wait(30);
    bed.get(200, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), []);
    bed.wait(1);
    bed.get(1, "203.0.113.9");
    assert_eq!(
        titles(&bed.pass(LIMIT)),
        "request-limit 203.0.113.9 sent 601 requests within 1h, 600 are allowed (/var/log/nginx/access.log)"
    );
    bed.wait(29);
    bed.get(300, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), [], "the first 400 are an hour old");
}

#[test]
fn what_came_while_nobody_looked_is_checked_for_its_own_time() {
    let mut bed = Bed::new();
    assert_eq!(titles(&bed.pass(LIMIT)), "source-silent the web log /var/log/nginx/access.log is not there");
    bed.get(1, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), []);
    bed.wait(24 * 60);
    bed.send(NGINX, 600, 601, "203.0.113.9", "-", "GET / HTTP/1.1");
    bed.send(NGINX, 500, 600, "203.0.113.9", "-", "GET / HTTP/1.1");
    assert_eq!(
        titles(&bed.pass(LIMIT)),
        "request-limit 203.0.113.9 sent 601 requests within 1h, 600 are allowed (/var/log/nginx/access.log)"
    );
    bed.wait(1);
    assert_eq!(bed.pass(LIMIT), []);
}

#[test]
fn many_clients_over_the_limit_are_ten_named_and_the_rest_in_one() {
    let mut bed = Bed::new();
    for number in 1..=30 {
        bed.get(600 + number, &format!("203.0.113.{number}"));
    }
    let findings = bed.pass(LIMIT);
    assert_eq!(findings.len(), 11);
    assert_eq!(findings[0].subject, "/var/log/nginx/access.log client 203.0.113.30 in 1h");
    assert_eq!(
        findings[10].title,
        "20 more clients sent more requests within 1h than are allowed, up to 620 (/var/log/nginx/access.log)"
    );
    let mut again = Bed::new();
    for number in 1..=30 {
        again.get(600 + number, &format!("203.0.113.{number}"));
    }
    let others = findings[10].suggest.as_ref().unwrap();
    assert_eq!(again.pass(&format!("{LIMIT}{others}")).len(), 10);
}

#[test]
fn limits_per_user_in_all_and_for_different_times_hold_side_by_side() {
    let rules = r#"
[[requests]]
log   = "/var/log/nginx/access.log"
limit = { per = "user", max = 10, in = "5m", except = ["backup"] }
[[requests]]
log   = "/var/log/nginx/*.log"
limit = { per = "all", max = 50, in = "1h" }
[[requests]]
log   = "/var/log/nginx/access.log"
limit = { per = "client", max = 20, in = "1m", except = ["10.0.0.0/8"] }
[[requests]]
log   = "/var/log/nginx/access.log"
limit = { per = "client", max = 35, in = "1h" }
"#;
    let mut bed = Bed::new();
    bed.send(NGINX, 3, 9, "10.1.1.1", "alice", "GET / HTTP/1.1");
    bed.send(NGINX, 0, 2, "10.1.1.2", "alice", "GET / HTTP/1.1");
    bed.send(NGINX, 0, 30, "10.1.1.1", "backup", "GET / HTTP/1.1");
    bed.send(NGINX, 0, 21, "2001:db8::1", "-", "GET / HTTP/1.1");
    expect![[r"
        request-limit 2001:db8::1 sent 21 requests within 1m, 20 are allowed (/var/log/nginx/access.log)
        request-limit 10.1.1.1 sent 39 requests within 1h, 35 are allowed (/var/log/nginx/access.log)
        request-limit user alice sent 11 requests within 5m, 10 are allowed (/var/log/nginx/access.log)
        request-limit all clients together sent 62 requests within 1h, 50 are allowed (/var/log/nginx/access.log)"]].assert_eq(&titles(&bed.pass(rules)));
    (bed.look, bed.check) = Default::default();
    suggestions_hold(&mut bed, rules);
}

#[test]
fn of_two_limits_for_the_same_the_wider_one_allows() {
    let mut bed = Bed::new();
    bed.get(700, "203.0.113.9");
    bed.get(700, "203.0.113.10");
    let rules = format!(
        "{LIMIT}\n[[requests]]\nlog = \"{NGINX}\"\nlimit = {{ per = \"client\", max = 1000, in = \"1h\", only = [\"203.0.113.9\"] }}"
    );
    assert_eq!(
        titles(&bed.pass(&rules)),
        "request-limit 203.0.113.10 sent 700 requests within 1h, 600 are allowed (/var/log/nginx/access.log)"
    );
}

/// Where web servers keep their logs is known for each system alone.
#[cfg(target_os = "linux")]
#[test]
fn an_expired_rule_neither_limits_nor_allows() {
    let mut bed = Bed::new();
    bed.get(700, "203.0.113.9");
    let wider = format!(
        "[[requests]]\nlog = \"{NGINX}\"\nexpires = \"2026-11-20\"\nlimit = {{ per = \"client\", max = 1000, in = \"1h\" }}"
    );
    assert_eq!(bed.pass(&format!("{LIMIT}{wider}")).len(), 1);
    let findings = bed.pass(&wider);
    assert_eq!(titles(&findings), "coverage-gap nothing watches the web log /var/log/nginx/access.log");
    assert_eq!(findings[0].nearest.as_ref().unwrap().why_not, "the rule expired on 2026-11-20");
}

#[test]
fn methods_that_are_not_expected_are_one_finding_each_and_inventions_one_together() {
    let mut bed = Bed::new();
    bed.send(NGINX, 1, 2, "203.0.113.9", "-", "TRACE /?a=b HTTP/1.1");
    bed.send(NGINX, 1, 1, "203.0.113.10", "-", "PROPFIND / HTTP/1.1");
    bed.send(NGINX, 1, 3, "203.0.113.11", "-", "\\x16\\x03\\x01\\x00\\xEE");
    bed.send(NGINX, 1, 1, "203.0.113.12", "-", "get / HTTP/1.1");
    bed.send(NGINX, 1, 1, "203.0.113.12", "-", &format!("{}\u{1b}[31m<b>\u{202e}", "A".repeat(60)));
    bed.send(NGINX, 1, 5, "203.0.113.13", "-", "-");
    bed.get(5, "203.0.113.14");
    let findings = bed.pass(LIMIT);
    whole(
        &findings,
        &expect![[r#"
            unexpected-method /var/log/nginx/access.log PROPFIND
            1 request with the method PROPFIND in /var/log/nginx/access.log
            {"log":"/var/log/nginx/access.log","method":"PROPFIND","requests":1,"clients":["203.0.113.10"],"example":"PROPFIND / HTTP/1.1"}
            nearest: requests /var/log/nginx/access.log (policy.toml:3): it expects GET, HEAD, POST
            [[requests]]
            log     = "/var/log/nginx/access.log"
            methods = ["PROPFIND"]
            why     = "…"

            unexpected-method /var/log/nginx/access.log TRACE
            2 requests with the method TRACE in /var/log/nginx/access.log
            {"log":"/var/log/nginx/access.log","method":"TRACE","requests":2,"clients":["203.0.113.9"],"example":"TRACE /?… HTTP/1.1"}
            nearest: requests /var/log/nginx/access.log (policy.toml:3): it expects GET, HEAD, POST
            [[requests]]
            log     = "/var/log/nginx/access.log"
            methods = ["TRACE"]
            why     = "…"

            unexpected-method /var/log/nginx/access.log other methods
            5 requests with 3 methods that HTTP does not know in /var/log/nginx/access.log
            {"log":"/var/log/nginx/access.log","methods":["\\\\x16\\\\x03\\\\x01\\\\x00\\\\xEE (3)","AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\\x1b[31… (7 bytes more) (1)","get (1)"],"requests":5,"clients":["203.0.113.11","203.0.113.12"],"example":"\\\\x16\\\\x03\\\\x01\\\\x00\\\\xEE"}
            nearest: requests /var/log/nginx/access.log (policy.toml:3): it expects GET, HEAD, POST
            [[requests]]
            log     = "/var/log/nginx/access.log"
            methods = ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x1b[31*', '\\x16\\x03\\x01\\x00\\xEE', "get*"]
            why     = "…"
        "#]],
    );
    (bed.look, bed.check) = Default::default();
    suggestions_hold(&mut bed, LIMIT);
    assert_eq!(bed.pass(&format!("[[requests]]\nlog = \"{NGINX}\"")), [], "no methods named: any");
}
