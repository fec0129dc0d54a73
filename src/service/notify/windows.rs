//! What the service control manager is told.

use super::super::manager;
use crate::win32::service_main;
use std::time::Duration;

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    is_there: bool,
}

impl Notify {
    /// As this program was started.
    pub fn here() -> Self {
        Self { is_there: service_main::is_one() }
    }

    /// True if there is somebody who is told.
    pub fn is_heard(&self) -> bool {
        self.is_there
    }

    /// How often we must show that we are alive: Windows does not ask, our own guard does.
    pub fn interval(&self) -> Option<Duration> {
        self.is_there.then_some(manager::INTERVAL)
    }

    /// At most so long may be waited between two signs of life.
    pub fn slice(&self, otherwise: Duration) -> Duration {
        self.interval().map_or(otherwise, |interval| (interval / 3).min(otherwise))
    }

    /// It does what it is there for.
    pub fn ready(&self) {
        if self.is_there {
            manager::ready();
        }
    }

    /// It is alive.
    pub fn alive(&self) {
        if self.is_there {
            manager::alive();
        }
    }

    /// It reads its settings anew; [`Notify::ready`] is the end of that. The manager has no word for it.
    pub fn reloading(&self) {
        self.alive();
    }

    /// It is about to end.
    pub fn stopping(&self) {
        if self.is_there {
            manager::stopping();
        }
    }

    /// How things are, in a sentence: the manager has no place for one, and what matters of it is in the log.
    #[expect(clippy::unused_self, reason = "elsewhere there is a place for it")]
    pub fn status(&mut self, _sentence: &str) {}
}
