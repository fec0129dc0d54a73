//! Comparing what waits with how long it may.

use super::{Pending, Reboot, Rules, UpdateFacts, Updates};
use crate::finding::{Code, Finding, Nearest};
use crate::rule::{self, Comparison, Placed, Span, Verdict};
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};

/// So many packages are named in a title, and so many in the evidence.
const IN_TITLE: usize = 5;
const IN_EVIDENCE: usize = 40;

/// A key of the rule: how long something may wait.
type Key = (&'static str, fn(&Updates) -> Option<Span>);

const MAX_AGE: Key = ("max-age", |rule| rule.max_age);
const LISTS: Key = ("lists-max-age", |rule| rule.lists_max_age);
const REBOOT: Key = ("reboot-max-age", |rule| rule.reboot_max_age);
/// A security update is an update too: what holds for any holds for it.
const SECURITY: Key = ("security-max-age", |rule| match (rule.security_max_age, rule.max_age) {
    (Some(security), Some(any)) => Some(security.min(any)),
    (security, any) => security.or(any),
});

/// What no rule allows.
struct Refused {
    nearest: Option<Nearest>,
}

/// What waits longer than it may. A key that the policy does not have is not looked at.
pub fn check(facts: &UpdateFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let Some(placed) = &rules.updates else { return Vec::new() };
    let findings = [
        security(facts, placed, now),
        others(facts, placed, now),
        lists(facts, placed, now),
        reboot(facts.reboot.as_ref(), placed, now),
    ];
    findings.into_iter().flatten().collect()
}

/// That something may not have waited since `since`, and what rule came nearest to allowing it; none if it may.
fn refused(placed: &Placed<Updates>, key: Key, since: Timestamp, now: Timestamp) -> Option<Refused> {
    let limit = key.1(&placed.rule)?;
    let age = age(since, now);
    let compare = |_: &Updates| {
        let mut comparison = Comparison::default();
        comparison.condition(true, String::new);
        let why_not = || format!("{} is {limit}, but it is {}", key.0, in_words(age));
        comparison.condition(age < limit.signed(), why_not);
        comparison
    };
    match rule::ask([placed], now, compare) {
        Verdict::Allowed(_) => None,
        Verdict::Refused(nearest) => Some(Refused { nearest }),
    }
}

fn security(facts: &UpdateFacts, placed: &Placed<Updates>, now: Timestamp) -> Option<Finding> {
    // A hold is no answer to a hole: it is shown, and does not excuse.
    let waiting: Vec<&Pending> = facts.pending.iter().filter(|update| update.security).collect();
    let set = |rule: &mut Updates, age: Span| {
        rule.security_max_age = Some(rule.security_max_age.unwrap_or(age).max(age));
        rule.max_age = rule.max_age.map(|any| any.max(age));
    };
    let finding = overdue(Code::SecurityUpdates, "security update", &waiting, (placed, SECURITY), now, set)?;
    Some(finding.with("reboot-also-needed", facts.reboot.as_ref().map(|_| "yes")))
}

fn others(facts: &UpdateFacts, placed: &Placed<Updates>, now: Timestamp) -> Option<Finding> {
    let waiting: Vec<&Pending> = facts.pending.iter().filter(|u| !u.security && !u.held).collect();
    let set = |rule: &mut Updates, age: Span| rule.max_age = Some(age);
    overdue(Code::PendingUpdates, "update", &waiting, (placed, MAX_AGE), now, set)
}

/// One finding for all of `waiting` that have waited too long.
fn overdue(
    code: Code,
    what: &str,
    waiting: &[&Pending],
    (placed, key): (&Placed<Updates>, Key),
    now: Timestamp,
    set: impl Fn(&mut Updates, Span),
) -> Option<Finding> {
    let mut overdue: Vec<(&Pending, Option<Nearest>)> = Vec::new();
    for update in waiting {
        overdue.extend(refused(placed, key, update.since, now).map(|refused| (*update, refused.nearest)));
    }
    overdue.sort_by_key(|(update, _)| update.since);
    let (oldest, nearest) = overdue.first()?;
    let age = age(oldest.since, now);
    let mut names: Vec<&Text> = overdue.iter().map(|(update, _)| &update.package).collect();
    names.dedup();
    let wait = if overdue.len() == 1 { " waits" } else { "s wait, the oldest" };
    let title = format!("{} {what}{wait} for {}: {}", overdue.len(), in_words(age), listed(&names, IN_TITLE));
    let lines: Vec<String> = overdue.iter().take(IN_EVIDENCE).map(|(update, _)| line(update)).collect();
    let subject = if code == Code::SecurityUpdates { "updates security" } else { "updates other" };
    let finding = Finding::new(code, subject, title)
        .with("updates", lines)
        .with("more", overdue.len().checked_sub(IN_EVIDENCE).filter(|more| *more > 0))
        .with("waiting-less-long", Some(waiting.len() - overdue.len()).filter(|rest| *rest > 0))
        .with("to-install", "apt-get dist-upgrade")
        .nearest(nearest.clone());
    Some(finding.suggest(suggest(placed, |rule| set(rule, days_above(age)))))
}

/// `openssl 3.0.15-1 -> 3.0.17-1 since 2026-11-20 (Debian-Security:12/oldstable-security)`.
fn line(update: &Pending) -> String {
    let Pending { package, installed, candidate, since, origins, held, .. } = update;
    let origins: Vec<&str> = origins.iter().map(|origin| &**origin).collect();
    let held = if *held { ", on hold" } else { "" };
    let since = since.strftime("%Y-%m-%d");
    format!("{package} {installed} -> {candidate} since {since} ({}{held})", origins.join(", "))
}

fn listed(names: &[&Text], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(|name| &***name).collect();
    match names.len().checked_sub(most) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

fn lists(facts: &UpdateFacts, placed: &Placed<Updates>, now: Timestamp) -> Option<Finding> {
    placed.rule.lists_max_age?;
    let Some(oldest) = facts.lists.iter().min_by_key(|list| list.good) else {
        let title = "the package lists were never fetched: nobody knows which updates there are";
        return Some(
            Finding::new(Code::StalePackageLists, "package lists", title)
                .with("to-fetch", "apt-get update")
                .with("missing", &facts.missing_lists)
                .nearest(
                    refused(placed, LISTS, Timestamp::UNIX_EPOCH, now)
                        .and_then(|refused| refused.nearest)
                        .map(|nearest| Nearest {
                            why_not: "there is no package list, of whatever age".to_owned(),
                            ..nearest
                        }),
                )
                .suggest(suggest(placed, |rule| rule.lists_max_age = None)),
        );
    };
    let Refused { nearest } = refused(placed, LISTS, oldest.good, now)?;
    let age = age(oldest.good, now);
    let title =
        format!("the package lists are {} old ({}): newer updates are not known", in_words(age), oldest.name);
    let line = |list: &super::List| {
        let until = list.valid_until.map(|until| format!(", valid until {}", until.strftime("%Y-%m-%d")));
        format!("{} of {}{}", list.name, list.made.strftime("%Y-%m-%d"), until.unwrap_or_default())
    };
    let lines: Vec<String> = facts.lists.iter().take(IN_EVIDENCE).map(line).collect();
    let finding = Finding::new(Code::StalePackageLists, "package lists", title)
        .with("lists", lines)
        .with("known-good", oldest.good.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .with("to-fetch", "apt-get update")
        .nearest(nearest);
    Some(finding.suggest(suggest(placed, |rule| rule.lists_max_age = Some(days_above(age)))))
}

fn reboot(reboot: Option<&Reboot>, placed: &Placed<Updates>, now: Timestamp) -> Option<Finding> {
    let reboot = reboot?;
    let Refused { nearest } = refused(placed, REBOOT, reboot.since, now)?;
    let age = age(reboot.since, now);
    let names: Vec<&Text> = reboot.packages.iter().collect();
    let colon = if names.is_empty() { "" } else { ": " };
    let title = format!("a reboot has been needed for {}{colon}{}", in_words(age), listed(&names, IN_TITLE));
    let finding = Finding::new(Code::RebootRequired, "reboot", title)
        .with("packages", &reboot.packages)
        .with("running-kernel", &reboot.running)
        .with("since", reboot.since.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .nearest(nearest);
    Some(finding.suggest(suggest(placed, |rule| rule.reboot_max_age = Some(days_above(age)))))
}

/// The same table, loosened just so far.
fn suggest(placed: &Placed<Updates>, loosen: impl FnOnce(&mut Updates)) -> String {
    let mut rule = placed.rule.clone();
    rule.expires = None;
    loosen(&mut rule);
    format!("# in place of the table at {}\n{}", placed.origin, rule::to_toml("[updates]", &rule))
}

/// How long ago; never less than nothing, should the clock have been set back.
pub fn age(since: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(since).max(SignedDuration::ZERO)
}

/// The next whole days above `age`, so that what is allowed by it is allowed for some hours at least.
pub fn days_above(age: SignedDuration) -> Span {
    let hours = age.as_hours().unsigned_abs();
    Span::days(((hours + 12) / 24 + 1).min(3660))
}

/// `4 days`, `3 hours`, `5 minutes`, `less than a minute`.
pub fn in_words(age: SignedDuration) -> String {
    let (minutes, hours) = (age.as_mins(), age.as_hours());
    let (count, unit) = match hours {
        0 if minutes == 0 => return "less than a minute".to_owned(),
        0 => (minutes, "minute"),
        1..48 => (hours, "hour"),
        _ => (hours / 24, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
