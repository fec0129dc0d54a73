//! Reading `/proc`: every process, through a handle on its folder, so that a reused number cannot mix two
//! processes. What a process was started with is read once; what it can change is read in every pass.

mod dots;
mod moment;
mod origin;
mod steady;

use super::events::changes::Change;
use super::origin::Origin;
use super::parse::{self, Stat};
use super::script::{self, Invocation};
use super::task::{self, Found, Program};
use super::{Executable, Files, Listing, Process, Read, Version, secret};
use crate::host::Host;
use crate::text::Text;
pub use dots::without_dots;
use jiff::Timestamp;
pub use moment::Moment;
use moment::Stamp;
pub use origin::origin;
use origin::{group_of, login, session, session_of, working_folder};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, major, minor, openat, readlinkat, statat};
use rustix::io::{Errno, retry_on_intr};
use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

/// So much of a command line is kept: enough to know it by, and nobody can fill our memory or a mail with it.
const ARGS: usize = 4096;

/// And no more of them than this: each costs more than its letters, and thousands of one letter fill a memory.
const COUNT: usize = 64;

/// So much of it is read, to find the script of an interpreter: what the kernel allows in all.
const COMMAND_LINE: usize = 2 * 1024 * 1024;

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
    known: HashMap<u32, Known, foldhash::fast::RandomState>,
    /// How often all were listed, and when all of them were read.
    number: u64,
    whole: Option<Timestamp>,
    /// Number and start of those of this pass, and of the one before, of which no thread could be asked.
    restless: HashSet<(u32, u64)>,
    restless_before: HashSet<(u32, u64)>,
    buffer: Vec<u8>,
}

/// What is known of a process from an earlier pass.
struct Known {
    stat: Stat,
    link: Vec<u8>,
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
    /// Every process, by rising number. Those are read of which something was told since, if `changed` knows them; else all.
    ///
    /// # Errors
    /// If `/proc` itself cannot be read.
    pub(super) fn read(&mut self, host: &Host, changed: Option<HashMap<u32, Change>>) -> io::Result<Read> {
        let folder = std::fs::File::open(host.path("/proc"))?;
        let mut pass = Moment::new(host, folder.as_fd())?;
        // Whatever happens on the way, an unfinished pass is followed by a whole one.
        let whole = self.whole.take();
        let is_due = steady::is_due(whole, pass.now);
        let is_told = changed.is_some() && !is_due;
        self.note(changed.unwrap_or_default());
        self.number += 1;
        self.restless_before = std::mem::take(&mut self.restless);
        let mut read = Read { processes: Vec::with_capacity(self.known.len() + 16), ..Read::default() };
        let mut kept = Vec::new();
        for (pid, inode) in steady::listed(host)? {
            if is_told && self.is_unchanged(&mut pass, pid, inode) {
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
        self.whole = if is_told { whole } else { Some(pass.now) };
        read.processes.sort_unstable_by_key(|process| process.pid);
        Ok(read)
    }

    /// One process that has just started, and where it comes from, if it can still be read; nothing of it is remembered here.
    /// What is gone first when it ends is read first.
    pub fn read_one(&mut self, moment: &mut Moment, pid: u32) -> Option<(Arc<Process>, Origin)> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(moment.proc, pid.to_string(), flags, Mode::empty()).ok()?;
        let Ok(Some(program)) = Program::of(&folder) else {
            // A thread of the kernel, or one that has lived for long: there is time.
            let attempt = self.attempt(moment, &folder, pid, 0).ok();
            self.known.remove(&pid);
            self.restless.clear();
            let process = attempt.filter(|attempt| attempt.is_whole)?.process?;
            return Some((process, Origin::default()));
        };
        let raw = read_arguments(&folder);
        let file = program.file(&folder).ok();
        let working = working_folder(&folder);
        let uid = owner(&folder).ok()?;
        // All that follows can be read of one that has ended, until its parent takes note of that. Then nothing can: so this
        // was the user, and not root, to whom the folders of those fall that are gone.
        read_at(&folder, c"stat", &mut self.buffer, 4096).ok()?;
        let stat = parse::parse_stat(&self.buffer)?;
        read_at(&folder, c"cgroup", &mut self.buffer, 8192).ok()?;
        let unit = unit_of(&self.buffer);
        let (group, session_group) = (group_of(&self.buffer), session_of(&self.buffer));
        moment.renew_users();
        let login = login(&folder, &mut self.buffer, &moment.users);
        let session = session(&folder, session_group, login.as_ref(), &mut self.buffer);
        let terminal = parse::terminal(stat.terminal).map(Text::new);
        let origin = Origin { login, session, group, terminal, folder: working, ..Origin::default() };
        let found = Ok(program);
        let process =
            Self::fresh(moment, &folder, Started { pid, uid, stat: &stat, found: &found, file, raw, unit });
        match readlinkat(&folder, c"exe", Vec::new()) {
            // If it runs something else by now, that is told of next. Its arguments come a moment after its program.
            Ok(link) if found.as_ref().is_ok_and(|program| link.as_bytes() != program.link) => return None,
            Ok(_) if process.script.as_deref() == Some(script::NO_ARGUMENTS) => return None,
            Ok(_) => {}
            // It has ended, and of some of this it cannot be told whether that was before or after.
            Err(_) => {
                let is_whole = |script: &Text| script.starts_with(['/', '-']) && !process.container;
                let is_sure = process.script.as_ref().map_or(!process.container || file.is_some(), is_whole);
                // Where groups are of the first version, one that ends is in none any more.
                let has_group = process.unit.is_some() || origin.group.is_some();
                if !is_sure || !has_group {
                    return None;
                }
            }
        }
        Some((Arc::new(process), origin))
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
        let link = found.as_ref().map(|program| program.link.clone()).unwrap_or_default();
        let is_hosts = is_local && !process.container && matches!(process.exe, Executable::Path(_));
        let stamp = if is_hosts { pass.stamp(&link) } else { None };
        let known = Known {
            stat,
            link,
            process: Arc::clone(&process),
            pass: number,
            file,
            is_hosts,
            stamp,
            inode: 0,
            is_whole: false,
        };
        self.known.insert(pid, known);
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
            let read_link =
                |name: &CStr| readlinkat(source, name, Vec::new()).ok().map(std::ffi::CString::into_bytes);
            let look = |path: &std::path::Path, flags| {
                statat(source, [&b"root"[..], path.as_os_str().as_bytes()].concat(), flags).ok()
            };
            let invocation = Invocation {
                folder: &|| read_link(c"cwd"),
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
        let (args, is_cut) = shown(&raw);
        let mut args = secret::masked(&args);
        if is_cut {
            args.push("…".into());
        }
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
        self.stat.start == stat.start && self.stat.layout == stat.layout && visible && self.link == link
    }

    /// True of sshd: who has come, and in which process, it says in its arguments while it runs, and the kernel tells nobody.
    fn retitles(&self) -> bool {
        let path = self.link.strip_suffix(b" (deleted)").unwrap_or(&self.link);
        matches!(path.rsplit(|byte| *byte == b'/').next(), Some(b"sshd" | b"sshd-session"))
    }
}

/// The effective user of the process or thread of this folder: the kernel gives its folder to it, and to nobody else as
/// it does with the files in it. Asking for this costs far less than writing out `status`.
fn owner(folder: &OwnedFd) -> Result<u32, Lost> {
    Ok(fstat(folder).map_err(Lost::from)?.st_uid)
}

/// The user of what runs this program, asked after the program was seen: read before, it could be that of another one which
/// started this, as a set-uid program does and is started.
fn user_after(program: Option<&Program>, folder: &OwnedFd) -> Result<u32, Lost> {
    let Some((program, thread)) = program.and_then(|program| Some((program, program.task.as_ref()?))) else {
        return owner(folder);
    };
    let uid = owner(thread)?;
    // If the thread has ended meanwhile, what the first one was says it well enough.
    if program.still_runs(folder) { Ok(uid) } else { owner(folder) }
}

/// True if what was just read is still so: it runs this program, or has not ended if there is none to be seen.
fn is_there(program: Option<&Program>, folder: &OwnedFd) -> bool {
    match program {
        Some(program) if program.task.is_none() => program.still_runs(folder),
        _ => read_at(folder, c"stat", &mut Vec::new(), 4096).is_ok(),
    }
}

fn describe(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => "permission denied",
        Errno::NAMETOOLONG => "its path is too long to be read",
        _ => "the system would not say",
    }
}

/// What the standard input is. A device is one by what it is: a file can be called like one where `/dev` is somebody's own.
fn input(folder: &OwnedFd) -> Option<Vec<u8>> {
    let name = readlinkat(folder, c"fd/0", Vec::new()).ok()?.into_bytes();
    if !name.starts_with(b"/dev/") {
        return Some(name);
    }
    let stat = statat(folder, c"fd/0", AtFlags::empty()).ok()?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    let is_null = (major(stat.st_rdev), minor(stat.st_rdev)) == (1, 3);
    let is_so = is_device && (is_null || !name.starts_with(b"/dev/null"));
    Some(if is_so { name } else { [b"not the device: ", &name[..]].concat() })
}

/// The bytes of its arguments, as far as they are needed.
fn read_arguments(folder: &OwnedFd) -> Vec<u8> {
    let mut raw = Vec::new();
    let _ = read_at(folder, c"cmdline", &mut raw, ARGS + 1);
    if raw.len() > ARGS {
        let _ = read_at(folder, c"cmdline", &mut raw, COMMAND_LINE);
    }
    raw
}

/// Those of these arguments that are kept, and whether there were more.
fn shown(raw: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut args = parse::parse_cmdline(raw.get(..ARGS).unwrap_or(raw));
    let is_cut = raw.len() > ARGS || args.len() > COUNT;
    args.truncate(COUNT);
    (args, is_cut)
}

/// The systemd unit it belongs to, if any.
fn read_unit(folder: &OwnedFd, buffer: &mut Vec<u8>) -> Result<Option<Text>, Errno> {
    read_at(folder, c"cgroup", buffer, 8192)?;
    Ok(unit_of(buffer))
}

fn unit_of(groups: &[u8]) -> Option<Text> {
    parse::parse_cgroup_unit(groups).map(|unit| Text::cut(unit, 256))
}

/// Reads at most `limit` bytes of a file of the process into `buffer`. The kernel writes each of these files out in one piece: what was
/// read once is the whole, and asking for more would only cost another call.
pub(super) fn read_at(
    folder: &OwnedFd,
    name: &CStr,
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Errno> {
    let file = openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    buffer.clear();
    buffer.resize(limit, 0);
    let read = retry_on_intr(|| rustix::io::read(&file, &mut *buffer))?;
    buffer.truncate(read);
    Ok(())
}
