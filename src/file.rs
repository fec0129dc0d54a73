//! Writing files so that a crash, a full disk or a second writer never leaves half of one.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

pub use crate::system::Links;
#[cfg(target_os = "linux")]
use linux as rights;
pub use rights::{
    let_everybody_read, make_folder_within, make_private_folder, must_be_ours, others_may_replace,
    rename_durably,
};
#[cfg(windows)]
use windows as rights;

use crate::system;
use crate::text::clean;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// A file read whole into memory never takes more than this: a hostile or broken host must not fill ours.
const MOST: u64 = 256 * 1024 * 1024;

/// A file of rules or settings that is larger than this is none.
const MOST_TEXT: u64 = 64 * 1024 * 1024;

/// Reads a whole file.
///
/// # Errors
/// The system's, in words where its own say nothing; `FileTooLarge` over 256 MiB.
pub fn read(path: &Path, links: Links) -> io::Result<Vec<u8>> {
    read_at_most(path, links, MOST)
}

/// Reads a whole file of which it is known how large it may be.
///
/// # Errors
/// As [`read`], but over so many bytes.
pub fn read_at_most(path: &Path, links: Links, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path, links)?;
    // One that says so is not even begun; some say nothing.
    if file.metadata()?.len() > most
        || file.take(most.saturating_add(1)).read_to_end(&mut bytes)? as u64 > most
    {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Reads the first so many bytes of a file, or all of it if it is shorter.
///
/// # Errors
/// As [`read`], but for its size.
pub fn read_start(path: &Path, links: Links, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, links)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a file that is already there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is left alone, and that is an error.
    Keep,
    /// It is replaced; its mode and owner stay.
    Replace,
}

/// Reads a whole file of text.
///
/// # Errors
/// As [`read`], but over 64 MiB; `InvalidData` if it is no text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if open(path, Links::Follow)?.take(MOST_TEXT + 1).read_to_string(&mut text)? as u64 > MOST_TEXT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// Opens a file to read it. A pipe or a device in its place would never end, or hold us for ever.
///
/// # Errors
/// The system's, in words where its own say nothing.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let other = |kind, why: &str| Err(io::Error::new(kind, why));
    let file = match system::open(path, links) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            let target = fs::read_link(path).unwrap_or_default();
            return other(
                error.kind(),
                &format!("it is a link to {}, which is not there", clean(&target.to_string_lossy())),
            );
        }
        Err(error) => return Err(error),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return other(io::ErrorKind::IsADirectory, "it is a folder, not a file");
    }
    if !kind.is_file() {
        return other(io::ErrorKind::InvalidInput, "it is a pipe, a socket or a device, not a file");
    }
    Ok(file)
}

/// True if there is anything under this name, be it a link that leads nowhere.
///
/// # Errors
/// The system's, if that cannot be told.
pub fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Writes a whole file: beside it, to the disk, then in its place.
///
/// # Errors
/// The system's; `AlreadyExists` where it may not be replaced.
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = folder.join(name);
    write_new(&temporary, bytes)?;
    let placed = rights::take_after(&temporary, path).and_then(|()| match existing {
        Existing::Replace => rights::replace(&temporary, path),
        // A link fails where a rename would replace.
        Existing::Keep => fs::hard_link(&temporary, path),
    });
    if placed.is_err() || existing == Existing::Keep {
        let _ = fs::remove_file(&temporary);
    }
    placed?;
    rights::sync_folder(folder)
}

/// Writes a file that only we can read, to the disk itself; in a folder that is shared with a group
/// ([`make_folder_within`]), the group can read it too. On an error nothing of it is left.
///
/// # Errors
/// The system's.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A leftover of a writer that was killed, or a trap: it is never written through.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = rights::create_private(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    written.inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

#[cfg(test)]
mod tests;
