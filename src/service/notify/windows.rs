//! What the service control manager is told.

use std::time::Duration;

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify;

impl Notify {
    /// As this program was started.
    pub fn here() -> Self {
        Self
    }

    /// True if there is somebody who is told.
    #[expect(clippy::unused_self, reason = "elsewhere it is asked")]
    pub fn is_heard(&self) -> bool {
        false
    }

    /// How often we must show that we are alive: Windows does not ask.
    #[expect(clippy::unused_self, reason = "elsewhere it is asked")]
    pub fn interval(&self) -> Option<Duration> {
        None
    }

    /// At most so long may be waited between two signs of life.
    #[expect(clippy::unused_self, reason = "elsewhere it is asked")]
    pub fn slice(&self, otherwise: Duration) -> Duration {
        otherwise
    }

    /// It does what it is there for.
    pub fn ready(&self) {}

    /// It is alive.
    pub fn alive(&self) {}

    /// It reads its settings anew; [`Notify::ready`] is the end of that.
    pub fn reloading(&self) {}

    /// It is about to end.
    pub fn stopping(&self) {}

    /// How things are, in a sentence.
    pub fn status(&mut self, _sentence: &str) {}
}
