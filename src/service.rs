//! The service: each watch looks on its schedule in a thread of its own, what they find becomes alerts, what the
//! alerts have to say becomes mails.
//!
//! One thread decides, and it alone writes the database. A watch that hangs holds up nobody but itself; it is not
//! asked again before it has answered, so passes never overlap.

mod looker;
mod mailer;
mod observing;
mod signals;
mod timing;

use crate::say;

use crate::alert::{self, About, Book, Looked, Pass};
use crate::coverage::Gap;
use crate::finding::{Code, Finding};
use crate::host::Host;
use crate::mail::{self, Letter, Outbox};
use crate::observe;
use crate::pass::{self, Memories};
use crate::policy::Policy;
use crate::processes::Processes;
use crate::rule::Span;
use crate::settings::Setup;
use crate::store::Store;
use crate::telemetry::{self, Telemetry, View};
use crate::watch::Memory;
use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use looker::{Looker, Order, Report};
use mailer::Mailer;
use observing::Observing;
use signals::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use timing::{Clock, Jump};

/// So long the answers of one round are waited for; what comes later is dealt with by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// A watch that has not answered for so long hangs.
const HANGS: Duration = Duration::from_mins(10);

/// So long the watches may take in a single pass asked for by a person.
const ONCE: Duration = Duration::from_mins(10);

/// Shorter times without watching are not worth a word: a restart, a reboot.
pub const UNWATCHED: Span = Span::minutes(3);

/// The name under which the service reports on itself.
const SELF: &str = "service";

/// Where a digest is shown besides being mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// On the terminal: there are no settings yet.
    Terminal,
    /// Nowhere.
    Nothing,
}

/// What reaches the deciding thread.
enum Event {
    Looked(Box<Report>),
    Signal(Signal),
}

struct Service {
    host: Arc<Host>,
    setup: Setup,
    show: Show,
    policy: Arc<Policy>,
    rejected: Option<String>,
    zone: TimeZone,
    store: Store,
    book: Book,
    outbox: Arc<Outbox>,
    mailer: Mailer,
    lookers: Vec<Looker>,
    inbox: Receiver<Event>,
    clock: Clock,
    coverage: BTreeMap<&'static str, Covered>,
    notes: Vec<Finding>,
    observing: Observing,
    cost: telemetry::Cost,
    telemetry: Telemetry,
}

/// What a watch saw the last time, for the foot of a mail.
struct Covered {
    saw: Option<String>,
    gaps: Vec<Gap>,
    took_ms: f64,
}

/// Watches until it is told to stop. `reload` reads settings and policy anew.
///
/// # Errors
/// If it cannot begin: the state folder, the database. Once it watches, it goes on.
pub fn run(
    setup: Setup,
    policy: Policy,
    show: Show,
    reload: impl Fn() -> Result<(Setup, Policy)>,
) -> Result<()> {
    let mut service = Service::begin(setup, policy, show, signals::WATCHED)?;
    loop {
        let now = service.host.now();
        service.notice_jumps(now);
        service.send_out(now);
        match service.next_event(now) {
            Some(Event::Signal(Signal::Stop)) => break,
            Some(Event::Signal(Signal::Reload)) => service.renew(reload()),
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
                        service.renew(reload());
                    }
                }
            }
            None => service.settle(Vec::new()),
        }
    }
    let now = service.host.now();
    service.store.stop(now).context("cannot note the stop")?;
    service.telemetry.finish(PATIENCE);
    tracing::info!("stopped");
    Ok(())
}

/// One pass of all watches, settled and delivered.
///
/// # Errors
/// As [`run`].
pub fn run_once(mut setup: Setup, policy: Policy, show: Show) -> Result<()> {
    // There will be no later pass to wait for.
    setup.settings.alerts.gather = Span::seconds(0);
    let mut service = Service::begin(setup, policy, show, &[])?;
    let now = service.host.now();
    service.send_out(now);
    let mut reports = Vec::new();
    if let Ok(Event::Looked(first)) = service.inbox.recv_timeout(ONCE) {
        (reports, _) = service.gather(*first, ONCE);
    }
    service.settle(reports);
    service.mailer.deliver_now();
    service.telemetry.finish(PATIENCE);
    let now = service.host.now();
    service.store.stop(now).context("cannot note the stop")
}

impl Service {
    fn begin(setup: Setup, policy: Policy, show: Show, signals: &[Signal]) -> Result<Self> {
        let host = Arc::new(Host::this());
        let now = host.now();
        let folder = &setup.state_dir;
        crate::file::make_private_folder(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let mut store = Store::open(&folder.join(crate::store::FILE), now)?;
        // A database that was damaged, and begun afresh, is no first start.
        let first = store.reader().status()?.run.is_none() && store.notes()?.is_empty();
        let record = store.memories().0.get(observe::MEMORY).and_then(Memory::recall);
        let observing = Observing::starting(&setup, &policy, record, first, now);
        let mut notes: Vec<Finding> = Vec::new();
        if let Some(blind) = store.begin(now, UNWATCHED)? {
            notes.push(unwatched(&blind));
        }
        notes.extend(store.notes()?);
        let outbox = Outbox::open(folder.join("outbox"));
        let outbox =
            Arc::new(outbox.with_context(|| format!("cannot open the outbox in {}", folder.display()))?);
        let (sender, inbox) = mpsc::channel();
        signals::forward(signals, sender.clone()).context("cannot listen to signals")?;
        let processes = Arc::new(Processes::default());
        let lookers = pass::watches().into_iter().map(|watch| {
            let schedule = setup.settings.schedule_of(watch.as_ref());
            Looker::start(watch, schedule, Arc::clone(&host), Arc::clone(&processes), sender.clone())
        });
        let lookers = lookers.collect::<std::io::Result<Vec<_>>>().context("cannot start a thread")?;
        let mailer = Mailer::start(Arc::clone(&outbox), Arc::clone(&host), &setup.mail_settings())?;
        Ok(Self {
            book: store.book()?,
            clock: Clock::starting(now, host.machine_id().as_str()),
            zone: TimeZone::system(),
            policy: Arc::new(policy),
            rejected: None,
            coverage: BTreeMap::new(),
            cost: telemetry::Cost::default(),
            telemetry: Telemetry::start(&setup.settings.telemetry, &setup.state_dir),
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
        })
    }

    /// Time that passed without us, or backwards.
    fn notice_jumps(&mut self, now: Timestamp) {
        match self.clock.jump(now) {
            Jump::None => {}
            Jump::Back => {
                tracing::warn!("the clock was set back: looking at once");
                self.lookers.iter_mut().for_each(Looker::forget_schedule);
            }
            Jump::Asleep { from } => {
                let why = "the host slept, or nothing could run on it".to_owned();
                let blind = alert::Blind { from, until: now, why };
                self.notes.push(unwatched(&blind));
                if let Err(error) = self.store.was_blind(&blind) {
                    tracing::warn!("{error}");
                }
            }
        }
    }

    /// Asks each watch that is due and not still looking.
    fn send_out(&mut self, now: Timestamp) {
        let mut memories = None;
        for looker in &mut self.lookers {
            if looker.is_due(now, &self.clock, &self.zone) {
                let memories = memories.get_or_insert_with(|| self.store.memories());
                looker.ask(Order {
                    now,
                    policy: Arc::clone(&self.policy),
                    memories: memories.of_watch(looker.name()),
                });
            }
        }
    }

    /// Waits for the next thing to happen: an answer, a signal, or the time of the next look.
    fn next_event(&mut self, now: Timestamp) -> Option<Event> {
        let due = self.lookers.iter().filter_map(looker::Looker::due).min();
        // In slices of a minute, so that a clock that is set or a host that slept is noticed.
        let wait = due.map_or(SignedDuration::from_secs(60), |due| due.duration_since(now));
        let wait = wait.clamp(SignedDuration::from_millis(1), SignedDuration::from_secs(60));
        match self.inbox.recv_timeout(wait.unsigned_abs()) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            // We hold a sender ourselves through every looker; it cannot close before they end.
            Err(RecvTimeoutError::Disconnected) => Some(Event::Signal(Signal::Stop)),
        }
    }

    /// The answers of one round: those who were asked together are told of together, in one mail.
    fn gather(&mut self, first: Report, patience: Duration) -> (Vec<Report>, Option<Signal>) {
        let started = Instant::now();
        let mut reports = Vec::new();
        let mut next = Some(first);
        loop {
            if let Some(report) = next.take() {
                if let Some(looker) = self.lookers.iter_mut().find(|looker| looker.name() == report.watch) {
                    looker.answered();
                }
                reports.push(report);
            }
            let left = patience.saturating_sub(started.elapsed());
            if left.is_zero() || !self.lookers.iter().any(Looker::is_busy) {
                return (reports, None);
            }
            match self.inbox.recv_timeout(left) {
                Ok(Event::Looked(report)) => next = Some(*report),
                Ok(Event::Signal(signal)) => return (reports, Some(signal)),
                Err(_) => return (reports, None),
            }
        }
    }

    /// Turns what was seen into alerts and mails, in one transaction. If it cannot be stored, nothing has
    /// happened, and the watches look again from where they were.
    fn settle(&mut self, reports: Vec<Report>) {
        let now = self.host.now();
        let mut memories = Memories::default();
        let mut looked = Vec::new();
        for report in reports {
            memories.add(report.memories);
            let covered = Covered { saw: report.summary, gaps: report.gaps, took_ms: report.took_ms };
            self.coverage.insert(report.watch, covered);
            looked.push(Looked {
                watch: report.watch.to_owned(),
                saw: report.saw,
                findings: report.findings,
            });
        }
        self.learn(&mut looked, now);
        let mut own = self.notes.clone();
        own.extend(self.observing.not_included(&self.setup, now));
        own.extend(self.rejected.as_deref().map(policy_rejected));
        own.extend(self.lookers.iter().filter(|looker| looker.silent_for() > HANGS).map(hanging));
        looked.push(Looked { watch: SELF.to_owned(), saw: true, findings: own });
        self.cost.measure(self.coverage.iter().map(|(name, covered)| (*name, covered.took_ms)));
        memories.keep(telemetry::COST, &self.cost);
        memories.keep(telemetry::VIEW, &self.view());
        let pass = Pass { now, host: self.host.name().to_string(), looked };
        let step = alert::step(&self.book, &pass, &self.setup.settings.alerts);
        let records = telemetry::records(&self.book, &step);
        let about = self.about();
        let (record, told) = self.observing.tell(&self.setup, now, &about).unzip();
        if let Some(record) = &record {
            memories.keep(observe::MEMORY, record);
        }
        let composed = alert::digest::compose(step, &about).and(told.flatten());
        let letters: Vec<Letter> = composed.letters().cloned().collect();
        if let Err(error) = self.store.commit(&mut self.book, &pass, composed, &memories) {
            tracing::error!("what this pass saw could not be stored, and will be looked at again: {error}");
            return;
        }
        self.notes.clear();
        self.telemetry.publish(records);
        self.observing.done(record);
        if self.show == Show::Terminal {
            letters.iter().for_each(show);
        }
        self.post();
    }

    /// While observing, what is only not known yet becomes rules.
    fn learn(&mut self, looked: &mut [Looked], now: Timestamp) {
        let Self { observing, policy, setup, rejected, .. } = self;
        observing.learn(&self.host, looked, now, || {
            let loaded = Policy::load(&setup.policy).map_err(|error| error.to_string());
            *policy = Arc::new(loaded.inspect_err(|error| *rejected = Some(error.clone()))?);
            Ok(())
        });
    }

    /// Puts every mail that was composed into the outbox. What cannot be put in now is tried in the next pass.
    fn post(&mut self) {
        let letters = match self.store.unqueued() {
            Ok(letters) => letters,
            Err(error) => return tracing::error!("{error}"),
        };
        for letter in letters {
            let message = mail::compose(&letter, self.mailer.envelope());
            let done = self.outbox.enqueue(&message).map_err(anyhow::Error::from);
            if let Err(error) = done.and_then(|_| Ok(self.store.queued(&letter.message_id)?)) {
                return tracing::error!("a mail could not be put into the outbox yet: {error:#}");
            }
            self.mailer.wake();
        }
    }

    /// Takes new settings and a new policy, or keeps the old ones if the new are wrong.
    fn renew(&mut self, read: Result<(Setup, Policy)>) {
        match read {
            Ok((setup, policy)) => {
                let digest = policy.digest.get(..12).unwrap_or_default().to_owned();
                self.mailer.change(&setup.mail_settings());
                // Whoever has changed something wants to see what comes of it: all look at once.
                for looker in &mut self.lookers {
                    looker.change_schedule(setup.settings.schedule_named(looker.name()));
                }
                self.telemetry = self.telemetry.changed(&setup.settings.telemetry, &setup.state_dir);
                (self.setup, self.policy, self.rejected) = (setup, Arc::new(policy), None);
                self.observing.changed(&self.setup, &self.policy);
                self.observing.complain(&self.setup, self.host.now());
                tracing::info!("settings and policy read anew; policy {digest} is in force");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!("the new settings or policy are wrong, the old stay in force: {error}");
                self.rejected = Some(error);
                self.settle(Vec::new());
            }
        }
    }

    /// What the service says of itself, for commands beside it.
    fn view(&self) -> View {
        let gaps = self.coverage.iter().map(|(watch, covered)| ((*watch).to_owned(), covered.gaps.clone()));
        View::of_this_process(&self.policy.digest, gaps, self.telemetry.lost())
    }

    fn about(&self) -> About {
        About {
            zone: self.zone.clone(),
            host: self.host.name().to_string(),
            policy_digest: self.policy.digest.clone(),
            policy_files: self.policy.files.clone(),
            add_to: self.setup.policy.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            saw: self.coverage.values().filter_map(|covered| covered.saw.clone()).collect(),
            gaps: self.coverage.values().flat_map(|covered| covered.gaps.clone()).collect(),
            blind: self.store.blind().unwrap_or_default(),
            observing: self.observing.foot(self.host.now(), &self.zone),
        }
    }
}

/// A digest on the terminal, as it is mailed.
fn show(letter: &Letter) {
    let line = "─".repeat(72);
    say!("{line}\n{}\n{line}\n{}", letter.subject, letter.body);
}

fn unwatched(blind: &alert::Blind) -> Finding {
    let minutes = blind.until.duration_since(blind.from).as_mins();
    Finding::new(Code::NotWatching, SELF, format!("nobody was watching for {minutes} minutes: {}", blind.why))
        .with("from", blind.from.to_string())
        .with("until", blind.until.to_string())
        .with("why", &blind.why)
}

fn hanging(looker: &Looker) -> Finding {
    let name = looker.name();
    let title =
        format!("the {name} watch hangs: it has been looking for more than {} minutes", HANGS.as_secs() / 60);
    Finding::new(Code::CoverageGap, format!("hangs {name}"), title).with(
        "what to do",
        "see what it waits for: a disk or a program that does not answer; then restart the service",
    )
}

fn policy_rejected(error: &str) -> Finding {
    let title = "the settings or the policy on disk are wrong; the ones before stay in force";
    let lines: Vec<&str> = error.lines().collect();
    Finding::new(Code::PolicyRejected, SELF, title)
        .with("what is wrong", lines)
        .with("what to do", "correct it, check it with `watchdog validate`, then reload")
}
