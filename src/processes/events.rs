//! The processes that start between two looks, told by the kernel as it happens. A thread listens and reads at once what can
//! still be read; what it has seen waits here, bounded, for the watch of processes. Where the kernel does not tell us, this
//! says why, and what runs is only looked at now and then.

#[cfg(target_os = "linux")]
pub mod changes;
pub mod glimpses;
#[cfg(target_os = "linux")]
mod lineage;
#[cfg(target_os = "linux")]
mod linux;
pub mod message;
mod pool;

pub use pool::{Birth, KINDS, Kind, Pool, Ticket};

use super::Process;
use super::origin::{Ancestor, Origin};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[cfg(target_os = "linux")]
pub use linux::{lend, listen};

/// Processes of one kind that started since the last pass and have ended: the same program, script, user and service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// One of them.
    pub process: Arc<Process>,
    /// Where that one came from.
    pub origin: Arc<Origin>,
    /// How many there were.
    pub times: u64,
    /// When the last of them ended, if that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Programs of which nothing is known but who started them: they had ended before they could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Who started them.
    pub by: Ancestor,
    /// How many there were.
    pub times: u64,
}

/// How the starts of processes were seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Starts {
    /// Each was told by the kernel.
    Told(Counts),
    /// They were not, and why: only what runs at the moment of a look is seen.
    Untold(String),
}

impl Starts {
    /// In a sentence, for a person.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Told(counts) => {
                let Counts { started, seen, programs, unread, lost } = counts;
                let lost = match lost {
                    0 => String::new(),
                    lost => format!(", {lost} messages of the kernel were lost"),
                };
                format!(
                    "saw {seen} of {} starts of processes and threads{lost}; {unread} of {programs} programs ended \
                     before they could be read",
                    started.max(seen)
                )
            }
            Self::Untold(why) => {
                format!("starts of processes are not told, so only what runs at a look is seen: {why}")
            }
        }
    }
}

/// Starts since the last pass, as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Counts {
    /// Processes and threads that were started, as the kernel counts them.
    pub started: u64,
    /// Those of which we were told.
    pub seen: u64,
    /// Programs that were started, by processes that were new or not.
    pub programs: u64,
    /// Programs that had ended before they could be read.
    pub unread: u64,
    /// Messages of the kernel that were lost, of whatever kind.
    pub lost: u64,
}

impl Counts {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            started: self.started.saturating_add(other.started),
            seen: self.seen.saturating_add(other.seen),
            programs: self.programs.saturating_add(other.programs),
            unread: self.unread.saturating_add(other.unread),
            lost: self.lost.saturating_add(other.lost),
        }
    }
}

/// What was seen since a pass that is stored.
#[derive(Debug, Clone)]
pub struct Taken {
    /// To be remembered together with what comes of it.
    pub ticket: Ticket,
    /// How the starts were seen.
    pub starts: Starts,
    /// Those that run.
    pub living: Vec<Arc<Process>>,
    /// Those that have ended.
    pub ended: Vec<Ended>,
    /// Those that run, as they were when they started: they show another script or program by now.
    pub earlier: Vec<Ended>,
    /// Those of which only that is known who started them, the most first; of very many starters not all.
    pub unread: Vec<Unread>,
    /// How many of these could be read, but were of more kinds than are kept.
    pub beyond: u64,
}
