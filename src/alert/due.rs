//! What is to be mailed, and whether now.

use super::{Alert, DAY, Limits, Owed, State, id};
use crate::finding::{Kind, Severity};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An event that happened again is mailed again after so long a quiet, and at most once in so long.
pub(super) const QUIET: SignedDuration = SignedDuration::from_hours(1);

/// Reminders that are due so soon go with those that are due.
const SOON: SignedDuration = SignedDuration::from_hours(2);

/// The limit on digests counts those of so long.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How many message ids of mails about an alert are kept.
const REFERENCES: usize = 6;

/// Why a digest speaks of an alert. In the order in which it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum News {
    /// It is new.
    Opened,
    /// It is more severe than was told.
    Worse,
    /// It happened again, or came back.
    Again,
    /// It is still open: the daily reminder.
    Still,
    /// It is over.
    Ended,
}

/// One alert in a digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Why it is told.
    pub news: News,
    /// That its end is told too: with [`News::Ended`], or because it was over before it could be told.
    pub ended: bool,
    /// How often it was seen since the last mail about it.
    pub again: u64,
    /// The highest severity that was told before.
    pub told_severity: Option<Severity>,
    /// The message ids of earlier mails about it.
    pub references: Vec<String>,
    /// The alert as it is after the step.
    pub alert: Alert,
}

/// One mail to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// Its fixed message id, with angle brackets.
    pub message_id: String,
    /// The moment it was made.
    pub at: Timestamp,
    /// What it tells: what is new, what is still open, what is over; of each the most urgent first.
    pub entries: Vec<Entry>,
    /// How many of these were held back by the limit, and since when.
    pub held: Option<(usize, Timestamp)>,
    /// How many alerts are open in all, told here or not.
    pub open: usize,
}

/// When something about an alert is to be mailed.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Timestamp,
    urgent: bool,
}

/// Later by `span`, or the last moment of the calendar.
fn later(moment: Timestamp, span: SignedDuration) -> Timestamp {
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// When the news of an alert is due: the earliest of what is owed.
fn due(alert: &Alert, limits: &Limits) -> Option<Due> {
    let Owed { opened, again, worse, ended } = alert.owed;
    let gather = limits.gather.signed();
    let urgent = alert.worst == Severity::Urgent;
    let news = |since: Timestamp| Due { at: if urgent { since } else { later(since, gather) }, urgent };
    let again = again.map(|since| match alert.kind() {
        Kind::Event => {
            let Due { at, urgent } = news(since);
            Due { at: at.max(alert.told.last.map_or(at, |last| later(last, QUIET))), urgent }
        }
        // Its end was told, so it is no surprise any more: it need not wake anybody at once.
        Kind::State => Due { at: later(since, gather), urgent },
    });
    let ended = ended.map(|since| {
        let wait = match alert.kind() {
            Kind::State => gather,
            // That a login did not happen again is hardly worth a mail of its own.
            Kind::Event => limits.remind.signed(),
        };
        Due { at: later(since, wait), urgent: false }
    });
    [opened.map(news), worse.map(news), again, ended]
        .into_iter()
        .flatten()
        .min_by_key(|due| (due.at, !due.urgent))
}

/// When a reminder is due.
fn reminder(alert: &Alert, limits: &Limits) -> Option<Timestamp> {
    let last = alert.told.last?;
    // An event that has not happened again is not "still" anything: its end is told, that is enough.
    let lasts = alert.kind() == Kind::State || alert.times_since_told() > 0;
    (alert.state == State::Open && lasts).then(|| later(last, limits.remind.signed()))
}

/// What to do about the alerts now.
pub(super) enum Decision {
    /// Nothing is due.
    Wait,
    /// Something is due, but there were enough mails in the last hour: these keys are held back.
    Hold(Vec<String>),
    /// A digest tells these keys.
    Send(Vec<String>),
}

/// Decides on all `alerts`; `sent` are the moments of earlier digests.
pub(super) fn decide<'a>(
    alerts: &(impl Iterator<Item = &'a Alert> + Clone),
    sent: &[Timestamp],
    now: Timestamp,
    limits: &Limits,
) -> Decision {
    let is_due = |alert: &Alert| due(alert, limits).filter(|due| due.at <= now);
    let reminds = |alert: &Alert, by: Timestamp| reminder(alert, limits).is_some_and(|at| at <= by);
    let urgent = alerts.clone().any(|alert| is_due(alert).is_some_and(|due| due.urgent));
    if !urgent && !alerts.clone().any(|alert| is_due(alert).is_some() || reminds(alert, now)) {
        return Decision::Wait;
    }
    let keys = |wanted: &dyn Fn(&Alert) -> bool| -> Vec<String> {
        alerts.clone().filter(|alert| wanted(alert)).map(|alert| alert.key.clone()).collect()
    };
    let most = limits.digests_per_hour.get() as usize;
    let may = if urgent { most } else { most - most / 4 };
    if recent(sent, now).count() >= may {
        return Decision::Hold(keys(&|alert| is_due(alert).is_some()));
    }
    Decision::Send(keys(&|alert| !alert.owed.is_nothing() || reminds(alert, later(now, SOON))))
}

/// The digests that count for the limit. One from the future was made before the clock was set back.
pub(super) fn recent(sent: &[Timestamp], now: Timestamp) -> impl Iterator<Item = Timestamp> {
    sent.iter().copied().filter(move |at| *at <= now && now.duration_since(*at) < HOUR)
}

/// Makes the digest that tells `alerts`, and notes in each that it was told.
pub(super) fn tell(alerts: &mut [Alert], host: &str, now: Timestamp, open: usize) -> Digest {
    let held: Vec<Timestamp> = alerts.iter().filter_map(|alert| alert.held).collect();
    let mut entries: Vec<Entry> = alerts.iter().map(entry).collect();
    let parts: Vec<String> = entries
        .iter()
        .map(|e| format!("{} {} {:?} {}", e.alert.key, e.alert.opened, e.news, e.alert.told.mails))
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let message_id = id::message(host, now, &parts);
    for (alert, entry) in alerts.iter_mut().zip(&mut entries) {
        note(alert, &message_id, now);
        entry.alert = alert.clone();
    }
    entries.sort_by(|a, b| order(a).cmp(&order(b)));
    let held = held.iter().min().map(|since| (held.len(), *since));
    Digest { message_id, at: now, entries, held, open }
}

fn order(entry: &Entry) -> impl Ord {
    let alert = &entry.alert;
    let part = entry.news.max(News::Again);
    (part, std::cmp::Reverse(alert.worst), entry.news, alert.code(), alert.opened, alert.key.clone())
}

fn entry(alert: &Alert) -> Entry {
    let Owed { opened, again, worse, ended } = alert.owed;
    let news = match (opened, worse, again, ended) {
        (Some(_), ..) => News::Opened,
        (_, Some(_), ..) => News::Worse,
        (_, _, Some(_), _) => News::Again,
        (_, _, _, Some(_)) => News::Ended,
        (None, None, None, None) => News::Still,
    };
    Entry {
        news,
        ended: ended.is_some(),
        again: alert.times_since_told(),
        told_severity: alert.told.severity,
        references: alert.references.clone(),
        alert: alert.clone(),
    }
}

fn note(alert: &mut Alert, message_id: &str, now: Timestamp) {
    let told = &mut alert.told;
    told.first.get_or_insert(now);
    told.last = Some(now);
    told.mails = told.mails.saturating_add(1);
    told.severity = told.severity.max(Some(alert.worst));
    told.times = alert.times;
    alert.owed = Owed::default();
    alert.held = None;
    alert.references.push(message_id.to_owned());
    if alert.references.len() > REFERENCES {
        // The first one is the root of the thread.
        alert.references.remove(1);
    }
}

/// True if nothing will be asked of an alert any more: it has been over for a day, and everything was told.
pub(super) fn is_done(alert: &Alert, now: Timestamp) -> bool {
    alert.owed.is_nothing() && alert.resolved.is_some_and(|at| now.duration_since(at) >= DAY)
}
