//! The life of findings: an alert is opened, mailed once, reminded daily, and its end is told.
//!
//! All of it is pure: [`step()`] takes what is known ([`Book`]) and what a pass found ([`Pass`]) and says what is
//! known then and which one digest to send, if any; [`digest::compose`] puts the digest into words. Neither
//! reads a clock, a file or a database. Keeping it is the work of [`crate::store`].
//!
//! The rules, in short:
//! - The identity of an alert is the finding's code and subject. It has a short id that can be typed on a phone.
//! - A *state* (a process runs) is over when its watch looked successfully and did not see it, at least twice and
//!   for `resolve-after`. A watch that failed or did not look ends nothing.
//! - An *event* (a login) is over when it has not happened again for 24 hours.
//! - What comes back within 24 hours after its end is the same alert. If the end had been told, the return is
//!   told too; from then on the alert is over only after 24 quiet hours. So what flaps costs three mails on the
//!   first day and one reminder a day after that, however fast it flaps, and no mail ever leaves a false belief.
//! - An event is mailed again when it happens after at least an hour of quiet, at most once an hour.
//! - An alert that gets more severe than was ever told is mailed again.
//! - Urgent news goes at once, other news waits for `gather`, so that many become one mail. There is one digest
//!   per step at most, and `digests-per-hour` in an hour; ordinary news may not use the last quarter of these, so
//!   that noise does not hold up what is urgent. What is held goes with the next digest, which says so.

pub mod digest;
mod due;
mod id;
mod limits;
mod step;
pub mod words;

pub use digest::{About, Blind, Composed};
pub use due::{Digest, Entry, News};
pub use id::message as message_id;
pub use limits::Limits;
pub use step::{Looked, Pass, Step, step};

use crate::finding::{Code, Finding, Kind, Severity};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event has ended after so long a quiet; what comes back within it after its end is the same alert.
pub const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Seen, and not over.
    Open,
    /// Open, and a person knows: no more reminders.
    Acknowledged,
    /// Over.
    Resolved,
}

/// For how long, and in how many successful looks, something was not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The first look that did not see it.
    pub since: Timestamp,
    /// How many looks did not; two are as good as more.
    pub passes: u32,
}

/// What has been mailed of an alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The first mail about it.
    pub first: Option<Timestamp>,
    /// The last mail about it.
    pub last: Option<Timestamp>,
    /// How many mails.
    pub mails: u32,
    /// The highest severity mailed.
    pub severity: Option<Severity>,
    /// How often it had been seen when it was last mailed.
    pub times: u64,
}

/// What is still to be mailed of an alert, and since when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// That it is there.
    pub opened: Option<Timestamp>,
    /// That it happened again, or came back after its end was told.
    pub again: Option<Timestamp>,
    /// That it is more severe than was told.
    pub worse: Option<Timestamp>,
    /// That it is over.
    pub ended: Option<Timestamp>,
}

impl Owed {
    /// True if nothing is to be mailed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The life of one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Alert {
    /// Five or more letters and digits; no other alert of the same [`Book`] has it.
    pub id: String,
    /// Code and subject of the finding.
    pub key: String,
    /// The watch that saw it last.
    pub watch: String,
    /// The finding as it was last seen.
    pub finding: Finding,
    /// When it was first seen.
    pub opened: Timestamp,
    /// When it was last seen.
    #[serde(alias = "last_seen")]
    pub last_seen: Timestamp,
    /// An event: how often it happened. A state: how often it appeared.
    pub times: u64,
    /// How often it came back after its end.
    pub reopened: u32,
    /// The highest severity since it opened, or since it last came back.
    pub worst: Severity,
    /// Open, acknowledged or resolved.
    pub state: State,
    /// When it was found to be over.
    pub resolved: Option<Timestamp>,
    /// That the last looks did not see it.
    pub absent: Option<Absent>,
    /// What has been mailed.
    pub told: Told,
    /// What is to be mailed.
    pub owed: Owed,
    /// Since when the limit on mails holds it back.
    pub held: Option<Timestamp>,
    /// The message ids of mails about it: the first and the latest few, for threading.
    pub references: Vec<String>,
}

impl Alert {
    /// What kind of difference.
    #[must_use]
    pub fn code(&self) -> Code {
        self.finding.code
    }

    /// Whether it lasts or happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.finding.code.kind()
    }

    /// True until it is over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state != State::Resolved
    }

    /// How often it was seen since the last mail about it.
    #[must_use]
    pub fn times_since_told(&self) -> u64 {
        self.times.saturating_sub(self.told.times)
    }
}

/// What is known between passes: the alerts that are open, were open within the last day, or are still to be
/// mailed about; and when the last digests were made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    /// The alerts by key.
    pub alerts: BTreeMap<String, Alert>,
    /// When digests were made within the last hour.
    pub sent: Vec<Timestamp>,
}

impl Book {
    /// The book after `step`. To be called once the step is stored, and not before.
    pub fn apply(&mut self, step: Step) {
        for key in &step.forget {
            self.alerts.remove(key);
        }
        self.alerts.extend(step.changed.into_iter().map(|alert| (alert.key.clone(), alert)));
        self.sent = step.sent;
    }

    /// The alerts that are not over, the most urgent and oldest first.
    #[must_use]
    pub fn open(&self) -> Vec<&Alert> {
        let mut open: Vec<&Alert> = self.alerts.values().filter(|alert| alert.is_open()).collect();
        open.sort_by(|a, b| {
            (b.finding.severity, a.opened, &a.key).cmp(&(a.finding.severity, b.opened, &b.key))
        });
        open
    }
}

#[cfg(test)]
mod tests;
