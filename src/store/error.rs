//! What can go wrong with the database, and what to do about it, in words.

use crate::system::{self, advice};
use rusqlite::ErrorCode;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why the database could not be used.
#[derive(Debug)]
pub enum StoreError {
    /// Another watchdog writes it.
    InUse(PathBuf),
    /// A newer version of the program wrote it.
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version this program writes.
        known: i64,
    },
    /// It is of another version, and reading alone may not change it.
    Older(PathBuf),
    /// A file could not be made, moved or read.
    Io(PathBuf, std::io::Error),
    /// No space is left. Nothing was changed.
    Full(PathBuf),
    /// The file system is mounted read-only. Nothing was changed.
    ReadOnly(PathBuf),
    /// What is in it makes no sense. [`Store::open`](super::Store::open) moves such a file aside.
    Damaged(PathBuf, String),
    /// Anything else that the database says.
    Sql(PathBuf, rusqlite::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(
                f,
                "{} is in use by another watchdog: only one may run with a state folder; stop it, or choose another folder with --state-dir",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer watchdog (version {found}, this program knows {known}): install the newer program, or move the file away to begin afresh",
                path.display()
            ),
            Self::Older(path) => {
                write!(
                    f,
                    "{} was written by an older watchdog: start `watchdog run` once to renew it",
                    path.display()
                )
            }
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Full(path) => write!(
                f,
                "{}: the disk is full; nothing was lost, the next pass tries again. Make room on its file system",
                path.display()
            ),
            Self::ReadOnly(path) => write!(
                f,
                "{}: its file system is read-only (a fault of the disk can make it so); nothing was lost, the next pass tries again. {}",
                path.display(),
                advice::READ_ONLY
            ),
            Self::Damaged(path, why) => write!(
                f,
                "{} is damaged ({why}): `watchdog run` moves it aside and begins a fresh one when it starts",
                path.display()
            ),
            Self::Sql(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Sql(_, error) => Some(error),
            _ => None,
        }
    }
}

/// What can be said of the file system when something on it could not be written.
fn disk(path: &Path) -> Option<StoreError> {
    // With less than this left, even a small database cannot be begun.
    const LITTLE: u64 = 256 * 1024;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let room = system::room(folder).ok()?;
    if room.read_only {
        return Some(StoreError::ReadOnly(path.to_owned()));
    }
    let is_full = room.free < LITTLE || room.files == Some(0);
    is_full.then(|| StoreError::Full(path.to_owned()))
}

impl StoreError {
    /// A file could not be made, moved or read.
    pub(super) fn io(path: &Path, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full(path.to_owned())
            }
            std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path.to_owned()),
            _ => Self::Io(path.to_owned(), error),
        }
    }

    pub(super) fn sql(path: &Path, error: rusqlite::Error) -> Self {
        let is_of_disk = matches!(
            error.sqlite_error_code(),
            // A full disk has many codes: SQLite cannot even make its shared memory there.
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly)
        );
        if let Some(error) = disk(path).filter(|_| is_of_disk) {
            return error;
        }
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(path),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(path, error.to_string())
            }
            _ => match error {
                // A value of a wrong type, or a missing row that must be there.
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::QueryReturnedNoRows => Self::Damaged(path, error.to_string()),
                error => Self::Sql(path, error),
            },
        }
    }
}
