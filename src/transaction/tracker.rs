//! Following the package manager from pass to pass.

use super::database::{Database, Stamps};
use super::{Change, LATELY, OWN, Phase, Transaction, WAIT, differences};
use crate::dpkg::{Installed, Stamp};
use crate::host::Host;
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So long nothing in the database changes before a transaction has ended: a script may call dpkg or rpm several times.
const QUIET: SignedDuration = SignedDuration::from_secs(10);

/// So long after the last transaction that changed nothing, what patience those cost is forgotten.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What is remembered of the package manager from pass to pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracker {
    /// What was installed when it was last quiet, a line for each package: it is stored as one text.
    installed: Option<String>,
    /// The database then.
    database: Stamps,
    /// When the transaction that goes on was first seen.
    began: Option<Timestamp>,
    /// For how many seconds transactions that came to nothing were waited for, and when the last of them ended.
    in_vain: i64,
    last_vain: Option<Timestamp>,
    /// It went on before we looked for the first time: nobody knows for how long.
    found_running: bool,
    /// The last one that changed anything.
    last: Option<Transaction>,
    /// What was fetched when we looked last.
    fetched: [Option<Stamp>; 3],
    /// True if a package manager has ended since we looked before, whether it changed anything or not.
    #[serde(skip)]
    has_ended: bool,
}

impl Tracker {
    /// Looks again; the transaction that goes on, or that ended a short while ago. Nothing on a host without a package manager that we know.
    pub fn look(&mut self, host: &Host, now: Timestamp) -> Option<Transaction> {
        let manager = Database::of(host)?;
        let database = manager.stamps(host);
        let fetched = manager.fetched(host);
        let has_fetched = std::mem::replace(&mut self.fetched, fetched) != fetched;
        self.has_ended = false;
        let is_at_work =
            manager.is_at_work(host) || database.iter().flatten().any(|stamp| is_recent(*stamp, now));
        let Some(before) = &self.installed else {
            (self.found_running, self.began) = (is_at_work, is_at_work.then_some(now));
            (self.installed, self.database) = (Some(lines(&manager.installed(host).ok()?)), database);
            return self.under_way(now);
        };
        if is_at_work {
            self.began = Some(self.began.unwrap_or(now).min(now));
            return self.under_way(now);
        }
        self.has_ended = self.began.is_some() || has_fetched || database != self.database;
        if self.began.is_some() || database != self.database {
            let after = manager.installed(host).ok()?;
            let changes = differences(&parse(before), &after);
            let began = self.began.take().unwrap_or(now);
            let since = self.since();
            if self.found_running {
                // What there was before it is not known, so nothing can be told of it.
            } else if changes.is_empty() {
                let is_old = |last: Timestamp| now.duration_since(last).abs() >= AGAIN;
                let before = if self.last_vain.is_none_or(is_old) { 0 } else { self.in_vain };
                self.in_vain = before.saturating_add(now.duration_since(began).as_secs());
                self.last_vain = Some(now);
            } else {
                let phase = Phase::Ended(now);
                self.last =
                    Some(Transaction { since, phase, changes, unverified: 0, fresh: BTreeMap::new() });
                (self.in_vain, self.last_vain) = (0, None);
            }
            self.found_running = false;
            (self.installed, self.database) = (Some(lines(&after)), database);
        }
        self.last.clone().filter(|last| match last.phase {
            Phase::Ended(at) => now.duration_since(at).abs() < LATELY,
            _ => false,
        })
    }

    /// True if a package manager was at work between the look before and the last one, and is no more: what has ended since
    /// may be its own.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn under_way(&self, now: Timestamp) -> Option<Transaction> {
        let began = self.began?;
        let is_old = |last: Timestamp| began.duration_since(last).abs() >= AGAIN;
        let in_vain = if self.last_vain.is_none_or(is_old) { 0 } else { self.in_vain };
        let age = now.duration_since(began).abs().saturating_add(SignedDuration::from_secs(in_vain));
        let phase = if age >= OWN {
            Phase::Stuck
        } else if self.found_running || age >= WAIT {
            Phase::Slow
        } else {
            Phase::UnderWay
        };
        let (since, changes) = (self.since(), Vec::new());
        Some(Transaction { since, phase, changes, unverified: 0, fresh: BTreeMap::new() })
    }

    /// When the database changed last before we saw it change.
    fn since(&self) -> Timestamp {
        self.database.iter().flatten().map(Stamp::modified).max().unwrap_or_default()
    }
}

fn is_recent(stamp: Stamp, now: Timestamp) -> bool {
    let age = now.duration_since(stamp.modified());
    // What is from the future says nothing of now.
    !age.is_negative() && age < QUIET
}

/// A name holds no space, and neither does a version.
fn lines(installed: &[Installed]) -> String {
    installed
        .iter()
        .map(|package| format!("{} {} {}\n", package.name, package.arch, package.version))
        .collect()
}

fn parse(lines: &str) -> Vec<Installed> {
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ').map(Text::shown);
        Some(Installed { name: words.next()?, arch: words.next()?, version: words.next()?, held: false })
    };
    lines.lines().filter_map(line).collect()
}

impl Change {
    /// The names its files in the database may begin with.
    #[must_use]
    pub fn stems(&self) -> [String; 2] {
        [format!("{}:{}", self.name, self.arch), self.name.to_string()]
    }
}
