//! One part of the mail: some alerts in full, more in a line each, the rest counted.

use super::super::due::Entry;
use super::super::words::squeeze;
use super::is_new;
use crate::finding::Code;
use std::collections::{BTreeMap, BTreeSet};

/// So many alerts are shown with all they have.
const IN_FULL: usize = 20;

/// So many more are shown in one line each; the rest is counted.
const IN_A_LINE: usize = 200;

/// A one-line alert is cut to so many characters.
const ONE_LINE: usize = 110;

/// What may still be shown.
pub(super) struct Left {
    full: usize,
    lines: usize,
}

impl Left {
    /// As much as one mail may hold.
    pub(super) fn all() -> Self {
        Self { full: IN_FULL, lines: IN_A_LINE }
    }
}

/// Writes one part of the mail; `full` writes an alert with its number.
pub(super) fn section(
    lines: &mut Vec<String>,
    name: &str,
    entries: &[&Entry],
    left: &mut Left,
    full: &dyn Fn(&Entry, usize) -> Vec<String>,
) {
    if entries.is_empty() {
        return;
    }
    lines.extend([String::new(), format!("{name} ({})", entries.len()), String::new()]);
    let chosen = choose(entries, left.full);
    left.full -= chosen.len();
    let (shown, others): (Vec<_>, Vec<_>) =
        entries.iter().enumerate().partition(|(index, _)| chosen.contains(index));
    for (number, (_, entry)) in shown.iter().enumerate() {
        lines.extend(full(entry, number + 1));
    }
    let mut groups: BTreeMap<Code, Vec<&Entry>> = BTreeMap::new();
    let listed = others.len().min(left.lines);
    left.lines -= listed;
    for (_, entry) in others.iter().take(listed) {
        groups.entry(entry.alert.code()).or_default().push(entry);
    }
    for (code, group) in groups {
        let total = others.iter().filter(|(_, entry)| entry.alert.code() == code).count();
        lines.push(format!("   {total} more of {code}:"));
        lines.extend(group.iter().map(|entry| {
            let over = if is_new(entry) && entry.ended { "over: " } else { "" };
            format!("   {}  {over}{}", entry.alert.id, squeeze(&entry.alert.finding.title, ONE_LINE))
        }));
    }
    if others.len() > listed {
        lines.push(format!("   and {} more; `watchdog alerts` lists all", others.len() - listed));
    }
    if !others.is_empty() {
        lines.push(String::new());
    }
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
}

/// Which entries are shown in full: one of each code in turn, so that many of one kind do not bury another.
fn choose(entries: &[&Entry], most: usize) -> BTreeSet<usize> {
    let mut rank_in_code: BTreeMap<Code, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, usize)> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let rank = rank_in_code.entry(entry.alert.code()).or_default();
        ranked.push((*rank, index));
        *rank += 1;
    }
    ranked.sort_unstable();
    ranked.into_iter().take(most).map(|(_, index)| index).collect()
}
