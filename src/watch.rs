//! What a watch is: one kind of fact with all that belongs to it.
//!
//! A watch knows nothing of the snapshot that holds its facts or of the loop that runs it, and of the others only that
//! sessions ask the logins who came in.
//! The table of watches is in `pass.rs`.

pub mod account;
pub mod autorun;
pub mod connection;
pub mod deception;
#[cfg(target_os = "linux")]
mod holders;
pub mod listener;
pub mod login;
pub mod network;
pub mod process;
pub mod protection;
pub mod request;
pub mod resource;
pub mod session;
pub mod unix_listener;
pub mod update;

use crate::coverage::Gap;
use crate::finding::Finding;
use crate::host::Host;
use crate::processes::Processes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen<T> {
    /// It was seen.
    Facts(T),
    /// There is nothing of this kind on the host, and why we think so.
    NoData(String),
    /// Looking failed, and why.
    Failed(String),
}

impl<T> Seen<T> {
    /// The facts, if any were seen.
    pub fn facts(&self) -> Option<&T> {
        match self {
            Self::Facts(facts) => Some(facts),
            Self::NoData(_) | Self::Failed(_) => None,
        }
    }
}

/// What a watch keeps from pass to pass and over restarts: any serialisable value.
///
/// It is stored in the same transaction as the findings it led to, so nothing is counted twice or lost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory(serde_json::Value);

impl Memory {
    /// What was remembered; the default at first, or if another version of the program wrote it.
    #[must_use]
    pub fn recall<T: DeserializeOwned + Default>(&self) -> T {
        T::deserialize(&self.0).unwrap_or_default()
    }

    /// True if nothing was remembered yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_null()
    }

    /// Remembers `value` instead of what was there.
    pub fn keep<T: Serialize>(&mut self, value: &T) {
        self.0 = serde_json::to_value(value).unwrap_or_default();
    }
}

/// What a watch is given to look with.
pub struct Look<'a, R> {
    /// The host to look at.
    pub host: &'a Host,
    /// The processes of this moment, read once for all watches that want them.
    pub processes: &'a Processes,
    /// What is allowed, where that decides what is worth looking at.
    pub rules: &'a R,
    /// The moment of this pass.
    pub now: Timestamp,
    /// How far it had read; what it keeps here is remembered only once the findings are stored.
    pub memory: &'a mut Memory,
    /// What it could not see.
    pub gaps: &'a mut Vec<Gap>,
}

/// What a check is given. It reads no file and no clock.
pub struct Facts<'a, W: Watch> {
    /// What was seen.
    pub facts: &'a W::Facts,
    /// What is allowed.
    pub rules: &'a W::Rules,
    /// The moment it was seen.
    pub now: Timestamp,
}

/// One kind of fact: how it is collected, checked and learned.
pub trait Watch: Send + 'static {
    /// Its name in settings, memory and coverage.
    const NAME: &'static str;
    /// When it looks, as a cron expression of five fields, unless the settings say otherwise.
    const SCHEDULE: &'static str = "* * * * *";
    /// False on a system that has nothing of the kind: there it never looks, and still checks and learns from what a
    /// snapshot of another host holds.
    const LOOKS_HERE: bool = true;
    /// What it sees.
    type Facts: Serialize + DeserializeOwned + Send + 'static;
    /// What a policy may say of it.
    type Rules: Default;

    /// Looks at the host. Caches may live in `self`; what must outlive the program goes to `look.memory`.
    fn collect(&mut self, look: &mut Look<Self::Rules>) -> Seen<Self::Facts>;

    /// Compares. A pure function of its arguments; `memory` holds what the check itself remembers.
    fn check(seen: &Facts<Self>, memory: &mut Memory) -> Vec<Finding>
    where
        Self: Sized;

    /// The section of a policy that allows just what is seen now, as TOML with a comment, or nothing.
    /// `by` is written into every rule.
    fn learn(facts: &Self::Facts, by: &str, now: Timestamp) -> String;

    /// What was seen in a few words, for a person: `312 processes`.
    fn summary(facts: &Self::Facts) -> String;
}
