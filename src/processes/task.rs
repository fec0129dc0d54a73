//! What a process runs, and which of its threads can be asked about it. A process whose first thread has ended shows
//! nothing of itself in its own folder while its other threads run on; in the folder of one of those is all of it.

use super::Version;
use super::linux::read_at;
use super::parse;
use crate::host::Host;
use rustix::fs::Stat;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

/// Threads may start others and end while they are listed: so often they are listed again.
const LOOKS: usize = 50;

/// What is found of the program of a process.
pub enum Found {
    /// It runs this.
    Program(Program),
    /// It has none, and is not ending: a thread of the kernel, or something that hides.
    Nothing,
    /// It has ended, or all of its threads are ending: none of them can start another.
    Ended,
    /// Its threads end and new ones come, faster than they can be asked.
    Restless,
}

/// A program that runs.
pub struct Program {
    /// The thread that told of it, if the first one has ended.
    pub task: Option<OwnedFd>,
    /// The link to the executable.
    pub link: Vec<u8>,
    /// Its file, where a thread told of it: it may end any moment, and then shows nothing any more.
    seen: Option<Version>,
}

impl Program {
    /// What this folder tells of; nothing if there is none, or the thread let go of it meanwhile.
    pub fn of(folder: &OwnedFd) -> Result<Option<Self>, Errno> {
        let link = match readlinkat(folder, c"exe", Vec::new()) {
            Ok(link) => link.into_bytes(),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        Ok(Some(Self { task: None, link, seen: None }))
    }

    /// The file. It is of this program if that [still runs](Self::still_runs) afterwards.
    pub fn file(&self, folder: &OwnedFd) -> Result<Version, Errno> {
        self.seen.map_or_else(|| file_of(folder), Ok)
    }

    /// True if who told of it still does: then all that was read there is of this program.
    pub fn still_runs(&self, folder: &OwnedFd) -> bool {
        let folder = self.task.as_ref().unwrap_or(folder);
        readlinkat(folder, c"exe", Vec::new()).is_ok_and(|link| link.as_bytes() == self.link)
    }
}

/// The file that the process or thread of this folder runs.
fn file_of(folder: &OwnedFd) -> Result<Version, Errno> {
    Ok(Version::of(&statat(folder, c"exe", AtFlags::empty())?))
}

impl Version {
    /// The file that this was asked of.
    pub(super) fn of(stat: &Stat) -> Self {
        let nanoseconds = i64::try_from(stat.st_ctime_nsec).unwrap_or_default();
        let changed = stat.st_ctime.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        Self { device: stat.st_dev, inode: stat.st_ino, changed }
    }

    /// Device and inode.
    pub(super) const fn file(self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// What the process of this folder runs.
///
/// # Errors
/// If that may not be read.
pub fn find(folder: &OwnedFd, pid: u32, buffer: &mut Vec<u8>) -> Result<Found, Errno> {
    let mut last = None;
    for look in 0..LOOKS {
        if let Some(program) = Program::of(folder)? {
            return Ok(Found::Program(program));
        }
        // Did it end just now? Only what it is after that look says whether it hides something.
        let stat = read_stat(folder, buffer)?;
        if !stat.is_ending() {
            if look > 0 {
                return Ok(Found::Nothing);
            }
            continue;
        }
        if stat.threads <= 1 {
            return Ok(Found::Ended);
        }
        match ask_threads(folder, pid, buffer)? {
            Threads::Living(program) => return Ok(Found::Program(program)),
            // All of them were ending before they were listed, and none is new: there is no other.
            Threads::Ending(names) if last.as_ref() == Some(&names) => return Ok(Found::Ended),
            Threads::Ending(names) => last = Some(names),
            Threads::Changing => last = None,
        }
    }
    Ok(Found::Restless)
}

enum Threads {
    Living(Program),
    /// All that are listed are ending, and still there: so the kernel did not cut the list short at one.
    Ending(BTreeSet<Vec<u8>>),
    Changing,
}

fn ask_threads(folder: &OwnedFd, pid: u32, buffer: &mut Vec<u8>) -> Result<Threads, Errno> {
    let tasks = openat(folder, c"task", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let (mut ending, mut is_changing, mut refused) = (BTreeSet::new(), false, None);
    for entry in Dir::read_from(&tasks)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == pid.to_string().as_bytes() || name.starts_with(b".") {
            continue;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(task) = openat(&tasks, name, flags, Mode::empty()) else {
            is_changing = true;
            continue;
        };
        let program = Program::of(&task);
        if let Ok(Some(program)) = program {
            // What may not be looked at is none the less a program; what is gone by now is asked of another thread.
            let seen = file_of(&task);
            if seen.is_ok() || program.still_runs(&task) {
                return Ok(Threads::Living(Program { task: Some(task), seen: seen.ok(), ..program }));
            }
            is_changing = true;
            continue;
        }
        match (read_stat(&task, buffer), program) {
            (Ok(stat), _) if stat.is_ending() => {
                ending.insert(name.to_vec());
            }
            (Ok(_), Err(errno)) => refused = Some(errno),
            _ => is_changing = true,
        }
    }
    match refused {
        Some(errno) => Err(errno),
        None if is_changing || ending.is_empty() => Ok(Threads::Changing),
        None => Ok(Threads::Ending(ending)),
    }
}

/// The folder that tells of a process: its own, or that of a living thread if its first one has ended.
#[must_use]
pub fn living_folder(host: &Host, pid: u32) -> String {
    let own = format!("/proc/{pid}");
    let stat_of = |folder: &str| parse::parse_stat(&host.read(format!("{folder}/stat")).ok()?);
    if !stat_of(&own).is_some_and(|stat| stat.is_ending() && stat.threads > 1) {
        return own;
    }
    let Ok(tasks) = std::fs::read_dir(host.path(format!("{own}/task"))) else { return own };
    let folders = tasks.filter_map(|task| Some(format!("{own}/task/{}", task.ok()?.file_name().to_str()?)));
    let is_living = |folder: &String| stat_of(folder).is_some_and(|stat| !stat.is_ending());
    let mut living = folders.into_iter().filter(is_living);
    living.next().unwrap_or(own)
}

fn read_stat(folder: &OwnedFd, buffer: &mut Vec<u8>) -> Result<parse::Stat, Errno> {
    read_at(folder, c"stat", buffer, 4096)?;
    parse::parse_stat(buffer).ok_or(Errno::INVAL)
}
