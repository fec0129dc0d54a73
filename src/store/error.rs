//! What can go wrong with the database, and what to do about it, in words.

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

impl StoreError {
    pub(super) fn sql(path: &Path, error: rusqlite::Error) -> Self {
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
