//! What holds for all processes that are read at one moment: who the users are, when the host was started, and which files
//! lie at the paths of programs, by which one of the host is told from another one.

use super::super::{Executable, Version, parse, secret};
use super::folder::shown;
use crate::host::{Host, Users};
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{AtFlags, Mode, OFlags, fstatfs, openat, statat};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// A change of a file is told from the next one after so many seconds.
const TICK: i64 = 2;

/// File systems of this host's own: ext, XFS, Btrfs, ZFS, F2FS, memory, layers of others, and those of read-only images.
const LOCAL: [u32; 9] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0x2FC1_2FC1,
    0xF2F5_2010,
    0x0102_1994,
    0x794C_7630,
    0x7371_7368,
    0xE0F5_E1E2,
];

/// What holds for all processes of one moment.
pub struct Moment<'a> {
    host: &'a Host,
    pub(super) now: Timestamp,
    pub(super) proc: BorrowedFd<'a>,
    pub(super) users: Users,
    passwd: Option<(u64, i64, u64)>,
    boot: Timestamp,
    ticks: u64,
    files: HashMap<Vec<u8>, Option<Stamp>>,
    /// The one asked for last: those who run the same program mostly lie side by side.
    last: Option<(Vec<u8>, Option<Stamp>)>,
    /// Thousands of processes share a few names and programs.
    texts: HashMap<Vec<u8>, Text>,
    links: HashSet<Arc<[u8]>>,
    /// The arguments read last, and as they are shown: of many that run the same they lie side by side.
    arguments: (Vec<u8>, Vec<Text>),
    /// Of devices, whether the file system on them is this host's own.
    local: HashMap<u64, bool>,
}

/// A file, and when anything about it changed, its names among that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Its device and inode.
    file: (u64, u64),
    changed: (i64, u64),
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
        Ok(Self {
            host,
            now: host.now(),
            proc,
            users: host.users(),
            passwd: passwd(host),
            boot,
            ticks,
            files: HashMap::new(),
            last: None,
            texts: HashMap::new(),
            links: HashSet::new(),
            arguments: (Vec::new(), Vec::new()),
            local: HashMap::new(),
        })
    }

    /// Files may have been replaced since. What was named is not kept for ever either.
    pub fn forget_files(&mut self) {
        self.files.clear();
        self.last = None;
        self.texts.clear();
        self.links.clear();
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
            // One that even we may not look at (a FUSE of somebody's own) is not the one that we see at its path.
            Executable::Path(_) if file.is_none() && self.stamp(link).is_some() => true,
            Executable::Deleted(_) if file.is_none() => true,
            Executable::Path(_) | Executable::Deleted(_) => self.has_other_root(source),
            _ => false,
        }
    }

    /// True if what runs is the very file that the host has at its path.
    pub(super) fn is_file_of(&mut self, link: &[u8], running: Option<(u64, u64)>) -> bool {
        running.is_some() && self.stamp(link).map(|stamp| stamp.file) == running
    }

    /// This as text.
    pub(super) fn text(&mut self, bytes: &[u8]) -> Text {
        if let Some(text) = self.texts.get(bytes) {
            return text.clone();
        }
        let text = Text::new(bytes);
        self.texts.insert(bytes.to_vec(), text.clone());
        text
    }

    /// This link, kept once for all whose it is.
    pub(super) fn link(&mut self, link: &[u8]) -> Arc<[u8]> {
        if let Some(known) = self.links.get(link) {
            return Arc::clone(known);
        }
        let known: Arc<[u8]> = link.into();
        self.links.insert(Arc::clone(&known));
        known
    }

    /// These arguments as they are shown: masked, and cut.
    pub(super) fn arguments(&mut self, raw: Vec<u8>) -> Vec<Text> {
        if self.arguments.0 != raw {
            let (args, is_cut) = shown(&raw);
            let mut args = secret::masked(&args);
            if is_cut {
                args.push("…".into());
            }
            self.arguments = (raw, args);
        }
        self.arguments.1.clone()
    }

    /// The executable that this link names, which leads to this file. The kernel marks a file that is gone, and memory, in the
    /// link itself; a file may also just be called so.
    pub(super) fn executable(&mut self, link: &[u8], file: Option<(u64, u64)>) -> Executable {
        const DELETED: &[u8] = b" (deleted)";
        let (path, is_deleted) = match link.strip_suffix(DELETED) {
            Some(path) if !self.is_file_of(link, file) => (path, true),
            _ => (link, false),
        };
        if let Some(name) = path.strip_prefix(b"/memfd:".as_slice()) {
            return Executable::Memory(self.text(name));
        }
        let path = self.text(path);
        if is_deleted { Executable::Deleted(path) } else { Executable::Path(path) }
    }

    /// The file that the host has at this path.
    pub(super) fn stamp(&mut self, link: &[u8]) -> Option<Stamp> {
        if let Some((_, stamp)) = self.last.as_ref().filter(|(last, _)| last == link) {
            return *stamp;
        }
        let stamp = match self.files.get(link) {
            Some(known) => *known,
            None => self.look_at(link),
        };
        self.last = Some((link.to_vec(), stamp));
        stamp
    }

    fn look_at(&mut self, link: &[u8]) -> Option<Stamp> {
        let stat = rustix::fs::stat(self.host.path(OsStr::from_bytes(link))).ok();
        let stamp = stat.map(|stat| Stamp {
            file: (stat.st_dev, stat.st_ino),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        });
        self.files.insert(link.to_vec(), stamp);
        stamp
    }

    /// True if the kernel itself answers for the file that runs: a server may let us wait for ever, and a program may say anything.
    pub(super) fn is_local(&mut self, source: &OwnedFd, file: (u64, u64)) -> bool {
        *self.local.entry(file.0).or_insert_with(|| {
            let exe = openat(source, c"exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
            exe.and_then(fstatfs)
                .is_ok_and(|found| u32::try_from(found.f_type).is_ok_and(|number| LOCAL.contains(&number)))
        })
    }

    /// The script, and whether it is not the file that the host has under that path.
    pub(super) fn script(&self, folder: &OwnedFd, script: Option<&Text>) -> (Option<Version>, bool) {
        let Some(path) = script.filter(|script| script.starts_with('/')).map(Text::to_bytes) else {
            return (None, false);
        };
        let theirs = statat(folder, [&b"root"[..], &path].concat(), AtFlags::empty());
        let hosts = rustix::fs::stat(self.host.path(OsStr::from_bytes(&path)));
        let version = theirs.as_ref().ok().map(Version::of);
        let is_other = match (theirs, hosts) {
            (Ok(theirs), Ok(hosts)) => (theirs.st_dev, theirs.st_ino) != (hosts.st_dev, hosts.st_ino),
            // There, and not on the host; where we may not look, or it is gone in both, nothing can be said. Whoever does not show what it
            // has there may have any file.
            (Ok(_), Err(Errno::NOENT)) | (Err(_), Ok(_)) => true,
            _ => false,
        };
        (version, is_other)
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

impl Stamp {
    /// True if a change a moment after this would show: clocks of file systems tick coarsely.
    pub(super) fn has_settled(&self, now: Timestamp) -> bool {
        self.changed.0.saturating_add(TICK) < now.as_second()
    }
}

/// Tells one list of users from another.
fn passwd(host: &Host) -> Option<(u64, i64, u64)> {
    let stat = rustix::fs::stat(host.path("/etc/passwd")).ok()?;
    Some((stat.st_ino, stat.st_mtime, stat.st_mtime_nsec))
}
