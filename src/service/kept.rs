//! The last settings and policy that were right, kept in the state folder: a service that starts and finds its files
//! wrong goes on with these instead of watching nothing.

use crate::file::{self, Links};
use crate::policy::Policy;
use crate::settings::Setup;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

const FILE: &str = "last-good.json";

/// What was kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    settings: Option<String>,
    policy: Vec<(String, String)>,
}

/// Keeps what is in force now.
///
/// # Errors
/// The system's; what was kept before is then still there.
pub fn keep(setup: &Setup, policy: &Policy) -> io::Result<()> {
    let parts = policy.files.iter().cloned().zip(policy.texts.iter().cloned());
    let kept = Kept { settings: setup.text.clone(), policy: parts.collect() };
    let bytes = serde_json::to_vec(&kept).map_err(io::Error::other)?;
    let path = setup.state_dir.join(FILE);
    if file::read(&path, Links::Refuse).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    let temporary = setup.state_dir.join(format!("{FILE}.new"));
    file::write_new(&temporary, &bytes)?;
    file::rename_durably(&temporary, &path)
}

/// What was kept in this state folder, if anything.
#[must_use]
pub fn recall(state_dir: &Path) -> Option<Kept> {
    let bytes = file::read(&state_dir.join(FILE), Links::Refuse).ok()?;
    serde_json::from_slice(&bytes).ok()
}

impl Kept {
    /// The settings' text, if there were any.
    #[must_use]
    pub fn settings(&self) -> Option<String> {
        self.settings.clone()
    }

    /// The policy. None if this program, of another version perhaps, finds it wrong now.
    #[must_use]
    pub fn policy(&self) -> Option<Policy> {
        Policy::from_parts(&self.policy).ok().filter(|_| !self.policy.is_empty())
    }
}
