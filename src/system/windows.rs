pub mod advice;

use super::{Links, Room};
use crate::win32;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the folder of settings and state is called.
const FOLDER: &str = "Host Watchdog";

/// So that a folder can be opened and be said to be one.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// So that a link is opened itself, and not what it leads to.
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// The settings of the installed service.
#[must_use]
pub fn settings_file() -> PathBuf {
    win32::folder::program_data().join(FOLDER).join("watchdog.toml")
}

/// Where a path of this host lies: there, if it is one of Windows. One that names no drive is of another system; what
/// would be found there on the current drive is not what was meant, so it is nowhere.
#[must_use]
pub fn own_path(path: &Path) -> PathBuf {
    /// A volume that no Windows has.
    const NOWHERE: &str = r"\\?\Volume{00000000-0000-0000-0000-000000000000}\";
    if !path.has_root() || path.is_absolute() {
        return path.to_owned();
    }
    Path::new(NOWHERE).join(path.strip_prefix(r"\").unwrap_or(path))
}

/// The name of this host.
#[must_use]
pub fn host_name() -> Vec<u8> {
    win32::host::name().into_bytes()
}

/// True if we may change whatever belongs to the system.
#[must_use]
pub fn is_administrator() -> bool {
    win32::security::is_elevated()
}

/// Where state is kept where nothing else is said: an administrator's is the system's, anybody else's their own.
#[must_use]
pub fn state_folder(_name: &str) -> Option<PathBuf> {
    if is_administrator() {
        return Some(win32::folder::program_data().join(FOLDER).join("State"));
    }
    win32::folder::local_app_data().map(|folder| folder.join(FOLDER))
}

/// The room on the volume of a folder.
///
/// # Errors
/// The system's.
pub fn room(folder: &Path) -> io::Result<Room> {
    let (free, read_only) = win32::file::room(folder)?;
    Ok(Room { free, files: None, read_only })
}

/// Opens a file for reading; others may write, rename and delete it meanwhile.
///
/// # Errors
/// The system's; a link that may not be followed is `InvalidInput`.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut flags = BACKUP_SEMANTICS;
    if links == Links::Refuse {
        flags |= OPEN_REPARSE_POINT;
    }
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if links == Links::Refuse && file.metadata()?.file_type().is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link"));
    }
    Ok(file)
}

/// What tells this file from all others of this host.
///
/// # Errors
/// The system's.
pub fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    id_of(&open(path, Links::Follow)?)
}

/// What tells an open file from all others of this host, whatever it is called.
///
/// # Errors
/// The system's.
pub fn id_of(file: &File) -> io::Result<(u64, u64)> {
    win32::file::id(file)
}

/// The program of the host's own mail system: Windows has none.
pub const SENDMAIL: Option<&str> = None;
