//! Folders of mails as Linux has them: another user may write beside them, so nothing is reached by its path twice.

use super::{MOST, is_name};
use crate::text::Text;
use rustix::fs::{AtFlags, CWD, Dir, OFlags, RenameFlags, renameat_with, unlinkat};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Removes every file of the folder that is locked, whatever its path leads to by now: who may write beside it could
/// have laid a link to a folder of ours in its place. What cannot be removed does no harm there.
pub fn clear(folder: &Lock) -> io::Result<()> {
    let entries = Dir::read_from(&folder.0)?;
    for entry in entries {
        let _ = unlinkat(&folder.0, entry?.file_name(), AtFlags::empty());
    }
    Ok(())
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

/// A lock that is held. It is given back when this is dropped, and when the program is killed.
#[derive(Debug)]
pub struct Lock(pub(in crate::mail) File);

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
