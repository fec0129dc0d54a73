//! What lies in a folder of mails, and locks on it.

use crate::text::Text;
use jiff::Timestamp;
use rustix::fs::{AtFlags, CWD, Dir, OFlags, RenameFlags, renameat_with, unlinkat};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Removes every file of the folder that is locked, whatever its path leads to by now: who may write beside it could
/// have laid a link to a folder of ours in its place. What cannot be removed does no harm there.
pub fn clear(folder: &Lock) -> io::Result<()> {
    let entries = Dir::read_from(&folder.0)?;
    for entry in entries {
        let _ = unlinkat(&folder.0, entry?.file_name(), AtFlags::empty());
    }
    Ok(())
}

/// Of a folder with more names than this the first count: another user may write in it, and must not fill our memory.
const MOST: usize = 100_000;

/// The mails of a folder, by name without `.eml`, with the time they were written. No folder, no mails. A file whose
/// name we cannot have given is none: nobody put it in, and such a name might do something to a terminal.
pub fn mails(folder: &Path) -> io::Result<Vec<(String, Timestamp)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut mails = Vec::new();
    for entry in entries.take(MOST) {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".eml")) else { continue };
        if !is_name(name) {
            continue;
        }
        // One that another mailer takes away while we look is no longer ours to list.
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        mails.push((name.to_owned(), Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH)));
    }
    Ok(mails)
}

/// Moves what has the name of no mail from the folder that is locked to another; a file that is there stays.
pub fn move_foreign(folder: &Lock, to: &Path) -> io::Result<Vec<Text>> {
    let mut moved = Vec::new();
    for entry in Dir::read_from(&folder.0)?.take(MOST) {
        let entry = entry?;
        let name = entry.file_name();
        let plain = name.to_str().ok().and_then(|name| name.strip_suffix(".eml"));
        if matches!(name.to_bytes(), b"." | b"..") || plain.is_some_and(is_name) {
            continue;
        }
        let to = to.join(OsStr::from_bytes(name.to_bytes()));
        if renameat_with(&folder.0, name, CWD, &to, RenameFlags::NOREPLACE).is_ok() {
            moved.push(Text::new(name.to_bytes()));
        }
    }
    Ok(moved)
}

/// True of what may be in the name of a mail's file.
pub fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "@._+=-".contains(c)
}

/// True if a mail's file may have this name, without `.eml`.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && !name.starts_with(['.', '-']) && name.chars().all(is_plain)
}

/// A lock that is held. It is given back when this is dropped, and when the program is killed.
#[derive(Debug)]
pub struct Lock(pub(super) File);

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a program that another thread is just starting has a copy of it.
        let _ = self.0.unlock();
    }
}

/// Takes the lock of this folder if it is free. It is the folder itself that is locked: a file made for that would
/// belong to whoever came first, and the others might not get at it.
pub fn try_lock(folder: &Path) -> io::Result<Option<Lock>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits for the lock, but not for ever: its holder may hang.
pub fn lock_within(folder: &Path, patience: Duration) -> io::Result<Lock> {
    let started = Instant::now();
    loop {
        if let Some(lock) = try_lock(folder)? {
            return Ok(lock);
        }
        if started.elapsed() > patience {
            let message = "another program has held the outbox's lock for too long";
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        thread::sleep(Duration::from_millis(2));
    }
}
