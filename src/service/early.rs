//! Passes of the process watch that do not wait for their time, because something has started that was not seen before. A
//! storm of such things must not keep the loop busy: they come one after the other, with pauses that grow with what a pass costs.

use super::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What starts together is told of together.
pub const BREATH: Duration = Duration::from_millis(200);

/// No two of them come within so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two of them passes so many times what one took.
const SHARE: f64 = 20.0;

/// And never more than this.
const LONGEST: Duration = Duration::from_mins(1);

/// Whether a watch was asked to look before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hurry {
    /// It was due.
    None,
    /// We were told of something.
    Told,
}

/// After a mail what comes next is gathered for so long, then for twice as long, and so on: the first one has woken whoever reads
/// it, and mails are limited in number.
const GATHERS: Duration = Duration::from_secs(10);

/// So long without a mail, and the next one is the first again.
const QUIET: Duration = Duration::from_mins(10);

/// When the next early pass is.
#[derive(Debug, Default)]
pub struct Early {
    wanted: Option<Instant>,
    last: Option<Instant>,
    took: Duration,
    /// When there was a mail, and how many there were in a row.
    mailed: Option<(Instant, u32)>,
    /// It was said and not heard yet: a storm does not fill the inbox.
    said: Arc<AtomicBool>,
}

impl Early {
    /// Says into this inbox that something has started.
    pub fn teller(&self, inbox: Sender<Event>) -> impl Fn() + Send + use<> {
        let said = Arc::clone(&self.said);
        move || {
            if !said.swap(true, Ordering::AcqRel) {
                // If nobody hears it any more, there will be no pass.
                let _ = inbox.send(Event::Started);
            }
        }
    }

    /// Something has started.
    pub fn wanted(&mut self) {
        self.said.store(false, Ordering::Release);
        self.wanted.get_or_insert_with(Instant::now);
    }

    /// A pass took so long.
    pub fn looked(&mut self, took_ms: f64) {
        self.took = Duration::try_from_secs_f64(took_ms / 1000.0).unwrap_or(LONGEST);
    }

    /// There was a mail because of an early pass.
    pub fn mailed(&mut self) {
        let now = Instant::now();
        let row = self.mailed.filter(|(at, _)| now.duration_since(*at) < QUIET).map_or(0, |(_, row)| row);
        self.mailed = Some((now, row.saturating_add(1)));
    }

    /// How long it is until the next one; nothing if none is wanted.
    pub fn until(&self) -> Option<Duration> {
        let wanted = self.wanted? + BREATH;
        let pause = self.took.mul_f64(SHARE).clamp(PAUSE, LONGEST);
        let gathers = |row: u32| GATHERS.saturating_mul(1 << row.saturating_sub(1).min(8)).min(LONGEST);
        let after = self.last.map(|last| last + pause);
        let after_mail = self.mailed.map(|(at, row)| at + gathers(row));
        let at = [after, after_mail].into_iter().flatten().fold(wanted, Instant::max);
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// True once, if it is time.
    pub fn take(&mut self) -> bool {
        let is_time = self.until().is_some_and(|left| left.is_zero());
        if is_time {
            (self.wanted, self.last) = (None, Some(Instant::now()));
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_comes_soon_and_a_storm_has_to_wait() {
        let mut early = Early::default();
        assert_eq!((early.until(), early.take()), (None, false));
        early.wanted();
        assert!(early.until().unwrap() <= BREATH);
        std::thread::sleep(BREATH);
        assert!(early.take() && !early.take(), "it comes once");
        early.wanted();
        let wait = early.until().unwrap();
        assert!(wait > BREATH && wait <= PAUSE, "{wait:?}");
        early.looked(400.0);
        assert!(early.until().unwrap() > Duration::from_secs(6), "a dear pass comes seldom");
        early.looked(1e30);
        assert!(early.until().unwrap() <= LONGEST);
    }

    #[test]
    fn after_a_mail_more_is_gathered_each_time() {
        let mut early = Early::default();
        early.wanted();
        let waits = [10, 20, 40, 60, 60].map(|seconds| {
            early.mailed();
            let wait = early.until().unwrap();
            wait <= Duration::from_secs(seconds) && wait > Duration::from_secs(seconds - 1)
        });
        assert_eq!(waits, [true; 5]);
    }
}
