//! The service: each watch looks on its schedule in a thread of its own, what they find becomes alerts, what the
//! alerts have to say becomes mails.
//!
//! One thread decides, and it alone writes the database. A watch that hangs holds up nobody but itself; it is not
//! asked again before it has answered, so passes never overlap.

mod arrivals;
mod begin;
mod early;
pub mod kept;
mod looker;
mod mailer;
#[cfg(windows)]
pub mod manager;
mod notify;
mod observing;
mod own;
mod plan;
mod renew;
mod round;
mod settle;
mod signals;
mod stay;
mod timing;

pub use plan::{Delivery, Plan, Show};
pub use stay::stay;

use crate::alert::Book;
use crate::coverage::Gap;
use crate::finding::Finding;
use crate::host::Host;
use crate::mail::{Envelope, Outbox, Route};
use crate::observe;
use crate::pass;
use crate::policy::Policy;
use crate::processes::Processes;
use crate::rule::Span;
use crate::settings::Setup;
use crate::store::Store;
use crate::telemetry::{self, Telemetry};
use crate::watch::Memory;
use anyhow::{Context, Result};
use begin::Ground;
use early::Early;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use looker::{Looker, Report};
use mailer::Mailer;
use notify::Notify;
use observing::Observing;
use signals::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};
use timing::Clock;

/// So long the answers of one round are waited for; what comes later is dealt with by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// A watch that has not answered for so long hangs.
const HANGS: Duration = Duration::from_mins(10);

/// So long the watches may take in a single pass asked for by a person.
const ONCE: Duration = Duration::from_mins(10);

/// Files that were wrong are read again after so long.
const READ_AGAIN: Duration = Duration::from_mins(1);

/// Shorter times without watching are not worth a word: a restart, a reboot.
pub const UNWATCHED: Span = Span::minutes(3);

/// What reaches the deciding thread.
enum Event {
    Looked(Box<Report>),
    Signal(Signal),
    /// A process started of a kind that was not seen before.
    Started,
}

impl From<Signal> for Event {
    fn from(signal: Signal) -> Self {
        Self::Signal(signal)
    }
}

struct Service {
    host: Arc<Host>,
    setup: Setup,
    show: Show,
    /// None: the files are wrong and there are none from before. Then nobody looks, since `blind_since`.
    policy: Option<Arc<Policy>>,
    blind_since: Option<Timestamp>,
    rejected: Option<Rejected>,
    zone: TimeZone,
    store: Store,
    book: Book,
    outbox: Arc<Outbox>,
    envelope: Envelope,
    mailer: Option<Mailer>,
    lookers: Vec<Looker>,
    inbox: Receiver<Event>,
    clock: Clock,
    processes: Arc<Processes>,
    early: Early,
    coverage: BTreeMap<&'static str, Covered>,
    notes: Vec<Finding>,
    observing: Observing,
    cost: telemetry::Cost,
    telemetry: Telemetry,
    notify: Notify,
    /// Since then the next look waits for the host to settle.
    settles: Option<Instant>,
    /// Why the last pass could not be stored.
    unstored: Option<String>,
}

/// The files on disk are wrong.
struct Rejected {
    why: String,
    read: Instant,
}

/// What a watch saw the last time, for the foot of a mail.
struct Covered {
    saw: Option<String>,
    gaps: Vec<Gap>,
    took_ms: f64,
}

/// Watches until it is told to stop. `read` reads settings and policy anew.
///
/// # Errors
/// If it cannot begin and a person must do something about that. Once it watches, it goes on.
pub fn run(plan: Plan, read: impl Fn() -> Result<(Setup, Policy)>) -> Result<()> {
    let host = Arc::new(Host::this());
    let (sender, inbox) = mpsc::channel();
    signals::forward(signals::WATCHED, sender.clone()).context("cannot listen to signals")?;
    let mut notify = Notify::here();
    let Some(ground) = begin::wait_for_ground(&host, &plan.setup.state_dir, &mut notify, &inbox)? else {
        notify.stopping();
        return Ok(());
    };
    let mut service = Service::begin(host, plan, ground, notify, (&sender, inbox))?;
    let tell = service.early.teller(sender.clone());
    service.processes.listen(&service.host, tell).context("cannot start a thread")?;
    // Ready is said now and not after the first pass: that may take minutes, and whoever waits for us, like the
    // boot or an installation, gains nothing by it.
    service.notify.ready();
    if service.rejected.is_some() {
        // The disk that was waited for may have been what was wrong; if not, it is told at once.
        service.renew(read());
    }
    loop {
        let now = service.host.now();
        service.notice_jumps(now);
        service.send_out(now);
        service.show_life();
        match service.next_event(now) {
            Some(Event::Signal(Signal::Stop)) => break,
            Some(Event::Signal(Signal::Reload)) => service.reload(&read),
            Some(Event::Started) => service.early.wanted(),
            Some(Event::Looked(report)) => {
                let reports = service.gather(*report, PATIENCE);
                match reports {
                    (reports, None) => service.settle(reports),
                    (reports, Some(Signal::Stop)) => {
                        service.settle(reports);
                        break;
                    }
                    (reports, Some(Signal::Reload)) => {
                        service.settle(reports);
                        service.reload(&read);
                    }
                }
            }
            None if service
                .rejected
                .as_ref()
                .is_some_and(|rejected| rejected.read.elapsed() > READ_AGAIN) =>
            {
                service.renew(read());
            }
            // Nothing is looked at yet, or something will be at once.
            None if service.settles.is_some() || service.until_early().is_some() => {}
            None => service.settle(Vec::new()),
        }
    }
    service.notify.stopping();
    service.see_again();
    let now = service.host.now();
    service.store.stop(now).context("cannot note the stop")?;
    service.telemetry.finish(PATIENCE);
    tracing::info!("stopped");
    Ok(())
}

/// One pass of all watches, settled and delivered.
///
/// # Errors
/// If it cannot begin.
pub fn run_once(mut plan: Plan) -> Result<()> {
    // There will be no later pass to wait for.
    plan.setup.settings.alerts.gather = Span::seconds(0);
    let host = Arc::new(Host::this());
    let ground = begin::ground(&host, &plan.setup.state_dir)?;
    let (sender, inbox) = mpsc::channel();
    let mut service = Service::begin(host, plan, ground, Notify::default(), (&sender, inbox))?;
    let now = service.host.now();
    service.settles = None;
    service.send_out(now);
    let mut reports = Vec::new();
    if let Ok(Event::Looked(first)) = service.inbox.recv_timeout(ONCE) {
        (reports, _) = service.gather(*first, ONCE);
    }
    service.settle(reports);
    if let Some(mailer) = &service.mailer {
        mailer.deliver_now();
    }
    service.telemetry.finish(PATIENCE);
    let now = service.host.now();
    service.store.stop(now).context("cannot note the stop")
}

impl Service {
    fn begin(
        host: Arc<Host>,
        plan: Plan,
        ground: Ground,
        notify: Notify,
        (sender, inbox): (&Sender<Event>, Receiver<Event>),
    ) -> Result<Self> {
        let now = host.now();
        let Plan { setup, policy, wrong, show, delivery } = plan;
        let Ground { store, outbox, notes, first } = ground;
        let record = store.memories().0.get(observe::MEMORY).and_then(Memory::recall);
        let none = Policy::default();
        let observing = Observing::starting(&setup, policy.as_ref().unwrap_or(&none), record, first, now);
        let outbox = Arc::new(outbox);
        let processes = Arc::new(Processes::default());
        let watches = pass::watches().into_iter().filter(|watch| watch.looks_here());
        let lookers = watches.map(|watch| {
            let schedule = setup.settings.schedule_of(watch.as_ref());
            Looker::start(watch, schedule, Arc::clone(&host), Arc::clone(&processes), sender.clone())
        });
        let lookers = lookers.collect::<std::io::Result<Vec<_>>>().context("cannot start a thread")?;
        let mail_settings = setup.mail_settings();
        let mailer = match delivery {
            Delivery::Here => {
                Some(Mailer::start(Arc::clone(&outbox), Arc::clone(&host), &mail_settings, || {})?)
            }
            Delivery::Elsewhere => None,
        };
        if let (Some(policy), None) = (&policy, &wrong) {
            renew::keep(&setup, policy);
        }
        let rejected = wrong.map(|why| Rejected { why, read: Instant::now() });
        Ok(Self {
            book: store.book()?,
            processes,
            early: Early::default(),
            clock: Clock::starting(now, host.machine_id().as_str()),
            zone: TimeZone::system(),
            envelope: Route::new(&mail_settings, &host.name()).envelope().clone(),
            blind_since: policy.is_none().then_some(now),
            policy: policy.map(Arc::new),
            rejected,
            coverage: BTreeMap::new(),
            cost: telemetry::Cost::default(),
            telemetry: Telemetry::start(&setup.settings.telemetry, &setup.state_dir),
            unstored: None,
            host,
            setup,
            show,
            store,
            outbox,
            mailer,
            lookers,
            inbox,
            notes,
            observing,
            notify,
            settles: Some(Instant::now()),
        })
    }
}
