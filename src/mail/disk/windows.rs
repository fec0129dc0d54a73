//! Folders of mails as Windows has them: nobody but us may write in them, as the rights of the state folder say.

use super::{MOST, is_name};
use crate::text::Text;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file that is locked for its folder: folders cannot be.
const LOCK: &str = "lock";

/// Removes every file of the folder that is locked. What cannot be removed does no harm there.
pub fn clear(folder: &Lock) -> io::Result<()> {
    for entry in fs::read_dir(&folder.folder)? {
        let entry = entry?;
        if entry.file_name() != LOCK {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Moves what has the name of no mail from the folder that is locked to another; a file that is there stays.
pub fn move_foreign(folder: &Lock, to: &Path) -> io::Result<Vec<Text>> {
    let mut moved = Vec::new();
    for entry in fs::read_dir(&folder.folder)?.take(MOST) {
        let entry = entry?;
        let name = entry.file_name();
        let plain = name.to_str().and_then(|name| name.strip_suffix(".eml"));
        let to = to.join(&name);
        if name == LOCK || plain.is_some_and(is_name) || to.exists() {
            continue;
        }
        if fs::rename(entry.path(), to).is_ok() {
            moved.push(Text::new(name.as_encoded_bytes()));
        }
    }
    Ok(moved)
}

/// A lock that is held. It is given back when this is dropped, and when the program is killed.
#[derive(Debug)]
pub struct Lock {
    file: File,
    folder: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a program that another thread is just starting has a copy of it.
        let _ = self.file.unlock();
    }
}

/// Takes the lock of this folder if it is free.
pub fn try_lock(folder: &Path) -> io::Result<Option<Lock>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock { file, folder: folder.to_owned() })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
