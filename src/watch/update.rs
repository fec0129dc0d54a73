//! Package updates: which wait and for how long, how old the package lists are that say so, and whether a reboot is
//! needed. Debian and its kin, through dpkg's files and a simulated upgrade by apt; Windows, through its update agent. Never
//! over the network.

mod agent;
#[cfg(target_os = "linux")]
mod apt;
mod check;
mod learn;
#[cfg(target_os = "linux")]
mod linux;
mod pending_reboot;
mod policy;
#[cfg(target_os = "linux")]
mod reboot;
#[cfg(target_os = "linux")]
mod release;
#[cfg(target_os = "linux")]
mod sources;
#[cfg(windows)]
mod windows;

pub use agent::{Answer, Known, Offered, Remembered, moment_of_ole, parse_answer};
#[cfg(target_os = "linux")]
pub use apt::{Simulation, Update, parse_simulation, parse_version_tables};
pub use pending_reboot::{Signs, reboot_of};
pub use policy::*;
#[cfg(target_os = "linux")]
pub use reboot::{Running, kernel_newer_than, parse_reboot_packages, parse_running};
#[cfg(target_os = "linux")]
pub use release::{Release, lists, parse_release, read_releases};
#[cfg(target_os = "linux")]
pub use sources::{Source, never_fetched, parse_sources, parse_sources_list, read_sources};

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UpdateFacts {
    /// Who knows of updates here.
    #[serde(default, skip_serializing_if = "Manager::is_apt")]
    pub manager: Manager,
    /// How many packages are installed; on Windows, how many updates.
    pub installed: u64,
    /// When the waiting updates were worked out; none: they could not be, and the lists below mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<Timestamp>,
    /// The updates that wait, by package and architecture.
    #[serde(default)]
    pub pending: Vec<Pending>,
    /// Packages whose update is being given out in phases and has not come to this host yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phased: Vec<Text>,
    /// Packages that have an update which does not fit to the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_back: Vec<Text>,
    /// The package lists that were fetched.
    #[serde(default)]
    pub lists: Vec<List>,
    /// The package lists that should be there and were never fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_lists: Vec<Text>,
    /// The reboot that is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<Reboot>,
}

/// Who knows of updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Manager {
    /// Debian's apt and dpkg.
    #[default]
    Apt,
    /// The update agent of Windows. Its lists are its searches, and its packages are updates, by the number of their
    /// article; what version they replace is not said.
    WindowsUpdate,
}

impl Manager {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_apt(&self) -> bool {
        *self == Self::Apt
    }
}

/// An update that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pending {
    /// The package.
    pub package: Text,
    /// Its architecture, `all` if it has none.
    pub arch: Text,
    /// The version that is installed.
    pub installed: Text,
    /// The version that would be.
    pub candidate: Text,
    /// True if a security archive gives it out.
    pub security: bool,
    /// True if somebody has put the package on hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The archives that give it out, as apt names them.
    pub origins: Vec<Text>,
    /// Since when it is known to wait: the earlier of when the watchdog first saw it, and when the package list that
    /// names it was made. So it has waited at least since then.
    pub since: Timestamp,
}

/// A package list that was fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct List {
    /// Its archive.
    pub name: Text,
    /// When the archive made it.
    pub made: Timestamp,
    /// Until when the archive stands by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// The last moment of which we know that it was up to date.
    pub good: Timestamp,
}

/// A reboot that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reboot {
    /// Since when it is known to be.
    pub since: Timestamp,
    /// The packages that ask for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Text>,
    /// The kernel that runs, if a newer one is installed and no package asks for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Text>,
}

impl UpdateFacts {
    /// The last moment of which we know that all lists were up to date; none if there is no list.
    #[must_use]
    pub fn lists_good(&self) -> Option<Timestamp> {
        self.lists.iter().map(|list| list.good).min()
    }
}

/// Watches updates.
#[derive(Default)]
pub struct UpdateWatch {}

impl Watch for UpdateWatch {
    const NAME: &'static str = "update";
    const SCHEDULE: &'static str = "17 * * * *";
    type Facts = UpdateFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<UpdateFacts> {
        system::collect(look)
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &UpdateFacts, by: &str, now: Timestamp) -> String {
        learn::learn(facts, by, now)
    }

    fn summary(facts: &UpdateFacts) -> String {
        let (what, lists) = match facts.manager {
            Manager::Apt => ("packages", "lists"),
            Manager::WindowsUpdate => ("installed updates", "searched"),
        };
        let mut parts = vec![format!("{} {what}", facts.installed)];
        let security = facts.pending.iter().filter(|update| update.security).count();
        parts.push(match (facts.computed, facts.pending.len()) {
            (None, _) => "updates unknown".to_owned(),
            (_, 0) => "no update waits".to_owned(),
            (_, 1) => format!("1 update waits, {security} for security"),
            (_, count) => format!("{count} updates wait, {security} for security"),
        });
        parts.push(match facts.lists_good() {
            Some(good) if facts.manager == Manager::Apt => {
                format!("{lists} of {}", good.strftime("%Y-%m-%d"))
            }
            Some(good) => format!("{lists} on {}", good.strftime("%Y-%m-%d")),
            None if facts.manager == Manager::Apt => "no package lists".to_owned(),
            None => "never searched".to_owned(),
        });
        if facts.reboot.is_some() {
            parts.push("reboot needed".to_owned());
        }
        parts.join(", ")
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
#[cfg(test)]
mod tests_of_windows;
