//! The mailer: a thread that empties the outbox, so that a slow mail server holds up no watch.

use crate::host::Host;
use crate::mail::{self, DeliveryReport, Envelope, Outbox, Route};
use jiff::{SignedDuration, Timestamp};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// With nothing to do it still looks this often: somebody else may have put a mail in.
const IDLE: SignedDuration = SignedDuration::from_mins(5);

/// The mailer as the deciding thread sees it.
pub struct Mailer {
    outbox: Arc<Outbox>,
    host: Arc<Host>,
    route: Arc<Mutex<Arc<Route>>>,
    envelope: Envelope,
    wake: Sender<()>,
}

impl Mailer {
    pub fn start(outbox: Arc<Outbox>, host: Arc<Host>, settings: &mail::Settings) -> io::Result<Self> {
        let route = Route::new(settings, &host.name());
        let envelope = route.envelope().clone();
        let route = Arc::new(Mutex::new(Arc::new(route)));
        let (wake, woken) = mpsc::channel();
        let mailer = Self { outbox, host, route, envelope, wake };
        let (outbox, host, route) = (mailer.outbox.clone(), mailer.host.clone(), mailer.route.clone());
        thread::Builder::new()
            .name("mailer".to_owned())
            .spawn(move || deliver(&outbox, &host, &route, &woken))?;
        Ok(mailer)
    }

    /// Between whom mails go.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// There is a new mail.
    pub fn wake(&self) {
        // The thread ends only with the program.
        let _ = self.wake.send(());
    }

    /// Takes another route; a mail that is under way ends on the old one.
    pub fn change(&mut self, settings: &mail::Settings) {
        let route = Route::new(settings, &self.host.name());
        self.envelope = route.envelope().clone();
        *self.route.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(route);
        self.wake();
    }

    /// Delivers everything once, in the calling thread.
    pub fn deliver_now(&self) {
        let route = current(&self.route);
        loop {
            let done = mail::deliver_all(&self.outbox, &route, self.host.now());
            // The thread may be at it just now: then wait for it.
            if done.as_ref().is_ok_and(|report| report.busy) {
                thread::sleep(std::time::Duration::from_millis(50));
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

fn deliver(outbox: &Outbox, host: &Host, route: &Mutex<Arc<Route>>, woken: &Receiver<()>) {
    loop {
        let done = mail::deliver_due(outbox, &current(route), host.now());
        tell(&done);
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
