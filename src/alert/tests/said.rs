//! What a digest says.

use super::*;
use crate::alert::digest::{About, Blind, compose};
use crate::coverage::Gap;
use crate::finding::Nearest;
use crate::letter::Letter;
use expect_test::expect;
use jiff::tz::TimeZone;

pub fn about() -> About {
    About {
        zone: TimeZone::fixed(jiff::tz::offset(1)),
        host: "web1".into(),
        policy_digest: "3fa94b0c11d27788".into(),
        policy_files: vec!["/etc/host-watchdog/policy.toml".into()],
        add_to: "/etc/host-watchdog/policy.toml".into(),
        version: "0.1.0".into(),
        saw: vec!["312 processes".into(), "14 listeners".into()],
        gaps: Vec::new(),
        blind: Vec::new(),
        observing: None,
    }
}

pub fn unknown_process() -> Finding {
    Finding::new(Code::UnknownProcess, "/tmp/x alice", "unknown process /tmp/x run by alice")
        .with("executable", "/tmp/x")
        .with("user", "alice")
        .with("pids", [4711, 4712])
        .with("arguments", "/tmp/x --mine 10.0.0.1:3333")
        .nearest(Some(Nearest {
            rule: "process /usr/bin/x (/etc/host-watchdog/policy.toml:12)".into(),
            why_not: "the executable is /tmp/x, not /usr/bin/x; the user is alice, not root".into(),
        }))
        .suggest("[[process]]\nexe   = \"/tmp/x\"\nusers = [\"alice\"]\n")
}

pub fn letter_of(passes: Vec<Pass>, limits: &Limits, about: &About) -> Letter {
    let mut book = Book::default();
    let mut last = None;
    for pass in passes {
        let composed = compose(step(&book, &pass, limits), about);
        last = composed.letter().cloned().or(last);
        book.apply(composed.step);
    }
    last.unwrap()
}

fn shown(letter: &Letter) -> String {
    format!("Subject: {}\nPriority: {}\n\n{}", letter.subject, letter.priority.as_str(), letter.body)
}

pub fn found(now: Timestamp, findings: Vec<Finding>) -> Pass {
    Pass { now, host: "web1".into(), looked: vec![Looked { watch: "w".into(), saw: true, findings }] }
}

#[test]
fn one_unknown_process() {
    let letter = letter_of(vec![found(minute(0), vec![unknown_process()])], &limits(), &about());
    expect![[r#"
        Subject: web1: unknown process /tmp/x run by alice
        Priority: urgent

        unknown process /tmp/x run by alice: first seen Mon 13:00 +01 (just now)

        web1, Mon 23 Nov 2026 13:00 +01 (+01:00)
        1 alert: 1 new. 1 is open in all.

        NEW (1)

        1. unknown process /tmp/x run by alice
           urgent, unknown-process, id muwtw
           executable  /tmp/x
           user        alice
           pids        4711, 4712
           arguments   /tmp/x --mine 10.0.0.1:3333
           nearest rule: process /usr/bin/x (/etc/host-watchdog/policy.toml:12)
           it does not match: the executable is /tmp/x, not /usr/bin/x; the user
             is alice, not root
           to allow just this, add:

               [[process]]
               exe   = "/tmp/x"
               users = ["alice"]

           first seen Mon 13:00 +01 (just now)

        COVERAGE

           saw 312 processes, 14 listeners
           no known gaps

        --
        one alert with all its evidence: watchdog show muwtw
        all open alerts: watchdog alerts
        to allow what you know, add its rule to /etc/host-watchdog/policy.toml
        policy 3fa94b0c11d2: /etc/host-watchdog/policy.toml
        host-watchdog 0.1.0
    "#]]
    .assert_eq(&shown(&letter));
}

#[test]
fn new_ones_open_ones_ended_ones_held_ones_and_what_was_not_seen() {
    let mut about = about();
    about.gaps.push(Gap {
        gap: "unreadable-processes".into(),
        seen: 312,
        of: 315,
        why: "they are of other users; run it as root".into(),
    });
    about.blind.push(Blind { from: minute(-700), until: minute(-655), why: "it was stopped".into() });
    let limits = Limits { gather: Span::seconds(0), ..per_hour(2) };
    let passes = vec![
        saw(minute(0), &["cpu a", "cpu b"]),
        saw(minute(1), &["cpu a", "cpu b", "login bob"]),
        saw(minute(20), &["cpu a", "cpu b"]),
        saw(minute(1430), &["cpu a"]),
        saw(minute(1438), &["cpu a"]),
        found(minute(1439), vec![finding("cpu a"), unknown_process()]),
        found(
            minute(1440),
            vec![finding("cpu a!"), unknown_process(), finding("process y"), finding("login bob")],
        ),
        found(
            minute(1441),
            vec![
                finding("cpu a"),
                unknown_process(),
                finding("process y"),
                finding("login bob"),
                finding("process z"),
            ],
        ),
        found(
            minute(1500),
            vec![finding("cpu a"), unknown_process(), finding("process y"), finding("process z")],
        ),
    ];
    let letter = letter_of(passes, &limits, &about);
    expect![[r#"
        Subject: web1: 4 alerts, worst: process y
        Priority: urgent

        process y: first seen Tue 13:00 +01 (1 hour ago)

        web1, Tue 24 Nov 2026 14:00 +01 (+01:00)
        4 alerts: 2 new, 1 more severe than before, 1 again. 5 are open in all.
        4 alerts were held back since Tue 13:00 +01, because of the limit on
          mails in an hour (digests-per-hour).

        NEW (4)

        1. process y
           urgent, unknown-process, id thhkq
           first seen Tue 13:00 +01 (1 hour ago)

        2. process z
           urgent, unknown-process, id w55hj
           first seen Tue 13:01 +01 (59 minutes ago)

        3. cpu a
           urgent, high-cpu, id tsifs
           rose from warning to urgent, first seen Mon 13:00 +01 (25 hours ago)

        4. login bob
           urgent, off-hours-login, id hfory
           happened again, first seen Mon 13:01 +01 (24 hours ago), happened
           twice since the last mail

        COVERAGE

           saw 312 processes, 14 listeners
           unreadable processes: saw 312 of 315; they are of other users; run it
           as root
           was not watching from Mon 01:20 +01 to Mon 02:05 +01 (45 minutes): it
           was stopped

        --
        one alert with all its evidence: watchdog show thhkq
        all open alerts: watchdog alerts
        to allow what you know, add its rule to /etc/host-watchdog/policy.toml
        policy 3fa94b0c11d2: /etc/host-watchdog/policy.toml
        host-watchdog 0.1.0
    "#]]
    .assert_eq(&shown(&letter));
    assert_eq!(letter.references.len(), 3);
    assert!(letter.references.is_sorted());
}

#[test]
fn a_mail_of_news_reminders_and_ends_has_three_parts() {
    let passes = vec![
        saw(minute(0), &["cpu a!", "cpu b!", "login bob"]),
        saw(minute(60), &["cpu a!", "cpu b!", "login bob"]),
        saw(minute(61), &["cpu a!", "cpu b!", "login bob"]),
        saw(minute(1500), &["cpu a!"]),
        saw(minute(1510), &["cpu a!"]),
        saw(minute(2000), &["cpu a!"]),
        found(minute(2941), vec![unknown_process(), finding("cpu a!")]),
    ];
    let letter = letter_of(passes, &limits(), &about());
    expect![[r#"
        Subject: web1: unknown process /tmp/x run by alice
        Priority: urgent

        unknown process /tmp/x run by alice: first seen Wed 14:01 +01 (just now)

        web1, Wed 25 Nov 2026 14:01 +01 (+01:00)
        2 alerts: 1 new, 1 still open. 2 are open in all.

        NEW (1)

        1. unknown process /tmp/x run by alice
           urgent, unknown-process, id gv7b7
           executable  /tmp/x
           user        alice
           pids        4711, 4712
           arguments   /tmp/x --mine 10.0.0.1:3333
           nearest rule: process /usr/bin/x (/etc/host-watchdog/policy.toml:12)
           it does not match: the executable is /tmp/x, not /usr/bin/x; the user
             is alice, not root
           to allow just this, add:

               [[process]]
               exe   = "/tmp/x"
               users = ["alice"]

           first seen Wed 14:01 +01 (just now)

        STILL OPEN (1)

        1. cpu a
           urgent, high-cpu, id tsifs
           open since Mon 13:00 +01 (2 days ago)

        COVERAGE

           saw 312 processes, 14 listeners
           no known gaps

        --
        one alert with all its evidence: watchdog show gv7b7
        all open alerts: watchdog alerts
        to allow what you know, add its rule to /etc/host-watchdog/policy.toml
        policy 3fa94b0c11d2: /etc/host-watchdog/policy.toml
        host-watchdog 0.1.0
    "#]]
    .assert_eq(&shown(&letter));
    assert!(!letter.references.is_empty());
}

#[test]
fn subjects() {
    let day = 1440;
    let cases: Vec<(Vec<Pass>, Limits)> = vec![
        (vec![saw(minute(0), &["process x", "process y", "cpu a"])], limits()),
        (vec![saw(minute(0), &["process x"]), saw(minute(day), &["process x"])], limits()),
        (
            vec![
                saw(minute(0), &["process x", "cpu b"]),
                saw(minute(7), &["process x", "cpu b"]),
                saw(minute(day), &["process x", "cpu b"]),
            ],
            limits(),
        ),
        (
            vec![
                saw(minute(0), &["process x"]),
                saw(minute(1), &[]),
                saw(minute(7), &[]),
                saw(minute(12), &[]),
            ],
            limits(),
        ),
        (
            vec![
                saw(minute(0), &["process x", "process y"]),
                saw(minute(1), &[]),
                saw(minute(7), &[]),
                saw(minute(12), &[]),
            ],
            limits(),
        ),
        (vec![saw(minute(0), &["cpu x"]), saw(minute(5), &["cpu x"]), saw(minute(6), &["cpu x!"])], limits()),
        (vec![saw(minute(0), &["login bob"]), saw(minute(90), &["login bob"])], limits()),
        (vec![saw(minute(0), &["cpu x"]), saw(minute(1), &[]), saw(minute(6), &[])], gather(6)),
        (minutes(0..200, |m| only(m % 60 == 0, "process x")).collect(), limits()),
    ];
    let subjects: Vec<String> =
        cases.into_iter().map(|(passes, limits)| letter_of(passes, &limits, &about()).subject).collect();
    expect![[r#"
        web1: 3 alerts, worst: process x
        web1: still open since Mon 13:00 +01: process x
        web1: still 2 alerts open, oldest since Mon 13:00 +01: process x
        web1: ended: process x
        web1: 2 alerts ended: process x
        web1: now urgent: cpu x
        web1: again: login bob
        web1: already over: cpu x
        web1: back: process x
    "#]]
    .assert_eq(&(subjects.join("\n") + "\n"));
}

#[test]
fn a_long_subject_keeps_what_and_who() {
    let title = format!("unknown process /tmp/{} run by alice", "x".repeat(500));
    let finding = Finding::new(Code::UnknownProcess, "x", title);
    let letter = letter_of(
        vec![found(minute(0), vec![finding])],
        &limits(),
        &About { host: "h".repeat(200), ..about() },
    );
    assert_eq!(letter.subject.chars().count(), 120);
    assert!(
        letter.subject.contains("unknown process /tmp/xxx") && letter.subject.ends_with("run by alice"),
        "{}",
        letter.subject
    );
}

#[test]
fn a_flood_is_grouped_counted_and_buries_nothing() {
    let mut findings: Vec<Finding> = (0..600)
        .map(|n| {
            Finding::new(
                Code::UnknownProcess,
                format!("/tmp/{n}"),
                format!("unknown process /tmp/{n} run by alice"),
            )
        })
        .collect();
    findings.push(finding("listener 4444"));
    let letter = letter_of(vec![found(minute(0), findings)], &limits(), &about());
    let body = &letter.body;
    assert_eq!(letter.subject, "web1: 601 alerts, worst: unknown process /tmp/0 run by alice");
    assert!(body.contains("601 alerts: 601 new. 601 are open in all."), "{body}");
    assert!(body.contains("20. listener 4444\n"), "{body}");
    assert!(
        body.contains("   581 more of unknown-process:\n")
            && body.contains("   and 381 more; `watchdog alerts` lists all\n"),
        "{body}"
    );
    let named = body.lines().filter(|line| line.contains("unknown process /tmp/")).count();
    assert_eq!(named, 1 + 19 + 200);
}

#[test]
fn long_evidence_is_cut_and_says_where_the_rest_is() {
    let finding = unknown_process()
        .with("arguments", "a".repeat(100_000))
        .with("children", vec!["/usr/bin/something"; 12])
        .suggest(format!("[[process]]\nargs = \"{}\"\n", "a".repeat(100_000)));
    let letter = letter_of(vec![found(minute(0), vec![finding.clone()])], &limits(), &about());
    assert!(letter.body.len() < 3000);
    assert_eq!(letter.body.matches("full text: watchdog show ").count(), 1);
    assert!(letter.body.contains("the rule that allows just this is long: watchdog show "));
    let whole: String =
        words::finding_lines(&finding, None).iter().map(|line| line.text.clone() + "\n").collect();
    assert!(whole.matches('a').count() > 200_000);
}

#[test]
fn the_body_of_an_end_says_that_it_is_over() {
    let passes =
        vec![saw(minute(0), &["process x"]), saw(minute(1), &[]), saw(minute(7), &[]), saw(minute(12), &[])];
    let body = letter_of(passes, &limits(), &about()).body;
    expect![[r#"
        process x: no longer seen, last seen Mon 13:00 +01 (12 minutes ago),
          first seen Mon 13:00 +01 (12 minutes ago)

        web1, Mon 23 Nov 2026 13:12 +01 (+01:00)
        1 alert: 1 ended. Nothing is open now.

        ENDED (1)

        1. process x
           urgent, unknown-process, id ai2l3
           no longer seen, last seen Mon 13:00 +01 (12 minutes ago), first seen
           Mon 13:00 +01 (12 minutes ago)

        COVERAGE

           saw 312 processes, 14 listeners
           no known gaps

        --
        one alert with all its evidence: watchdog show ai2l3
        all open alerts: watchdog alerts
        to allow what you know, add its rule to /etc/host-watchdog/policy.toml
        policy 3fa94b0c11d2: /etc/host-watchdog/policy.toml
        host-watchdog 0.1.0
    "#]]
    .assert_eq(&body);
}
