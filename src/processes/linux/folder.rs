//! What one process shows in its folder of `/proc`, or in that of one of its threads.

use super::super::parse;
use super::super::script::Folder;
use super::super::task::Program;
use super::Lost;
use crate::text::Text;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, major, minor, openat, readlinkat, statat};
use rustix::io::{Errno, retry_on_intr};
use std::os::fd::{AsFd, OwnedFd};

/// So much of a command line is kept: enough to know it by, and nobody can fill our memory or a mail with it.
const ARGS: usize = 4096;

/// And no more of them than this: each costs more than its letters, and thousands of one letter fill a memory.
const COUNT: usize = 64;

/// So much of it is read, to find the script of an interpreter: what the kernel allows in all.
const COMMAND_LINE: usize = 2 * 1024 * 1024;

/// The effective user of the process or thread of this folder: the kernel gives its folder to it, and to nobody else as
/// it does with the files in it. Asking for this costs far less than writing out `status`.
pub(super) fn owner(folder: &OwnedFd) -> Result<u32, Lost> {
    Ok(fstat(folder).map_err(Lost::from)?.st_uid)
}

/// The user of what runs this program, asked after the program was seen: read before, it could be that of another one which
/// started this, as a set-uid program does and is started.
pub(super) fn user_after(program: Option<&Program>, folder: &OwnedFd) -> Result<u32, Lost> {
    let Some((program, thread)) = program.and_then(|program| Some((program, program.task.as_ref()?))) else {
        return owner(folder);
    };
    let uid = owner(thread)?;
    // If the thread has ended meanwhile, what the first one was says it well enough.
    if program.still_runs(folder) { Ok(uid) } else { owner(folder) }
}

/// True if what was just read is still so: it runs this program, or has not ended if there is none to be seen.
pub(super) fn is_there(program: Option<&Program>, folder: &OwnedFd) -> bool {
    match program {
        Some(program) if program.task.is_none() => program.still_runs(folder),
        _ => read_at(folder, c"stat", &mut Vec::new(), 4096).is_ok(),
    }
}

pub(super) fn describe(errno: Errno) -> &'static str {
    match errno {
        Errno::ACCESS | Errno::PERM => "permission denied",
        Errno::NAMETOOLONG => "its path is too long to be read",
        _ => "the system would not say",
    }
}

/// Where it works. A folder that was unmounted under it still has the name that it had there, which may be that of another.
pub(super) fn working_folder(folder: &OwnedFd) -> Folder {
    let place =
        |path: &[u8]| statat(folder, path, AtFlags::empty()).ok().map(|stat| (stat.st_dev, stat.st_ino));
    let Some((link, own)) = readlinkat(folder, c"cwd", Vec::new()).ok().zip(place(b"cwd")) else {
        return Folder::Unseen;
    };
    // In a changed root its name is the host's.
    let is_it = [&b"root"[..], b""].iter().any(|root| place(&[root, link.as_bytes()].concat()) == Some(own));
    if is_it { Folder::At(link.into_bytes()) } else { Folder::Lost }
}

/// What the standard input is, if there is any. A device is one by what it is: a file can be called like one where `/dev` is
/// somebody's own.
pub(super) fn input(folder: &OwnedFd) -> Option<Vec<u8>> {
    let Ok(name) = readlinkat(folder, c"fd/0", Vec::new()) else {
        // One that has ended shows none either, and may have read its program from it.
        let has_ended = readlinkat(folder, c"exe", Vec::new()).is_err();
        return has_ended.then(|| b"not seen".to_vec());
    };
    let name = name.into_bytes();
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
pub(super) fn read_arguments(folder: &OwnedFd) -> Vec<u8> {
    let mut raw = Vec::new();
    let _ = read_at(folder, c"cmdline", &mut raw, ARGS + 1);
    if raw.len() > ARGS {
        let _ = read_at(folder, c"cmdline", &mut raw, COMMAND_LINE);
    }
    raw
}

/// Those of these arguments that are kept, and whether there were more.
pub(super) fn shown(raw: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut args = parse::parse_cmdline(raw.get(..ARGS).unwrap_or(raw));
    let is_cut = raw.len() > ARGS || args.len() > COUNT;
    args.truncate(COUNT);
    (args, is_cut)
}

/// The systemd unit it belongs to, if any.
pub(super) fn read_unit(folder: &OwnedFd, buffer: &mut Vec<u8>) -> Result<Option<Text>, Errno> {
    read_at(folder, c"cgroup", buffer, 8192)?;
    Ok(unit_of(buffer))
}

pub(super) fn unit_of(groups: &[u8]) -> Option<Text> {
    parse::parse_cgroup_unit(groups).map(|unit| Text::cut(unit, 256))
}

/// Reads at most `limit` bytes of a file of the process into `buffer`. The kernel writes each of these files out in one piece: what was
/// read once is the whole, and asking for more would only cost another call.
pub(in crate::processes) fn read_at(
    folder: impl AsFd,
    name: impl rustix::path::Arg,
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

#[cfg(test)]
#[expect(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn folder_of(child: &Child) -> OwnedFd {
        rustix::fs::open(format!("/proc/{}", child.id()), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .unwrap()
    }

    #[test]
    fn the_input_of_one_that_has_ended_is_not_taken_for_none() {
        let mut living = Command::new("sh").args(["-c", "exec sleep 60 <&-"]).spawn().unwrap();
        let mut piped = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mut ended = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        let (one, two, three) = (folder_of(&living), folder_of(&piped), folder_of(&ended));
        let is_asleep =
            || readlinkat(&one, c"exe", Vec::new()).is_ok_and(|exe| exe.to_bytes().ends_with(b"sleep"));
        while !is_asleep() || readlinkat(&three, c"exe", Vec::new()).is_ok() {
            std::thread::yield_now();
        }
        let inputs = [&one, &two, &three].map(|folder| input(folder).map(|name| name.starts_with(b"pipe:")));
        for child in [&mut living, &mut piped, &mut ended] {
            let _ = child.kill();
            child.wait().unwrap();
        }
        assert_eq!(inputs, [None, Some(true), Some(false)]);
    }
}
