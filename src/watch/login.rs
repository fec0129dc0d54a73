//! Logins: who came in, from where, how and when, and who tried to.
//!
//! On Windows they are events of several channels of the event log, see [`event`]. On Linux they are read from the system log, from the journal where there is no log, and from the records of wtmp, btmp and
//! wtmpdb. The log knows best about SSH; records tell of the console, and of logins that a log kept silent about.

pub mod account;
mod change;
mod check;
pub mod event;
mod explain;
pub mod gather;
mod hours;
#[cfg(target_os = "linux")]
pub mod journal;
mod learn;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod log;
mod policy;
#[cfg(target_os = "linux")]
mod record_file;
pub mod records;
mod source;
pub mod ssh;
pub mod sshd;
pub mod stamp;
#[cfg(windows)]
mod windows;

pub use account::{Names, is_meant, of_windows, of_windows_whole, written};
pub use change::{Change, ChangeKind, ChangeRule};
pub use explain::explain;
pub use hours::{Hours, Zone};
#[cfg(target_os = "linux")]
pub use linux::{accepted_by, time_zone};
pub use policy::*;
pub use source::{CONSOLE, Method, Source, UNCLEAR, address};
#[cfg(windows)]
pub use windows::{accepted_by, time_zone};

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen since the snapshot before; in the first one, within seven days.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoginFacts {
    /// The IANA name of the host's time zone, if it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Text>,
    /// Who came in, by time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<Login>,
    /// Who failed to, put together by name, source, method and quarter of an hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failures>,
    /// All failures by minute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_in: Vec<Minute>,
    /// Failures that are counted by minute and, being of too many names and sources, not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// What was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Reading>,
    /// SSH logins that the log should tell of and does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlogged: Vec<Unlogged>,
    /// What happened to accounts, groups and the logs of logins themselves (Windows).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Logins that are nobody's: of services, tasks, computers and Windows itself, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, u64>,
    /// How names of accounts are compared.
    #[serde(default, skip_serializing_if = "Names::is_exact")]
    pub names: Names,
}

/// A successful login.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Login {
    /// The account.
    pub user: Text,
    /// The address, a name if only that is known, `console`, or `unclear`.
    pub from: Text,
    /// `publickey`, `password`, …; `console`; `rdp`, `network`, … of Windows; `unknown` if only a record tells of it.
    pub method: Text,
    /// When.
    pub at: Timestamp,
    /// The key's fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// The terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Text>,
    /// The process that let them in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Which source told of it.
    pub told_by: Text,
    /// True if it came with the rights of an administrator (Windows tells).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub administrator: bool,
    /// The account that gave the name and password of this one, from inside (Windows: `runas`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<Text>,
    /// What the client calls itself: its own word, evidence and never identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Text>,
    /// When it ended, if it was as short as that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Failed logins of the same name, source and method within a quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failures {
    /// The name that was tried.
    pub user: Text,
    /// Where from.
    pub from: Text,
    /// How; `unfinished` if they left before they proved anything.
    pub method: Text,
    /// True if there is no such account, or it may not log in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_account: bool,
    /// Why it failed, as Windows tells: `wrong-password`, `locked-out`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// How often.
    pub count: u64,
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
}

/// How many logins failed in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Minute {
    /// The minute's beginning.
    pub at: Timestamp,
    /// How many failed.
    pub count: u64,
}

/// A source of logins, and what was read of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reading {
    /// The file, or `journal`.
    pub name: Text,
    /// How many bytes or entries were read.
    pub read: u64,
    /// The time of the last thing that was read, now or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

/// An SSH login that the log does not tell of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unlogged {
    /// The log that should.
    pub log: Text,
    /// The account.
    pub user: Text,
    /// Where from, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Text>,
    /// When.
    pub at: Timestamp,
    /// The process of sshd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What does tell of it: a record, or the process that runs.
    pub told_by: Text,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Watches logins.
#[derive(Default)]
pub struct LoginWatch {}

impl Watch for LoginWatch {
    const NAME: &'static str = "login";
    type Facts = LoginFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<LoginFacts> {
        system::collect(look)
    }

    fn check(seen: &Facts<Self>, memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now, memory)
    }

    fn learn(facts: &LoginFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &LoginFacts) -> String {
        let failed: u64 = facts.failed_in.iter().map(|minute| minute.count).sum();
        let plural = if facts.logins.len() == 1 { "" } else { "s" };
        format!("{} login{plural}, {failed} failed", facts.logins.len())
    }
}
