//! The words in which findings and times are shown, in mails and on the terminal alike.
//!
//! Everything that comes out is a single line without controls: what a fact says can neither end a line nor
//! begin one at the left margin, where only our own words stand.

use crate::finding::Finding;
use crate::text::clean;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

/// Prose is wrapped at so many columns.
pub const WIDTH: usize = 72;

/// A piece of evidence is cut after so many characters in a mail.
const EVIDENCE: usize = 400;

/// A rule to add is left out of a mail if it is longer than this.
const SUGGEST: usize = 4000;

/// A title is cut to so many characters.
const TITLE: usize = 300;

/// What a line is about, so that a terminal may colour it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What differs.
    Title,
    /// What was seen.
    Evidence,
    /// The nearest rule, and why it did not match.
    Nearest,
    /// What the lines after it are for.
    Hint,
    /// A line of the rule to add.
    Suggest,
}

/// One line, already indented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub kind: Kind,
    /// The line without its end.
    pub text: String,
}

/// A finding in lines: title, evidence, nearest rule, the rule to add. With the `id` of its alert, what is very
/// long is cut and the command that shows it whole is named; without one, nothing is cut.
#[must_use]
pub fn finding_lines(finding: &Finding, id: Option<&str>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |kind, texts: Vec<String>| lines.extend(texts.into_iter().map(|text| Line { kind, text }));
    let title =
        if id.is_some() { squeeze(&finding.title, TITLE) } else { clean(&finding.title).into_owned() };
    add(Kind::Title, vec![title]);

    let widest = finding.evidence.keys().map(|name| clean(name).chars().count()).max().unwrap_or(0).min(20);
    for (name, value) in &finding.evidence {
        let label = format!("   {:widest$}  ", clean(name));
        let (shown, whole) = cut(&plain(value), id.map(|_| EVIDENCE));
        let items = if value.is_array() && whole { wrap_list(value, &label) } else { vec![label + &shown] };
        add(Kind::Evidence, items);
        if let (false, Some(id)) = (whole, id) {
            add(Kind::Evidence, vec![format!("   {:widest$}  (full text: watchdog show {id})", "")]);
        }
    }
    if let Some(nearest) = &finding.nearest {
        let limit = id.map(|_| EVIDENCE);
        add(Kind::Nearest, wrap("   nearest rule: ", "     ", &cut(&nearest.rule, limit).0));
        add(Kind::Nearest, wrap("   it does not match: ", "     ", &cut(&nearest.why_not, limit).0));
    }
    match (&finding.suggest, id) {
        (Some(toml), Some(id)) if toml.len() > SUGGEST => {
            add(Kind::Hint, vec![format!("   the rule that allows just this is long: watchdog show {id}")]);
        }
        (Some(toml), _) => {
            add(Kind::Hint, vec!["   to allow just this, add:".to_owned()]);
            let toml = toml.trim_end().split('\n');
            add(
                Kind::Suggest,
                toml.map(|line| format!("       {}", clean(line)).trim_end().to_owned()).collect(),
            );
        }
        (None, _) => {}
    }
    lines
}

/// A value of the evidence in one line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text).into_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{} {}", clean(name), plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
    }
}

/// The items of a list, broken between items only.
fn wrap_list(list: &Value, label: &str) -> Vec<String> {
    let indent = " ".repeat(label.chars().count());
    let mut items = list.as_array().into_iter().flatten().map(plain).peekable();
    let mut lines = vec![label.to_owned()];
    let mut fresh = true;
    while let Some(mut item) = items.next() {
        if items.peek().is_some() {
            item.push(',');
        }
        let used = lines.last().map_or(0, |line| line.chars().count());
        if fresh || used + 1 + item.chars().count() > WIDTH {
            if !fresh {
                lines.push(indent.clone());
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(&item);
            }
        } else if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(&item);
        }
        fresh = false;
    }
    lines
}

/// Cuts to `limit` characters; true if all of it is there.
fn cut(text: &str, limit: Option<usize>) -> (String, bool) {
    let text = clean(text);
    match limit.and_then(|limit| text.char_indices().nth(limit)) {
        Some((end, _)) => (format!("{}…", text.get(..end).unwrap_or_default()), false),
        None => (text.into_owned(), true),
    }
}

/// Cleans and cuts in the middle: the beginning says what it is, the end who did it.
#[must_use]
pub fn squeeze(text: &str, limit: usize) -> String {
    let text = clean(text);
    let length = text.chars().count();
    if length <= limit {
        return text.into_owned();
    }
    let tail = limit / 3;
    let head: String = text.chars().take(limit.saturating_sub(tail + 1)).collect();
    let tail: String = text.chars().skip(length - tail).collect();
    format!("{head}…{tail}")
}

/// Wraps at [`WIDTH`] between words; a word that is longer stays whole. The first line begins with `first`, the
/// others with `next`.
#[must_use]
pub fn wrap(first: &str, next: &str, text: &str) -> Vec<String> {
    let text = clean(text);
    let mut lines = vec![first.to_owned()];
    let mut fresh = true;
    for word in text.split(' ') {
        let used = lines.last().map_or(0, |line| line.chars().count());
        let space = usize::from(!fresh);
        if !fresh && used + space + word.chars().count() > WIDTH {
            lines.push(next.to_owned());
            fresh = true;
        }
        if let Some(line) = lines.last_mut() {
            if !fresh {
                line.push(' ');
            }
            line.push_str(word);
        }
        fresh = false;
    }
    lines
}

/// A moment for a person: `Tue 14:02 CET`, or with its date if it is not of the last six days.
#[must_use]
pub fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let age = now.duration_since(at);
    let form =
        if age.is_negative() || age.as_hours() >= 6 * 24 { "%Y-%m-%d %H:%M %Z" } else { "%a %H:%M %Z" };
    at.to_zoned(zone.clone()).strftime(form).to_string()
}

/// A whole date with the offset: `Tue 24 Nov 2026 14:02 CET (+01:00)`.
#[must_use]
pub fn date(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %Y %H:%M %Z (%:z)").to_string()
}

/// How long ago: `3 minutes ago`; what lies in the future is `just now`.
#[must_use]
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.duration_since(at).as_secs() {
        ..60 => "just now".to_owned(),
        seconds => format!("{} ago", long(seconds)),
    }
}

/// A length of time in its largest unit: `45 minutes`.
#[must_use]
pub fn long(seconds: i64) -> String {
    let (number, unit) = match seconds {
        ..60 => (seconds.max(0), "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    count(number.unsigned_abs(), unit)
}

/// `1 alert`, `2 alerts`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
