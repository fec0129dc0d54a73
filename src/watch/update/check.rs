//! Comparing what waits with how long it may.

use super::{Manager, Pending, Reboot, Rules, UpdateFacts, Updates};
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

/// How the same thing is called by who knows of updates here.
struct Words {
    to_install: &'static str,
    to_fetch: &'static str,
    /// There is no list.
    never: &'static str,
    never_of_any_age: &'static str,
}

impl Manager {
    fn words(self) -> Words {
        match self {
            Self::Apt => Words {
                to_install: "apt-get dist-upgrade",
                to_fetch: "apt-get update",
                never: "the package lists were never fetched: nobody knows which updates there are",
                never_of_any_age: "there is no package list, of whatever age",
            },
            Self::WindowsUpdate => Words {
                to_install: "sconfig, or Windows Update in the settings",
                to_fetch: "UsoClient StartScan, or Windows Update in the settings",
                never: "no search for updates has ever succeeded: nobody knows which there are",
                never_of_any_age: "there was no search, however long ago",
            },
        }
    }

    /// That the lists are so old, and which is the oldest.
    fn stale(self, age: &str, oldest: &Text) -> String {
        match self {
            Self::Apt => format!("the package lists are {age} old ({oldest}): newer updates are not known"),
            Self::WindowsUpdate => {
                format!("the last search for updates was {age} ago ({oldest}): newer ones are not known")
            }
        }
    }
}

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
    let finding = finding.with("to-install", facts.manager.words().to_install);
    Some(finding.with("reboot-also-needed", facts.reboot.as_ref().map(|_| "yes")))
}

fn others(facts: &UpdateFacts, placed: &Placed<Updates>, now: Timestamp) -> Option<Finding> {
    let waiting: Vec<&Pending> = facts.pending.iter().filter(|u| !u.security && !u.held).collect();
    let set = |rule: &mut Updates, age: Span| rule.max_age = Some(age);
    let finding = overdue(Code::PendingUpdates, "update", &waiting, (placed, MAX_AGE), now, set)?;
    Some(finding.with("to-install", facts.manager.words().to_install))
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
        .nearest(nearest.clone());
    Some(finding.suggest(suggest(placed, |rule| set(rule, days_above(age)))))
}

/// `openssl 3.0.15-1 -> 3.0.17-1 since 2026-11-20 (Debian-Security:12/oldstable-security)`, or of an update that is a package
/// of its own `KB5034123 2026-11 Cumulative Update since 2026-11-12 (Security Updates)`.
fn line(update: &Pending) -> String {
    let Pending { package, installed, candidate, since, origins, held, .. } = update;
    let origins: Vec<&str> = origins.iter().map(|origin| &**origin).collect();
    let held = if *held { ", on hold" } else { "" };
    let since = since.strftime("%Y-%m-%d");
    let change = match (installed.is_empty(), package == candidate) {
        (true, true) => String::new(),
        (true, false) => format!(" {candidate}"),
        (false, _) => format!(" {installed} -> {candidate}"),
    };
    format!("{package}{change} since {since} ({}{held})", origins.join(", "))
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
    let words = facts.manager.words();
    // An agent that has never answered has not said either when it last searched: that is a gap.
    if facts.manager == Manager::WindowsUpdate && facts.computed.is_none() {
        return None;
    }
    let Some(oldest) = facts.lists.iter().min_by_key(|list| list.good) else {
        return Some(
            Finding::new(Code::StalePackageLists, "package lists", words.never)
                .with("to-fetch", words.to_fetch)
                .with("missing", &facts.missing_lists)
                .nearest(
                    refused(placed, LISTS, Timestamp::UNIX_EPOCH, now)
                        .and_then(|refused| refused.nearest)
                        .map(|nearest| Nearest { why_not: words.never_of_any_age.to_owned(), ..nearest }),
                )
                .suggest(suggest(placed, |rule| rule.lists_max_age = None)),
        );
    };
    let Refused { nearest } = refused(placed, LISTS, oldest.good, now)?;
    let age = age(oldest.good, now);
    let title = facts.manager.stale(&in_words(age), &oldest.name);
    let line = |list: &super::List| {
        let until = list.valid_until.map(|until| format!(", valid until {}", until.strftime("%Y-%m-%d")));
        format!("{} of {}{}", list.name, list.made.strftime("%Y-%m-%d"), until.unwrap_or_default())
    };
    let lines: Vec<String> = facts.lists.iter().take(IN_EVIDENCE).map(line).collect();
    let finding = Finding::new(Code::StalePackageLists, "package lists", title)
        .with("lists", lines)
        .with("known-good", oldest.good.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .with("to-fetch", words.to_fetch)
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
