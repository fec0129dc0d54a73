//! A watch in a thread of its own: it is asked to look, and answers with what differs.

use super::Event;
use super::early::Hurry;
use super::timing::Clock;
use crate::coverage::Gap;
use crate::finding::Finding;
use crate::host::Host;
use crate::pass::{At, Memories, Watching};
use crate::policy::Policy;
use crate::processes::Processes;
use crate::schedule::Cron;
use crate::snapshot::Snapshot;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// What a watch is asked to do.
pub struct Order {
    pub now: Timestamp,
    pub policy: Arc<Policy>,
    pub memories: Memories,
    pub hurry: Hurry,
}

/// What it answers.
pub struct Report {
    pub watch: &'static str,
    pub saw: bool,
    pub findings: Vec<Finding>,
    pub summary: Option<String>,
    pub gaps: Vec<Gap>,
    pub took_ms: f64,
    pub memories: Memories,
    pub hurry: Hurry,
}

/// A watch as the deciding thread sees it.
pub struct Looker {
    name: &'static str,
    schedule: Cron,
    own_schedule: Cron,
    orders: Sender<Order>,
    due: Due,
    asked: Option<Instant>,
}

/// When a watch looks next.
#[derive(Clone, Copy)]
enum Due {
    /// At once: it has never looked, or what it was to do means nothing any more.
    Now,
    At(Timestamp),
}

impl Looker {
    pub fn start(
        mut watch: Box<dyn Watching>,
        schedule: Cron,
        host: Arc<Host>,
        processes: Arc<Processes>,
        reports: Sender<Event>,
    ) -> std::io::Result<Self> {
        let name = watch.name();
        let own_schedule = watch.default_schedule();
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for order in inbox {
                let report = look(watch.as_mut(), order, &host, &processes);
                if reports.send(Event::Looked(Box::new(report))).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { name, schedule, own_schedule, orders, due: Due::Now, asked: None })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn is_busy(&self) -> bool {
        self.asked.is_some()
    }

    /// For how long it has been looking without an answer.
    pub fn silent_for(&self) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| asked.elapsed())
    }

    /// When it is due; nothing while it is looking.
    pub fn due(&self) -> Option<Timestamp> {
        match self.due {
            Due::At(due) if !self.is_busy() => Some(due),
            _ => None,
        }
    }

    /// True if it should look now. It looks at once when it has never looked.
    pub fn is_due(&mut self, now: Timestamp, clock: &Clock, zone: &TimeZone) -> bool {
        if self.is_busy() {
            return false;
        }
        let is_due = match self.due {
            Due::Now => true,
            Due::At(due) => due <= now,
        };
        if is_due {
            // A schedule that never comes is refused when it is read; should one run out, a year is as good as ever.
            let later = || now.checked_add(SignedDuration::from_hours(24 * 365)).unwrap_or(now);
            self.due = Due::At(clock.next(&self.schedule, now, zone).unwrap_or_else(later));
        }
        is_due
    }

    pub fn ask(&mut self, order: Order) {
        // A thread that is gone takes no order, and is silent from now on like one that hangs.
        let _ = self.orders.send(order);
        self.asked = Some(Instant::now());
    }

    pub fn answered(&mut self) {
        self.asked = None;
    }

    /// After the clock was set, what was due means nothing any more.
    pub fn forget_schedule(&mut self) {
        self.due = Due::Now;
    }

    /// Takes another schedule, or its own again; and is due at once.
    pub fn change_schedule(&mut self, schedule: Option<Cron>) {
        self.schedule = schedule.unwrap_or_else(|| self.own_schedule.clone());
        self.due = Due::Now;
    }
}

fn look(watch: &mut dyn Watching, order: Order, host: &Host, processes: &Processes) -> Report {
    let Order { now, policy, mut memories, hurry } = order;
    let mut snapshot = Snapshot::empty(host.name(), host.boot_id(), now);
    watch.look(&At { host, processes, now }, &policy, &mut memories, &mut snapshot);
    let findings = watch.check(&snapshot, &policy, &mut memories);
    let summary = watch.summary(&snapshot);
    Report {
        watch: watch.name(),
        saw: summary.is_some(),
        findings,
        summary,
        gaps: watch.gaps(&snapshot),
        took_ms: snapshot.took_ms.get(watch.name()).copied().unwrap_or(0.0),
        memories,
        hurry,
    }
}
