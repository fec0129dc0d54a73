//! One round: who is due is asked, whatever happens next is waited for, and the answers are gathered.

use super::early::{self, Hurry};
use super::looker::{Looker, Order, Report};
use super::signals::Signal;
use super::timing::Jump;
use super::{Event, Service};
use crate::alert;
use crate::dpkg;
use crate::watch::Watch as _;
use crate::watch::process::ProcessWatch;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// The loop turns at least this often, so that a clock that is set or a host that slept is noticed.
const SLICE: Duration = Duration::from_mins(1);

/// The first look waits at most so long for packages that are being installed.
const SETTLES: Duration = Duration::from_mins(2);

/// So long after it was started or told to read anew it does not look: whoever asked for that, like `systemctl`, is
/// about to end, and would be the first thing told of.
const BREATH: Duration = Duration::from_secs(3);

impl Service {
    /// Time that passed without us, or backwards.
    pub(super) fn notice_jumps(&mut self, now: Timestamp) {
        match self.clock.jump(now) {
            Jump::None => {}
            Jump::Back => {
                tracing::warn!("the clock was set back: looking at once");
                self.lookers.iter_mut().for_each(Looker::forget_schedule);
            }
            Jump::Asleep { from } => {
                let why = "the host slept, or nothing could run on it".to_owned();
                let blind = alert::Blind { from, until: now, why };
                self.was_blind(&blind);
            }
        }
    }

    /// Asks each watch that is due and not still looking. Whoever has just started us is waited for, and so are packages
    /// that are being installed, most likely this one: they would be the first thing told of.
    pub(super) fn send_out(&mut self, now: Timestamp) {
        if let Some(since) = self.settles {
            let waited = since.elapsed();
            let breath = if self.notify.is_heard() { BREATH } else { Duration::ZERO };
            if waited < breath || waited < SETTLES && dpkg::is_at_work(&self.host) {
                return;
            }
            self.settles = None;
            if let Some(starts) = self.processes.starts() {
                starts.forget_seen();
            }
        }
        let Some(policy) = &self.policy else { return };
        let mut memories = None;
        for looker in &mut self.lookers {
            let hurry = looker.name() == ProcessWatch::NAME && !looker.is_busy() && self.early.take();
            if hurry {
                looker.forget_schedule();
            }
            if looker.is_due(now, &self.clock, &self.zone) {
                let memories = memories.get_or_insert_with(|| self.store.memories());
                looker.ask(Order {
                    now,
                    policy: Arc::clone(policy),
                    memories: memories.of_watch(looker.name()),
                    hurry: if hurry { Hurry::Told } else { Hurry::None },
                });
            }
        }
    }

    /// How long it is until the next early pass; nothing if none is wanted, or it must wait for something else that will wake us.
    pub(super) fn until_early(&self) -> Option<Duration> {
        let is_busy = |looker: &Looker| looker.name() == ProcessWatch::NAME && looker.is_busy();
        let may = self.policy.is_some() && !self.lookers.iter().any(is_busy);
        self.early.until().filter(|_| may)
    }

    /// Waits for the next thing to happen: an answer, a signal, or the time of the next look.
    pub(super) fn next_event(&mut self, now: Timestamp) -> Option<Event> {
        let due = self.lookers.iter().filter_map(Looker::due).min();
        let until_due = |due: Timestamp| due.duration_since(now).max(SignedDuration::ZERO).unsigned_abs();
        let wait = match self.settles {
            // What is due waits as well.
            Some(_) => Duration::from_millis(500),
            None => due.map_or(SLICE, until_due).min(self.until_early().unwrap_or(SLICE)),
        };
        let wait = wait.clamp(Duration::from_millis(1), self.notify.slice(SLICE));
        match self.inbox.recv_timeout(wait) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            // We hold a sender ourselves through every looker; it cannot close before they end.
            Err(RecvTimeoutError::Disconnected) => Some(Event::Signal(Signal::Stop)),
        }
    }

    /// The answers of one round: those who were asked together are told of together, in one mail.
    pub(super) fn gather(&mut self, first: Report, mut patience: Duration) -> (Vec<Report>, Option<Signal>) {
        let started = Instant::now();
        let mut reports = Vec::new();
        let mut next = Some(first);
        let mut is_urgent = false;
        loop {
            if let Some(report) = next.take() {
                if let Some(looker) = self.lookers.iter_mut().find(|looker| looker.name() == report.watch) {
                    looker.answered();
                }
                if report.watch == ProcessWatch::NAME {
                    self.early.looked(report.took_ms);
                }
                is_urgent |= report.hurry == Hurry::Told;
                reports.push(report);
            }
            // What could not wait for its time does not wait for others either.
            if is_urgent {
                return (reports, None);
            }
            let left = patience.saturating_sub(started.elapsed());
            if left.is_zero() || !self.lookers.iter().any(Looker::is_busy) {
                return (reports, None);
            }
            match self.inbox.recv_timeout(left) {
                Ok(Event::Looked(report)) => next = Some(*report),
                Ok(Event::Signal(signal)) => return (reports, Some(signal)),
                Ok(Event::Started) => {
                    self.early.wanted();
                    // What looks for minutes holds up nobody who is in a hurry.
                    patience = patience.min(started.elapsed() + early::BREATH);
                }
                Err(_) => return (reports, None),
            }
        }
    }
}
