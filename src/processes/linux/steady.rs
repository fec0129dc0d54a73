//! What need not be read again. The kernel tells of each program that is started, each new user, name and end. Where it does not, it
//! counts how long each thread has run: one that has not run since it was read has done none of that, and others are read. What changes
//! about a process without a word, and without its doing, is looked at here for all of them, as that costs little:
//!
//! - which processes there are: all are listed, and a number that is given again has another folder;
//! - where their programs lie: a file that was deleted, replaced or mounted over is another one at its path, or has changed, and
//!   the links of those who run it are read; so are those of whatever is no file of the host;
//! - whose they are: whoever lost its parent belongs to another one;
//! - what sshd says of itself: its processes are read in each look.
//!
//! And now and then all of them are read, in case this is wrong.

use super::{Executable, Host, Known, Lost, Moment, Reader, Runtime, parse, read_at};
use crate::processes::Read;
use crate::processes::events::changes::Change;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Mode, OFlags, RawDir, open, readlinkat};
use rustix::path::Arg;
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;

/// After so long all are read, whatever was told.
const ANEW: SignedDuration = SignedDuration::from_mins(5);

/// True if all are to be read: they were last at `whole`.
pub fn is_due(whole: Option<Timestamp>, now: Timestamp) -> bool {
    whole.is_none_or(|whole| now.duration_since(whole).abs() >= ANEW)
}

/// The number of each process, and the inode of its folder.
pub fn listed(host: &Host) -> io::Result<Vec<(u32, u64)>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(host.path("/proc"), flags, Mode::empty())?;
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut entries = RawDir::new(folder, buffer.spare_capacity_mut());
    let mut listed = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let pid = entry.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok());
        listed.extend(pid.map(|pid| (pid, entry.ino())));
    }
    Ok(listed)
}

impl Reader {
    /// These are to be read.
    pub(super) fn note(&mut self, changed: HashMap<u32, Change>) {
        for (pid, change) in changed {
            match change {
                // The same program at the same addresses may have other arguments.
                Change::Program => drop(self.known.remove(&pid)),
                Change::Other => {
                    if let Some(known) = self.known.get_mut(&pid) {
                        known.is_whole = false;
                    }
                }
            }
        }
    }

    /// True if this process is as it was when it was read, but perhaps for its parent. It is then of this pass.
    pub(super) fn is_unchanged(&mut self, pass: &mut Moment, pid: u32, inode: u64) -> bool {
        let Some(known) = self.known.get_mut(&pid) else { return false };
        let is_it = known.inode == inode
            && known.is_whole
            && !known.retitles()
            && (self.is_told || known.has_rested(pass, pid, &mut self.buffer))
            && known.runs_its_file(pass, pid, &mut self.buffer);
        if is_it {
            known.pass = self.number;
        }
        is_it
    }

    /// True if its parent runs, and not another process with that number, which would be younger.
    pub(super) fn has_its_parent(&self, known: &Known) -> bool {
        let parent = known.process.parent;
        parent == 0 || self.known.get(&parent).is_some_and(|parent| parent.stat.start <= known.stat.start)
    }

    /// Reads a process.
    pub(super) fn renew(&mut self, pass: &mut Moment, pid: u32, inode: u64, read: &mut Read) {
        match self.one(pass, pid) {
            Ok(attempt) => {
                read.renewed += 1;
                // What cannot be seen today may be seen tomorrow.
                let is_seen = |process: &super::Process| !matches!(process.exe, Executable::Unreadable(_));
                match (self.known.get_mut(&pid), attempt.process) {
                    (Some(known), Some(process)) => {
                        known.inode = inode;
                        known.is_whole = attempt.is_whole && is_seen(&process);
                        read.processes.push(process);
                    }
                    (_, process) => {
                        self.known.remove(&pid);
                        read.processes.extend(process);
                    }
                }
            }
            // One that ended meanwhile is gone, and that is all there is to say of it; others are counted.
            Err(lost) => {
                self.known.remove(&pid);
                read.unread += u64::from(matches!(lost, Lost::Refused));
            }
        }
    }
}

/// How much the first thread of a process has run, from its `schedstat`. While it runs the kernel counts a tick later.
pub(super) fn runtime(folder: impl AsFd, file: impl Arg, buffer: &mut Vec<u8>) -> Option<Runtime> {
    read_at(folder, file, buffer, 128).ok()?;
    parse::parse_schedstat(buffer)
}

impl Known {
    /// True if it had one thread when it was read, and that has not run since.
    fn has_rested(&self, pass: &Moment, pid: u32, buffer: &mut Vec<u8>) -> bool {
        self.runtime.is_some() && runtime(pass.proc, format!("{pid}/schedstat"), buffer) == self.runtime
    }

    /// True if its program still is the file that it was, and lies where it lay.
    fn runs_its_file(&mut self, pass: &mut Moment, pid: u32, buffer: &mut Vec<u8>) -> bool {
        if self.link.is_empty() {
            // A thread of the kernel has none.
            return self.process.exe == Executable::Kernel;
        }
        let stamp = if self.is_hosts { pass.stamp(&self.link) } else { None };
        if self.is_hosts {
            if stamp.is_some_and(|stamp| stamp.has_settled(pass.now)) && stamp == self.stamp {
                return true;
            }
            if !pass.is_file_of(&self.link, self.file) {
                return false;
            }
        }
        let link = readlinkat(pass.proc, format!("{pid}/exe"), std::mem::take(buffer));
        link.is_ok_and(|link| {
            let is_same = *link.as_bytes() == *self.link;
            if is_same {
                self.stamp = stamp;
            }
            *buffer = link.into_bytes();
            is_same
        })
    }
}

#[cfg(test)]
mod tests;
