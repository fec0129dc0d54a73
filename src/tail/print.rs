//! Fingerprints of a stretch of a file, and files opened with what identifies them.

use crate::system::{self, Links};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The longest stretch that is digested: some lines, so that two logs that begin in the same second differ.
pub const STRETCH: usize = 512;

/// So many bytes and their digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Print {
    /// How many; of none, it fits everywhere.
    pub bytes: u64,
    /// The first half of their SHA-256, in hexadecimal.
    pub digest: String,
}

impl Print {
    /// The fingerprint of `stretch`.
    #[must_use]
    pub fn of(stretch: &[u8]) -> Self {
        let digest = Sha256::digest(stretch);
        let half = digest.iter().take(16).fold(0u128, |half, byte| half << 8 | u128::from(*byte));
        Self { bytes: stretch.len() as u64, digest: format!("{half:032x}") }
    }

    /// True if these bytes stand at `offset`. A file that cannot be read holds nothing.
    #[must_use]
    pub fn is_at(&self, open: &Open, offset: u64) -> bool {
        if self.bytes == 0 {
            return true;
        }
        let Ok(len) = usize::try_from(self.bytes) else { return false };
        len <= STRETCH && open.stretch(offset, len).is_ok_and(|found| Self::of(&found) == *self)
    }

    /// True if these bytes stand just before `offset`.
    #[must_use]
    pub fn is_before(&self, open: &Open, offset: u64) -> bool {
        offset.checked_sub(self.bytes).is_some_and(|start| self.is_at(open, start))
    }
}

/// A regular file, opened.
#[derive(Debug)]
pub struct Open {
    /// The name it was opened by.
    pub path: PathBuf,
    /// The file.
    pub file: File,
    /// The file system it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its length when it was opened. Nothing behind it is read in the same pass.
    pub len: u64,
    /// When it was last written to, in seconds since 1970.
    pub modified: i64,
}

impl Open {
    /// Opens a regular file; `None` if there is none of this name.
    ///
    /// # Errors
    /// The system's; `InvalidInput` for a pipe, a device or a folder, which could block for ever.
    pub fn regular(path: &Path) -> io::Result<Option<Self>> {
        let not_there = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            _ => Err(error),
        };
        let check = |metadata: &Metadata| {
            if metadata.is_file() {
                Ok(())
            } else {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
            }
        };
        match std::fs::metadata(path) {
            Ok(metadata) => check(&metadata)?,
            Err(error) => return not_there(error),
        }
        // Somebody may put a pipe in its place between the look and the opening.
        let file = match system::open(path, Links::Follow) {
            Ok(file) => file,
            Err(error) => return not_there(error),
        };
        let metadata = file.metadata()?;
        check(&metadata)?;
        let (device, inode) = system::id_of(&file)?;
        let modified = jiff::Timestamp::try_from(metadata.modified()?).map_or(0, jiff::Timestamp::as_second);
        Ok(Some(Self { path: path.to_owned(), file, device, inode, len: metadata.len(), modified }))
    }

    /// Exactly `len` bytes from `offset`.
    ///
    /// # Errors
    /// The system's, or `UnexpectedEof`.
    pub fn stretch(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// At most `len` bytes from `offset`, as far as the file went when it was opened.
    ///
    /// # Errors
    /// The system's.
    pub fn block(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = len.min(self.len.saturating_sub(offset));
        let mut bytes = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        file.take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The fingerprint of its beginning; `None` if it is empty or cannot be read.
    #[must_use]
    pub fn head(&self) -> Option<Print> {
        let bytes = self.block(0, STRETCH as u64).ok()?;
        (!bytes.is_empty()).then(|| Print::of(&bytes))
    }
}
