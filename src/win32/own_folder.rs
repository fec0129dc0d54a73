//! The folder of settings, policy and state of the service: made so, or made so after all, that ordinary users neither write
//! nor read in it.
//!
//! Every user may make folders in `C:\ProgramData`, so somebody may have been there first: to lay settings or a policy of
//! their own there, or to own the folder for later. Such a folder is not used.

use super::error::plain;
use super::owner::{SERVICE, must_be_owned, rights_text};
use super::security::{Way, others_may};
use super::text::wide;
use std::fs;
use std::io;
use std::path::Path;
use windows::Win32::Foundation::{HLOCAL, LocalFree};
use windows::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1, SE_FILE_OBJECT,
    SetNamedSecurityInfoW,
};
use windows::Win32::Security::{
    ACL, DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, PROTECTED_DACL_SECURITY_INFORMATION,
    PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES,
};
use windows::Win32::Storage::FileSystem::CreateDirectoryW;
use windows::core::PCWSTR;

/// Everything for the system and the administrators, below as here.
const ENTRIES: &str = "(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

/// What the service itself may besides, whichever account it runs as: read, write and delete, but not change rights.
const MODIFY: &str = "0x1301bf";

/// How deep what lies in the folder is looked at: everything that says what the service does, and every mail that waits, lies no
/// deeper.
const DEPTH: usize = 4;

/// Makes the folder, or makes sure of one that is there.
///
/// # Errors
/// `PermissionDenied`, with what to do, if somebody else was there first; else the system's.
pub fn secure(folder: &Path) -> io::Result<()> {
    let open = format!("D:P{ENTRIES}(A;OICI;{MODIFY};;;{SERVICE})");
    match make(folder, &open) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    if !fs::symlink_metadata(folder)?.is_dir() {
        let fault = format!(
            "{} is a link or a file and not a folder: look who made it, and remove it",
            folder.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, fault));
    }
    must_be_owned(folder)?;
    let is_ours_to_close = if is_tight(folder)? {
        let rights = rights_text(folder)?;
        if rights.contains(SERVICE) {
            return Ok(());
        }
        rights.ends_with(ENTRIES)
    } else {
        // First nobody comes in any more, then it is seen who was in.
        set(folder, &format!("D:P{ENTRIES}"))?;
        true
    };
    if !is_tight(folder)? {
        let fault =
            format!("ordinary users may read or write in {}, and cannot be shut out", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, fault));
    }
    all_must_be_owned(folder, DEPTH)?;
    // That the rights name the service is the sign that this was done. Rights that an administrator has given are left alone.
    if is_ours_to_close { set(folder, &open) } else { Ok(()) }
}

fn is_tight(folder: &Path) -> io::Result<bool> {
    Ok(!others_may(folder, Way::Write)? && !others_may(folder, Way::Read)?)
}

fn all_must_be_owned(folder: &Path, depth: usize) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        must_be_owned(&entry.path())?;
        if depth > 1 && entry.file_type()?.is_dir() {
            all_must_be_owned(&entry.path(), depth - 1)?;
        }
    }
    Ok(())
}

/// A descriptor that the system made of its text.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn of(text: &str) -> io::Result<Self> {
        let text = wide(text);
        let mut made = PSECURITY_DESCRIPTOR::default();
        // SAFETY: the text ends in a zero, and both outlive the call.
        unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                PCWSTR(text.as_ptr()),
                SDDL_REVISION_1,
                &raw mut made,
                None,
            )
            .map_err(|error| plain(&error))?;
        }
        Ok(Self(made))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it was made by a call that says to give it back so, and this is done once.
        unsafe {
            let _ = LocalFree(Some(HLOCAL(self.0.0)));
        }
    }
}

/// Makes a folder that has these rights from its first moment.
fn make(folder: &Path, rights: &str) -> io::Result<()> {
    let descriptor = Descriptor::of(rights)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: descriptor.0.0,
        bInheritHandle: false.into(),
    };
    let path = wide(folder);
    // SAFETY: the path ends in a zero; it, the attributes and the descriptor outlive the call.
    unsafe { CreateDirectoryW(PCWSTR(path.as_ptr()), Some(&raw const attributes)) }
        .map_err(|error| plain(&error))
}

/// Gives a folder, and what inherits from it, these rights.
fn set(folder: &Path, rights: &str) -> io::Result<()> {
    let descriptor = Descriptor::of(rights)?;
    let path = wide(folder);
    let mut acl: *mut ACL = std::ptr::null_mut();
    let (mut is_there, mut is_default) = (false.into(), false.into());
    // SAFETY: the list lies within the descriptor, which like the path outlives both calls.
    unsafe {
        GetSecurityDescriptorDacl(descriptor.0, &raw mut is_there, &raw mut acl, &raw mut is_default)
            .map_err(|error| plain(&error))?;
        let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
        SetNamedSecurityInfoW(
            PCWSTR(path.as_ptr()),
            SE_FILE_OBJECT,
            what,
            None,
            None,
            Some(acl.cast_const()),
            None,
        )
        .ok()
        .map_err(|error| plain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_that_others_neither_write_nor_read_and_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("Host Watchdog");
        secure(&folder).unwrap();
        assert!(is_tight(&folder).unwrap());
        fs::write(folder.join("policy.toml"), "schema = 1").unwrap();
        secure(&folder).unwrap();
        assert!(is_tight(&folder).unwrap());
        assert_eq!(fs::read_to_string(folder.join("policy.toml")).unwrap(), "schema = 1");
    }

    #[test]
    fn a_folder_that_was_left_open_is_closed_or_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("open");
        make(&folder, "D:P(A;OICI;FA;;;WD)").unwrap();
        assert!(others_may(&folder, Way::Read).unwrap());
        // Wine does not close it; then it is refused.
        let secured = secure(&folder);
        assert_eq!(secured.is_err(), !is_tight(&folder).unwrap(), "{secured:?}");
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = secure(&file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("not a folder"), "{error}");
    }
}
