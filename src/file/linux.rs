//! Rights and durability as Linux has them: modes, groups and owners.

use rustix::fs::OFlags;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The bit that gives what is made in a folder the folder's group.
const SHARED: u32 = 0o2000;

/// Gives a file the mode and owner of the one it replaces; a new one may be read by its group.
pub(super) fn take_after(file: &Path, before: &Path) -> io::Result<()> {
    let Ok(before) = fs::metadata(before) else {
        return fs::set_permissions(file, fs::Permissions::from_mode(0o640));
    };
    // Only root can give a file away; for anybody else it was theirs already.
    let _ = std::os::unix::fs::chown(file, Some(before.uid()), Some(before.gid()));
    fs::set_permissions(file, fs::Permissions::from_mode(before.mode() & 0o7777))
}

/// Makes a file that only we can read; in a folder that is shared with a group, the group can read it too.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let share = || match path.parent() {
        Some(folder) if is_shared(folder)? => file.set_permissions(fs::Permissions::from_mode(0o640)),
        _ => Ok(()),
    };
    if let Err(error) = share() {
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Puts a file in another's place, in one step.
pub(super) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Renames a file, and returns only when a loss of power cannot undo it.
///
/// # Errors
/// The system's.
pub fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    [to.parent(), from.parent()].into_iter().flatten().try_for_each(sync_folder)
}

/// Whoever may write beside the folder could lay a pipe in its place, which would hold us for ever.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let flags = i32::try_from((OFlags::DIRECTORY | OFlags::NONBLOCK).bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)?.sync_all()
}

/// Lets everybody read a file of ours, who may enter its folder.
///
/// # Errors
/// The system's.
pub fn let_everybody_read(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, fs::Permissions::from_mode(0o644))
}

/// Makes a folder that only we may enter, with those above it.
///
/// # Errors
/// The system's.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder with the rights of the one it lies in: for us alone, or shared with a group.
///
/// # Errors
/// The system's.
pub fn make_folder_within(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    make_private_folder(path)?;
    match path.parent() {
        Some(parent) if is_shared(parent)? => {
            fs::set_permissions(path, fs::Permissions::from_mode(SHARED | 0o770))
        }
        _ => Ok(()),
    }
}

/// True if what is made in this folder is for the folder's group too.
fn is_shared(folder: &Path) -> io::Result<bool> {
    Ok(fs::metadata(folder)?.mode() & SHARED != 0)
}

/// Makes sure that nobody else can lay links or files into a folder.
///
/// # Errors
/// If it belongs to another user, or others may write in it.
pub fn must_be_ours(path: &Path) -> io::Result<()> {
    let folder = fs::metadata(path)?;
    let own = rustix::process::geteuid().as_raw();
    let fault = if folder.uid() != own {
        "it belongs to another user: be that user (`runuser -u NAME -- watchdog …`) or choose another folder"
    } else if folder.mode() & 0o022 != 0 {
        "others may write in it: take that right away (chmod go-w) or choose another folder"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, fault))
}

/// True if everybody may write this file, or one of the folders above it, which are named behind it.
///
/// # Errors
/// The system's.
pub fn others_may_replace(file_and_folders: &[PathBuf]) -> io::Result<bool> {
    for part in file_and_folders {
        if fs::metadata(part)?.mode() & 0o002 != 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
