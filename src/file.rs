//! Writing files so that a crash, a full disk or a second writer never leaves half of one.

use crate::text::clean;
use rustix::fs::OFlags;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A file read whole into memory never takes more than this: a hostile or broken host must not fill ours.
const MOST: u64 = 256 * 1024 * 1024;

/// A file of rules or settings that is larger than this is none.
const MOST_TEXT: u64 = 64 * 1024 * 1024;

/// The bit that gives what is made in a folder the folder's group.
const SHARED: u32 = 0o2000;

/// What a symbolic link in place of a file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is followed.
    Follow,
    /// It is an error: somebody less trusted than the reader may have laid it.
    Refuse,
}

/// Reads a whole file.
///
/// # Errors
/// The system's, in words where its own say nothing; `FileTooLarge` over 256 MiB.
pub fn read(path: &Path, links: Links) -> io::Result<Vec<u8>> {
    read_at_most(path, links, MOST)
}

/// Reads a whole file of which it is known how large it may be.
///
/// # Errors
/// As [`read`], but over so many bytes.
pub fn read_at_most(path: &Path, links: Links, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = open(path, links)?;
    // One that says so is not even begun; some say nothing.
    if file.metadata()?.len() > most
        || file.take(most.saturating_add(1)).read_to_end(&mut bytes)? as u64 > most
    {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Whether a file that is already there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is left alone, and that is an error.
    Keep,
    /// It is replaced; its mode and owner stay.
    Replace,
}

/// Reads a whole file of text.
///
/// # Errors
/// As [`read`], but over 64 MiB; `InvalidData` if it is no text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if open(path, Links::Follow)?.take(MOST_TEXT + 1).read_to_string(&mut text)? as u64 > MOST_TEXT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

/// Opens a file to read it. A pipe or a device in its place would never end, or hold us for ever.
///
/// # Errors
/// The system's, in words where its own say nothing.
pub fn open(path: &Path, links: Links) -> io::Result<File> {
    let other = |kind, why: &str| Err(io::Error::new(kind, why));
    let mut flags = OFlags::NONBLOCK;
    if links == Links::Refuse {
        flags |= OFlags::NOFOLLOW;
    }
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
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
    Ok(file)
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

/// Writes a file that only we can read, to the disk itself; in a folder that is shared with a group
/// ([`make_folder_within`]), the group can read it too. On an error nothing of it is left.
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
    let share = || match path.parent() {
        Some(folder) if is_shared(folder)? => file.set_permissions(fs::Permissions::from_mode(0o640)),
        _ => Ok(()),
    };
    let written = share().and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all());
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

/// Whoever may write beside the folder could lay a pipe in its place, which would hold us for ever.
fn sync_folder(path: &Path) -> io::Result<()> {
    let flags = i32::try_from((OFlags::DIRECTORY | OFlags::NONBLOCK).bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)?.sync_all()
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
    fn what_is_no_file_is_not_waited_for_and_a_link_is_followed_only_if_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        assert_eq!(read_text(&at("pipe")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        assert_eq!(read(&at("link"), Links::Follow).unwrap(), b"text");
        assert!(read(&at("link"), Links::Refuse).is_err());
        fs::write(at("file"), b"\xff").unwrap();
        assert_eq!(read_text(&at("file")).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_made_in_a_shared_folder_is_for_its_group() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        let (own, shared) = (folder.path().join("own"), folder.path().join("shared"));
        make_folder_within(&own).unwrap();
        write_new(&own.join("file"), b"x").unwrap();
        assert_eq!((mode(&own), mode(&own.join("file"))), (0o700, 0o600));
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o2770)).unwrap();
        make_folder_within(&shared.join("queue")).unwrap();
        write_new(&shared.join("queue/file"), b"x").unwrap();
        assert_eq!((mode(&shared.join("queue")), mode(&shared.join("queue/file"))), (0o2770, 0o640));
    }

    #[test]
    fn a_pipe_in_place_of_a_folder_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("queue");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let (done, waited) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(sync_folder(&pipe).unwrap_err().kind()));
        let kind = waited.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert_eq!(kind, io::ErrorKind::NotADirectory);
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
