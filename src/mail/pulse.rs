//! A sign of life of whoever delivers: when the step that is under way began; and the word that it is to end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a deliverer shows of itself, and is told.
#[derive(Debug, Default)]
pub struct Pulse {
    /// When the step under way began; none while there is nothing to do.
    since: Mutex<Option<Instant>>,
    ending: AtomicBool,
}

impl Pulse {
    /// A step begins.
    pub fn beat(&self) {
        self.set(Some(Instant::now()));
    }

    /// There is nothing to do.
    pub fn rest(&self) {
        self.set(None);
    }

    /// How long the step under way has taken by now.
    #[must_use]
    pub fn busy_for(&self) -> Option<Duration> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    /// The step under way is the last one.
    pub fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
    }

    /// True if no further step is to be begun.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    fn set(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}
