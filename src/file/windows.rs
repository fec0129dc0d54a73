//! Rights and durability as Windows has them: what is made in a folder has the folder's rights, which the installer set.

use crate::win32;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So often what somebody else has open is tried again,
const TRIES: u32 = 25;

/// and so long apart: a second in all, at most.
const PAUSE: Duration = Duration::from_millis(40);

/// Nothing: what is renamed here lies in one folder, whose rights both files have.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn take_after(_file: &Path, _before: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a file with the rights of its folder.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Renames a file, and returns only when a loss of power cannot undo it.
///
/// # Errors
/// The system's.
pub fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| win32::file::rename_durably(from, to))
}

/// Puts a file in another's place, in one step.
pub(super) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| fs::rename(from, to))
}

/// Windows refuses to put a file in the place of one that somebody has open, if only to read it or to look for viruses in it.
/// Both take a moment, and then it can be done.
fn patiently(deed: impl Fn() -> io::Result<()>) -> io::Result<()> {
    const ACCESS_DENIED: i32 = 5;
    const SHARING_VIOLATION: i32 = 32;
    for _ in 0..TRIES {
        match deed() {
            Err(error) if matches!(error.raw_os_error(), Some(ACCESS_DENIED | SHARING_VIOLATION)) => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
    deed()
}

/// Nothing: the file system's own journal keeps names whole, and [`rename_durably`] waits for it.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(super) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing: who may read a file is said by the rights of its folder.
///
/// # Errors
/// None.
pub fn let_everybody_read(_file: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a folder with the rights of the one it lies in, with those above it.
///
/// # Errors
/// The system's.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Makes a folder with the rights of the one it lies in.
///
/// # Errors
/// The system's.
pub fn make_folder_within(path: &Path) -> io::Result<()> {
    make_private_folder(path)
}

/// Makes sure that nobody else can lay links or files into a folder.
///
/// # Errors
/// If ordinary users may write in it.
pub fn must_be_ours(path: &Path) -> io::Result<()> {
    win32::security::must_be_ours(path)
}

/// True if ordinary users may write this file, or put another in its place; the folders above it are named behind it.
///
/// What counts is what the lists of rights give to groups that hold anybody: Everyone, Authenticated Users, Users,
/// Guests, Interactive, Network and a domain's users. A right of one user is that user's own, as on Linux. The file:
/// nobody may write or delete it or change its rights. Its own folder: nobody may add files, as programs load what lies
/// beside them. Each folder above: nobody may delete or rename what is in it, or change its rights; that users may make
/// folders of their own in `C:\` puts nothing in another's place.
///
/// # Errors
/// The system's.
pub fn others_may_replace(file_and_folders: &[PathBuf]) -> io::Result<bool> {
    use win32::security::Way;
    for (at, part) in file_and_folders.iter().enumerate() {
        let way = if at < 2 { Way::Write } else { Way::Replace };
        if win32::security::others_may(part, way)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &Path) -> Vec<PathBuf> {
        path.ancestors().map(Path::to_owned).collect()
    }

    #[test]
    fn what_cannot_be_looked_at_is_no_place_that_is_safe() {
        let folder = tempfile::tempdir().unwrap();
        assert!(others_may_replace(&parts(&folder.path().join("gone.exe"))).is_err());
    }
}
