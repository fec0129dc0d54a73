//! What lies in a folder of mails, and locks on it.

use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(windows)]
pub use windows::*;

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

/// True of what may be in the name of a mail's file.
pub fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "@._+=-".contains(c)
}

/// True if a mail's file may have this name, without `.eml`.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && !name.starts_with(['.', '-']) && name.chars().all(is_plain)
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
