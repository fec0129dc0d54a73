//! The `[updates]` table that a host should keep, loosened where it does not keep it yet.

use super::check::{age, days_above, in_words};
use super::{Manager, UpdateFacts, Updates};
use crate::rule::{self, Span};
use jiff::{SignedDuration, Timestamp};

/// What a host that is looked after keeps.
const SECURITY: Span = Span::days(3);
const ANY: Span = Span::days(30);
const LISTS: Span = Span::days(7);
const REBOOT: Span = Span::days(14);

/// The longest time that can be written.
const LONGEST: Span = Span::days(3660);

pub fn learn(facts: &UpdateFacts, by: &str, now: Timestamp) -> String {
    let mut notes: Vec<String> = Vec::new();
    let oldest = |security: bool| {
        let waiting = facts.pending.iter().filter(|update| update.security == security);
        waiting.map(|update| age(update.since, now)).max()
    };
    let security = loosened(SECURITY, oldest(true), "security-max-age", "a security update", &mut notes);
    // What holds for any update holds for security updates too.
    let any = oldest(true).max(oldest(false));
    let any = loosened(ANY, any, "max-age", "an update", &mut notes);
    let lists = match (facts.lists_good(), facts.manager) {
        (Some(good), manager) => {
            let what = match manager {
                Manager::Apt => "a new package list",
                Manager::WindowsUpdate => "a new search",
            };
            loosened(LISTS, Some(age(good, now)), "lists-max-age", what, &mut notes)
        }
        // The agent gave no answer: when it last searched is not known.
        (None, Manager::WindowsUpdate) if facts.computed.is_none() => Some(LISTS),
        (None, manager) => {
            let never = match manager {
                Manager::Apt => "no package list was ever fetched",
                Manager::WindowsUpdate => "no search for updates has ever succeeded",
            };
            notes.push(format!("lists-max-age is left out as {never}"));
            None
        }
    };
    let reboot = facts.reboot.as_ref().map(|reboot| age(reboot.since, now));
    let reboot = loosened(REBOOT, reboot, "reboot-max-age", "a reboot", &mut notes);
    let mut why = "a host that is looked after keeps these times".to_owned();
    if !notes.is_empty() {
        why = format!("{why}; when this was learned it did not: {}", notes.join("; "));
    }
    let rule = Updates {
        max_age: any,
        security_max_age: security,
        lists_max_age: lists,
        reboot_max_age: reboot,
        why: Some(why),
        by: Some(by.to_owned()),
        expires: None,
    };
    let comment = match facts.manager {
        Manager::Apt => "# How long updates and a reboot may wait, and how old the package lists may be.",
        Manager::WindowsUpdate => {
            "# How long updates and a reboot may wait, and how long ago the last search for them may be."
        }
    };
    format!("{comment}\n\n{}", rule::to_toml("[updates]", &rule))
}

/// `usual`, or if `age` is beyond it, as much more than `age`: time to put it right. None if no limit can be written
/// that is wide enough.
fn loosened(
    usual: Span,
    age: Option<SignedDuration>,
    key: &str,
    what: &str,
    notes: &mut Vec<String>,
) -> Option<Span> {
    let Some(age) = age.filter(|age| *age >= usual.signed()) else { return Some(usual) };
    let had = format!("{what} had waited for {} already", in_words(age));
    if age >= LONGEST.signed() {
        notes.push(format!("{key} is left out as {had}"));
        return None;
    }
    let span = Span::seconds(days_above(age).as_secs() + usual.as_secs()).min(LONGEST);
    notes.push(format!("{key} is {span} as {had}"));
    Some(span)
}
