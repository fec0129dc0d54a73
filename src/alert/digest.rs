//! A digest in words: subject and body of one mail, for a person who reads it on a phone at night.
//!
//! The most important sentence comes first, then what differs with its evidence and the rule that would allow
//! it, then what is still open, what is over, and what the watchdog could not see. Plain text.

mod section;
mod subject;

use super::due::{Digest, Entry, News};
use super::step::Step;
use super::words::{self, Kind as LineKind, count, squeeze, wrap};
use super::{Alert, State};
use crate::coverage::Gap;
use crate::finding::{Kind, Severity};
use crate::letter::Letter;
use jiff::{Timestamp, tz::TimeZone};
use section::{Left, section};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// So many message ids of earlier mails are named, so that clients thread.
const REFERENCES: usize = 20;

/// Whether an entry belongs to a part of the mail.
type Wanted = fn(&Entry) -> bool;

/// Writes an alert in several lines, with its number.
type Full = fn(&Entry, usize, Timestamp, &About) -> Vec<String>;

/// What a digest says besides its alerts.
#[derive(Debug, Clone)]
pub struct About {
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// The host's name.
    pub host: String,
    /// The SHA-256 of the policy in force, in hexadecimal.
    pub policy_digest: String,
    /// Its files.
    pub policy_files: Vec<String>,
    /// The file to add a rule to.
    pub add_to: String,
    /// The program's version.
    pub version: String,
    /// What was looked at, in a few words each: `312 processes`.
    pub saw: Vec<String>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
    /// When nobody was watching, and no mail has said so yet.
    pub blind: Vec<Blind>,
    /// That what is new is learned and not reported, and until when.
    pub observing: Option<String>,
}

/// A time in which the watchdog was not watching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind {
    /// The last sign of life.
    pub from: Timestamp,
    /// When it watched again.
    pub until: Timestamp,
    /// Why: `it was stopped`.
    pub why: String,
}

/// A step and its mail, ready to be stored together.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    pub(crate) step: Step,
    pub(crate) letter: Option<Letter>,
    /// Another mail of the service's own, which tells of no alert.
    pub(crate) other: Option<Letter>,
    /// What the mail says of times in which nobody was watching.
    pub(crate) blind: Vec<Blind>,
}

impl Composed {
    /// The step.
    #[must_use]
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The mail, if the step has one.
    #[must_use]
    pub fn letter(&self) -> Option<&Letter> {
        self.letter.as_ref()
    }

    /// Every mail that is stored with the step.
    pub fn letters(&self) -> impl Iterator<Item = &Letter> {
        self.letter.iter().chain(&self.other)
    }

    /// The same with another mail, to be stored together with the step.
    #[must_use]
    pub fn and(self, other: Option<Letter>) -> Self {
        Self { other, ..self }
    }
}

/// Puts the digest of a step, if it has one, into words.
#[must_use]
pub fn compose(step: Step, about: &About) -> Composed {
    let letter = step.digest.as_ref().map(|digest| write(digest, about));
    Composed { step, letter, other: None, blind: about.blind.clone() }
}

/// Puts a digest into words.
#[must_use]
pub fn write(digest: &Digest, about: &About) -> Letter {
    let news = digest.entries.iter().filter(|entry| is_new(entry));
    Letter {
        message_id: digest.message_id.clone(),
        date: digest.at,
        subject: subject::subject(digest, about),
        body: body(digest, about),
        priority: news.map(|entry| entry.alert.worst).max().unwrap_or(Severity::Notice),
        references: references(digest),
    }
}

/// The first mails of each thread, then the latest, as many as fit.
fn references(digest: &Digest) -> Vec<String> {
    let all = digest.entries.iter().map(|entry| &entry.references);
    let ids: BTreeSet<&String> = all.flat_map(|ids| ids.first().into_iter().chain(ids.last())).collect();
    // A message id begins with its time: the oldest come first.
    ids.into_iter().rev().take(REFERENCES).rev().cloned().collect()
}

fn is_new(entry: &Entry) -> bool {
    !matches!(entry.news, News::Still | News::Ended)
}

/// The most important entry: the first of the worst news.
fn worst(entries: &[Entry]) -> Option<&Entry> {
    entries
        .iter()
        .min_by_key(|entry| (!is_new(entry), entry.news == News::Ended, std::cmp::Reverse(entry.alert.worst)))
}

fn body(digest: &Digest, about: &About) -> String {
    let mut lines = Vec::new();
    if let Some(entry) = worst(&digest.entries) {
        lines.extend(wrap("", "  ", &headline(entry, digest.at, about)));
        lines.push(String::new());
    }
    let when = words::date(digest.at, &about.zone);
    lines.extend(wrap("", "  ", &format!("{}, {when}", squeeze(&about.host, 80))));
    lines.extend(wrap("", "  ", &counts(digest)));
    if let Some((number, since)) = digest.held {
        let since = words::moment(since, digest.at, &about.zone);
        let held = format!(
            "{} held back since {since}, because of the limit on mails in an hour (digests-per-hour).",
            if number == 1 { "1 alert was".to_owned() } else { format!("{number} alerts were") }
        );
        lines.extend(wrap("", "  ", &held));
    }

    let mut left = Left::all();
    let sections: [(&str, Wanted, Full); 3] = [
        ("NEW", is_new, in_full),
        ("STILL OPEN", |entry| entry.news == News::Still, in_brief),
        ("ENDED", |entry| entry.news == News::Ended, in_brief),
    ];
    for (name, wanted, full) in sections {
        let entries: Vec<&Entry> = digest.entries.iter().filter(|entry| wanted(entry)).collect();
        section(&mut lines, name, &entries, &mut left, &|entry, number| {
            full(entry, number, digest.at, about)
        });
    }
    coverage(&mut lines, digest.at, about);
    footer(&mut lines, digest, about);
    let mut text =
        lines.iter().map(|line| crate::text::clean(line.trim_end())).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// One sentence: what, and since when.
fn headline(entry: &Entry, now: Timestamp, about: &About) -> String {
    format!("{}: {}", squeeze(&entry.alert.finding.title, 300), history(entry, now, about))
}

/// What became of it, in words.
fn history(entry: &Entry, now: Timestamp, about: &About) -> String {
    let Entry { alert, again, .. } = entry;
    let at = |moment| format!("{} ({})", words::moment(moment, now, &about.zone), words::ago(moment, now));
    let opened = at(alert.opened);
    let more = match (alert.kind(), *again) {
        (_, 0) => String::new(),
        (Kind::Event, again) => format!(", {} since the last mail", happened(again)),
        (Kind::State, again) => format!(", came back {} since the last mail", times(again)),
    };
    let known = alert.state == State::Acknowledged;
    let known = if known { ", acknowledged" } else { "" };
    let mut words = match entry.news {
        News::Opened if alert.times > 1 && alert.kind() == Kind::Event => {
            format!("first seen {opened}, {} so far", happened(alert.times))
        }
        News::Opened if alert.times > 1 => {
            format!("first seen {opened}, came and went {}", times(alert.times))
        }
        News::Opened => format!("first seen {opened}"),
        News::Worse => {
            let before = entry.told_severity.map_or("less", Severity::as_str);
            format!("rose from {before} to {}, first seen {opened}{more}", alert.worst.as_str())
        }
        News::Again if alert.kind() == Kind::State => {
            format!("is back after its end was told, first seen {opened}{more}")
        }
        News::Again => format!("happened again, first seen {opened}{more}"),
        News::Still => format!("open since {opened}{more}{known}"),
        News::Ended => String::new(),
    };
    if entry.news == News::Still && alert.absent.is_some() {
        words = format!("{words}; last seen {}", at(alert.last_seen));
    }
    if entry.ended {
        let last = at(alert.last_seen);
        let over = match alert.kind() {
            Kind::State => format!("no longer seen, last seen {last}"),
            Kind::Event => format!("has not happened again since {last}"),
        };
        words = match entry.news {
            News::Ended => format!("{over}, first seen {opened}{more}"),
            _ => format!("{words}; {over}"),
        };
    }
    words
}

fn happened(number: u64) -> String {
    format!("happened {}", times(number))
}

fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

/// All of it in numbers.
fn counts(digest: &Digest) -> String {
    let of = |wanted: &dyn Fn(&Entry) -> bool| digest.entries.iter().filter(|entry| wanted(entry)).count();
    let over = of(&|entry| is_new(entry) && entry.ended);
    let parts = [
        (of(&|entry| entry.news == News::Opened), "new"),
        (of(&|entry| entry.news == News::Worse), "more severe than before"),
        (of(&|entry| entry.news == News::Again), "again"),
        (of(&|entry| entry.news == News::Still), "still open"),
        (of(&|entry| entry.news == News::Ended), "ended"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let over = if over > 0 { format!(" ({over} of the new already over)") } else { String::new() };
    let total = count(digest.entries.len() as u64, "alert");
    let open = match digest.open {
        0 => "Nothing is open now.".to_owned(),
        1 => "1 is open in all.".to_owned(),
        open => format!("{open} are open in all."),
    };
    format!("{total}: {}{over}. {open}", parts.join(", "))
}

/// An alert with all it has.
fn in_full(entry: &Entry, number: usize, now: Timestamp, about: &About) -> Vec<String> {
    let alert = &entry.alert;
    let mut lines = Vec::new();
    let mut before = LineKind::Title;
    for line in words::finding_lines(&alert.finding, Some(&alert.id)) {
        let parts = (line.kind == LineKind::Suggest) != (before == LineKind::Suggest);
        if parts {
            lines.push(String::new());
        }
        before = line.kind;
        if line.kind == LineKind::Title {
            lines.extend(wrap(&format!("{number}. "), "   ", &line.text));
            lines.push(meta(alert));
        } else {
            lines.push(line.text);
        }
    }
    if before == LineKind::Suggest {
        lines.push(String::new());
    }
    lines.extend(wrap("   ", "   ", &history(entry, now, about)));
    lines.push(String::new());
    lines
}

fn meta(alert: &Alert) -> String {
    format!("   {}, {}, id {}", alert.worst.as_str(), alert.code(), alert.id)
}

/// An alert that the reader knows already.
fn in_brief(entry: &Entry, number: usize, now: Timestamp, about: &About) -> Vec<String> {
    let mut lines = wrap(&format!("{number}. "), "   ", &squeeze(&entry.alert.finding.title, 300));
    lines.push(meta(&entry.alert));
    lines.extend(wrap("   ", "   ", &history(entry, now, about)));
    lines.push(String::new());
    lines
}

fn coverage(lines: &mut Vec<String>, now: Timestamp, about: &About) {
    lines.extend([String::new(), "COVERAGE".to_owned(), String::new()]);
    if !about.saw.is_empty() {
        lines.extend(wrap("   ", "   ", &format!("saw {}", about.saw.join(", "))));
    }
    for gap in &about.gaps {
        let what = format!(
            "{}: saw {} of {}; {}",
            gap.gap.replace('-', " "),
            gap.seen,
            gap.of,
            squeeze(&gap.why, 300)
        );
        lines.extend(wrap("   ", "   ", &what));
    }
    for Blind { from, until, why } in &about.blind {
        let (start, end) = (words::moment(*from, now, &about.zone), words::moment(*until, now, &about.zone));
        let long = words::long(until.duration_since(*from).as_secs());
        let what = format!("was not watching from {start} to {end} ({long}): {}", squeeze(why, 300));
        lines.extend(wrap("   ", "   ", &what));
    }
    if about.gaps.is_empty() && about.blind.is_empty() {
        lines.push("   no known gaps".to_owned());
    }
}

fn footer(lines: &mut Vec<String>, digest: &Digest, about: &About) {
    lines.extend([String::new(), "--".to_owned()]);
    let worst = worst(&digest.entries);
    lines.extend(
        worst.map(|entry| format!("one alert with all its evidence: watchdog show {}", entry.alert.id)),
    );
    lines.push("all open alerts: watchdog alerts".to_owned());
    lines.extend(wrap("", "  ", &format!("to allow what you know, add its rule to {}", about.add_to)));
    lines.extend(about.observing.iter().flat_map(|observing| wrap("", "  ", observing)));
    let digest: String = about.policy_digest.chars().take(12).collect();
    lines.extend(wrap("", "  ", &format!("policy {digest}: {}", about.policy_files.join(", "))));
    lines.extend(wrap("", "  ", &format!("host-watchdog {}", about.version)));
}
