//! What lies in a folder of mails, and locks on it.

use jiff::Timestamp;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

fn private_file(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Removes every file of a folder.
pub fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}

/// The mails of a folder, by name without `.eml`, with the time they were written. No folder, no mails.
pub fn mails(folder: &Path) -> io::Result<Vec<(String, Timestamp)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut mails = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".eml")) else { continue };
        // One that another mailer takes away while we look is no longer ours to list.
        let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
        mails.push((name.to_owned(), Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH)));
    }
    Ok(mails)
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

/// Takes the lock in this file if it is free.
pub fn try_lock(path: &Path) -> io::Result<Option<Lock>> {
    let file = private_file(OpenOptions::new().write(true).create(true).truncate(false)).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Waits for the lock, but not for ever: its holder may hang.
pub fn lock_within(path: &Path, patience: Duration) -> io::Result<Lock> {
    let started = Instant::now();
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(lock);
        }
        if started.elapsed() > patience {
            let message = "another program has held the outbox's lock for too long";
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        thread::sleep(Duration::from_millis(2));
    }
}
