//! What starts by itself on a Windows host: services and drivers, tasks, and the places in the registry and in folders
//! whose programs run when somebody logs in or the host starts.
//!
//! What is set up to start is looked at, not what runs: that is what processes are for.

mod check;
pub mod command;
mod learn;
mod policy;
pub mod service;
pub mod task;
#[cfg(windows)]
mod windows;

pub use check::without_allowed;
pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// What stands in place of a program that cannot be told.
pub const UNKNOWN: &str = "(unknown)";

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AutorunFacts {
    /// By kind and name.
    #[serde(default)]
    pub autoruns: Vec<Autorun>,
}

/// One thing that starts by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Autorun {
    /// What kind of thing.
    pub kind: Kind,
    /// What it is called: the service, the path of the task, the value in the registry, the file.
    pub name: Text,
    /// The file that is started, by its whole path; `class:{…}` is a class that a file brings, `(unknown)` one that
    /// cannot be told.
    pub exe: Text,
    /// What it is started with, secrets masked.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub arguments: Text,
    /// The library that the file loads to do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<Text>,
    /// As whom it runs; `Everyone`: as whoever logs in. The kernel's own has nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Text>,
    /// True if it was hidden from the tools that list such things.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// When it starts: `boot`, `system`, `automatic`, `by trigger`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Text>,
    /// Where it is written: a key of the registry, a file.
    pub place: Text,
    /// True if the path has spaces and stands without quotes: who may write `C:\Program.exe` may be started instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unquoted: bool,
}

/// Watches what starts by itself.
#[derive(Default)]
pub struct AutorunWatch {}

impl Watch for AutorunWatch {
    const NAME: &'static str = "autorun";
    const SCHEDULE: &'static str = "*/5 * * * *";
    const LOOKS_HERE: bool = cfg!(windows);
    type Facts = AutorunFacts;
    type Rules = Rules;

    #[cfg(windows)]
    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<AutorunFacts> {
        windows::collect(look)
    }

    #[cfg(not(windows))]
    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<AutorunFacts> {
        Seen::NoData("what starts by itself is looked at on Windows only".to_owned())
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &AutorunFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &AutorunFacts) -> String {
        let all = facts.autoruns.len();
        format!("{all} autorun{}", if all == 1 { "" } else { "s" })
    }
}
