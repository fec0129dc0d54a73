//! One step: what a pass found, told to the alerts.

use super::due::{self, Decision, Digest};
use super::{Absent, Alert, Book, DAY, Limits, Owed, State, Told, id};
use crate::finding::{Finding, Kind};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// So many looks in a row must not see a thing before it is over; more are not counted.
const ENOUGH: u32 = 2;

/// What one watch found in a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// The watch's name.
    pub watch: String,
    /// True if it saw facts: it did not fail, and there was something to look at. Only then does what it does
    /// not report count as gone.
    pub saw: bool,
    /// What it found; of one key, the first counts.
    pub findings: Vec<Finding>,
}

/// One pass: the watches that looked in it. One that was not due is not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// The moment.
    pub now: Timestamp,
    /// The host's name, for message ids.
    pub host: String,
    /// What each watch found.
    pub looked: Vec<Looked>,
}

/// What a pass changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The alerts that are new or different, whole.
    pub changed: Vec<Alert>,
    /// The keys of alerts that nothing will be asked of any more.
    pub forget: Vec<String>,
    /// The mail to write, if any.
    pub digest: Option<Digest>,
    /// When digests were made within the last hour, this one included.
    pub sent: Vec<Timestamp>,
}

/// The book, and what differs from it so far.
struct Working<'a> {
    book: &'a Book,
    changed: BTreeMap<String, Alert>,
    ids: HashSet<String>,
    now: Timestamp,
}

impl Working<'_> {
    fn get(&self, key: &str) -> Option<&Alert> {
        self.changed.get(key).or_else(|| self.book.alerts.get(key))
    }

    fn all(&self) -> impl Iterator<Item = &Alert> + Clone {
        let unchanged = self.book.alerts.values().filter(|alert| !self.changed.contains_key(&alert.key));
        unchanged.chain(self.changed.values())
    }

    fn put(&mut self, alert: Alert) {
        self.changed.insert(alert.key.clone(), alert);
    }
}

/// Tells the alerts of `book` what a pass found. Pure: the same arguments give the same step.
#[must_use]
pub fn step(book: &Book, pass: &Pass, limits: &Limits) -> Step {
    let now = pass.now;
    let ids = book.alerts.values().map(|alert| alert.id.clone()).collect();
    let mut work = Working { book, changed: BTreeMap::new(), ids, now };
    for alert in book.alerts.values() {
        let kept = within(alert.clone(), now);
        if kept != *alert {
            work.put(kept);
        }
    }

    let mut seen = BTreeSet::new();
    for looked in &pass.looked {
        for finding in &looked.findings {
            let key = finding.key();
            if seen.insert(key.clone()) {
                let alert = met(&work, &key, finding, &looked.watch);
                work.ids.insert(alert.id.clone());
                work.put(alert);
            }
        }
    }

    let saw: BTreeSet<&str> =
        pass.looked.iter().filter(|looked| looked.saw).map(|looked| looked.watch.as_str()).collect();
    let is_missed =
        |alert: &&Alert| alert.is_open() && saw.contains(alert.watch.as_str()) && !seen.contains(&alert.key);
    let missed: Vec<Alert> = work.all().filter(is_missed).cloned().collect();
    missed.into_iter().map(|alert| not_met(alert, now, limits)).for_each(|alert| work.put(alert));

    let mut sent: Vec<Timestamp> = due::recent(&book.sent, now).collect();
    let decision = due::decide(&work.all(), &sent, now, limits);
    let digest = match decision {
        Decision::Wait => None,
        Decision::Hold(keys) => {
            for mut alert in take(&work, &keys) {
                if alert.held.is_none() {
                    alert.held = Some(now);
                    work.put(alert);
                }
            }
            None
        }
        Decision::Send(keys) => {
            let open = work.all().filter(|alert| alert.is_open()).count();
            let mut alerts = take(&work, &keys);
            let digest = due::tell(&mut alerts, &pass.host, now, open);
            for alert in alerts {
                work.put(alert);
            }
            sent.push(now);
            Some(digest)
        }
    };
    let forget = work.all().filter(|alert| due::is_done(alert, now)).map(|alert| alert.key.clone()).collect();
    let changed =
        work.changed.into_values().filter(|alert| book.alerts.get(&alert.key) != Some(alert)).collect();
    Step { changed, forget, digest, sent }
}

fn take(work: &Working, keys: &[String]) -> Vec<Alert> {
    keys.iter().filter_map(|key| work.get(key).cloned()).collect()
}

/// The clock may have been set back: what lies in the future is taken to be now, so that no age is negative and
/// no wait longer than it should be.
fn within(mut alert: Alert, now: Timestamp) -> Alert {
    // `opened` is part of the alert's identity and stays; it is shown with an age of zero.
    let Alert { last_seen, resolved, absent, told, owed, held, .. } = &mut alert;
    let moments = [
        resolved.as_mut(),
        absent.as_mut().map(|absent| &mut absent.since),
        told.first.as_mut(),
        told.last.as_mut(),
        owed.opened.as_mut(),
        owed.again.as_mut(),
        owed.worse.as_mut(),
        owed.ended.as_mut(),
        held.as_mut(),
    ];
    *last_seen = now.min(*last_seen);
    for moment in moments.into_iter().flatten() {
        *moment = now.min(*moment);
    }
    alert
}

/// The alert of a finding that was just seen.
fn met(work: &Working, key: &str, finding: &Finding, watch: &str) -> Alert {
    let now = work.now;
    let known = work.get(key).filter(|alert| {
        // What has been over for a day and is told is another story when it comes again.
        alert.owed.ended.is_some() || alert.resolved.is_none_or(|at| now.duration_since(at) < DAY)
    });
    let Some(alert) = known else {
        return opened(work, key, finding, watch);
    };
    let mut alert =
        Alert { finding: finding.clone(), watch: watch.to_owned(), last_seen: now, ..alert.clone() };
    let quiet = now.duration_since(work.get(key).map_or(now, |before| before.last_seen));
    let was_absent = alert.absent.take().is_some();
    let kind = alert.kind();
    if kind == Kind::Event || was_absent || alert.resolved.is_some() {
        alert.times = alert.times.saturating_add(1);
    }
    if alert.resolved.take().is_some() {
        alert.state = State::Open;
        alert.reopened = alert.reopened.saturating_add(1);
        alert.worst = finding.severity;
        // If its end has not been told, everybody still believes that it is there, which is true again.
        let told_end = alert.owed.ended.take().is_none();
        if told_end {
            alert.owed.again.get_or_insert(now);
        }
    }
    let untold = alert.owed.opened.is_some();
    if kind == Kind::Event && quiet >= due::QUIET && !untold {
        alert.owed.again.get_or_insert(now);
    }
    alert.worst = alert.worst.max(finding.severity);
    if !untold && alert.told.severity.is_some_and(|told| alert.worst > told) {
        alert.owed.worse.get_or_insert(now);
    }
    alert
}

fn opened(work: &Working, key: &str, finding: &Finding, watch: &str) -> Alert {
    let now = work.now;
    Alert {
        id: id::short(key, now, |id| work.ids.contains(id)),
        key: key.to_owned(),
        watch: watch.to_owned(),
        finding: finding.clone(),
        opened: now,
        last_seen: now,
        times: 1,
        reopened: 0,
        worst: finding.severity,
        state: State::Open,
        resolved: None,
        absent: None,
        told: Told::default(),
        owed: Owed { opened: Some(now), ..Owed::default() },
        held: None,
        references: Vec::new(),
    }
}

/// An alert whose watch looked and did not see it.
fn not_met(mut alert: Alert, now: Timestamp, limits: &Limits) -> Alert {
    let absent = alert.absent.unwrap_or(Absent { since: now, passes: 0 });
    let absent = Absent { passes: absent.passes.saturating_add(1).min(ENOUGH), ..absent };
    alert.absent = Some(absent);
    let (since, patience) = match alert.kind() {
        Kind::Event => (alert.last_seen, DAY),
        Kind::State if alert.reopened > 0 => (absent.since, DAY),
        Kind::State => (absent.since, limits.resolve_after.signed()),
    };
    if absent.passes >= ENOUGH && now.duration_since(since) >= patience {
        alert.state = State::Resolved;
        alert.resolved = Some(now);
        alert.owed.ended = alert.code().has_an_end().then_some(now);
    }
    alert
}
