//! Reading the processes of a Windows host. The kernel lists all of them to anybody, and tells everybody which file each
//! runs; user and arguments must be asked of the process itself, which some refuse even to administrators. What a process
//! was started with is asked once.

use super::nt;
use super::origin::Origin;
use super::script::{self, Invocation};
use super::{Executable, Listing, Process, Read, secret};
use crate::host::Host;
use crate::text::Text;
use crate::win32;
use crate::win32::process_list::Listed;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why it is not seen what a process runs, and what cures that.
pub const WHY_NO_EXECUTABLE: &str =
    "an ordinary user may not see what the processes of others run; run as an administrator";

/// Why not all processes are seen: that is never so.
pub const WHY_NOT_ALL: &str = "the list of processes is not whole";

/// Why it is not seen who runs a process, and what cures that.
pub const WHY_NO_USER: &str =
    "who runs a process and its arguments is not told to us; run as an administrator who may debug programs";

/// True if its user could not be told; nor could its arguments then.
pub fn has_no_user(process: &Process) -> bool {
    process.user == UNKNOWN_USER
}

/// Never: the kernel lists all processes to everybody.
pub fn hides_others(_listing: &Listing) -> bool {
    false
}

/// Who started a process is told elsewhere, and no more than that is told here.
pub fn origin(_host: &Host, _process: &Process) -> Origin {
    Origin::default()
}

/// So much of a command line is kept: enough to know it by, and nobody can fill our memory or a mail with it.
const ARGS: usize = 4096;

/// The first process, from which those of the kernel descend.
const SYSTEM: u32 = 4;

/// What a user is called who cannot be told.
pub const UNKNOWN_USER: &str = "(unknown)";

/// So many names are remembered; then they are asked for anew.
const REMEMBERED: usize = 10_000;

/// Reads processes, and remembers what they were started with.
#[derive(Default)]
pub struct Reader {
    /// By number and start.
    known: HashMap<(u32, u64), Arc<Process>>,
    accounts: HashMap<Vec<u8>, (u32, Text)>,
    /// What files are really called, by what they were called.
    paths: HashMap<String, String>,
    has_asked_for_rights: bool,
}

/// What holds for all processes of one pass.
struct Pass {
    drives: Vec<(char, String)>,
    windows: String,
    services: BTreeMap<u32, Text>,
}

impl Reader {
    /// Every process, by rising number, and how many could not be read at all: none, as the kernel lists all.
    ///
    /// # Errors
    /// If the kernel does not list them.
    pub(super) fn read(&mut self, _host: &Host) -> io::Result<Read> {
        if !self.has_asked_for_rights {
            self.has_asked_for_rights = true;
            // Without it some processes do not tell their user: that is a gap of its own.
            let _ = win32::account::enable_debug_privilege();
        }
        let listed = win32::process_list::read()?;
        let starts: HashMap<u32, u64> = listed.iter().map(|one| (one.pid, one.start)).collect();
        let pass = Pass {
            drives: win32::drive::all(),
            windows: win32::folder::windows().to_string_lossy().into_owned(),
            services: services(win32::service::running().unwrap_or_default()),
        };
        let mut known = HashMap::with_capacity(listed.len());
        let mut processes = Vec::with_capacity(listed.len());
        for one in &listed {
            let unit = pass.services.get(&one.pid).cloned();
            let process = match self.known.get(&(one.pid, one.start)) {
                Some(old) if old.unit == unit => Arc::clone(old),
                // Services come and go in a process that stays.
                Some(old) => Arc::new(Process { unit, ..Process::clone(old) }),
                None => Arc::new(self.fresh(&pass, one, parent(one, &starts), unit)),
            };
            if is_whole(&process) {
                known.insert((one.pid, one.start), Arc::clone(&process));
            }
            processes.push(process);
        }
        self.known = known;
        processes.sort_unstable_by_key(|process| process.pid);
        Ok(Read { unread: 0, renewed: processes.len() as u64, processes })
    }

    /// A process that is new: what it was started with is asked.
    fn fresh(&mut self, pass: &Pass, one: &Listed, parent: u32, unit: Option<Text>) -> Process {
        // Its number may be another's by now.
        let handle = win32::process::Process::open(one.pid)
            .and_then(|handle| match handle.start()? {
                start if start == one.start => Ok(handle),
                _ => Err(io::ErrorKind::NotFound.into()),
            })
            .ok();
        let exe = self.executable(pass, one, handle.as_ref());
        let (uid, user) = match handle.as_ref().and_then(|handle| handle.user().ok()) {
            Some(sid) => self.account(sid),
            None if exe == Executable::Kernel => (18, Text::from(r"NT AUTHORITY\SYSTEM")),
            None => (u32::MAX, Text::from(UNKNOWN_USER)),
        };
        let line = handle.map(|handle| command_line(one, &handle)).unwrap_or_default();
        let line = line.as_encoded_bytes();
        let (args, script) = match &exe {
            Executable::Kernel => (Vec::new(), None),
            exe => (shown(line), script(exe, line)),
        };
        Process {
            pid: one.pid,
            start: one.start,
            since: moment(one.start),
            parent,
            exe,
            script,
            name: Text::cut(one.name.as_encoded_bytes(), 512),
            args,
            uid,
            user,
            unit,
            container: false,
            files: None,
        }
    }

    /// The file that a process runs. It is the kernel's own only if the kernel says that it has no file, and if it is one
    /// of those that the kernel starts: by its number, or by being a child of the first.
    fn executable(
        &mut self,
        pass: &Pass,
        one: &Listed,
        handle: Option<&win32::process::Process>,
    ) -> Executable {
        if one.pid == 0 {
            return Executable::Kernel;
        }
        let asked = handle.and_then(|handle| handle.image().ok()).filter(|path| !path.is_empty());
        let path = match asked {
            Some(path) => path,
            None => match win32::process_list::image(one.pid) {
                Ok(path) => path,
                Err(error) => return Executable::Unreadable(why(&error)),
            },
        };
        let Some(path) = path.to_str() else {
            return Executable::Unreadable("its path holds what is no text".into());
        };
        // The kernel's own have no file: no path, or a name where others have a path.
        if !path.contains('\\') {
            let is_the_kernels = one.pid == SYSTEM || one.parent == SYSTEM;
            return if is_the_kernels {
                Executable::Kernel
            } else {
                Executable::Unreadable("it has no executable and is none of the kernel's own".into())
            };
        }
        if path.chars().any(char::is_control) {
            return Executable::Unreadable("its path holds control characters".into());
        }
        let path = nt::from_kernel_path(path, &pass.drives, &pass.windows);
        self.on_disk(path)
    }

    /// What a file is really called; if it is not there any more, that it is deleted. A file that runs can be renamed, and
    /// is then told by its new name.
    fn on_disk(&mut self, path: String) -> Executable {
        const FILE_NOT_FOUND: i32 = 2;
        const PATH_NOT_FOUND: i32 = 3;
        if let Some(real) = self.paths.get(&path) {
            return Executable::Path(Text::from(real.as_str()));
        }
        if nt::is_of_another_host(&path) {
            return Executable::Path(Text::from(path.as_str()));
        }
        match win32::drive::final_path(Path::new(&path)) {
            Ok(real) => {
                let real = real.to_str().map_or_else(|| path.clone(), nt::from_verbatim);
                if self.paths.len() >= REMEMBERED {
                    self.paths.clear();
                }
                self.paths.insert(path, real.clone());
                Executable::Path(Text::from(real.as_str()))
            }
            Err(error) if matches!(error.raw_os_error(), Some(FILE_NOT_FOUND | PATH_NOT_FOUND)) => {
                Executable::Deleted(Text::from(path.as_str()))
            }
            // We may not look: what the kernel says stands.
            Err(_) => Executable::Path(Text::from(path.as_str())),
        }
    }

    fn account(&mut self, sid: Vec<u8>) -> (u32, Text) {
        if let Some(known) = self.accounts.get(&sid) {
            return known.clone();
        }
        let Some((written, last)) = nt::parse_sid(&sid) else { return (u32::MAX, UNKNOWN_USER.into()) };
        let name = match nt::well_known(&written) {
            Some(name) => Text::from(name),
            None => win32::account::name(&sid)
                .map_or_else(|| Text::from(&*written), |name| Text::cut(name.as_encoded_bytes(), 512)),
        };
        if self.accounts.len() >= REMEMBERED {
            self.accounts.clear();
        }
        self.accounts.insert(sid, (last, name.clone()));
        (last, name)
    }
}

/// The command line; where Windows has no call that tells it (before 8.1, and under Wine), from the process's memory.
fn command_line(one: &Listed, handle: &win32::process::Process) -> std::ffi::OsString {
    let line = handle.command_line().or_else(|_| win32::memory::command_line(one.pid));
    line.unwrap_or_default()
}

/// True if all of a process was read, so that it need not be read again.
fn is_whole(process: &Process) -> bool {
    matches!(process.exe, Executable::Path(_) | Executable::Kernel)
        && process.user != UNKNOWN_USER
        && process.script.as_deref() != Some(script::NO_ARGUMENTS)
}

/// The parent, if it is that: a number is given to another process once its own has ended, and no child is older than
/// its parent.
fn parent(one: &Listed, starts: &HashMap<u32, u64>) -> u32 {
    match starts.get(&one.parent) {
        Some(start) if *start <= one.start && one.parent != one.pid => one.parent,
        _ => 0,
    }
}

/// The services by process, those of one in order.
fn services(running: Vec<(u32, std::ffi::OsString)>) -> BTreeMap<u32, Text> {
    let mut by_process: BTreeMap<u32, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for (pid, name) in running.into_iter().filter(|(pid, _)| *pid != 0) {
        by_process.entry(pid).or_default().insert(name.as_encoded_bytes().to_vec());
    }
    let joined =
        |names: BTreeSet<Vec<u8>>| Text::cut(&names.into_iter().collect::<Vec<_>>().join(&b'+'), 1024);
    by_process.into_iter().map(|(pid, names)| (pid, joined(names))).collect()
}

fn shown(line: &[u8]) -> Vec<Text> {
    let args = nt::parse_command_line(line.get(..ARGS).unwrap_or(line));
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let mut shown = secret::masked(&args);
    if line.len() > ARGS {
        shown.push("…".into());
    }
    shown
}

fn script(exe: &Executable, line: &[u8]) -> Option<Text> {
    let (Executable::Path(path) | Executable::Deleted(path)) = exe else { return None };
    // The folder and the input of another process are not to be asked for.
    let nothing = || None;
    script::find_on_windows(
        &path.to_bytes(),
        line,
        &Invocation { folder: &|| super::script::Folder::Unseen, input: &nothing, without_dots: &|_| None },
    )
}

/// When a process started: so many units of 100 nanoseconds after the beginning of 1601.
fn moment(start: u64) -> Timestamp {
    const BEGINNING: Timestamp = Timestamp::constant(-11_644_473_600, 0);
    let (seconds, rest) = (start / 10_000_000, start % 10_000_000);
    let nanoseconds = i32::try_from(rest * 100).unwrap_or(0);
    let after = SignedDuration::new(i64::try_from(seconds).unwrap_or(0), nanoseconds);
    BEGINNING.saturating_add(after).unwrap_or(BEGINNING)
}

fn why(error: &io::Error) -> Text {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => Text::from(&*error.to_string()),
    }
}

#[cfg(test)]
mod tests;
