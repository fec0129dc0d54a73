//! Mails on their way to the `sendmail` program: laid aside by a deliverer that may not run it, for one that may.

use super::{Outbox, Place, State};
use crate::file;
use crate::mail::disk;
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use std::io;

/// A mail that nobody has fetched for so long goes back into the queue: nobody fetches there.
pub const UNFETCHED: SignedDuration = SignedDuration::from_mins(10);

impl Outbox {
    /// Lays a mail aside. Its state says since when, whether or not that can be written.
    ///
    /// # Errors
    /// The system's; the mail then still lies in the queue.
    pub(in crate::mail) fn hand_over(&self, name: &str, mut state: State, now: Timestamp) -> io::Result<()> {
        state.handed_over = Some(now);
        state.next_try = now.checked_add(UNFETCHED).ok();
        self.note(name, state);
        file::rename_durably(&self.path("queue", name, "eml"), &self.path("handover", name, "eml"))
    }

    /// Puts a mail that was laid aside back into the queue, with what became of it.
    ///
    /// # Errors
    /// The system's; the mail then still lies there.
    pub(in crate::mail) fn take_back(&self, name: &str, mut state: State) -> io::Result<()> {
        state.handed_over = None;
        self.note(name, state);
        file::rename_durably(&self.path("handover", name, "eml"), &self.path("queue", name, "eml"))
    }

    /// The mails that are laid aside, the oldest first.
    ///
    /// # Errors
    /// As [`Outbox::waiting`].
    pub(in crate::mail) fn handed_over(&self) -> io::Result<Vec<String>> {
        let mut mails = disk::mails(&self.folder.join(Place::Handover.folder()))?;
        mails.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        Ok(mails.into_iter().map(|(name, _)| name).collect())
    }

    /// Moves what can be no mail out of the way, into the queue, where it is left alone: as long as anything lies here,
    /// somebody is started to fetch it. Returns the names.
    ///
    /// # Errors
    /// The system's, if the folder cannot be read; what cannot be moved stays.
    pub(in crate::mail) fn move_foreign(&self, fetcher: &disk::Lock) -> io::Result<Vec<Text>> {
        let queue = self.folder.join(Place::Queue.folder());
        disk::move_foreign(fetcher, &queue)
    }

    /// The right to do something with the mails that are laid aside; `None` while somebody gives them to `sendmail`.
    pub(in crate::mail) fn fetcher(&self) -> io::Result<Option<disk::Lock>> {
        disk::try_lock(&self.folder.join(Place::Handover.folder()))
    }
}
