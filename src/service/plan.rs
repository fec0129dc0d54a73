//! What the service begins with.

use crate::policy::Policy;
use crate::settings::Setup;

/// Where a digest is shown besides being mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// On the terminal: there are no settings yet.
    Terminal,
    /// Nowhere.
    Nothing,
}

/// Who takes mails from the outbox to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// This program.
    Here,
    /// `watchdog deliver --stay`, in a process of its own.
    Elsewhere,
}

/// What there is to begin with.
pub struct Plan {
    /// The settings.
    pub setup: Setup,
    /// The policy; without one nobody watches.
    pub policy: Option<Policy>,
    /// What is wrong with the files on disk, if these are not what they say.
    pub wrong: Option<String>,
    /// Where a digest is shown.
    pub show: Show,
    /// Who delivers.
    pub delivery: Delivery,
}
