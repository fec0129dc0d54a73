//! The processes of the host: read once per pass, shared by the watches that ask about processes, the owners of
//! sockets or the sessions of people. What did not change since the last pass is not read again.

pub mod alive;
pub mod events;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
pub mod nt;
pub mod origin;
pub mod parse;
pub mod script;
pub mod secret;
#[cfg(target_os = "linux")]
mod task;
#[cfg(windows)]
pub(crate) mod windows;

#[cfg(target_os = "linux")]
pub use task::living_folder;

use crate::host::Host;
use crate::text::Text;
use events::Pool;
use jiff::{SignedDuration, Timestamp};
#[cfg(target_os = "linux")]
pub(crate) use linux as system;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
#[cfg(windows)]
pub(crate) use windows as system;

/// Where processes are listed, in the words of the system.
pub const PROCESSES: &str = if cfg!(windows) { "the list of processes" } else { "/proc" };

/// A process, named by where its code comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its number. Only together with `start` does it name one process of this boot.
    pub pid: u32,
    /// When it started, in clock ticks after the boot; on Windows in units of 100 nanoseconds since 1601.
    pub start: u64,
    /// When it started, as a moment (to a hundredth of a second).
    pub since: Timestamp,
    /// The process that started it, or whoever took it over; 0 if nobody did, or it has ended on Windows.
    pub parent: u32,
    /// Where its code comes from.
    pub exe: Executable,
    /// The script, if `exe` is an interpreter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Text>,
    /// The name it gives itself: evidence, never identity.
    pub name: Text,
    /// Its arguments, cut to a few kilobytes, secrets masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Text>,
    /// The effective user's number; on Windows the last part of the user's SID.
    pub uid: u32,
    /// The effective user's name.
    pub user: Text,
    /// The systemd unit it belongs to; on Windows the services that run in it, in order, with `+` between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Text>,
    /// True if it sees other file systems than the first process of the host: paths in it are not the host's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
    /// The files that it runs, as they were when it was read, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
}

impl Process {
    /// The file of the host that it runs and that is there.
    #[must_use]
    pub fn present_file(&self) -> Option<&Text> {
        match &self.exe {
            Executable::Path(path) if !self.container => Some(path),
            _ => None,
        }
    }

    /// The file of the host that it runs, or ran before it was deleted or replaced.
    #[must_use]
    pub fn file(&self) -> Option<&Text> {
        match &self.exe {
            Executable::Path(path) | Executable::Deleted(path) if !self.container => Some(path),
            _ => None,
        }
    }

    /// The file of the host that it runs as an interpreter.
    #[must_use]
    pub fn script_file(&self) -> Option<&Text> {
        let path = self.present_file()?;
        let is_file = |text: &&Text| script::kind(path, text) == script::Kind::File;
        self.script.as_ref().filter(is_file)
    }

    /// Its arguments in one line.
    #[must_use]
    pub fn command_line(&self) -> String {
        self.args.iter().map(Text::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// The files that a process runs, each if it could be looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Files {
    /// Where its code comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<Version>,
    /// The script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<Version>,
}

/// A file in one state. Another that comes to its path has another one, and so has the same after it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// When anything about it changed last, in nanoseconds since 1970: nobody can set that but by setting the clock.
    pub changed: i64,
}

/// Where a process's code comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executable {
    /// A file, by its path.
    Path(Text),
    /// A file that is no longer there, by the path it had.
    Deleted(Text),
    /// Memory only (memfd), by the name it was given.
    Memory(Text),
    /// None: a thread of the kernel.
    Kernel,
    /// It may not be read by us, or it hides, and why.
    Unreadable(Text),
}

/// The processes of one moment.
#[derive(Debug, Default)]
pub struct Listing {
    /// When it was read.
    pub taken: Timestamp,
    /// By rising number.
    pub processes: Vec<Arc<Process>>,
    /// How many more there were that could not be read at all.
    pub unread: u64,
    /// How many of them were read anew. The others are as they were, so far as the kernel tells of all that changes.
    pub renewed: u64,
}

impl Listing {
    /// A listing of `processes`.
    #[must_use]
    pub fn new(taken: Timestamp, processes: impl IntoIterator<Item = impl Into<Arc<Process>>>) -> Self {
        let mut processes: Vec<Arc<Process>> = processes.into_iter().map(Into::into).collect();
        processes.sort_by_key(|process| process.pid);
        Self { taken, renewed: processes.len() as u64, processes, unread: 0 }
    }

    /// The process with this number.
    #[must_use]
    pub fn get(&self, pid: u32) -> Option<&Process> {
        let at = self.processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
        self.processes.get(at).map(AsRef::as_ref)
    }

    /// The parents of a process, the nearest first. Ends at the first process, and in any case.
    pub fn ancestors(&self, pid: u32) -> impl Iterator<Item = &Process> {
        let parent = |process: &&Process| self.get(process.parent);
        std::iter::successors(self.get(pid).and_then(|process| self.get(process.parent)), parent).take(64)
    }
}

/// A listing this young serves every watch of the same pass.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// The processes of a host, remembered from pass to pass, and those that start in between if somebody listens.
#[derive(Default)]
pub struct Processes {
    remembered: Mutex<Remembered>,
    starts: OnceLock<Arc<Pool>>,
    #[cfg(target_os = "linux")]
    changes: Arc<events::changes::Changes>,
}

/// What reading all processes came to.
#[derive(Debug, Default)]
struct Read {
    processes: Vec<Arc<Process>>,
    /// So many could not be read at all.
    unread: u64,
    /// So many of them were read anew.
    renewed: u64,
}

#[derive(Default)]
struct Remembered {
    reader: system::Reader,
    listing: Option<Arc<Listing>>,
}

impl Processes {
    /// The processes of this moment: read now, or a few seconds ago for another watch of the same pass.
    ///
    /// # Errors
    /// If the list of processes itself cannot be read.
    pub fn now(&self, host: &Host) -> io::Result<Arc<Listing>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let now = host.now();
        // Of what started and was lost only a new listing tells.
        let has_lost = self.starts.get().is_some_and(|starts| starts.has_lost());
        if let Some(listing) = remembered.listing.as_ref().filter(|_| !has_lost)
            && now.duration_since(listing.taken).abs() < FRESH
        {
            return Ok(Arc::clone(listing));
        }
        #[cfg(target_os = "linux")]
        let read = remembered.reader.read(host, self.changes.since_asked())?;
        #[cfg(windows)]
        let read = remembered.reader.read(host)?;
        let Read { processes, unread, renewed } = read;
        let listing = Arc::new(Listing { unread, renewed, ..Listing::new(now, processes) });
        remembered.listing = Some(Arc::clone(&listing));
        Ok(listing)
    }

    /// Lets a thread listen to what starts from now on, which calls `tell` when a pass should not wait for its time.
    ///
    /// # Errors
    /// If there can be no thread.
    #[cfg(target_os = "linux")]
    pub fn listen(&self, host: &Arc<Host>, tell: impl Fn() + Send + 'static) -> io::Result<()> {
        let pool = self.starts.get_or_init(|| Arc::new(Pool::new(host.now())));
        events::listen(Arc::clone(host), pool, Arc::clone(&self.changes), tell)
    }

    /// Nothing tells of what starts on this system.
    ///
    /// # Errors
    /// None.
    #[cfg(windows)]
    pub fn listen(&self, _host: &Arc<Host>, _tell: impl Fn() + Send + 'static) -> io::Result<()> {
        Ok(())
    }

    /// True if somebody listens: then this look is followed by others.
    #[must_use]
    pub fn are_followed(&self) -> bool {
        self.starts.get().is_some()
    }

    /// What has started, if somebody listens.
    #[must_use]
    pub fn starts(&self) -> Option<&Pool> {
        self.starts.get().map(AsRef::as_ref)
    }
}
