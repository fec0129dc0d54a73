//! Reading `/proc`: every process, through a handle on its folder, so that a reused number cannot mix two
//! processes. What a process was started with is read once; what it can change is read in every pass.

mod dots;
mod folder;
mod moment;
mod origin;
mod started;
mod steady;

use super::events::changes::Change;
use super::parse::{self, Runtime, Stat};
use super::script::{self, Invocation};
use super::task::{self, Found, Program};
use super::{Executable, Files, Listing, Process, Read, Version};
use crate::host::Host;
use crate::text::Text;
pub use dots::without_dots;
pub(super) use folder::read_at;
use folder::{describe, input, is_there, read_arguments, read_unit, user_after, working_folder};
use jiff::Timestamp;
pub use moment::Moment;
use moment::Stamp;
pub use origin::origin;
use rustix::fs::{Mode, OFlags, openat, statat};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

/// Why it is not seen what a process runs, and what cures that.
pub const WHY_NO_EXECUTABLE: &str =
    "an ordinary user may not see what the processes of others run; run as root";

/// Why not all processes are seen, and what cures that.
pub const WHY_NOT_ALL: &str = "processes are hidden from us (hidepid) or could not be opened; run as root";

/// Why it is not seen who runs a process: that is never so.
pub const WHY_NO_USER: &str = "";

/// Never: every process says who runs it.
pub fn has_no_user(_process: &Process) -> bool {
    false
}

/// True if others' processes are not even listed to us (hidepid): the first one always runs.
pub fn hides_others(listing: &Listing) -> bool {
    listing.get(1).is_none()
}

/// Reads processes, and remembers what they were started with.
#[derive(Default)]
pub struct Reader {
    /// Boxed: the empty places of a table would take as much memory as what is known.
    known: HashMap<u32, Box<Known>, foldhash::fast::RandomState>,
    /// How often all were listed, and when all of them were read.
    number: u64,
    whole: Option<Timestamp>,
    /// True if the kernel told what changed since the last pass.
    is_told: bool,
    /// Number and start of those of this pass, and of the one before, of which no thread could be asked.
    restless: HashSet<(u32, u64)>,
    restless_before: HashSet<(u32, u64)>,
    buffer: Vec<u8>,
}

/// What is known of a process from an earlier pass.
struct Known {
    stat: Stat,
    link: Arc<[u8]>,
    process: Arc<Process>,
    pass: u64,
    /// Device and inode of its program.
    file: Option<(u64, u64)>,
    /// True if that was the host's own file of that path.
    is_hosts: bool,
    /// The file of that path, seen before the link was read.
    stamp: Option<Stamp>,
    /// Of its folder in `/proc`: another process with that number has another one.
    inode: u64,
    /// True if all of it could be read.
    is_whole: bool,
    /// How much its only thread had run before it was last read.
    runtime: Option<Runtime>,
}

/// What is known already of a process that is read for the first time.
struct Started<'a> {
    pid: u32,
    uid: u32,
    stat: &'a Stat,
    /// Its program, or what is to be said of it as there is none to be seen.
    found: &'a Result<Program, Executable>,
    /// The file of its program.
    file: Option<Version>,
    raw: Vec<u8>,
    unit: Option<Text>,
}

/// What reading a process once came to. It may have ended, or started another program, meanwhile.
struct Attempt {
    process: Option<Arc<Process>>,
    is_whole: bool,
}

/// A process that cannot be read wholly is read again after each of these.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(4), Duration::from_millis(8)];

/// Why a process could not be read at all.
enum Lost {
    /// It ended while we read it.
    Gone,
    /// We may not, or cannot.
    Refused,
}

impl From<Errno> for Lost {
    fn from(errno: Errno) -> Self {
        if matches!(errno, Errno::NOENT | Errno::SRCH) { Self::Gone } else { Self::Refused }
    }
}

impl Reader {
    /// Every process, by rising number. Those are read of which something was told since, if `changed` knows them; else those that have
    /// run since.
    ///
    /// # Errors
    /// If `/proc` itself cannot be read.
    pub(super) fn read(&mut self, host: &Host, changed: Option<HashMap<u32, Change>>) -> io::Result<Read> {
        let folder = std::fs::File::open(host.path("/proc"))?;
        let mut pass = Moment::new(host, folder.as_fd())?;
        // Whatever happens on the way, an unfinished pass is followed by a whole one.
        let whole = self.whole.take();
        let is_due = steady::is_due(whole, pass.now);
        self.is_told = changed.is_some();
        self.note(changed.unwrap_or_default());
        self.number += 1;
        self.restless_before = std::mem::take(&mut self.restless);
        let mut read = Read { processes: Vec::with_capacity(self.known.len() + 16), ..Read::default() };
        let mut kept = Vec::new();
        for (pid, inode) in steady::listed(host)? {
            if !is_due && self.is_unchanged(&mut pass, pid, inode) {
                kept.push((pid, inode));
            } else {
                self.renew(&mut pass, pid, inode, &mut read);
            }
        }
        self.known.retain(|_, known| known.pass == self.number);
        for (pid, inode) in kept {
            match self.known.get(&pid).filter(|known| self.has_its_parent(known)) {
                Some(known) => read.processes.push(Arc::clone(&known.process)),
                None => self.renew(&mut pass, pid, inode, &mut read),
            }
        }
        self.whole = if is_due { Some(pass.now) } else { whole };
        read.processes.sort_unstable_by_key(|process| process.pid);
        Ok(read)
    }

    /// One process; nothing if it is dead and only waits to be buried.
    fn one(&mut self, pass: &mut Moment, pid: u32) -> Result<Attempt, Lost> {
        let number = self.number;
        let folder = openat(
            pass.proc,
            pid.to_string(),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(Lost::from)?;
        let mut attempt = self.attempt(pass, &folder, pid, number)?;
        for pause in PAUSES {
            if attempt.is_whole {
                break;
            }
            std::thread::sleep(pause);
            attempt = self.attempt(pass, &folder, pid, number)?;
        }
        Ok(attempt)
    }

    /// Reads a process once.
    fn attempt(
        &mut self,
        pass: &mut Moment,
        folder: &OwnedFd,
        pid: u32,
        number: u64,
    ) -> Result<Attempt, Lost> {
        // What lies at its path is looked at before its link is read, which says whether it still is what runs.
        if let Some(known) = self.known.get(&pid).filter(|known| known.is_hosts) {
            pass.stamp(&known.link);
        }
        // Of those that end soon it is never needed, so it is asked of those that were there before.
        let runtime = if !self.is_told && self.known.contains_key(&pid) {
            steady::runtime(folder, c"schedstat", &mut self.buffer)
        } else {
            None
        };
        read_at(folder, c"stat", &mut self.buffer, 4096).map_err(Lost::from)?;
        let stat = parse::parse_stat(&self.buffer).ok_or(Lost::Refused)?;
        let found = if stat.is_kernel_thread() {
            Ok(Found::Nothing)
        } else {
            task::find(folder, pid, &mut self.buffer)
        };
        let mut is_whole = true;
        let found = match found {
            // A kernel thread has no program and descends from the kernel's own; anything else hides something.
            Ok(Found::Nothing) if stat.is_kernel_thread() && (stat.parent == 2 || pid == 2) => {
                Err(Executable::Kernel)
            }
            Ok(Found::Nothing) => {
                Err(Executable::Unreadable("it has no executable and is no kernel thread".into()))
            }
            Ok(Found::Ended) => return Ok(Attempt { process: None, is_whole }),
            Ok(Found::Restless) => {
                is_whole = false;
                self.restless.insert((pid, stat.start));
                // One that really ends is gone in the next pass; one that hides is still at it.
                if !self.restless_before.contains(&(pid, stat.start)) {
                    return Ok(Attempt { process: None, is_whole });
                }
                Err(Executable::Unreadable("its threads start others and end all the time".into()))
            }
            Ok(Found::Program(program)) => Ok(program),
            Err(errno @ (Errno::SRCH | Errno::NOENT)) => return Err(Lost::from(errno)),
            Err(errno) => Err(Executable::Unreadable(Text::from(describe(errno)))),
        };
        // A thread that told of it may be gone again.
        let program = found.as_ref().ok();
        let source = program.and_then(|program| program.task.as_ref()).unwrap_or(folder);
        let uid = user_after(program, folder)?;
        let link = program.map(|program| program.link.as_slice()).unwrap_or_default();
        if let Some(known) = self.known.get_mut(&pid)
            && !known.retitles()
            && known.same_program(&stat, link)
            && (!known.is_hosts || pass.is_file_of(link, known.file))
        {
            known.pass = number;
            known.stamp = if known.is_hosts { pass.stamp(link) } else { None };
            // What one of several threads does, the runtime of the first does not show.
            known.runtime = runtime.filter(|_| stat.threads == 1);
            let old = &known.process;
            // The folder of one that has ended is root's, and one that runs another program may have its user.
            if old.uid != uid && !is_there(program, folder) {
                return Ok(Attempt { process: Some(Arc::clone(old)), is_whole: false });
            }
            if old.uid != uid || old.parent != stat.parent || known.stat.name != stat.name {
                let (user, name) = (pass.users.name(uid), pass.text(&stat.name));
                known.process =
                    Arc::new(Process { uid, user, name, parent: stat.parent, ..Process::clone(old) });
                known.stat = stat;
            }
            return Ok(Attempt { process: Some(Arc::clone(&known.process)), is_whole });
        }
        let (mut raw, mut unit) = (Vec::new(), None);
        if !matches!(found, Err(Executable::Kernel)) {
            raw = read_arguments(source);
            unit = read_unit(source, &mut self.buffer).ok().flatten();
        }
        let file = program.and_then(|program| program.file(source).ok());
        let started = Started { pid, uid, stat: &stat, found: &found, file, raw, unit };
        let process = Arc::new(Self::fresh(pass, source, started));
        // The folder handle already ties all of this to one process; that it still is there, with the same program,
        // says that it is whole.
        match &found {
            Ok(program) => is_whole &= program.still_runs(folder),
            Err(_) => read_at(folder, c"stat", &mut self.buffer, 4096).map_err(Lost::from)?,
        }
        let file = file.map(Version::file);
        // An interpreter that was just started shows its arguments a moment later, and where the processor is not ours much later.
        // Nothing of it runs before; what hides its arguments has run.
        if process.script.as_deref() == Some(script::NO_ARGUMENTS) {
            if !stat.has_environment() {
                return Ok(Attempt { process: None, is_whole: false });
            }
            is_whole = false;
        }
        // The link was read again after its file was looked at.
        let is_local = file.is_some_and(|file| pass.is_local(source, file));
        let link = found.as_ref().map(|program| program.link.as_slice()).unwrap_or_default();
        let is_hosts = is_local && !process.container && matches!(process.exe, Executable::Path(_));
        let stamp = if is_hosts { pass.stamp(link) } else { None };
        let known = Known {
            stat,
            link: pass.link(link),
            process: Arc::clone(&process),
            pass: number,
            file,
            is_hosts,
            stamp,
            inode: 0,
            is_whole: false,
            runtime: None,
        };
        self.known.insert(pid, Box::new(known));
        Ok(Attempt { process: Some(process), is_whole })
    }

    /// A process that is new, or runs a new program: what it was started with is read, from `source`.
    fn fresh(pass: &mut Moment, source: &OwnedFd, started: Started) -> Process {
        let Started { pid, uid, stat, found, file: version, raw, unit } = started;
        let file = version.map(Version::file);
        let link = found.as_ref().map(|program| program.link.as_slice()).unwrap_or_default();
        let exe = match found {
            Ok(program) => pass.executable(&program.link, file),
            Err(exe) => exe.clone(),
        };
        let mut script = None;
        if exe != Executable::Kernel {
            let args = parse::parse_cmdline(&raw);
            let look = |path: &std::path::Path, flags| {
                statat(source, [&b"root"[..], path.as_os_str().as_bytes()].concat(), flags).ok()
            };
            let invocation = Invocation {
                folder: &|| working_folder(source),
                input: &|| input(source),
                without_dots: &|path| dots::without_dots(path, &look),
            };
            script = script::find(link, &args, &invocation);
        }
        let is_foreign = pass.is_foreign(source, &exe, link, file);
        // Of what is no file of the host nobody asks.
        let (script_version, has_other_script) =
            if is_foreign { (None, false) } else { pass.script(source, script.as_ref()) };
        let files = (exe != Executable::Kernel).then_some(Files { exe: version, script: script_version });
        let args = pass.arguments(raw);
        Process {
            pid,
            start: stat.start,
            since: pass.since(stat.start),
            parent: stat.parent,
            container: is_foreign || has_other_script,
            files,
            exe,
            script,
            name: pass.text(&stat.name),
            args,
            uid,
            user: pass.users.name(uid),
            unit,
        }
    }
}

impl Known {
    /// True if the process has not started another program since. Its memory layout tells, as every program is
    /// placed anew; where we may not see the layout (all zero), nothing tells, and it is read again.
    fn same_program(&self, stat: &Stat, link: &[u8]) -> bool {
        let visible = stat.is_kernel_thread() || stat.layout.iter().any(|address| *address > 1);
        self.stat.start == stat.start && self.stat.layout == stat.layout && visible && *self.link == *link
    }

    /// True of sshd: who has come, and in which process, it says in its arguments while it runs, and the kernel tells nobody.
    fn retitles(&self) -> bool {
        let path = self.link.strip_suffix(b" (deleted)").unwrap_or(&self.link);
        matches!(path.rsplit(|byte| *byte == b'/').next(), Some(b"sshd" | b"sshd-session"))
    }
}
