//! Rights and durability as Windows has them: what is made in a folder has the folder's rights, which the installer set.

use crate::win32;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

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
    win32::file::rename_durably(from, to)
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
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
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
