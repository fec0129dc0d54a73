//! The mailer as a service of its own: woken by each mail that comes into the outbox, and by the time of the next try.

use super::arrivals;
use super::mailer::Mailer;
use super::notify::Notify;
use super::signals::{self, Signal};
use crate::alert::words;
use crate::host::Host;
use crate::mail::Outbox;
use crate::settings::Setup;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// The loop turns at least this often.
const SLICE: Duration = Duration::from_mins(1);
/// An outbox that is not there or cannot be watched is tried again after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// So long a mail that is under way is waited for at the end.
const ENDING: Duration = Duration::from_secs(75);

/// What wakes it.
enum Event {
    /// A mail came into the queue.
    Mail,
    /// A round of delivery is over.
    Done,
    Signal(Signal),
}

impl From<Signal> for Event {
    fn from(signal: Signal) -> Self {
        Self::Signal(signal)
    }
}

/// Delivers until it is told to stop. `read` reads the settings anew.
///
/// # Errors
/// If it cannot begin. Once it delivers, it goes on.
pub fn stay(setup: &Setup, wrong: Option<String>, read: impl Fn() -> Result<Setup>) -> Result<()> {
    let host = Arc::new(Host::this());
    let (sender, inbox) = mpsc::channel();
    signals::forward(signals::WATCHED, sender.clone()).context("cannot listen to signals")?;
    let mut notify = Notify::here();
    let folder = setup.state_dir.join("outbox");
    let Some(outbox) = wait_for_outbox(&folder, &mut notify, &inbox) else {
        notify.stopping();
        return Ok(());
    };
    let outbox = Arc::new(outbox);
    watch(folder.join("queue"), sender.clone())?;
    let after = move || drop(sender.send(Event::Done));
    let mut mailer = Mailer::start(Arc::clone(&outbox), host, &setup.mail_settings(), after)?;
    notify.ready();
    let mut wrong = wrong;
    loop {
        if mailer.is_alive(notify.interval().unwrap_or(SLICE)) {
            notify.alive();
        }
        notify.status(&status(&outbox, wrong.as_deref()));
        match inbox.recv_timeout(notify.slice(SLICE)) {
            Ok(Event::Mail) => mailer.wake(),
            Ok(Event::Signal(Signal::Stop)) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Event::Signal(Signal::Reload)) => {
                notify.reloading();
                wrong = renew(&mut mailer, read(), wrong.as_deref());
                notify.ready();
            }
            Err(RecvTimeoutError::Timeout) if wrong.is_some() => {
                wrong = renew(&mut mailer, read(), wrong.as_deref());
            }
            Ok(Event::Done) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
    notify.stopping();
    mailer.end(ENDING);
    tracing::info!("stopped");
    Ok(())
}

/// Takes new settings, or keeps the old ones; then says what is wrong with the new.
fn renew(mailer: &mut Mailer, read: Result<Setup>, before: Option<&str>) -> Option<String> {
    match read {
        Ok(setup) => {
            mailer.change(&setup.mail_settings());
            tracing::info!("settings read anew");
            None
        }
        Err(error) => {
            let error = format!("{error:#}");
            if before != Some(error.as_str()) {
                tracing::error!("the new settings are wrong, the old stay in force: {error}");
            }
            Some(error)
        }
    }
}

fn status(outbox: &Outbox, wrong: Option<&str>) -> String {
    let waiting = match outbox.status() {
        Err(error) => format!("the outbox cannot be read: {error}"),
        Ok(status) if status.waiting == 0 => "no mail waits".to_owned(),
        Ok(status) => {
            let mails = words::count(status.waiting as u64, "mail");
            let why = status.last_error.map(|error| format!(": {error}")).unwrap_or_default();
            let verb = if status.waiting == 1 { "waits" } else { "wait" };
            format!("{mails} {verb}{why}")
        }
    };
    match wrong {
        Some(wrong) => format!("{waiting}; the settings are wrong and not in force: {wrong}"),
        None => waiting,
    }
}

/// `None` if we are told to stop meanwhile.
fn wait_for_outbox(folder: &Path, notify: &mut Notify, inbox: &Receiver<Event>) -> Option<Outbox> {
    let mut said = String::new();
    loop {
        let error = match Outbox::open(folder) {
            Ok(outbox) => return Some(outbox),
            Err(error) => format!("cannot open the outbox {}: {error}", folder.display()),
        };
        if said.is_empty() {
            notify.ready();
        }
        if said != error {
            tracing::error!("NOT DELIVERING, and trying again every {} seconds: {error}", AGAIN.as_secs());
            notify.status(&format!("NOT DELIVERING: {error}"));
            said = error;
        }
        notify.alive();
        match inbox.recv_timeout(notify.slice(AGAIN)) {
            Ok(Event::Signal(Signal::Stop)) | Err(RecvTimeoutError::Disconnected) => return None,
            _ => {}
        }
    }
}

/// Tells of each mail that comes into the queue. Should the folder go away or watching fail, the mailer still looks
/// every few minutes.
fn watch(queue: std::path::PathBuf, events: Sender<Event>) -> Result<()> {
    let run = move || {
        loop {
            let tell = || events.send(Event::Mail).is_ok();
            if let Err(error) = arrivals::tell_of_each(&queue, tell) {
                tracing::warn!("new mails are noticed late: cannot watch {}: {error}", queue.display());
            }
            thread::sleep(AGAIN);
        }
    };
    thread::Builder::new().name("outbox".to_owned()).spawn(run).context("cannot start a thread")?;
    Ok(())
}
