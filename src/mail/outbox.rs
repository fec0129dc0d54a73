//! The outbox: mails on disk that no mail server has accepted yet.
//!
//! The folders are the state. A mail is written to `tmp`, made durable, and comes into `queue` by a rename; it
//! leaves `queue` by a rename to `sent`, and only once it was accepted. Its file is named by its Message-ID, so the
//! same mail put in twice is one mail. What became of the tries lies in `queue` too, as `NAME.state`.
//!
//! A mail that somebody with more rights than the deliverer has to give to the `sendmail` program is in `handover`
//! meanwhile, and comes from there into `sent` or back into `queue`.
//!
//! Where the folder is shared with a group, two users share the outbox: one that puts mails in and one that delivers
//! them. Neither trusts the other with more than that: a link is never followed, and nothing but a file is read. The
//! group may write in the folders of the outbox, but not beside them: else it could lay other folders in their place.

mod fate;
mod handover;
mod state;

pub use fate::Fate;
pub(super) use handover::UNFETCHED;
pub(super) use state::State;

use super::disk;
use super::message::{Message, digest};
use super::route::Permanence;
use crate::file::{self, Links};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// To put a mail in takes milliseconds; who waits longer than this for others waits for something broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The record of a thousand recipients is smaller than this: a larger state was not written by us.
const MOST_OF_STATE: u64 = 1024 * 1024;

/// Of the states of all mails together no more is read than this, whoever else may write them.
const MOST_OF_STATES: usize = 64 * 1024 * 1024;

/// The outbox in a folder. Any number of threads and programs may put mails in at once; one at a time delivers.
#[derive(Debug)]
pub struct Outbox {
    folder: PathBuf,
    keep: Keep,
    /// States that could not be written, because the disk is full: without them we would hammer the server.
    unwritten: Mutex<BTreeMap<String, State>>,
}

/// How long the record of what was said is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// So many days.
    pub days: u32,
    /// And at most so many mails.
    pub mails: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self { days: 90, mails: 10_000 }
    }
}

/// What putting a mail in came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue, and stays there through a loss of power.
    New,
    /// It was in the queue already, or was sent before: nothing was done.
    Known,
}

/// One mail that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its file's name without `.eml`.
    pub name: String,
    /// When it was put in.
    pub since: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this; at once if it was never tried.
    pub next_try: Option<Timestamp>,
    /// Why it was not accepted the last time.
    pub last_error: Option<String>,
    /// Whether the server says that trying again will not help.
    pub permanence: Permanence,
    /// Where it waits.
    pub place: Place,
}

impl Waiting {
    /// The least tried, then the oldest comes first.
    fn order(&self) -> (u32, Timestamp, &str) {
        (self.attempts, self.since, &self.name)
    }
}

/// Where a mail waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// For the next try.
    Queue,
    /// For somebody else to give it to the `sendmail` program.
    Handover,
}

impl Place {
    fn folder(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Handover => "handover",
        }
    }
}

/// The outbox in a few numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxStatus {
    /// Mails that wait.
    pub waiting: usize,
    /// Of them, those that the server refused for good; they are still tried every hour.
    pub refused: usize,
    /// Of them, those that wait to be given to the `sendmail` program.
    pub handed_over: usize,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
    /// When the next is tried; `None` if none waits or one is due now.
    pub next_try: Option<Timestamp>,
    /// The error of the mail that was tried most.
    pub last_error: Option<String>,
}

impl Outbox {
    /// The outbox in `folder`, made if it is not there; what an interrupted writer left is cleared away.
    ///
    /// # Errors
    /// The system's, if the folders cannot be made or read.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let outbox = Self::at(folder);
        file::make_folder_within(&outbox.folder)?;
        for part in ["tmp", "queue", "handover", "sent"] {
            file::make_folder_within(&outbox.folder.join(part))?;
        }
        // Whoever holds the lock is writing just now. If it is free, what lies in tmp has no writer any more.
        if let Some(tmp) = disk::try_lock(&outbox.folder.join("tmp"))? {
            disk::clear(&tmp)?;
        }
        Ok(outbox)
    }

    /// The outbox in `folder`, to be looked at: nothing is made or changed by that.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), keep: Keep::default(), unwritten: Mutex::default() }
    }

    /// The same outbox with another bound for what is kept of the sent ones.
    #[must_use]
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Puts a mail in. When this returns it will be delivered, whatever happens to this program or the power.
    ///
    /// # Errors
    /// The system's, as for a full disk: then nothing of the mail is left, and the caller still has it.
    pub fn enqueue(&self, message: &Message) -> io::Result<Enqueued> {
        let name = file_name(&message.id);
        let _lock = disk::lock_within(&self.folder.join("tmp"), PATIENCE)?;
        // In this order: a mail goes from queue over handover to sent. It may go back from handover to queue, but then
        // it is the same file that is put in again.
        for part in ["queue", "handover", "sent"] {
            if self.path(part, &name, "eml").try_exists()? {
                return Ok(Enqueued::Known);
            }
        }
        let temporary = self.path("tmp", &name, "eml");
        file::write_new(&temporary, &message.bytes)?;
        file::rename_durably(&temporary, &self.path("queue", &name, "eml")).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })?;
        Ok(Enqueued::New)
    }

    /// All mails that wait: the least tried first, then the oldest.
    ///
    /// # Errors
    /// The system's; an outbox that is not there is empty.
    pub fn waiting(&self) -> io::Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        self.each_waiting(|mail| waiting.push(mail))?;
        waiting.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(waiting)
    }

    fn each_waiting(&self, mut with: impl FnMut(Waiting)) -> io::Result<()> {
        let (mut seen, mut read) = (HashSet::new(), 0);
        for place in [Place::Queue, Place::Handover] {
            for (name, since) in disk::mails(&self.folder.join(place.folder()))? {
                // One that went from one place to the other while we looked is one mail.
                if !seen.insert(name.clone()) {
                    continue;
                }
                let (state, size) =
                    if read > MOST_OF_STATES { (State::default(), 0) } else { self.state_and_size(&name) };
                read += size;
                let failure = state.failure;
                with(Waiting {
                    name,
                    since,
                    attempts: state.attempts,
                    next_try: state.next_try,
                    permanence: failure.as_ref().map_or(Permanence::Temporary, |failure| failure.permanence),
                    last_error: failure.map(|failure| failure.reason),
                    place,
                });
            }
        }
        Ok(())
    }

    /// The outbox in a few numbers.
    ///
    /// # Errors
    /// As [`Outbox::waiting`].
    pub fn status(&self) -> io::Result<OutboxStatus> {
        let mut status = OutboxStatus::default();
        let (mut due, mut most_tried) = (false, None::<Waiting>);
        self.each_waiting(|mail| {
            status.waiting += 1;
            status.refused += usize::from(mail.permanence == Permanence::Permanent);
            status.handed_over += usize::from(mail.place == Place::Handover);
            status.oldest = Some(status.oldest.map_or(mail.since, |oldest| oldest.min(mail.since)));
            due |= mail.next_try.is_none();
            status.next_try = [status.next_try, mail.next_try].into_iter().flatten().min();
            if mail.last_error.is_some() && most_tried.as_ref().is_none_or(|most| most.order() < mail.order())
            {
                most_tried = Some(mail);
            }
        })?;
        if due {
            status.next_try = None;
        }
        status.last_error = most_tried.and_then(|mail| mail.last_error);
        Ok(status)
    }

    /// The right to deliver; `None` while another thread or program has it.
    pub(super) fn deliverer(&self) -> io::Result<Option<disk::Lock>> {
        disk::try_lock(&self.folder.join("queue"))
    }

    pub(super) fn message(&self, name: &str, place: Place) -> io::Result<Vec<u8>> {
        file::read(&self.path(place.folder(), name, "eml"), Links::Refuse)
    }

    /// What became of the tries of a mail. A state that is damaged is as good as none.
    pub(super) fn state(&self, name: &str) -> State {
        self.state_and_size(name).0
    }

    fn state_and_size(&self, name: &str) -> (State, usize) {
        match self.unwritten().get(name) {
            Some(state) => (state.clone(), 0),
            None => read_state(&self.path("queue", name, "state")),
        }
    }

    /// Notes what became of a try; if that cannot be written it is at least remembered.
    pub(super) fn note(&self, name: &str, state: State) {
        match self.write_state("queue", name, &state) {
            Ok(()) => self.unwritten().remove(name),
            Err(_) => self.unwritten().insert(name.to_owned(), state),
        };
    }

    /// Takes a mail out of the queue, now that everyone's server has it.
    ///
    /// # Errors
    /// The system's; the mail then still lies where it was.
    pub(super) fn settle(&self, name: &str, place: Place, state: &State) -> io::Result<()> {
        file::rename_durably(&self.path(place.folder(), name, "eml"), &self.path("sent", name, "eml"))?;
        self.unwritten().remove(name);
        let _ = fs::remove_file(self.path("queue", name, "state"));
        // The record of the acceptance is nice to have; the mail does not hang on it.
        let _ = self.write_state("sent", name, state);
        Ok(())
    }

    /// Removes from `sent` what is older than is kept, or too much.
    pub(super) fn prune(&self, now: Timestamp) -> io::Result<()> {
        let mut sent = disk::mails(&self.folder.join("sent"))?;
        sent.sort_by_key(|(_, since)| std::cmp::Reverse(*since));
        let oldest = now.as_second().saturating_sub(i64::from(self.keep.days) * 86_400);
        for (at, (name, since)) in sent.iter().enumerate() {
            if at >= self.keep.mails || since.as_second() < oldest {
                fs::remove_file(self.path("sent", name, "eml"))?;
                let _ = fs::remove_file(self.path("sent", name, "state"));
            }
        }
        Ok(())
    }

    fn write_state(&self, part: &str, name: &str, state: &State) -> io::Result<()> {
        let bytes = serde_json::to_vec(state).map_err(io::Error::other)?;
        let _lock = disk::lock_within(&self.folder.join("tmp"), PATIENCE)?;
        let temporary = self.path("tmp", name, "state");
        file::write_new(&temporary, &bytes)?;
        file::rename_durably(&temporary, &self.path(part, name, "state")).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }

    fn unwritten(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, State>> {
        // The map is whole after every single step, so a panic elsewhere cannot have spoiled it.
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, part: &str, name: &str, extension: &str) -> PathBuf {
        self.folder.join(part).join(format!("{name}.{extension}"))
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A state that is damaged or too large is as good as none.
fn read_state(path: &Path) -> (State, usize) {
    let bytes = file::read_at_most(path, Links::Refuse, MOST_OF_STATE).unwrap_or_default();
    (serde_json::from_slice(&bytes).unwrap_or_default(), bytes.len())
}

/// A message id as a file's name: readable, and different for every id.
fn file_name(id: &str) -> String {
    let inner = id.trim_start_matches('<').trim_end_matches('>');
    let mut name: String = inner.chars().map(|c| if disk::is_plain(c) { c } else { '_' }).take(120).collect();
    if name != inner || name.is_empty() || name.starts_with(['.', '-']) || id.len() != inner.len() + 2 {
        name = format!("mail-{name}-{}", digest(id, 8));
    }
    name
}

#[cfg(test)]
mod tests;
