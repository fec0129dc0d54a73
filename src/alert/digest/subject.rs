//! The subject: host, how many, and the worst in words.

use super::super::due::{Digest, Entry, News};
use super::super::words::{moment, squeeze};
use super::{About, is_new, worst};
use crate::finding::Kind;

/// A subject has at most so many characters.
pub(super) const LENGTH: usize = 120;

/// A host's name takes at most so many of them.
const HOST: usize = 40;

/// The title is never cut shorter than this, whatever stands before it.
const TITLE: usize = 40;

pub(super) fn subject(digest: &Digest, about: &About) -> String {
    let Some(entry) = worst(&digest.entries) else { return squeeze(&about.host, HOST) };
    let mut lead = format!("{}: ", squeeze(&about.host, HOST));
    lead.push_str(&match entry.news {
        News::Still => still(digest, about),
        News::Ended => ended(digest),
        _ => news(digest, entry),
    });
    let room = LENGTH.saturating_sub(lead.chars().count()).max(TITLE);
    lead.push_str(&squeeze(&entry.alert.finding.title, room));
    lead
}

fn news(digest: &Digest, entry: &Entry) -> String {
    let number = digest.entries.iter().filter(|entry| is_new(entry)).count();
    let what = match (entry.news, entry.alert.kind()) {
        _ if entry.ended => "already over: ",
        (News::Worse, _) => &format!("now {}: ", entry.alert.worst.as_str()),
        (News::Again, Kind::State) => "back: ",
        (News::Again, Kind::Event) => "again: ",
        _ => "",
    };
    if number == 1 { what.to_owned() } else { format!("{number} alerts, worst: {what}") }
}

fn still(digest: &Digest, about: &About) -> String {
    let open: Vec<&Entry> = digest.entries.iter().filter(|entry| entry.news == News::Still).collect();
    let oldest = open.iter().map(|entry| entry.alert.opened).min().unwrap_or(digest.at);
    let since = moment(oldest, digest.at, &about.zone);
    match open.len() {
        1 => format!("still open since {since}: "),
        number => format!("still {number} alerts open, oldest since {since}: "),
    }
}

fn ended(digest: &Digest) -> String {
    match digest.entries.len() {
        1 => "ended: ".to_owned(),
        number => format!("{number} alerts ended: "),
    }
}
