//! Failed logins: how many are too many, counted over passes.

use super::super::{Failures, LoginFacts, Logins};
use super::{Asked, SHOWN, describe, hours_rule};
use crate::finding::{Code, Finding, Nearest, Severity};
use crate::rule::{self, Span};
use crate::text::Text;
use crate::watch::Memory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many failed logins in [`FailuresIn`](super::super::FailuresIn) are tolerated if the policy says nothing.
pub const FAILURES: u64 = 20;
/// So many groups of failed logins are remembered to be shown.
pub const MOST_GROUPS: usize = 300;

/// The failed logins of the last time, so that a count can slide over passes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Remembered {
    /// Second and count, by minute.
    pub minutes: BTreeMap<i64, u64>,
    pub groups: Vec<Failures>,
}

/// Failed logins: more than tolerated within the time, of all and of those outside the hours.
pub fn check(facts: &LoginFacts, asked: &Asked, memory: &mut Memory) -> Vec<Finding> {
    let window = asked.logins.failures_in.unwrap_or_default().span();
    let mut remembered: Remembered = memory.recall();
    let fresh: Vec<i64> = facts.failed_in.iter().map(|minute| minute.at.as_second()).collect();
    for minute in &facts.failed_in {
        *remembered.minutes.entry(minute.at.as_second()).or_default() += minute.count;
    }
    remembered.groups.extend(facts.failures.iter().cloned());
    let (limit, off_limit) = match (asked.expired, asked.logins.failures, asked.logins.off_hours_failures) {
        (true, _, _) => (0, 0),
        (false, limit, off_limit) => (limit.unwrap_or(FAILURES), off_limit.unwrap_or(0)),
    };
    let in_hours = |at: i64| Timestamp::from_second(at).is_ok_and(|at| asked.in_hours(at));
    let minutes = &remembered.minutes;
    let off_minutes: BTreeMap<i64, u64> =
        minutes.iter().filter(|(at, _)| !in_hours(**at)).map(|(at, count)| (*at, *count)).collect();
    let mut findings = Vec::new();
    if let Some(burst) = worst(minutes, &fresh, window).filter(|burst| burst.count > limit) {
        findings.push(too_many(&burst, limit, window, &remembered.groups, asked));
    }
    if let Some(burst) = worst(&off_minutes, &fresh, window).filter(|burst| burst.count > off_limit) {
        let groups = remembered.groups.iter().filter(|group| !asked.in_hours(group.last)).cloned();
        findings.push(off_hours_failures(&burst, window, &groups.collect::<Vec<_>>(), asked));
    }
    let begin = asked.now - window.signed();
    remembered.minutes.retain(|at, _| *at >= begin.as_second() - 60);
    remembered.groups.retain(|group| group.last >= begin);
    let over = remembered.groups.len().saturating_sub(MOST_GROUPS);
    remembered.groups.drain(..over);
    memory.keep(&remembered);
    findings
}

struct Burst {
    count: u64,
    from: Timestamp,
    to: Timestamp,
}

/// The most failures within `window` that end in one of the `fresh` minutes.
fn worst(minutes: &BTreeMap<i64, u64>, fresh: &[i64], window: Span) -> Option<Burst> {
    let length = i64::try_from(window.as_secs()).unwrap_or(i64::MAX).max(60);
    let (mut sum, mut worst) = (0, None::<(u64, i64)>);
    let mut leaving = minutes.iter().peekable();
    for (at, count) in minutes {
        sum += count;
        while let Some((_, gone)) = leaving.next_if(|(old, _)| **old <= at.saturating_sub(length)) {
            sum -= gone;
        }
        if fresh.binary_search(at).is_ok() && worst.is_none_or(|(most, _)| sum > most) {
            worst = Some((sum, *at));
        }
    }
    let (count, last) = worst?;
    let first = minutes.range(last.saturating_sub(length) + 1..).next().map_or(last, |(at, _)| *at);
    let (from, to) = (Timestamp::from_second(first).ok()?, Timestamp::from_second(last + 59).ok()?);
    Some(Burst { count, from, to })
}

fn too_many(burst: &Burst, limit: u64, window: Span, groups: &[Failures], asked: &Asked) -> Finding {
    let title = format!("{} logins failed within {window}, {limit} are tolerated", burst.count);
    let nearest = asked.rules.logins.as_ref().map(|placed| Nearest {
        rule: describe(placed),
        why_not: format!("{} failures are more than {limit} within {window}", burst.count),
    });
    let logins = Logins { failures: Some(burst.count), expires: None, ..asked.logins.clone() };
    let finding =
        Finding::new(Code::FailedLogins, "all", title).with("failed", burst.count).with("tolerated", limit);
    of_whom(finding, burst, groups, asked).nearest(nearest).suggest(rule::to_toml("[logins]", &logins))
}

fn off_hours_failures(burst: &Burst, window: Span, groups: &[Failures], asked: &Asked) -> Finding {
    let plural = if burst.count == 1 { "login" } else { "logins" };
    let title = format!("{} {plural} failed outside the hours within {window}", burst.count);
    let off_hours_failures = Some(burst.count);
    let logins = Logins { off_hours_failures, expires: None, ..asked.logins.clone() };
    let finding = Finding::new(Code::OffHoursLogin, "failed logins", title)
        .severity(Severity::Warning)
        .with("failed", burst.count);
    of_whom(finding, burst, groups, asked)
        .nearest(hours_rule(asked, burst.to))
        .suggest(rule::to_toml("[logins]", &logins))
}

/// When, and the names and sources of most of them.
fn of_whom(finding: Finding, burst: &Burst, groups: &[Failures], asked: &Asked) -> Finding {
    let most = |name: fn(&Failures) -> Option<&Text>| {
        let mut counts: BTreeMap<&Text, u64> = BTreeMap::new();
        for group in groups.iter().filter(|group| group.last >= burst.from && group.first <= burst.to) {
            if let Some(name) = name(group) {
                *counts.entry(name).or_default() += group.count;
            }
        }
        let mut counts: Vec<(&Text, u64)> = counts.into_iter().collect();
        counts.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        let rest = counts.len().saturating_sub(SHOWN);
        let shown = counts.iter().take(SHOWN).map(|(name, count)| format!("{} ×{count}", shortened(name)));
        shown.chain((rest > 0).then(|| format!("and {rest} more"))).collect::<Vec<_>>()
    };
    finding
        .with("begin", asked.shown(burst.from))
        .with("end", asked.shown(burst.to.min(asked.now).max(burst.from)))
        .with("sources", most(|group| Some(&group.from)))
        .with("names", most(|group| Some(&group.user)))
        .with("methods", most(|group| Some(&group.method)))
        .with("reasons", most(|group| group.reason.as_ref()))
}

/// A name for a list.
fn shortened(name: &Text) -> String {
    let cut: String = name.chars().take(60).collect();
    if cut.len() < name.len() { format!("{cut}…") } else { cut }
}

/// The most failures within `window` that `facts` hold.
pub fn most_failures(facts: &LoginFacts, window: Span) -> u64 {
    let minutes: BTreeMap<i64, u64> = facts.failed_in.iter().map(|m| (m.at.as_second(), m.count)).collect();
    let all: Vec<i64> = minutes.keys().copied().collect();
    worst(&minutes, &all, window).map_or(0, |burst| burst.count)
}
