//! Spikes: far more requests in the present hour than in the same hour of the week before.
//!
//! What is usual is an average that weighs the last four weeks most. The hours of the week are the host's local
//! ones. Until an hour of the week has been seen once, nothing is known of it and nothing is reported for it.

use super::check::{Checked, NAMED, suggestion, times};
use super::limit::{called, counts_of, round_up};
use super::policy::{Factor, Name, Per, RequestRule, Spike, holds_for};
use super::series::{Counts, Series, add, shown};
use super::tally::MOST_NAMES;
use crate::finding::{Code, Finding, Nearest};
use crate::rule::{self, Comparison, Placed, Verdict};
use crate::text::Text;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The hours of a week.
const WEEK: u32 = 168;

/// An average over about so many weeks.
const WEEKS: u32 = 4;

/// The names whose usual counts are remembered for each hour of the week: the busiest.
const BUSIEST: usize = 32;

/// What is usual in a log, by what is counted per.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usual(BTreeMap<Per, Hours>);

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Hours {
    /// The first hour that does not count in the averages yet.
    next: u32,
    /// The counts of the hours since, packed.
    open: String,
    /// By hour of the week, from Monday 00:00.
    slots: BTreeMap<u32, Slot>,
}

/// What is usual in one hour of the week.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Slot {
    weeks: u32,
    by: BTreeMap<Text, f64>,
}

impl Slot {
    /// The usual count of `who`. Of somebody who was not among the busiest it is at most that of the last of them.
    fn usual(&self, who: &Text) -> f64 {
        let least = || self.by.values().copied().fold(f64::INFINITY, f64::min);
        self.by.get(who).copied().unwrap_or_else(|| if self.by.len() < BUSIEST { 0.0 } else { least() })
    }

    fn learn(&mut self, seen: &BTreeMap<Text, f64>) {
        self.weeks = self.weeks.saturating_add(1);
        let weight = 1.0 / f64::from(self.weeks.min(WEEKS));
        let names: BTreeSet<&Text> = self.by.keys().chain(seen.keys()).collect();
        let mut all: Vec<(Text, f64)> = names
            .into_iter()
            .map(|who| {
                let before = self.by.get(who).copied().unwrap_or(0.0);
                let now = seen.get(who).copied().unwrap_or(0.0);
                (who.clone(), before + (now - before) * weight)
            })
            .filter(|(_, usual)| *usual >= 0.01)
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(BUSIEST);
        self.by = all.into_iter().collect();
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        let mut out = slot.weeks.to_string();
        for (who, usual) in &slot.by {
            // Writing to a String cannot fail.
            let _ = write!(out, "\n{usual:.2} {who}");
        }
        out
    }
}

impl From<String> for Slot {
    fn from(packed: String) -> Self {
        let mut lines = packed.split('\n');
        let weeks = lines.next().and_then(|weeks| weeks.parse().ok()).unwrap_or(0);
        let entry = |line: &str| {
            let (usual, who) = line.split_once(' ')?;
            Some((shown(who), usual.parse::<f64>().ok().filter(|usual| usual.is_finite() && *usual >= 0.0)?))
        };
        Self { weeks, by: lines.filter_map(entry).collect() }
    }
}

/// The local hours since 1970 of a minute.
fn hour_of(minute: u32, utc_offset: i32) -> u32 {
    let seconds = i64::from(minute) * 60 + i64::from(utc_offset);
    u32::try_from(seconds.div_euclid(3600).max(0)).unwrap_or(u32::MAX)
}

/// The hour of the week: 1970 began on a Thursday.
fn slot_of(hour: u32) -> u32 {
    (hour % WEEK + 72) % WEEK
}

fn hourly(counts: &Counts, utc_offset: i32) -> Counts {
    let hours = |series: &Series| {
        let mut hours = Series::new();
        for (minute, count) in series {
            add(&mut hours, hour_of(*minute, utc_offset), *count);
        }
        hours
    };
    let by = counts.by.iter().map(|(who, series)| (who.clone(), hours(series))).collect();
    Counts { by, rest: hours(&counts.rest) }
}

/// One whose requests rose.
struct Risen {
    who: Text,
    hour: u32,
    count: u64,
    usual: f64,
    weeks: u32,
    nearest: Option<Nearest>,
}

/// Checks every spike rule of a log, and learns what is usual.
pub fn check(checked: &Checked, usual: &mut Usual) -> Vec<Finding> {
    let pers: BTreeSet<Per> =
        checked.rules.iter().filter_map(|placed| Some(placed.rule.spike.as_ref()?.per)).collect();
    usual.0.retain(|per, _| pers.contains(per));
    let mut findings = Vec::new();
    for per in pers {
        let hours = usual.0.entry(per).or_default();
        let mut risen = look(checked, per, hours);
        risen.sort_by(|a, b| (b.count, &a.who).cmp(&(a.count, &b.who)));
        // The same one in two hours of one pass is one.
        let mut named = BTreeSet::new();
        risen.retain(|risen| named.insert(risen.who.clone()));
        let others = risen.split_off(risen.len().min(NAMED));
        findings.extend(risen.iter().map(|risen| report(checked, per, risen)));
        findings.extend(together(checked, per, &others));
    }
    findings
}

fn look(checked: &Checked, per: Per, hours: &mut Hours) -> Vec<Risen> {
    let present = hour_of(checked.minute, checked.utc_offset);
    let mut open = Counts::unpack(&hours.open);
    let offset = checked.utc_offset;
    if checked.log.fresh {
        // Counted anew, from somewhere within an hour: the first that is whole is the next one.
        open = Counts::default();
        let since = super::collect::minute_of(checked.log.since);
        hours.next = hour_of(since.saturating_sub(1), offset) + 1;
    } else if hours.next == 0 || checked.log.lost > 0 {
        // The rule is new, or lines are missing: what was not counted must not look like a quiet hour.
        open = Counts::default();
        hours.next = present + 1;
    }
    // After a very long pause only the last weeks matter.
    hours.next = hours.next.clamp(present.saturating_sub(WEEKS * WEEK), present + 1);
    open.merge(&hourly(&counts_of(checked, per), offset), hours.next);
    open.bound(MOST_NAMES, 4 * MOST_NAMES);

    let rules: Vec<(&Spike, &Placed<RequestRule>)> = checked
        .rules
        .iter()
        .filter_map(|placed| Some((placed.rule.spike.as_ref()?, *placed)))
        .filter(|(spike, _)| spike.per == per)
        .collect();
    let mut by_hour: BTreeMap<u32, Vec<(&Text, u32)>> = BTreeMap::new();
    for (who, series) in &open.by {
        for (hour, count) in series {
            by_hour.entry(*hour).or_default().push((who, *count));
        }
    }
    let mut risen = Vec::new();
    // Each hour is compared with those before it, and then, if it is over, counts as one of them.
    for hour in hours.next..=present {
        let slot = hours.slots.entry(slot_of(hour)).or_default();
        let mut seen = BTreeMap::new();
        for (who, count) in by_hour.get(&hour).into_iter().flatten() {
            let found = rise(checked, &rules, who, hour, u64::from(*count), slot);
            // A spike must not make the next one look usual.
            let cap = found.as_ref().map_or(f64::INFINITY, |(_, cap)| *cap);
            seen.insert((*who).clone(), f64::from(*count).min(cap));
            risen.extend(found.map(|(risen, _)| risen));
        }
        if hour < present {
            slot.learn(&seen);
        }
    }
    hours.next = hours.next.max(present);
    open.forget_before(hours.next);
    hours.open = open.pack();
    risen
}

/// Whether no rule allows this count, and how much of it may count as usual from now on.
fn rise(
    checked: &Checked,
    rules: &[(&Spike, &Placed<RequestRule>)],
    who: &Text,
    hour: u32,
    count: u64,
    slot: &Slot,
) -> Option<(Risen, f64)> {
    if slot.weeks == 0 {
        return None;
    }
    let usual = slot.usual(who);
    let own: Vec<(&Spike, &Placed<RequestRule>)> =
        rules.iter().copied().filter(|(spike, _)| holds_for(&spike.only, &spike.except, who)).collect();
    let most = |spike: &Spike| spike.factor.value() * usual;
    let cap = own.iter().map(|(spike, _)| most(spike).max(spike.min as f64)).fold(0.0, f64::max);
    if own.is_empty() {
        return None;
    }
    let compare = |rule: &RequestRule| {
        let mut comparison = Comparison::default();
        comparison.condition(rule.log.fits(&checked.log.log), || format!("it names {}", rule.log.as_str()));
        if let Some(spike) = &rule.spike {
            comparison.condition(count < spike.min || count as f64 <= most(spike), || {
                format!(
                    "it allows {} times the usual {usual:.0}, and anything below {}",
                    spike.factor.value(),
                    spike.min
                )
            });
        }
        comparison
    };
    match rule::ask(own.iter().map(|(_, placed)| *placed), checked.now, compare) {
        Verdict::Allowed(_) => None,
        Verdict::Refused(nearest) => {
            Some((Risen { who: who.clone(), hour, count, usual, weeks: slot.weeks, nearest }, cap))
        }
    }
}

/// `Sunday 04:00`, in the host's local time.
fn hour_name(hour: u32) -> String {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let slot = slot_of(hour);
    let day = DAYS.get(slot as usize / 24).copied().unwrap_or_default();
    format!("{day} {:02}:00", slot % 24)
}

fn report(checked: &Checked, per: Per, risen: &Risen) -> Finding {
    let log = &checked.log.log;
    let Risen { who, hour, count, usual, weeks, nearest } = risen;
    let title = format!(
        "{} sent {} in the hour from {}, usually {usual:.0} ({log})",
        called(per, who),
        times(*count),
        hour_name(*hour)
    );
    let subject = match per {
        Per::All => format!("{log} all"),
        per => format!("{log} {} {who}", per.as_str()),
    };
    let offset = Offset::from_seconds(checked.utc_offset).unwrap_or(Offset::UTC);
    let finding = Finding::new(Code::RequestSpike, subject, title)
        .with("log", log)
        .with("counted-per", per.as_str())
        .with("who", Some(who).filter(|_| per != Per::All))
        .with("requests", count)
        .with("usual", usual.round())
        .with("hour", format!("{} (UTC{offset})", hour_name(*hour)))
        .with("weeks-known", weeks)
        .with("last-request", checked.log.requests.get(who))
        .nearest(nearest.clone());
    match suggest(checked, per, &[risen]) {
        Some(toml) => finding.suggest(toml),
        None => finding,
    }
}

fn together(checked: &Checked, per: Per, others: &[Risen]) -> Option<Finding> {
    let first = others.first()?;
    let log = &checked.log.log;
    let kind = if per == Per::User { "users" } else { "clients" };
    let title = format!(
        "{} more {kind} sent far more requests than at this hour of other weeks ({log})",
        others.len()
    );
    let names: Vec<String> = others
        .iter()
        .take(50)
        .map(|risen| format!("{} ({}, usually {:.0})", risen.who, risen.count, risen.usual))
        .collect();
    let finding = Finding::new(Code::RequestSpike, format!("{log} more {kind}"), title)
        .with("log", log)
        .with(kind, others.len())
        .with("busiest", names)
        .nearest(first.nearest.clone());
    let few = others.len() <= 100;
    Some(match suggest(checked, per, &others.iter().collect::<Vec<_>>()).filter(|_| few) {
        Some(toml) => finding.suggest(toml),
        None => finding,
    })
}

/// A rule that takes so many requests of these for no spike: by a higher least count, which holds for any hour.
fn suggest(checked: &Checked, per: Per, risen: &[&Risen]) -> Option<String> {
    let most = risen.iter().map(|risen| risen.count).max()?;
    let only: Option<Vec<Name>> = match per {
        Per::All => Some(Vec::new()),
        per => risen.iter().map(|risen| Name::literal(per, &risen.who)).collect(),
    };
    let spike = Spike {
        per,
        factor: Factor::try_from(5.0).ok()?,
        against: super::policy::Against::SameHourOfWeek,
        min: round_up(most + most / 4 + 1),
        only: only?,
        except: Vec::new(),
    };
    Some(suggestion(RequestRule { spike: Some(spike), ..RequestRule::of(&checked.log.log) }))
}
