//! What protects a Windows host: its firewall, its antivirus, and the settings that decide how one may come in and what is
//! logged of it.
//!
//! Of the antivirus only Microsoft Defender is known: a server has no place where others would say how they are.

mod check;
mod learn;
mod policy;
#[cfg(windows)]
mod windows;

pub use check::LOG_LOGONS;
pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// What was seen. What is none could not be told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProtectionFacts {
    /// The firewall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<Firewall>,
    /// Microsoft Defender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defender: Option<Defender>,
    /// Remote Desktop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_desktop: Option<RemoteDesktop>,
    /// True if files are shared by the first version of SMB too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smb1: Option<bool>,
    /// What of logins is logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logon_audit: Option<Vec<Outcome>>,
}

/// The firewall.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Firewall {
    /// False if its service is stopped: then no profile protects anything. None: it could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// One for each kind of network.
    #[serde(default)]
    pub profiles: Vec<Profile>,
}

/// How the firewall is set on one kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Profile {
    /// The kind of network.
    pub network: Network,
    /// True if it is on.
    pub enabled: bool,
    /// What becomes of what comes in and no rule names.
    pub inbound: Action,
    /// What becomes of what goes out and no rule names.
    pub outbound: Action,
    /// True if whoever works at the host is told what was blocked.
    #[serde(default)]
    pub notifies: bool,
    /// True if a Group Policy says some of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_group_policy: bool,
}

/// Microsoft Defender.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, as Windows tells it")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Defender {
    /// False if it is not part of this host.
    pub installed: bool,
    /// True if its service runs.
    #[serde(default)]
    pub running: bool,
    /// True if it looks at files as they are used.
    #[serde(default)]
    pub real_time: bool,
    /// True if nobody but itself may turn it off; none: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tamper_protection: Option<bool>,
    /// True if it only looks on, as another antivirus is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub passive: bool,
    /// When its signatures were last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Timestamp>,
}

/// Remote Desktop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RemoteDesktop {
    /// True if one may come in by it.
    pub enabled: bool,
    /// True if who comes in must say who they are before a session opens.
    pub network_level_authentication: bool,
}

/// Watches protection.
#[derive(Default)]
pub struct ProtectionWatch {}

impl Watch for ProtectionWatch {
    const NAME: &'static str = "protection";
    const SCHEDULE: &'static str = "* * * * *";
    const LOOKS_HERE: bool = cfg!(windows);
    type Facts = ProtectionFacts;
    type Rules = Rules;

    #[cfg(windows)]
    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<ProtectionFacts> {
        windows::collect(look)
    }

    #[cfg(not(windows))]
    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<ProtectionFacts> {
        Seen::NoData("firewall and antivirus are looked at on Windows only".to_owned())
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &ProtectionFacts, by: &str, now: Timestamp) -> String {
        learn::learn(facts, by, now)
    }

    fn summary(facts: &ProtectionFacts) -> String {
        let on = |firewall: &Firewall| {
            if firewall.running == Some(false) {
                return "firewall off".to_owned();
            }
            let on = firewall.profiles.iter().filter(|profile| profile.enabled).count();
            format!("firewall on in {on} of {} profiles", firewall.profiles.len())
        };
        let firewall = facts.firewall.as_ref().map_or_else(|| "firewall unknown".to_owned(), on);
        let antivirus = match &facts.defender {
            None => "antivirus unknown",
            Some(defender) if defender.protects() => "antivirus on",
            Some(_) => "antivirus off",
        };
        format!("{firewall}, {antivirus}")
    }
}

impl Defender {
    /// True if it guards the host.
    #[must_use]
    pub fn protects(&self) -> bool {
        self.installed && self.running && self.real_time && !self.passive
    }
}
