//! When an alert is told.

use super::*;
use expect_test::{Expect, expect};

const DAY: i64 = 1440;

#[allow(clippy::needless_pass_by_value, reason = "written in place")]
fn check(limits: &Limits, passes: impl IntoIterator<Item = Pass>, wanted: Expect) {
    wanted.assert_eq(&timeline(limits, passes));
}

#[test]
fn an_urgent_state_is_told_once_at_once_and_reminded_daily() {
    check(
        &limits(),
        minutes(0..3 * DAY, |_| vec!["process x"]),
        expect![[r#"
        0d00:00 opened process x
        1d00:00 still process x
        2d00:00 still process x
    "#]],
    );
}

#[test]
fn an_end_is_told_once_after_two_looks_and_five_minutes_and_a_wait() {
    check(
        &limits(),
        minutes(0..100, |m| only(m < 10, "process x")),
        expect![[r#"
        0d00:00 opened process x
        0d00:20 ended process x
    "#]],
    );
}

#[test]
fn with_rare_looks_the_end_needs_two_of_them() {
    check(
        &limits(),
        minutes(0..5, |m| only(m < 1, "cpu x"))
            .map(|p| Pass { now: minute(p.now.duration_since(start()).as_mins() * 60), ..p }),
        expect![[r#"
        0d01:00 opened cpu x
        0d03:00 ended cpu x
    "#]],
    );
}

#[test]
fn even_without_any_wait_one_look_that_misses_it_ends_nothing() {
    let limits = Limits { resolve_after: Span::seconds(0), gather: Span::seconds(0), ..limits() };
    check(
        &limits,
        minutes(0..9, |m| only(m < 1 || m == 2, "process x")),
        expect![[r#"
        0d00:00 opened process x
        0d00:04 ended process x x1
    "#]],
    );
}

#[test]
fn news_that_is_not_urgent_waits_for_more() {
    let seen = |m| {
        [(0, "cpu a"), (2, "cpu b"), (4, "cpu c")]
            .into_iter()
            .filter(|(at, _)| *at <= m)
            .map(|(_, s)| s)
            .collect()
    };
    check(
        &limits(),
        minutes(0..60, seen),
        expect![[r#"
        0d00:05 opened cpu a; opened cpu b; opened cpu c
    "#]],
    );
}

#[test]
fn urgent_news_takes_with_it_what_waits() {
    check(
        &limits(),
        minutes(0..60, |m| if m < 2 { vec!["cpu a"] } else { vec!["cpu a", "process x"] }),
        expect![[r#"
        0d00:02 opened process x; opened cpu a
    "#]],
    );
}

#[test]
fn what_was_over_before_it_was_told_is_told_all_the_same() {
    check(
        &gather(30),
        minutes(0..100, |m| only(m < 1, "cpu a")),
        expect![[r#"
        0d00:30 opened+ended cpu a
    "#]],
    );
}

#[test]
fn what_flaps_within_minutes_is_told_once_and_counted() {
    check(
        &limits(),
        minutes(0..DAY + 60, |m| only(m % 3 == 0, "process x")),
        expect![[r#"
        0d00:00 opened process x
        1d00:00 still process x x480
    "#]],
    );
}

#[test]
fn what_flaps_every_hour_costs_three_mails_and_one_a_day() {
    check(
        &limits(),
        minutes(0..3 * DAY, |m| only(m % 60 == 0, "process x")),
        expect![[r#"
        0d00:00 opened process x
        0d00:11 ended process x
        0d01:05 again process x x1
        1d01:05 still process x x24
        2d01:05 still process x x24
    "#]],
    );
}

#[test]
fn what_returns_before_its_end_was_told_is_just_counted() {
    let seen = |m| only(m < 2 || (10..20).contains(&m), "process x");
    check(
        &gather(60),
        minutes(0..DAY + 300, seen),
        expect![[r#"
        0d00:00 opened process x
        1d00:00 still process x x1
        1d01:20 ended process x
    "#]],
    );
}

#[test]
fn what_returns_after_more_than_a_day_is_a_new_alert() {
    let passes: Vec<Pass> =
        minutes(0..2 * DAY + 60, |m| only(!(2..=2 * DAY).contains(&m), "process x")).collect();
    check(
        &limits(),
        passes.clone(),
        expect![[r#"
        0d00:00 opened process x
        0d00:12 ended process x
        2d00:01 opened process x
    "#]],
    );
    let mut book = Book::default();
    let mut ids = std::collections::BTreeSet::new();
    for pass in &passes {
        let step = step(&book, pass, &limits());
        ids.extend(step.changed.iter().map(|alert| alert.id.clone()));
        book.apply(step);
    }
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_watch_that_failed_or_did_not_look_ends_nothing() {
    let blind = |looked: Option<bool>| {
        minutes(0..120, move |m| only(m < 1, "process x")).map(move |mut pass| {
            match looked {
                Some(saw) if pass.now > start() => pass.looked[0].saw = saw,
                None if pass.now > start() => pass.looked[0].watch = "another".into(),
                _ => {}
            }
            pass
        })
    };
    check(
        &limits(),
        blind(Some(false)),
        expect![[r#"
        0d00:00 opened process x
    "#]],
    );
    check(
        &limits(),
        blind(None),
        expect![[r#"
        0d00:00 opened process x
    "#]],
    );
    check(
        &limits(),
        blind(Some(true)),
        expect![[r#"
        0d00:00 opened process x
        0d00:11 ended process x
    "#]],
    );
}

#[test]
fn a_rise_in_severity_is_told_at_once_and_once() {
    let seen = |m: i64| match m {
        0..10 => vec!["cpu a"],
        m if m % 2 == 0 => vec!["cpu a!"],
        _ => vec!["cpu a"],
    };
    check(
        &limits(),
        minutes(0..60, seen),
        expect![[r#"
        0d00:05 opened cpu a
        0d00:10 worse cpu a
    "#]],
    );
}

#[test]
fn an_event_is_told_again_after_an_hour_of_quiet_and_its_end_after_a_day() {
    let seen = |m| only([0, 10, 80, 85].contains(&m), "login bob");
    check(
        &limits(),
        minutes(0..4 * DAY, seen),
        expect![[r#"
        0d00:00 opened login bob
        0d01:20 again login bob x2
        1d01:20 still login bob x1
        2d01:25 ended login bob
    "#]],
    );
}

#[test]
fn an_event_that_goes_on_is_told_in_the_daily_reminder() {
    check(
        &limits(),
        minutes(0..2 * DAY, |m| only(m % 30 == 0, "failed ssh")),
        expect![[r#"
        0d00:05 opened failed ssh
        1d00:05 still failed ssh x48
    "#]],
    );
}

#[test]
fn the_end_of_an_event_goes_with_the_next_mail() {
    let seen = |m| [only(m == 0, "login bob"), only(m == DAY + 100, "process x")].concat();
    check(
        &limits(),
        minutes(0..3 * DAY, seen).filter(|pass| pass.now < minute(DAY + 103)),
        expect![[r#"
        0d00:00 opened login bob
        1d01:40 opened process x; ended login bob
    "#]],
    );
}

#[test]
fn reminders_go_together() {
    let seen =
        |m| [only(true, "process x"), only(m >= 90, "process y"), only(m >= 300, "process z")].concat();
    check(
        &limits(),
        minutes(0..2 * DAY, seen),
        expect![[r#"
        0d00:00 opened process x
        0d01:30 opened process y
        0d05:00 opened process z
        1d00:00 still process x; still process y
        1d05:00 still process z
    "#]],
    );
}

#[test]
fn an_acknowledged_alert_is_not_reminded_but_its_end_is_told() {
    let mut book = Book::default();
    let mut log = Vec::new();
    for pass in minutes(0..3 * DAY, |m| only(m < 2 * DAY, "process x")) {
        let step = step(&book, &pass, &limits());
        log.extend(step.digest.iter().map(told));
        book.apply(step);
        book.alerts
            .values_mut()
            .filter(|alert| alert.is_open())
            .for_each(|alert| alert.state = State::Acknowledged);
    }
    assert_eq!(log, ["opened process x", "ended process x"]);
}

#[test]
fn more_mails_than_the_limit_are_held_and_nothing_is_lost() {
    let names: Vec<String> = (0..40).map(|n| format!("process p{n:02}")).collect();
    let seen = |m: i64| names.iter().take(usize::try_from(m).unwrap() + 1).map(String::as_str).collect();
    check(
        &per_hour(4),
        minutes(0..70, seen),
        expect![[r#"
        0d00:00 opened process p00
        0d00:01 opened process p01
        0d00:02 opened process p02
        0d00:03 opened process p03
        0d01:00 opened process p04; opened process p05; opened process p06; opened process p07; opened process p08; opened process p09; opened process p10; opened process p11; opened process p12; opened process p13; opened process p14; opened process p15; opened process p16; opened process p17; opened process p18; opened process p19; opened process p20; opened process p21; opened process p22; opened process p23; opened process p24; opened process p25; opened process p26; opened process p27; opened process p28; opened process p29; opened process p30; opened process p31; opened process p32; opened process p33; opened process p34; opened process p35; opened process p36; opened process p37; opened process p38; opened process p39; 36 held since 0d00:04
    "#]],
    );
}

#[test]
fn ordinary_news_leaves_a_quarter_of_the_mails_to_urgent_news() {
    let names: Vec<String> = (0..60).map(|n| format!("cpu c{n:02}")).collect();
    let seen = |m: i64| {
        let mut seen: Vec<&str> =
            names.iter().take(usize::try_from(m).unwrap() + 1).map(String::as_str).collect();
        seen.extend(only(m >= 30, "process x"));
        seen
    };
    let limits = Limits { gather: Span::seconds(0), ..per_hour(4) };
    check(
        &limits,
        minutes(0..35, seen),
        expect![[r#"
        0d00:00 opened cpu c00
        0d00:01 opened cpu c01
        0d00:02 opened cpu c02
        0d00:30 opened process x; opened cpu c03; opened cpu c04; opened cpu c05; opened cpu c06; opened cpu c07; opened cpu c08; opened cpu c09; opened cpu c10; opened cpu c11; opened cpu c12; opened cpu c13; opened cpu c14; opened cpu c15; opened cpu c16; opened cpu c17; opened cpu c18; opened cpu c19; opened cpu c20; opened cpu c21; opened cpu c22; opened cpu c23; opened cpu c24; opened cpu c25; opened cpu c26; opened cpu c27; opened cpu c28; opened cpu c29; opened cpu c30; 27 held since 0d00:03
    "#]],
    );
}

#[test]
fn a_clock_set_back_neither_panics_nor_stalls_reminders() {
    let mut passes: Vec<Pass> = minutes(0..10, |_| vec!["process x", "login bob"]).collect();
    passes.extend(minutes(-3 * DAY..-DAY, |_| vec!["process x"]));
    check(
        &limits(),
        passes,
        expect![[r#"
        0d00:00 opened process x; opened login bob
        -2d00:00 still process x; ended login bob x9
    "#]],
    );
}

#[test]
fn the_limit_forgets_mails_from_a_future_that_was_set_back() {
    let book = Book { sent: vec![minute(500); 12], ..Book::default() };
    let step = step(&book, &saw(minute(0), &["process x"]), &limits());
    assert_eq!((step.digest.is_some(), step.sent), (true, vec![minute(0)]));
}

#[test]
fn of_the_same_finding_in_one_pass_the_first_counts() {
    let mut pass = saw(minute(0), &["login bob", "login bob"]);
    pass.looked.push(Looked { watch: "v".into(), ..pass.looked[0].clone() });
    let step = step(&Book::default(), &pass, &limits());
    let [alert] = step.changed.as_slice() else { panic!() };
    assert_eq!((alert.times, alert.watch.as_str()), (1, "w"));
}

#[test]
fn a_step_that_changes_nothing_writes_nothing() {
    let mut book = Book::default();
    let first = step(&book, &saw(minute(0), &["login bob"]), &limits());
    book.apply(first);
    for number in 1..4 {
        let step = step(&book, &saw(minute(number), &[]), &limits());
        assert_eq!(step.changed.len(), usize::from(number < 3), "minute {number}");
        book.apply(step);
    }
}

#[test]
fn the_book_forgets_what_has_been_over_for_a_day() {
    let mut book = Book::default();
    for pass in minutes(0..2 * DAY, |m| only(m < 2, "process x")) {
        let step = step(&book, &pass, &limits());
        book.apply(step);
    }
    assert_eq!(book, Book::default());
}

#[test]
fn the_mails_about_an_alert_are_remembered_first_and_latest() {
    let mut book = Book::default();
    let mut ids = Vec::new();
    for pass in minutes(0..10, |_| vec!["process x"])
        .map(|p| Pass { now: start() + (p.now.duration_since(start()) * 1440), ..p })
    {
        let step = step(&book, &pass, &limits());
        ids.push(step.digest.clone().unwrap().message_id);
        book.apply(step);
    }
    let alert = book.alerts.values().next().unwrap();
    assert_eq!(alert.references, [&ids[..1], &ids[5..]].concat());
    assert_eq!(alert.told.mails, 10);
}
