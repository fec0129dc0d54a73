pub mod advice;

use super::{Links, Room};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The settings of the installed service.
#[must_use]
pub fn settings_file() -> PathBuf {
    PathBuf::from("/etc/host-watchdog/watchdog.toml")
}

/// Where a path of this host lies: there.
#[must_use]
pub fn own_path(path: &Path) -> PathBuf {
    path.to_owned()
}

/// The name of this host, as the kernel has it: a sandbox may hide the file that holds it.
#[must_use]
pub fn host_name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_owned()
}

/// True if we may change whatever belongs to the system.
#[must_use]
pub fn is_administrator() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where state is kept where nothing else is said: root's is the system's, anybody else's their own.
#[must_use]
pub fn state_folder(name: &str) -> Option<PathBuf> {
    if is_administrator() {
        return Some(Path::new("/var/lib").join(name));
    }
    let set =
        |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").map(|home| home.join(".local/state"));
    set("XDG_STATE_HOME").or_else(home).map(|folder| folder.join(name))
}

/// The room on the file system of a folder.
///
/// # Errors
/// The system's.
pub fn room(folder: &Path) -> io::Result<Room> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(Room {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        files: (found.f_files > 0).then_some(found.f_favail),
        read_only: found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    })
}

/// Opens a file for reading, without waiting for whoever has the other end of a pipe.
///
/// # Errors
/// The system's.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// What tells this file from all others of this host.
///
/// # Errors
/// The system's.
pub fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// What tells an open file from all others of this host, whatever it is called.
///
/// # Errors
/// The system's.
pub fn id_of(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The program of the host's own mail system, which every mail server brings along.
pub const SENDMAIL: Option<&str> = Some("/usr/sbin/sendmail");
