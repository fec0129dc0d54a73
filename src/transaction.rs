//! What a package manager does to the host: a transaction is all it changes from when it takes its lock until it has been
//! quiet for a while.
//!
//! The database itself, before and after, says what changed. `/var/log/dpkg.log` may be switched off, is rotated, and
//! writes times without their zone; apt's history knows nothing of dpkg used by itself. Only root writes any of them.

mod change;
mod database;
mod patience;
mod tracker;

pub use change::{Change, differences};
pub use database::Database;
pub use patience::{Patience, Remembered};
pub use tracker::Tracker;

use crate::dpkg::{self, Stamp};
use crate::host::Host;
use crate::rule::Pattern;
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So long what it may explain is held back; then it is told as it is, so that holding a lock blinds nobody.
pub const WAIT: SignedDuration = SignedDuration::from_mins(15);

/// So long its own processes are taken for its own: somebody has to answer its questions.
pub const OWN: SignedDuration = SignedDuration::from_hours(2);

/// So long after its end what it brought is said to be from it.
pub const LATELY: SignedDuration = SignedDuration::from_hours(1);

/// So much is held back of one kind. What is beyond that is told at once.
pub const HELD: usize = 500;

/// Clocks of file systems tick coarsely.
const TICK: SignedDuration = SignedDuration::from_secs(2);

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It goes on, and its end is waited for with what it may explain.
    UnderWay,
    /// It has gone on for too long, or nobody knows since when, to wait for its end.
    Slow,
    /// It has gone on for so long that it explains nothing any more.
    Stuck,
    /// It ended then.
    Ended(Timestamp),
}

/// What a package manager does, or did a short while ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Transaction {
    /// When the database had changed last before it: nothing that it brought is older.
    pub since: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// What it changed, by name; known at its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// How many of the changed packages' files are still to be verified before it is told.
    #[serde(default)]
    pub unverified: usize,
    /// The programs and scripts in use that are newer than that, and the packages they belong to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fresh: BTreeMap<Text, Option<Text>>,
}

impl Transaction {
    /// True while it is waited for: then nothing is told that it may explain.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.phase == Phase::UnderWay
    }

    /// True while its own processes are its own.
    #[must_use]
    pub fn has_processes(&self) -> bool {
        matches!(self.phase, Phase::UnderWay | Phase::Slow)
    }

    /// The package that brought this file a short while ago, and how: `installed just now by htop 3.2.2-2`.
    #[must_use]
    pub fn brought(&self, path: &str) -> Option<(&'static str, String)> {
        let package = self.fresh.get(path)?.as_ref()?;
        let change = self.changes.iter().find(|change| change.name == *package)?;
        let words = if change.from.is_none() { "installed just now by" } else { "changed just now by" };
        Some((words, format!("{package} {}", change.to.as_ref()?)))
    }
}

/// True if this file changed since then, and lies where packages put their programs.
#[must_use]
pub fn is_fresh(host: &Host, path: &Text, since: Timestamp) -> bool {
    let since = since.saturating_sub(TICK).unwrap_or(since);
    let is_newer = |stamp: Stamp| stamp.changed() >= since;
    is_packages_place(path) && Stamp::of(host, dpkg::system_path(path.to_bytes())).is_some_and(is_newer)
}

/// True for a place where packages put programs and only root puts anything.
#[must_use]
pub fn is_packages_place(path: &str) -> bool {
    let places = ["/usr/", "/opt/", "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/"];
    places.iter().any(|place| path.starts_with(place)) && !path.starts_with("/usr/local/")
}

/// True if all of these packages are named by one rule's patterns.
#[must_use]
pub fn are_all_named(changes: &[Change], packages: &[Pattern]) -> bool {
    changes.iter().all(|change| packages.iter().any(|pattern| pattern.matches(&change.name)))
}

// On Windows there is neither database, and no folder can be touched.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
