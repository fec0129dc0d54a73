mod iis;

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

const SPIKE: &str = r#"
[[requests]]
log   = "/var/log/nginx/access.log"
spike = { per = "user", factor = 5.0, against = "same-hour-of-week", min = 50 }
"#;

#[test]
fn a_rise_over_the_same_hour_of_other_weeks_is_found_and_does_not_become_usual() {
    let mut bed = Bed::new();
    let alice = |bed: &Bed, count| bed.send(NGINX, 0, count, "10.0.0.1", "alice", "GET / HTTP/1.1");
    alice(&bed, 4000);
    assert_eq!(bed.pass(SPIKE), [], "nothing is known of this hour yet");
    bed.wait(60);
    bed.pass(SPIKE);
    for week in 1..=3 {
        bed.wait(7 * 24 * 60 - 60);
        alice(&bed, 12);
        assert_eq!(bed.pass(SPIKE), [], "week {week}");
        bed.wait(60);
        alice(&bed, 40);
        assert_eq!(bed.pass(SPIKE), [], "below min in week {week}");
    }
    // Usual are now 4000 and 12 in turn: (4000 + 3 * 12) / 4. So much the rule allows.
    bed.wait(7 * 24 * 60 - 60);
    alice(&bed, 5046);
    assert_eq!(
        titles(&bed.pass(SPIKE)),
        "request-spike user alice sent 5046 requests in the hour from Sunday 12:00, usually 1009 (/var/log/nginx/access.log)"
    );
    bed.wait(1);
    suggestions_hold(&mut bed, SPIKE);
}

#[test]
fn a_spike_is_found_also_when_the_hour_is_over_and_for_somebody_new() {
    let mut bed = Bed::new();
    bed.get(1, "10.0.0.1");
    bed.pass(SPIKE);
    bed.wait(7 * 24 * 60 + 65);
    bed.send(NGINX, 65, 51, "10.0.0.1", "mallory", "GET /x HTTP/1.1");
    bed.send(NGINX, 65, 49, "10.0.0.1", "alice", "GET /x HTTP/1.1");
    let findings = bed.pass(SPIKE);
    whole(
        &findings,
        &expect![[r#"
        request-spike /var/log/nginx/access.log user mallory
        user mallory sent 51 requests in the hour from Sunday 12:00, usually 0 (/var/log/nginx/access.log)
        {"log":"/var/log/nginx/access.log","counted-per":"user","who":"mallory","requests":51,"usual":0.0,"hour":"Sunday 12:00 (UTC+00)","weeks-known":1}
        nearest: requests /var/log/nginx/access.log (policy.toml:3): it allows 5 times the usual 0, and anything below 50
        [[requests]]
        log   = "/var/log/nginx/access.log"
        spike = { per = "user", factor = 5.0, against = "same-hour-of-week", min = 64, only = ["mallory"] }
        why   = "…"
    "#]],
    );
    bed.wait(1);
    assert_eq!(bed.pass(SPIKE), []);
    // What was a spike counts as usual only up to what would have been none.
    bed.wait(7 * 24 * 60 - 65);
    bed.send(NGINX, 0, 126, "10.0.0.1", "mallory", "GET /x HTTP/1.1");
    assert_eq!(
        titles(&bed.pass(SPIKE)),
        "request-spike user mallory sent 126 requests in the hour from Sunday 12:00, usually 25 (/var/log/nginx/access.log)"
    );
}

#[test]
fn lines_that_were_lost_do_not_make_an_hour_look_quiet() {
    let mut bed = Bed::new();
    bed.get(1, "10.0.0.1");
    bed.pass(SPIKE);
    bed.wait(7 * 24 * 60);
    let log = bed.root.path().join("var/log/nginx/access.log");
    fs::write(&log, "").unwrap();
    bed.send(NGINX, 0, 60, "10.0.0.1", "alice", "GET / HTTP/1.1");
    assert_eq!(bed.pass(SPIKE), []);
    assert_eq!(bed.gaps[0].gap, "request-log-rotated");
}

#[test]
fn what_is_usual_survives_packing() {
    let slot: serde_json::Value = serde_json::json!("3\n0.25 a b\n17.50 x");
    let read: super::spike::Slot = serde_json::from_value(slot.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), slot);
}

#[test]
fn a_huge_old_log_costs_next_to_nothing() {
    let mut bed = Bed::new();
    let old = "203.0.113.9 - - [01/Jan/2020:00:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n";
    bed.append(NGINX, old.repeat(400_000).as_bytes());
    bed.get(7, "203.0.113.9");
    let facts = bed.facts(&load(LIMIT));
    let log = &facts.logs[0];
    let size = fs::metadata(bed.root.path().join("var/log/nginx/access.log")).unwrap().len();
    assert!(size > 25_000_000 && log.bytes < 400_000, "{} of {size}", log.bytes);
    assert_eq!(series::total(&log.all), 7);
    let facts = bed.facts(&load(LIMIT));
    assert_eq!((facts.logs[0].bytes, facts.logs[0].fresh), (0, false));
}

#[test]
fn the_rule_s_time_reaches_back_into_the_rotated_log() {
    let mut bed = Bed::new();
    bed.send("/var/log/nginx/access.log.1", 30, 590, "203.0.113.9", "-", "GET / HTTP/1.1");
    bed.get(11, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT).len(), 1);
    assert_eq!(bed.pass(LIMIT).len(), 1);
}

#[test]
fn a_longer_time_in_a_new_policy_is_counted_from_the_log_at_once() {
    let mut bed = Bed::new();
    bed.send(NGINX, 600, 590, "203.0.113.9", "-", "GET / HTTP/1.1");
    bed.get(11, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), []);
    assert_eq!(
        titles(&bed.pass(&LIMIT.replace("1h", "1d"))),
        "request-limit 203.0.113.9 sent 601 requests within 1d, 600 are allowed (/var/log/nginx/access.log)"
    );
    assert_eq!(bed.pass(&LIMIT.replace("1h", "1d")).len(), 1, "and not twice");
    assert_eq!(bed.pass(LIMIT), []);
}

#[test]
fn hostile_lines_are_counted_and_shown_harmless() {
    let mut bed = Bed::new();
    bed.get(1, "203.0.113.9");
    bed.append(NGINX, &vec![b'x'; 1_200_000]);
    bed.append(NGINX, b"\n\0\0\0\n\xff\xfe\x1b[2J \xe2\x80\xae \"] \"\n");
    bed.get(1, "203.0.113.9");
    let facts = bed.facts(&load(LIMIT));
    let log = &facts.logs[0];
    assert_eq!((log.lines, log.unread, log.too_long), (2, 2, 1));
    expect![[r#"
        [
            Gap {
                gap: "request-lines",
                seen: 2,
                of: 5,
                why: "3 lines of /var/log/nginx/access.log are not those of an access log, like: \\x00\\x00\\x00",
            },
        ]
    "#]]
    .assert_debug_eq(&bed.gaps);
}

#[test]
fn a_log_without_requests_for_longer_than_allowed_is_silent() {
    let mut bed = Bed::new();
    let rules = format!("[[requests]]\nlog = \"{NGINX}\"\nsilent-after = \"1d\"");
    bed.get(1, "203.0.113.9");
    assert_eq!(bed.pass(&rules), []);
    bed.wait(24 * 60);
    assert_eq!(bed.pass(&rules), []);
    bed.wait(1);
    whole(
        &bed.pass(&rules),
        &expect![[r#"
            source-silent /var/log/nginx/access.log
            no web request came since 2026-11-22T12:00:30Z in /var/log/nginx/access.log
            {"log":"/var/log/nginx/access.log","last-request":"2026-11-22T12:00:30Z"}
            nearest: requests /var/log/nginx/access.log (policy.toml:2): it expects a request at least every 1d
            [[requests]]
            log          = "/var/log/nginx/access.log"
            silent-after = "49h"
            why          = "…"
        "#]],
    );
    suggestions_hold(&mut bed, &rules);
    // Also when it is looked at for the first time.
    (bed.look, bed.check) = Default::default();
    assert_eq!(bed.pass(&rules).len(), 1);
}

#[test]
fn a_log_that_is_not_there_is_found_but_not_while_it_is_rotated() {
    let mut bed = Bed::new();
    whole(
        &bed.pass(LIMIT),
        &expect![[r#"
        source-silent /var/log/nginx/access.log missing
        the web log /var/log/nginx/access.log is not there
        {"log":"/var/log/nginx/access.log","cure":"start the web server that writes it, or correct or remove the rule that names it"}
        nearest: requests /var/log/nginx/access.log (policy.toml:3): no file has this name
        nothing to suggest
    "#]],
    );
    bed.get(1, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), []);
    let log = bed.root.path().join("var/log/nginx/access.log");
    fs::rename(&log, log.with_file_name("access.log.1")).unwrap();
    bed.send("/var/log/nginx/access.log.1", 0, 600, "203.0.113.9", "-", "GET / HTTP/1.1");
    bed.wait(1);
    assert_eq!(
        titles(&bed.pass(LIMIT)),
        "request-limit 203.0.113.9 sent 601 requests within 1h, 600 are allowed (/var/log/nginx/access.log)"
    );
    bed.wait(2);
    assert_eq!(titles(&bed.pass(LIMIT)), "source-silent the web log /var/log/nginx/access.log is not there");
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_followed_is_a_gap_with_its_cure() {
    let mut bed = Bed::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bed.root.path().join("var/log/nginx/access.log"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(bed.pass(LIMIT), []);
    expect![[r#"
        [
            Gap {
                gap: "request-log",
                seen: 0,
                of: 1,
                why: "/var/log/nginx/access.log cannot be read: it is not a regular file",
            },
        ]
    "#]]
    .assert_debug_eq(&bed.gaps);
}

/// Where web servers keep their logs is known for each system alone.
#[cfg(target_os = "linux")]
#[test]
fn without_rules_the_web_logs_are_found_and_a_policy_learned_that_finds_nothing() {
    let mut bed = Bed::new();
    bed.get(7, "203.0.113.9");
    bed.send(NGINX, 90, 412, "203.0.113.9", "-", "PUT /a HTTP/1.1");
    bed.send(NGINX, 90, 1, "203.0.113.9", "-", "get /a HTTP/1.1");
    bed.send("/var/log/nginx/shop.log", 60, 3, "203.0.113.7", "-", "GET / HTTP/1.1");
    bed.append("/var/log/nginx/error.log", b"2026/11/22 04:29:54 [error] 1#1: *1 open() failed\n");
    bed.append("/var/log/nginx/access.log.1", b"older\n");
    bed.append("/var/log/apache2/other_vhosts_access.log", b"");
    bed.append("/var/log/apache2/error.log", b"");
    bed.append("/var/log/httpd/access_log-20261121", b"");
    bed.append("/var/log/httpd/access_log", b"");
    let facts = bed.facts(&Policy::default());
    let learned = RequestWatch::learn(&facts, "watchdog snapshot", bed.now);
    expect![[r#"
        # What web logs may show.

        [[requests]]
        log     = "/var/log/apache2/other_vhosts_access.log"
        methods = ["GET", "HEAD", "POST"]
        limit   = { per = "client", max = 600, in = "1h" }
        why     = "no requests yet"
        by      = "watchdog snapshot"

        [[requests]]
        log     = "/var/log/httpd/access_log"
        methods = ["GET", "HEAD", "POST"]
        limit   = { per = "client", max = 600, in = "1h" }
        why     = "no requests yet"
        by      = "watchdog snapshot"

        [[requests]]
        log     = "/var/log/nginx/access.log"
        methods = ["GET", "HEAD", "POST", "PUT", "get*"]
        limit   = { per = "client", max = 830, in = "1h" }
        why     = "420 requests from 2026-11-22T10:30:00Z to 2026-11-22T12:00:30Z, the busiest client 203.0.113.9 with 413 in an hour"
        by      = "watchdog snapshot"

        [[requests]]
        log     = "/var/log/nginx/shop.log"
        methods = ["GET", "HEAD", "POST"]
        limit   = { per = "client", max = 600, in = "1h" }
        why     = "3 requests from 2026-11-22T11:00:00Z to 2026-11-22T12:00:30Z, the busiest client 203.0.113.7 with 3 in an hour"
        by      = "watchdog snapshot"
    "#]].assert_eq(&learned);
    assert_eq!(RequestWatch::summary(&facts), "423 web requests in 4 logs");
    let policy = load(&learned);
    assert_eq!(bed.checked(&facts, &policy), []);
    bed.check = Memory::default();
    assert_eq!(bed.pass(&learned), []);
    assert_eq!(bed.gaps, []);
}

/// Where web servers keep their logs is known for each system alone.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_no_rule_names_is_a_gap() {
    let mut bed = Bed::new();
    bed.get(1, "203.0.113.9");
    bed.send("/var/log/nginx/shop.log", 60, 3, "203.0.113.7", "-", "GET / HTTP/1.1");
    assert_eq!(bed.pass(LIMIT), []);
    expect![[r#"
        [
            Gap {
                gap: "unwatched-web-log",
                seen: 1,
                of: 2,
                why: "no [[requests]] rule names /var/log/nginx/shop.log",
            },
        ]
    "#]]
    .assert_debug_eq(&bed.gaps);
    let mut bed = Bed::new();
    bed.get(1, "203.0.113.9");
    let findings = bed.pass("");
    assert_eq!(titles(&findings), "coverage-gap nothing watches the web log /var/log/nginx/access.log");
    (bed.look, bed.check) = Default::default();
    suggestions_hold(&mut bed, "");
}

#[test]
fn a_host_without_web_logs_has_no_data() {
    let mut bed = Bed::new();
    assert!(matches!(bed.collect(&Policy::default()), Seen::NoData(_)));
}

#[test]
fn a_star_names_the_logs_of_a_folder_but_not_their_rotated_forms() {
    let mut bed = Bed::new();
    for log in ["a_access.log", "b_access.log", "a_access.log.1", "a_access.log.2.gz", "other.log"] {
        bed.send(&format!("/var/log/nginx/{log}"), 0, 1, "203.0.113.9", "-", "GET / HTTP/1.1");
    }
    let facts = bed.facts(&load("[[requests]]\nlog = \"/var/log/nginx/*access.log*\""));
    let logs: Vec<&str> = facts.logs.iter().map(|log| &*log.log).collect();
    assert_eq!(logs, ["/var/log/nginx/a_access.log", "/var/log/nginx/b_access.log"]);
}

#[test]
fn a_mistake_in_a_rule_is_shown_with_a_caret() {
    let mut errors = Vec::new();
    for line in [
        "log = \"access.log\"",
        "log = \"/var/log/*/access.log\"",
        "log = \"/var/log/nginx/\"",
        "log = \"/a\"\nmethods = [\"get\"]",
        "log = \"/a\"\nlimit = { per = \"clint\", max = 1, in = \"1h\" }",
        "log = \"/a\"\nlimit = { per = \"client\", max = 1, in = \"90s\" }",
        "log = \"/a\"\nlimit = { per = \"client\", max = -1, in = \"1h\" }",
        "log = \"/a\"\nlimit = { per = \"client\", max = 1, in = \"1h\", exept = [] }",
        "log = \"/a\"\nlimit = { per = \"client\", max = 1, in = \"1h\", except = [\"10.0.0.0/33\"] }",
        "log = \"/a\"\nlimit = { per = \"all\", max = 1, in = \"1h\", only = [\"a\"] }",
        "log = \"/a\"\nspike = { per = \"all\", factor = 0.5, against = \"same-hour-of-week\", min = 1 }",
        "log = \"/a\"\nspike = { per = \"all\", factor = 5, against = \"yesterday\", min = 1 }",
        "log = \"/a\"\nmehtods = []",
    ] {
        let text = format!("schema = 1\n[[requests]]\n{line}\n");
        errors.push(Policy::from_text("policy.toml", &text).unwrap_err().to_string());
    }
    expect![[r#"
        policy.toml:3:7: "access.log" is not the whole path of a log: it begins with / or, on Windows, like 'C:\'
          |
        3 | log = "access.log"
          |       ^^^^^^^^^^^^

        policy.toml:3:7: "/var/log/*/access.log": * may only stand behind the last /
          |
        3 | log = "/var/log/*/access.log"
          |       ^^^^^^^^^^^^^^^^^^^^^^^

        policy.toml:3:7: "/var/log/nginx/" names a folder, not a log
          |
        3 | log = "/var/log/nginx/"
          |       ^^^^^^^^^^^^^^^^^

        policy.toml:4:11: methods are written in capitals: "GET"
          |
        4 | methods = ["get"]
          |           ^^^^^^^

        policy.toml:4:17: unknown variant `clint`, expected one of `client`, `user`, `all`
          |
        4 | limit = { per = "clint", max = 1, in = "1h" }
          |                 ^^^^^^^

        policy.toml:4:41: "90s" cannot be counted: requests are counted by whole minutes, up to 31 days
          |
        4 | limit = { per = "client", max = 1, in = "90s" }
          |                                         ^^^^^

        policy.toml:4:33: invalid value: integer `-1`, expected u64
          |
        4 | limit = { per = "client", max = -1, in = "1h" }
          |                                 ^^

        policy.toml:4:47: unknown field `exept`, expected one of `per`, `max`, `in`, `only`, `except`
          |
        4 | limit = { per = "client", max = 1, in = "1h", exept = [] }
          |                                               ^^^^^

        policy.toml:4:9: "10.0.0.0/33" is no client: write an address, a network like "10.0.0.0/8", or a host name
          |
        4 | limit = { per = "client", max = 1, in = "1h", except = ["10.0.0.0/33"] }
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        policy.toml:4:9: `only` and `except` go with per = "client" or per = "user"
          |
        4 | limit = { per = "all", max = 1, in = "1h", only = ["a"] }
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        policy.toml:4:33: 0.5 is not a factor: write a number above 1, like 5.0
          |
        4 | spike = { per = "all", factor = 0.5, against = "same-hour-of-week", min = 1 }
          |                                 ^^^

        policy.toml:4:46: unknown variant `yesterday`, expected `same-hour-of-week`
          |
        4 | spike = { per = "all", factor = 5, against = "yesterday", min = 1 }
          |                                              ^^^^^^^^^^^

        policy.toml:4:1: unknown field `mehtods`, expected one of `log`, `methods`, `limit`, `spike`, `silent-after`, `why`, `by`, `expires`
          |
        4 | mehtods = []
          | ^^^^^^^"#]].assert_eq(&errors.join("\n\n"));
}
