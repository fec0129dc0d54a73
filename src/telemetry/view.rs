//! What the service says of itself, kept in the store beside what the watches remember: how it looks from within its
//! sandbox. Commands run by a person see more or less than it does, so they read this.

use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::alive;
use crate::processes::events::Starts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name under which it is kept.
pub const VIEW: &str = "service.view";

/// What the service says of itself, as of its last pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct View {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When that process started, in clock ticks after the boot: the number alone may be another's by now.
    pub start: u64,
    /// The SHA-256 of the policy in force, in hexadecimal.
    pub policy_digest: String,
    /// What each watch could not see when it last looked, accepted by the policy or not.
    pub gaps: BTreeMap<String, Vec<Gap>>,
    /// How the starts of processes were seen since it started; nothing where that is not known yet, or to no system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Starts>,
    /// Records of telemetry that were dropped since it started.
    pub telemetry_lost: u64,
}

impl View {
    /// The view of this process.
    #[must_use]
    pub fn of_this_process(
        policy_digest: &str,
        gaps: impl Iterator<Item = (String, Vec<Gap>)>,
        telemetry_lost: u64,
    ) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            start: alive::start(&Host::this(), std::process::id()).unwrap_or(0),
            policy_digest: policy_digest.to_owned(),
            starts: None,
            gaps: gaps.filter(|(_, gaps)| !gaps.is_empty()).collect(),
            telemetry_lost,
        }
    }
}
