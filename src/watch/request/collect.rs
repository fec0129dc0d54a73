//! Looking: reads what each log grew by, and says what it could not read.

mod one;
mod reach;

use super::logs::{self, Named, path_of};
use super::policy::{RequestRule, Rules};
use super::{Look, RequestFacts, Seen, system};
use crate::coverage::Gap;
use crate::tail::Files;
use crate::text::Text;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use one::{LogMemory, One};
use reach::Reach;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a policy is learned from: a day, and not more of each log than this.
const LEARNED: u32 = 24 * 60;
const LEARNED_BYTES: u64 = 64 * 1024 * 1024;

/// A log may be gone for a moment while it is rotated.
const BLINK: SignedDuration = SignedDuration::from_mins(2);

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Remembered {
    logs: BTreeMap<Text, LogMemory>,
}

/// What could not be seen in any of the logs, added up by kind.
#[derive(Default)]
struct Gaps(BTreeMap<&'static str, Gap>);

impl Gaps {
    fn add(&mut self, name: &'static str, seen: u64, of: u64, why: &str) {
        let gap = self.0.entry(name).or_insert_with(|| Gap {
            gap: name.to_owned(),
            seen: 0,
            of: 0,
            why: String::new(),
        });
        gap.seen += seen;
        gap.of += of;
        if gap.why.len() < 1000 {
            if !gap.why.is_empty() {
                gap.why.push_str("; ");
            }
            gap.why.push_str(why);
        }
    }
}

/// Reads all logs. `buffer` is kept from pass to pass.
pub fn collect(buffer: &mut Vec<u8>, look: &mut Look<Rules>) -> Seen<RequestFacts> {
    let now = look.now;
    let mut remembered: Remembered = look.memory.recall();
    let mut gaps = Gaps::default();
    let rules: Vec<&RequestRule> = look.rules.in_force(now).map(|placed| &placed.rule).collect();
    let found = logs::discover(look.host);
    let Named { logs: mut named, mut missing, unreadable } = logs::named(look.host, rules.iter().copied());
    for (folder, why) in &unreadable {
        gaps.add("request-log", 0, 1, &cannot_read(folder, why));
    }
    if rules.is_empty() {
        if found.is_empty() {
            return Seen::NoData(format!("there is no web log in {}", system::PLACES));
        }
        named = found;
    } else {
        unwatched(&found, &rules, &mut gaps);
        // A log that was there a moment ago is just being rotated, and goes on in its rotated form.
        for (log, memory) in &remembered.logs {
            let blinks = !named.contains(log) && now.duration_since(memory.there) <= BLINK;
            if blinks && rules.iter().any(|rule| rule.log.fits(log)) {
                named.insert(log.clone());
                missing.retain(|path| !path.fits(log));
            }
        }
    }
    if named.len() > logs::MOST {
        let why =
            format!("the rules name {} logs, and no more than {} are followed", named.len(), logs::MOST);
        gaps.add("request-log", logs::MOST as u64, named.len() as u64, &why);
        named = named.into_iter().take(logs::MOST).collect();
    }

    let mut facts = Vec::new();
    for log in &named {
        let of: Vec<&RequestRule> = rules.iter().copied().filter(|rule| rule.log.fits(log)).collect();
        let methods = of.iter().any(|rule| !rule.methods.is_empty());
        let reach = if rules.is_empty() {
            Reach { client: LEARNED, user: LEARNED, all: LEARNED, learning: true }
        } else {
            Reach::of(of.into_iter())
        };
        let mut wanted = Vec::new();
        wanted.extend(methods.then_some("cs-method"));
        wanted.extend((reach.user > 0 && !reach.learning).then_some("cs-username"));
        let most = if rules.is_empty() { LEARNED_BYTES } else { u64::MAX };
        let before = remembered.logs.get(log).cloned();
        let buffer = &mut *buffer;
        let read = |gaps: &mut Gaps| {
            let (path, all) = (path_of(look.host, log)?, logs::files_of(look.host, log)?);
            let files = all.as_ref().map_or(Files::Rotated(&path), |all| Files::Begun(all));
            One { log, files, now, reach, most, wanted, buffer, gaps }.read(before)
        };
        match read(&mut gaps) {
            Ok((log_facts, memory)) => {
                facts.push(log_facts);
                remembered.logs.insert(log.clone(), memory);
            }
            Err(error) => gaps.add("request-log", 0, 1, &cannot_read(log, &error.to_string())),
        }
    }
    // What was remembered of a log that no rule names any more is of no use. One that cannot be read now may be later.
    remembered.logs.retain(|log, memory| {
        named.contains(log)
            || (rules.iter().any(|rule| rule.log.fits(log))
                && now.duration_since(memory.read) < SignedDuration::from_hours(24 * 31))
    });
    look.memory.keep(&remembered);
    look.gaps.extend(gaps.0.into_values());
    let utc_offset = TimeZone::system().to_offset(now).seconds();
    Seen::Facts(RequestFacts { logs: facts, missing: missing.into_iter().collect(), utc_offset })
}

fn cannot_read(log: &Text, why: &str) -> String {
    let why_in_small = why.to_lowercase();
    let is_forbidden = ["permission", "denied"].iter().any(|word| why_in_small.contains(word));
    let cure = if is_forbidden { format!("; {}", system::MAY_READ) } else { String::new() };
    format!("{log} cannot be read: {why}{cure}")
}

fn unwatched(found: &BTreeSet<Text>, rules: &[&RequestRule], gaps: &mut Gaps) {
    let unnamed: Vec<&str> =
        found.iter().filter(|log| !rules.iter().any(|rule| rule.log.fits(log))).map(|log| &**log).collect();
    if !unnamed.is_empty() {
        let shown = unnamed.iter().take(20).copied().collect::<Vec<_>>().join(", ");
        let more =
            if unnamed.len() > 20 { format!(" and {} more", unnamed.len() - 20) } else { String::new() };
        let why = format!("no [[requests]] rule names {shown}{more}");
        gaps.add("unwatched-web-log", (found.len() - unnamed.len()) as u64, found.len() as u64, &why);
    }
}

/// Whole minutes since 1970.
pub fn minute_of(moment: Timestamp) -> u32 {
    u32::try_from(moment.as_second().div_euclid(60).max(0)).unwrap_or(u32::MAX)
}

/// The moment a minute begins.
pub fn moment_of(minute: u32) -> Timestamp {
    Timestamp::from_second(i64::from(minute) * 60).unwrap_or_default()
}
