//! What a host does now and then, for a policy that is about to be learned: the entries of cron, the units that start, work and
//! end, and who may log in and type. None of it runs at the moment of a look, and none of it is news when it does.

#[cfg(target_os = "linux")]
mod cron;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod unit;

use crate::processes::Process;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

#[cfg(target_os = "linux")]
pub use linux::read;

/// What the host does now and then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Habits {
    /// What is started at its time, as it would be seen: entries of cron, what units start, scripts of logrotate
    /// and of the message of the day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<Arc<Process>>,
    /// The units that start, work and end, and those that start what is due; `*` for the instances of a template.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub jobs: BTreeSet<String>,
    /// Those who may log in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<Person>,
}

/// An account with a shell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Person {
    /// The account's name.
    pub name: Text,
    /// Its number.
    pub uid: u32,
    /// True if it is root, or in a group that may become root.
    pub becomes_root: bool,
}

/// Other systems have other habits, which are not known here.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn read(_host: &crate::host::Host) -> Option<Habits> {
    None
}
