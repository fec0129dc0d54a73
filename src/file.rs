//! Writing files so that a crash, a full disk or a second writer never leaves half of one.

use crate::text::clean;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Whether a file that is already there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is left alone, and that is an error.
    Keep,
    /// It is replaced; its mode and owner stay.
    Replace,
}

/// A file of rules or settings that is larger than this is none.
const MOST: u64 = 64 * 1024 * 1024;

/// Reads a whole file of text. A pipe or a device in its place would never end, or hold us for ever.
///
/// # Errors
/// The system's, in words where its own say nothing; `InvalidData` if it is no text.
pub fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let other = |kind, why: &str| Err(io::Error::new(kind, why));
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let file = match opened {
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
    let mut text = String::new();
    if file.take(MOST + 1).read_to_string(&mut text)? as u64 > MOST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
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
    let placed = take_after(&temporary, path).and_then(|()| match existing {
        Existing::Replace => fs::rename(&temporary, path),
        // A link fails where a rename would replace.
        Existing::Keep => fs::hard_link(&temporary, path),
    });
    if placed.is_err() || existing == Existing::Keep {
        let _ = fs::remove_file(&temporary);
    }
    placed?;
    sync_folder(folder)
}

/// Gives a file the mode and owner of the one it replaces; a new one may be read by its group.
fn take_after(file: &Path, before: &Path) -> io::Result<()> {
    let Ok(before) = fs::metadata(before) else {
        return fs::set_permissions(file, fs::Permissions::from_mode(0o640));
    };
    // Only root can give a file away; for anybody else it was theirs already.
    let _ = std::os::unix::fs::chown(file, Some(before.uid()), Some(before.gid()));
    fs::set_permissions(file, fs::Permissions::from_mode(before.mode() & 0o7777))
}

/// Writes a file that only we can read, to the disk itself. On an error nothing of it is left.
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
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    written.inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Renames a file, and returns only when a loss of power cannot undo it.
///
/// # Errors
/// The system's.
pub fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    [to.parent(), from.parent()].into_iter().flatten().try_for_each(sync_folder)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder that only we may enter, with those above it.
///
/// # Errors
/// The system's.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes sure that nobody else can lay links or files into a folder.
///
/// # Errors
/// If it belongs to another user, or others may write in it.
pub fn must_be_ours(path: &Path) -> io::Result<()> {
    let folder = fs::metadata(path)?;
    let own = rustix::process::geteuid().as_raw();
    let fault = if folder.uid() != own {
        "it belongs to another user: choose another folder"
    } else if folder.mode() & 0o022 != 0 {
        "others may write in it: take that right away (chmod go-w) or choose another folder"
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_left_alone_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        write(&path, b"one", Existing::Keep).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        assert_eq!(write(&path, b"two", Existing::Keep).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"two", Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o604);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_which_others_may_write_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        assert!(must_be_ours(folder.path()).is_ok());
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(must_be_ours(folder.path()).unwrap_err().to_string().contains("chmod go-w"));
    }

    #[test]
    fn a_link_laid_in_the_way_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("policy.toml"), folder.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        let trap = folder.path().join(format!("policy.toml.{}.new", std::process::id()));
        std::os::unix::fs::symlink(&victim, &trap).unwrap();
        write(&path, b"new", Existing::Replace).unwrap();
        assert_eq!(
            (fs::read(&victim).unwrap(), fs::read(&path).unwrap()),
            (b"precious".to_vec(), b"new".to_vec())
        );
    }
}
