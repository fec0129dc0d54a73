//! Reading dpkg's database below `/var/lib/dpkg`: what is installed, which package a file belongs to, and whether
//! the file is still as the package brought it. Nothing here changes the database or runs dpkg.
//!
//! dpkg records MD5 sums only, and they lie on the host itself: they tell a file that somebody put in the place of
//! another from one that an upgrade brought, and are no proof against somebody who was root.

mod files;
mod lock;
mod status;
mod verify;
mod version;

pub use files::{Diversion, Owner, Owners, lines_wanted, owners, parse_diversions};
pub use lock::is_at_work;
pub use status::{Installed, parse_status};
pub use verify::{Digests, Md5Sum, State, conffile_digest, expected, parse_md5sums, verify};
pub use version::compare_versions;

use crate::host::Host;
use crate::processes::Version;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::io;
use std::path::PathBuf;

/// The list of what is installed.
pub const STATUS: &str = "/var/lib/dpkg/status";
/// Where each package's files are listed.
pub const INFO: &str = "/var/lib/dpkg/info";
/// Which packages have put their own file in the place of another's.
pub const DIVERSIONS: &str = "/var/lib/dpkg/diversions";

/// What is installed, by name and architecture.
///
/// # Errors
/// The system's, `NotFound` if the host has no dpkg.
pub fn read_installed(host: &Host) -> io::Result<Vec<Installed>> {
    Ok(parse_status(&host.read(STATUS)?))
}

/// What tells one state of a file or folder from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// In nanoseconds since 1970.
    modified: i128,
    changed: i128,
}

impl Stamp {
    /// The stamp of what this metadata describes.
    #[cfg(unix)]
    #[must_use]
    pub fn new(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The stamp of what this metadata describes.
    #[cfg(not(unix))]
    #[must_use]
    pub fn new(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok());
        let modified = since.and_then(|since| i128::try_from(since.as_nanos()).ok()).unwrap_or_default();
        Self { size: metadata.len(), modified, ..Self::default() }
    }

    /// The state that it is of, as it is known of what runs.
    #[must_use]
    pub fn version(&self) -> Version {
        let changed = i64::try_from(self.changed).unwrap_or_default();
        Version { device: self.device, inode: self.inode, changed }
    }

    /// Only what tells whether somebody has written: who opens a database touches its files in other ways.
    #[must_use]
    pub fn written(self) -> Self {
        Self { size: self.size, modified: self.modified, ..Self::default() }
    }

    /// When it was last written.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.modified).unwrap_or_default()
    }

    /// When the file, or anything about it, last changed: nobody can set it but by setting the clock.
    #[must_use]
    pub fn changed(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.changed).unwrap_or_default()
    }

    /// The stamp of a file of the host; links are followed. None if it is not there or not to be seen.
    #[must_use]
    pub fn of(host: &Host, path: impl AsRef<std::path::Path>) -> Option<Self> {
        std::fs::metadata(host.path(path)).ok().as_ref().map(Self::new)
    }
}

/// A path as the system takes it.
pub(crate) fn system_path(bytes: Vec<u8>) -> PathBuf {
    #[cfg(unix)]
    {
        PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(
            String::from_utf8(bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        )
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
