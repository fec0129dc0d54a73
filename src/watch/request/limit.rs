//! Limits: so many requests within any so many minutes, per client, per user or in all.

use super::check::{Checked, NAMED, suggestion, times};
use super::collect::moment_of;
use super::policy::{Limit, Name, Per, RequestRule, Within, holds_for};
use super::series::{Counts, Series, Window, fullest, total};
use super::tally::MOST_NAMES;
use crate::finding::{Code, Finding, Nearest};
use crate::rule::{self, Comparison, Placed, Verdict};
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// So many minutes of clients are remembered for a log, which is some 20 MB.
const MOST_ENTRIES: usize = 2_000_000;

/// The minutes of a log as far back as its rules reach, packed, by what they are counted per.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Windows(BTreeMap<Per, String>);

/// The counts of one kind.
pub fn counts_of(checked: &Checked, per: Per) -> Counts {
    match per {
        Per::Client => checked.log.clients.clone(),
        Per::User => checked.log.users.clone(),
        Per::All => Counts { by: [(Text::default(), checked.log.all.clone())].into(), rest: Series::new() },
    }
}

/// One who sent more than is allowed.
struct Over {
    who: Text,
    window: Window,
    allowed: u64,
    nearest: Option<Nearest>,
}

/// Checks every limit of a log, and keeps in `windows` what the next pass needs.
pub fn check(checked: &Checked, windows: &mut Windows) -> Vec<Finding> {
    let limits = || checked.rules.iter().filter_map(|placed| placed.rule.limit.as_ref());
    let mut times: BTreeMap<Per, BTreeSet<Within>> = BTreeMap::new();
    for limit in limits() {
        times.entry(limit.per).or_default().insert(limit.r#in);
    }
    windows.0.retain(|per, _| times.contains_key(per) && !checked.log.fresh);
    let first_new = checked.log.all.first().map_or(checked.minute, |entry| entry.0).min(checked.minute);

    let mut findings = Vec::new();
    for (per, times) in times {
        let mut counts = windows.0.get(&per).map(|packed| Counts::unpack(packed)).unwrap_or_default();
        counts.merge(&counts_of(checked, per), 0);
        for within in &times {
            // Windows that ended before anything new came were checked in their time.
            let floor = (first_new + 1).saturating_sub(within.minutes());
            let over = over(checked, per, *within, &counts, floor);
            findings.extend(report(checked, per, *within, over));
        }
        let longest = times.last().map_or(1, |within| within.minutes());
        counts.forget_before((checked.minute + 1).saturating_sub(longest));
        counts.bound(MOST_NAMES, MOST_ENTRIES);
        findings.extend(uncounted(checked, per, &counts));
        windows.0.insert(per, counts.pack());
    }
    findings
}

fn over(checked: &Checked, per: Per, within: Within, counts: &Counts, floor: u32) -> Vec<Over> {
    let rules: Vec<(&Limit, &Placed<RequestRule>)> = checked
        .rules
        .iter()
        .filter_map(|placed| Some((placed.rule.limit.as_ref()?, *placed)))
        .filter(|(limit, _)| limit.per == per && limit.r#in == within)
        .collect();
    let lowest = rules.iter().map(|(limit, _)| limit.max).min().unwrap_or(u64::MAX);
    let mut over = Vec::new();
    for (who, series) in &counts.by {
        let window = match series.first() {
            Some((first, _)) if *first < floor => fullest(
                &series.iter().copied().filter(|(minute, _)| *minute >= floor).collect(),
                within.minutes(),
            ),
            _ => fullest(series, within.minutes()),
        };
        if window.count <= lowest {
            continue;
        }
        let own: Vec<(&Limit, &Placed<RequestRule>)> =
            rules.iter().copied().filter(|(limit, _)| holds_for(&limit.only, &limit.except, who)).collect();
        let Some(allowed) = own.iter().map(|(limit, _)| limit.max).max() else { continue };
        let compare = |rule: &RequestRule| {
            let mut comparison = Comparison::default();
            comparison
                .condition(rule.log.fits(&checked.log.log), || format!("it names {}", rule.log.as_str()));
            let max = rule.limit.as_ref().map_or(u64::MAX, |limit| limit.max);
            comparison.condition(window.count <= max, || {
                format!("it allows {max} within {within}, not {}", window.count)
            });
            comparison
        };
        if let Verdict::Refused(nearest) =
            rule::ask(own.iter().map(|(_, placed)| *placed), checked.now, compare)
        {
            over.push(Over { who: who.clone(), window, allowed, nearest });
        }
    }
    over.sort_by(|a, b| (b.window.count, &a.who).cmp(&(a.window.count, &b.who)));
    over
}

fn report(checked: &Checked, per: Per, within: Within, mut over: Vec<Over>) -> Vec<Finding> {
    let others = over.split_off(over.len().min(NAMED));
    let mut findings: Vec<Finding> = over.iter().map(|over| named(checked, per, within, over)).collect();
    findings.extend(together(checked, per, within, &others));
    findings
}

/// How a title calls somebody.
pub fn called(per: Per, who: &Text) -> String {
    match per {
        Per::Client => who.to_string(),
        Per::User => format!("user {who}"),
        Per::All => "all clients together".to_owned(),
    }
}

fn named(checked: &Checked, per: Per, within: Within, over: &Over) -> Finding {
    let log = checked.log;
    let Over { who, window, allowed, nearest } = over;
    let title = format!(
        "{} sent {} within {within}, {allowed} are allowed ({})",
        called(per, who),
        times(window.count),
        log.log
    );
    let subject = match per {
        Per::All => format!("{} all in {within}", log.log),
        per => format!("{} {} {who} in {within}", log.log, per.as_str()),
    };
    let finding = Finding::new(Code::RequestLimit, subject, title)
        .with("log", &log.log)
        .with("counted-per", per.as_str())
        .with("who", Some(who).filter(|_| per != Per::All))
        .with("requests", window.count)
        .with("allowed", allowed)
        .with("within", within)
        .with("from", moment_of(window.first))
        .with("to", moment_of(window.last + 1))
        .with("last-request", log.requests.get(who))
        .nearest(nearest.clone());
    match suggest(checked, per, within, &[over]) {
        Some(toml) => finding.suggest(toml),
        None => finding,
    }
}

fn together(checked: &Checked, per: Per, within: Within, others: &[Over]) -> Option<Finding> {
    let most = others.first()?.window.count;
    let log = &checked.log.log;
    let kind = if per == Per::User { "users" } else { "clients" };
    let title = format!(
        "{} more {kind} sent more requests within {within} than are allowed, up to {most} ({log})",
        others.len()
    );
    let names: Vec<String> =
        others.iter().take(50).map(|over| format!("{} ({})", over.who, over.window.count)).collect();
    let finding = Finding::new(Code::RequestLimit, format!("{log} more {kind} in {within}"), title)
        .with("log", log)
        .with(kind, others.len())
        .with("requests", others.iter().map(|over| over.window.count).sum::<u64>())
        .with("busiest", names)
        .nearest(others.first()?.nearest.clone());
    // A rule with more names than a person would look through is no suggestion.
    let few = others.len() <= 100;
    Some(match suggest(checked, per, within, &others.iter().collect::<Vec<_>>()).filter(|_| few) {
        Some(toml) => finding.suggest(toml),
        None => finding,
    })
}

fn suggest(checked: &Checked, per: Per, within: Within, over: &[&Over]) -> Option<String> {
    let most = over.iter().map(|over| over.window.count).max()?;
    let only: Option<Vec<Name>> = match per {
        Per::All => Some(Vec::new()),
        per => over.iter().map(|over| Name::literal(per, &over.who)).collect(),
    };
    // A quarter more than was seen: the window is still filling.
    let max = round_up(most + most / 4);
    let limit = Limit { per, max, r#in: within, only: only?, except: Vec::new() };
    Some(suggestion(RequestRule { limit: Some(limit), ..RequestRule::of(&checked.log.log) }))
}

/// The next number of which only the first two digits are not zero.
pub fn round_up(number: u64) -> u64 {
    let mut unit = 1u64;
    while number / unit >= 100 {
        unit = unit.saturating_mul(10);
    }
    number.div_ceil(unit).saturating_mul(unit)
}

fn uncounted(checked: &Checked, per: Per, counts: &Counts) -> Option<Finding> {
    let rest = total(&counts.rest);
    if rest == 0 {
        return None;
    }
    let log = &checked.log.log;
    let kind = if per == Per::User { "users" } else { "clients" };
    let title =
        format!("{log} has more {kind} than can be counted each: {} are only counted together", times(rest));
    Some(
        Finding::new(Code::CoverageGap, format!("request-clients {log} {kind}"), title)
            .with("log", log)
            .with("counted-each", counts.by.len())
            .with("requests-of-the-others", rest)
            .with("cure", "limits over a shorter time, or one for `all`, need less to be remembered"),
    )
}
