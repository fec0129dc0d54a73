//! A part of the time for work that others can make long.

use std::time::{Duration, Instant};

/// A fifth of the time, and so much at once.
const PART: u32 = 5;
const AT_ONCE: Duration = Duration::from_millis(200);

/// How much of the time was spent.
#[derive(Debug)]
pub struct Share {
    spent: Duration,
    at: Instant,
}

impl Default for Share {
    fn default() -> Self {
        Self { spent: Duration::ZERO, at: Instant::now() }
    }
}

impl Share {
    /// True if there is nothing left for now.
    pub fn is_spent(&mut self) -> bool {
        self.is_spent_at(Instant::now())
    }

    /// So much was spent.
    pub fn spend(&mut self, time: Duration) {
        self.spent += time;
    }

    fn is_spent_at(&mut self, now: Instant) -> bool {
        self.spent = self.spent.saturating_sub(now.saturating_duration_since(self.at) / PART);
        self.at = now;
        self.spent >= AT_ONCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_paid_back_over_five_times_as_long() {
        let mut share = Share::default();
        let start = share.at;
        let is_spent =
            |share: &mut Share, after: u64| share.is_spent_at(start + Duration::from_millis(after));
        share.spend(Duration::from_millis(199));
        assert!(!is_spent(&mut share, 0));
        share.spend(Duration::from_millis(1001));
        assert!(is_spent(&mut share, 0) && is_spent(&mut share, 5000));
        assert!(!is_spent(&mut share, 5005), "of 1200 ms 1001 were paid back");
        assert!(!is_spent(&mut share, 60_000), "what was not spent is not saved up");
        share.spend(Duration::from_millis(200));
        assert!(is_spent(&mut share, 60_000));
    }
}
