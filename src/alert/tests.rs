//! The life of alerts, told minute by minute.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

mod life;
mod lines;
mod random;
mod said;

use super::*;
use crate::rule::Span;
use std::num::NonZeroU32;

/// A monday, noon.
pub fn start() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub fn minute(minute: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minute)
}

/// `process x`, `cpu x`, `login x`, `failed x`; with `!` at the end it is urgent.
pub fn finding(short: &str) -> Finding {
    let (kind, name) = short.trim_end_matches('!').split_once(' ').unwrap();
    let code = match kind {
        "process" => Code::UnknownProcess,
        "listener" => Code::NewListener,
        "cpu" => Code::HighCpu,
        "login" => Code::OffHoursLogin,
        "failed" => Code::FailedLogins,
        _ => panic!("{kind}"),
    };
    let found = Finding::new(code, name, format!("{kind} {name}"));
    if short.ends_with('!') { found.severity(Severity::Urgent) } else { found }
}

/// A pass of one watch that saw these.
pub fn saw(now: Timestamp, shorts: &[&str]) -> Pass {
    let findings = shorts.iter().map(|short| finding(short)).collect();
    Pass { now, host: "web1".into(), looked: vec![Looked { watch: "w".into(), saw: true, findings }] }
}

pub fn limits() -> Limits {
    Limits::default()
}

/// What a digest tells, in short.
pub fn told(digest: &Digest) -> String {
    let entries = digest.entries.iter().map(|entry| {
        let news = format!("{:?}", entry.news).to_lowercase();
        let over = if entry.ended && entry.news != News::Ended { "+ended" } else { "" };
        let again = if entry.again > 0 && entry.news != News::Opened {
            format!(" x{}", entry.again)
        } else {
            String::new()
        };
        format!("{news}{over} {}{again}", entry.alert.finding.title)
    });
    let mut all: Vec<String> = entries.collect();
    if let Some((number, since)) = digest.held {
        all.push(format!("{number} held since {}", clock(since)));
    }
    all.join("; ")
}

fn clock(at: Timestamp) -> String {
    let minutes = at.duration_since(start()).as_mins();
    format!("{}d{:02}:{:02}", minutes / 1440, minutes % 1440 / 60, minutes % 60)
}

/// Runs passes and writes down each digest with the time since the start.
pub fn timeline(limits: &Limits, passes: impl IntoIterator<Item = Pass>) -> String {
    let mut book = Book::default();
    let mut log = String::new();
    for pass in passes {
        let step = step(&book, &pass, limits);
        if let Some(digest) = &step.digest {
            log = log + &clock(pass.now) + " " + &told(digest) + "\n";
        }
        book.apply(step);
    }
    log
}

/// A pass each minute, that sees what `seen` says of that minute.
pub fn minutes<'a>(
    range: std::ops::Range<i64>,
    seen: impl Fn(i64) -> Vec<&'a str>,
) -> impl Iterator<Item = Pass> {
    range.map(move |number| saw(minute(number), &seen(number)))
}

pub fn only(seen: bool, short: &str) -> Vec<&str> {
    if seen { vec![short] } else { vec![] }
}

pub fn per_hour(number: u32) -> Limits {
    Limits { digests_per_hour: NonZeroU32::new(number).unwrap(), ..limits() }
}

pub fn gather(minutes: u64) -> Limits {
    Limits { gather: Span::minutes(minutes), ..limits() }
}
