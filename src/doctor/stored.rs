//! What the service has written down: its passes, what it could not see, its alerts, its outbox.

use crate::alert::Alert;
use crate::host::Host;
use crate::mail::{Outbox, OutboxStatus};
use crate::observe::{self, Record};
use crate::processes::alive;
use crate::store::{self, Reader, Status, StoreError};
use crate::telemetry::{VIEW, View};
use std::path::Path;

/// What is known of the service.
#[derive(Debug)]
pub enum Stored {
    /// It has written this.
    Known(Box<Known>),
    /// It has never run with this state folder.
    Nothing,
    /// It may have, but we cannot read it, and why.
    Unreadable(String),
}

/// What the service has written down.
#[derive(Debug)]
pub struct Known {
    /// How it does.
    pub status: Status,
    /// What it says of itself.
    pub view: View,
    /// Whether it still learns instead of alarming, and until when.
    pub observing: Option<Record>,
    /// The open alerts.
    pub open: Vec<Alert>,
    /// The outbox, or why it cannot be read.
    pub outbox: Result<OutboxStatus, String>,
}

/// Reads it from a state folder.
#[must_use]
pub fn read(state_dir: &Path) -> Stored {
    let path = state_dir.join(store::FILE);
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Stored::Nothing,
        Err(error) => return Stored::Unreadable(format!("{}: {error}", path.display())),
    }
    let read = || -> Result<Known, StoreError> {
        let reader = Reader::open(&path)?;
        Ok(Known {
            status: reader.status()?,
            view: reader.memory(VIEW)?.recall(),
            observing: reader.memory(observe::MEMORY)?.recall(),
            open: reader.open_alerts()?,
            outbox: Outbox::at(state_dir.join("outbox")).status().map_err(|error| error.to_string()),
        })
    };
    match read() {
        Ok(known) => Stored::Known(Box::new(known)),
        Err(error) => Stored::Unreadable(error.to_string()),
    }
}

impl Stored {
    /// What is known, if anything.
    #[must_use]
    pub fn known(&self) -> Option<&Known> {
        match self {
            Self::Known(known) => Some(known),
            Self::Nothing | Self::Unreadable(_) => None,
        }
    }

    /// The process of the service, if it still runs: a number that another process has by now is not it.
    #[must_use]
    pub fn process(&self, host: &Host) -> Option<u32> {
        let view = &self.known()?.view;
        let start = alive::start(host, view.pid)?;
        (view.pid != 0 && start == view.start).then_some(view.pid)
    }
}
