//! What holds for all processes that are read at one moment: who the users are, when the host was started, and which files
//! lie at the paths of programs, by which one of the host is told from another one.

use super::super::Executable;
use super::super::parse;
use crate::host::{Host, Users};
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// What holds for all processes of one moment.
pub struct Moment<'a> {
    host: &'a Host,
    pub(super) proc: BorrowedFd<'a>,
    pub(super) users: Users,
    passwd: Option<(u64, i64, u64)>,
    boot: Timestamp,
    ticks: u64,
    files: HashMap<Vec<u8>, Option<(u64, u64)>>,
}

impl<'a> Moment<'a> {
    /// This moment of a host whose `/proc` is this folder.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn new(host: &'a Host, proc: BorrowedFd<'a>) -> io::Result<Self> {
        let boot = parse::parse_boot_time(&host.read("/proc/stat")?).unwrap_or(0);
        let boot = Timestamp::from_second(boot).unwrap_or_default();
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        Ok(Self { host, proc, users: host.users(), passwd: passwd(host), boot, ticks, files: HashMap::new() })
    }

    /// Files may have been replaced since.
    pub fn forget_files(&mut self) {
        self.files.clear();
    }

    /// Users may have been made since.
    pub(super) fn renew_users(&mut self) {
        let now = passwd(self.host);
        if self.passwd != now {
            (self.users, self.passwd) = (self.host.users(), now);
        }
    }

    /// When a process started: the boot plus its ticks.
    pub(super) fn since(&self, start: u64) -> Timestamp {
        let ms = start.saturating_mul(1000) / self.ticks;
        let after = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
        self.boot.saturating_add(after).unwrap_or(self.boot)
    }
}

impl Moment<'_> {
    /// True if the executable is not the file that the host has under that path: the process lives in a
    /// container, or has mounted something over it in a namespace of its own.
    pub(super) fn is_foreign(
        &mut self,
        source: &OwnedFd,
        exe: &Executable,
        link: &[u8],
        file: Option<(u64, u64)>,
    ) -> bool {
        match exe {
            Executable::Path(_) if file.is_some() => !self.is_file_of(link, file),
            Executable::Path(_) | Executable::Deleted(_) => self.has_other_root(source),
            _ => false,
        }
    }

    /// True if what runs is the very file that the host has at its path.
    pub(super) fn is_file_of(&mut self, link: &[u8], running: Option<(u64, u64)>) -> bool {
        if running.is_none() {
            return false;
        }
        let host = self.host;
        let file = self.files.entry(link.to_vec()).or_insert_with(|| {
            let path = host.path(OsStr::from_bytes(link));
            rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino))
        });
        *file == running
    }

    /// True if the script is not the file that the host has under that path.
    pub(super) fn has_other_script(&self, folder: &OwnedFd, script: Option<&Text>) -> bool {
        let Some(path) = script.filter(|script| script.starts_with('/')).map(Text::to_bytes) else {
            return false;
        };
        let theirs = statat(folder, [&b"root"[..], &path].concat(), AtFlags::empty());
        let hosts = rustix::fs::stat(self.host.path(OsStr::from_bytes(&path)));
        match (theirs, hosts) {
            (Ok(theirs), Ok(hosts)) => (theirs.st_dev, theirs.st_ino) != (hosts.st_dev, hosts.st_ino),
            // There, and not on the host; where we may not look, or it is gone in both, nothing can be said.
            (Ok(_), Err(Errno::NOENT)) => true,
            // Whoever does not even show its root may have any file there.
            (Err(_), Ok(_)) => statat(folder, c"root", AtFlags::empty()).is_err(),
            _ => false,
        }
    }

    /// True if it does not have the host's root, or does not show which one it has.
    fn has_other_root(&self, folder: &OwnedFd) -> bool {
        let root = |at: BorrowedFd, path: &CStr| {
            statat(at, path, AtFlags::empty()).ok().map(|stat| (stat.st_dev, stat.st_ino))
        };
        let theirs = root(folder.as_fd(), c"root");
        theirs.is_none() || theirs != root(self.proc, c"1/root")
    }
}

/// Tells one list of users from another.
fn passwd(host: &Host) -> Option<(u64, i64, u64)> {
    let stat = rustix::fs::stat(host.path("/etc/passwd")).ok()?;
    Some((stat.st_ino, stat.st_mtime, stat.st_mtime_nsec))
}
