//! The clock as the service uses it: it may be set, the host may sleep.

use super::UNWATCHED;
use crate::schedule::{self, Cron};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// What happened to the clock since the last turn of the loop.
#[derive(Debug, PartialEq, Eq)]
pub enum Jump {
    /// Nothing odd.
    None,
    /// It was set back.
    Back,
    /// More time has passed than the loop ever waits.
    Asleep {
        /// The last moment we were awake.
        from: Timestamp,
    },
}

/// The clock.
pub struct Clock {
    last: Timestamp,
    offset: SignedDuration,
}

impl Clock {
    /// The clock of the host with this id.
    pub fn starting(now: Timestamp, host_id: &str) -> Self {
        Self { last: now, offset: schedule::offset(host_id) }
    }

    /// What happened since the last call.
    pub fn jump(&mut self, now: Timestamp) -> Jump {
        let from = std::mem::replace(&mut self.last, now);
        let passed = now.duration_since(from);
        if passed < SignedDuration::from_secs(-1) {
            Jump::Back
        } else if passed > UNWATCHED.signed() {
            Jump::Asleep { from }
        } else {
            Jump::None
        }
    }

    /// When a schedule is next due on this host: a few seconds after the minute, each host at its own.
    pub fn next(&self, schedule: &Cron, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let before = now.checked_sub(self.offset).unwrap_or(now);
        schedule.next_after(before, zone)?.checked_add(self.offset).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_clock_set_back_and_a_long_sleep_are_noticed() {
        let mut clock = Clock::starting(at(0), "");
        assert_eq!(clock.jump(at(60)), Jump::None);
        assert_eq!(clock.jump(at(0)), Jump::Back);
        assert_eq!(clock.jump(at(60)), Jump::None);
        assert_eq!(clock.jump(at(300)), Jump::Asleep { from: at(60) });
        assert_eq!(clock.jump(at(301)), Jump::None);
    }

    #[test]
    fn each_host_looks_at_its_own_second_of_every_minute() {
        for id in ["", "a", "web1", "4e1c"] {
            let clock = Clock::starting(at(0), id);
            let every_minute = schedule::parse_cron("* * * * *").unwrap();
            let first = clock.next(&every_minute, at(0), &TimeZone::UTC).unwrap();
            let second = clock.next(&every_minute, first, &TimeZone::UTC).unwrap();
            assert!(first > at(0) && first <= at(60));
            assert_eq!(second.duration_since(first), SignedDuration::from_secs(60));
        }
    }
}
