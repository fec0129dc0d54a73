//! What all rules of a policy share: where they stand, why, by whom and until when, and how near one came.

mod day;
pub mod explanation;
mod glob;
mod name;
mod value;
mod windows_path;

pub use day::Day;
pub use explanation::Explanation;
pub use glob::Pattern;
pub use name::Name;
pub use value::{Amount, Percent, Span};
pub use windows_path::is_windows_path;

use crate::finding::Nearest;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// A list that would make a longer line than this is broken.
const LONG: usize = 120;

/// Where a rule stands: file and line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The line its table begins on, from 1; 0 if unknown.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A rule as written, with the place it was written in.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed<R> {
    /// The rule.
    pub rule: R,
    /// Where it stands.
    pub origin: Origin,
}

/// What every kind of rule can say of itself.
pub trait Rule {
    /// The rule in a few words, for a person: `process /usr/sbin/nginx`.
    fn describe(&self) -> String;
    /// The last day on which it allows anything.
    fn expires(&self) -> Option<Day>;
    /// True if it still means something at `now`. The day is that of UTC, so that every host reads a policy alike: a
    /// rule holds to the end of the day it names.
    fn holds(&self, now: Timestamp) -> bool {
        self.expires().is_none_or(|last| last >= today(now))
    }
}

/// How well one rule fits one fact: which of its conditions hold, and in words which do not.
#[derive(Debug, Default)]
pub struct Comparison {
    agree: u32,
    differ: Vec<String>,
}

impl Comparison {
    /// Notes whether a condition that the rule makes holds; `why_not` says in words how the fact differs.
    pub fn condition(&mut self, holds: bool, why_not: impl FnOnce() -> String) {
        if holds {
            self.agree += 1;
        } else {
            self.differ.push(why_not());
        }
    }

    /// True if every condition held.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.differ.is_empty()
    }
}

/// What a set of rules says of one fact.
#[derive(Debug)]
pub enum Verdict<'a, R> {
    /// This rule allows it.
    Allowed(&'a Placed<R>),
    /// None does; the one that came nearest, if any had something in common with it.
    Refused(Option<Nearest>),
}

/// Asks every rule; any that fits allows (there is no order among rules). An expired rule never fits.
pub fn ask<'a, R: Rule>(
    rules: impl IntoIterator<Item = &'a Placed<R>>,
    now: Timestamp,
    compare: impl Fn(&R) -> Comparison,
) -> Verdict<'a, R> {
    let mut nearest: Option<(Comparison, &Placed<R>)> = None;
    for placed in rules {
        let mut comparison = compare(&placed.rule);
        if let Some(last) = placed.rule.expires().filter(|_| !placed.rule.holds(now)) {
            comparison.differ.push(format!("the rule expired on {last}"));
        }
        if comparison.fits() {
            return Verdict::Allowed(placed);
        }
        let better =
            |best: &Comparison| (comparison.agree, best.differ.len()) > (best.agree, comparison.differ.len());
        if comparison.agree > 0 && nearest.as_ref().is_none_or(|(best, _)| better(best)) {
            nearest = Some((comparison, placed));
        }
    }
    Verdict::Refused(nearest.map(|(comparison, placed)| Nearest {
        rule: format!("{} ({})", placed.rule.describe(), placed.origin),
        why_not: comparison.differ.join("; "),
    }))
}

/// The day on which `now` falls in UTC.
#[must_use]
pub fn today(now: Timestamp) -> Day {
    now.to_zoned(TimeZone::UTC).date().into()
}

/// One rule as a TOML table: `header` is `[[process]]` or `[logins]`, keys keep the order of the struct.
/// Nested tables are written inline, so that one rule is one block; a long list gets a line for each item.
#[must_use]
pub fn to_toml(header: &str, rule: &impl Serialize) -> String {
    let mut out = format!("{header}\n");
    // Rules are plain structs of strings, numbers and lists, which TOML can always hold.
    let table = toml::Table::try_from(rule).unwrap_or_default();
    let width = table.keys().map(String::len).max().unwrap_or(0);
    for (key, value) in &table {
        let line = format!("{key:width$} = {value}\n");
        match value.as_array() {
            Some(list) if list.len() > 1 && line.chars().count() > LONG => {
                let items = list.iter().map(|item| format!("    {item},\n")).collect::<String>();
                out.push_str(&format!("{key:width$} = [\n{items}]\n"));
            }
            _ => out.push_str(&line),
        }
    }
    out
}
