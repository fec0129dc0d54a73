//! The mailer: a thread that empties the outbox, so that a slow mail server holds up no watch.

use crate::host::Host;
use crate::mail::{self, DeliveryReport, Outbox, Pulse, Route, Sandbox};
use jiff::{SignedDuration, Timestamp};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// With nothing to do it still looks this often: somebody else may have put a mail in.
const IDLE: SignedDuration = SignedDuration::from_mins(5);

/// What a step may take besides the time for its mail.
const SLACK: Duration = Duration::from_mins(1);

/// The mailer as the deciding thread sees it.
pub struct Mailer {
    outbox: Arc<Outbox>,
    host: Arc<Host>,
    route: Arc<Mutex<Arc<Route>>>,
    wake: Sender<()>,
    pulse: Arc<Pulse>,
}

impl Mailer {
    /// `after` is called after each round.
    pub fn start(
        outbox: Arc<Outbox>,
        host: Arc<Host>,
        settings: &mail::Settings,
        after: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let pulse = Arc::new(Pulse::default());
        let route = Arc::new(Mutex::new(Arc::new(route(settings, &host, &pulse))));
        let (wake, woken) = mpsc::channel();
        let mailer = Self { outbox, host, route, wake, pulse };
        let (outbox, host, route) = (mailer.outbox.clone(), mailer.host.clone(), mailer.route.clone());
        thread::Builder::new()
            .name("mailer".to_owned())
            .spawn(move || deliver(&outbox, &host, &route, &woken, &after))?;
        Ok(mailer)
    }

    /// There is a new mail.
    pub fn wake(&self) {
        // The thread ends only with the program.
        let _ = self.wake.send(());
    }

    /// Takes another route; a mail that is under way ends on the old one.
    pub fn change(&mut self, settings: &mail::Settings) {
        let route = route(settings, &self.host, &self.pulse);
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(route);
        self.wake();
    }

    /// True unless one step takes far longer than any may.
    pub fn is_alive(&self, limit: Duration) -> bool {
        let limit = limit.max(current(&self.route).deadline() + SLACK);
        self.pulse.busy_for().is_none_or(|busy| busy < limit)
    }

    /// Begins no further mail, and waits for the one under way; not for ever.
    pub fn end(&self, patience: Duration) {
        let started = Instant::now();
        self.pulse.end();
        while self.pulse.busy_for().is_some() && started.elapsed() < patience {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Delivers everything once, in the calling thread.
    pub fn deliver_now(&self) {
        let route = current(&self.route);
        loop {
            let done = mail::deliver_all(&self.outbox, &route, self.host.now());
            // The thread may be at it just now: then wait for it.
            if done.as_ref().is_ok_and(|report| report.busy) {
                thread::sleep(Duration::from_millis(50));
                continue;
            }
            tell(&done);
            return;
        }
    }
}

fn current(route: &Mutex<Arc<Route>>) -> Arc<Route> {
    Arc::clone(&route.lock().unwrap_or_else(PoisonError::into_inner))
}

fn route(settings: &mail::Settings, host: &Host, pulse: &Arc<Pulse>) -> Route {
    Route::new(settings, &host.name()).within(Sandbox::here()).with_pulse(pulse)
}

fn deliver(outbox: &Outbox, host: &Host, route: &Mutex<Arc<Route>>, woken: &Receiver<()>, after: &impl Fn()) {
    loop {
        // What was woken for before this is done now.
        while woken.try_recv().is_ok() {}
        let route = current(route);
        route.pulse().beat();
        let done = mail::deliver_due(outbox, &route, host.now());
        tell(&done);
        route.pulse().rest();
        after();
        let wait = pause(host.now(), done.ok().and_then(|report| report.next_try));
        match woken.recv_timeout(wait.unsigned_abs()) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn pause(now: Timestamp, next_try: Option<Timestamp>) -> SignedDuration {
    let wait = next_try.map_or(IDLE, |next| next.duration_since(now));
    wait.clamp(SignedDuration::from_secs(1), IDLE)
}

fn tell(done: &io::Result<DeliveryReport>) {
    match done {
        Err(error) => tracing::error!("the outbox cannot be read: {error}"),
        Ok(report) => {
            for delivered in &report.delivered {
                tracing::info!("mail {} was accepted: {}", delivered.name, delivered.reply);
            }
            for name in &report.handed_over {
                tracing::info!("mail {name} was laid aside for the sendmail program");
            }
            for failed in &report.failed {
                tracing::warn!(
                    "mail {} waits, {} tries so far: {}",
                    failed.name,
                    failed.attempts,
                    failed.failure.reason
                );
            }
        }
    }
}
