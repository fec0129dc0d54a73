//! Who we are, and who may write where.

use super::error::plain;
use super::owner::must_be_owned;
use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use windows::Win32::Foundation::{CloseHandle, HANDLE, HLOCAL, LocalFree};
use windows::Win32::Security::Authorization::{GetSecurityInfo, SE_FILE_OBJECT};
use windows::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, GetAce, GetTokenInformation, IsWellKnownSid,
    PSECURITY_DESCRIPTOR, PSID, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation, WELL_KNOWN_SID_TYPE,
    WinAccountDomainGuestsSid, WinAccountDomainUsersSid, WinAnonymousSid, WinAuthenticatedUserSid,
    WinBuiltinGuestsSid, WinBuiltinPreWindows2000CompatibleAccessSid, WinBuiltinUsersSid, WinInteractiveSid,
    WinLocalSid, WinNetworkSid, WinWorldSid,
};
use windows::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// What somebody may do to a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To read what is in it.
    Read,
    /// To write or append, to delete it or what lies in it, to change its rights or its owner; of a folder, to lay
    /// something into it.
    Write,
    /// Of a folder: to put something in the place of what lies in it, or to let oneself.
    Replace,
}

impl Way {
    const fn rights(self) -> u32 {
        const DELETE_CHILD: u32 = 0x0000_0040;
        const DELETE: u32 = 0x0001_0000;
        const WRITE_DAC: u32 = 0x0004_0000;
        const WRITE_OWNER: u32 = 0x0008_0000;
        const GENERIC_ALL: u32 = 0x1000_0000;
        const GENERIC_WRITE: u32 = 0x4000_0000;
        const GENERIC_READ: u32 = 0x8000_0000;
        const REPLACE: u32 = DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER | GENERIC_ALL;
        match self {
            Self::Read => 0x0000_0001 | GENERIC_READ | GENERIC_ALL,
            Self::Write => 0x0000_0002 | 0x0000_0004 | GENERIC_WRITE | REPLACE,
            Self::Replace => REPLACE,
        }
    }
}

const READ_CONTROL: u32 = 0x0002_0000;

/// So that a folder can be opened.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// True if this process has the rights of an administrator.
#[must_use]
pub fn is_elevated() -> bool {
    let mut token = HANDLE::default();
    let mut elevation = TOKEN_ELEVATION::default();
    let mut length = 0;
    let size = u32::try_from(size_of::<TOKEN_ELEVATION>()).unwrap_or(0);
    // SAFETY: what is written to lives longer than the calls and is as large as they are told; the handle is closed once.
    unsafe {
        if OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token).is_err() {
            return false;
        }
        let into = Some((&raw mut elevation).cast());
        let asked = GetTokenInformation(token, TokenElevation, into, size, &raw mut length);
        let _ = CloseHandle(token);
        asked.is_ok() && elevation.TokenIsElevated != 0
    }
}

/// Makes sure that ordinary users cannot lay anything into a folder, nor give themselves the right to.
///
/// # Errors
/// If they can, or it cannot be told.
pub fn must_be_ours(folder: &Path) -> io::Result<()> {
    must_be_owned(folder)?;
    if others_may(folder, Way::Write)? {
        let fault = "ordinary users may write in it: take that right away (icacls FOLDER /inheritance:r /grant Administrators:(OI)(CI)F SYSTEM:(OI)(CI)F) or choose another folder";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, fault));
    }
    Ok(())
}

/// True if a group that anybody may be of can do this here.
///
/// # Errors
/// The system's.
pub fn others_may(path: &Path, way: Way) -> io::Result<bool> {
    // A folder can only be opened by who says so.
    let file =
        std::fs::OpenOptions::new().access_mode(READ_CONTROL).custom_flags(BACKUP_SEMANTICS).open(path)?;
    others_may_in(&file, way)
}

/// True if a group that anybody may be of can read this file.
///
/// # Errors
/// The system's.
pub fn others_may_read(file: &File) -> io::Result<bool> {
    others_may_in(file, Way::Read)
}

fn others_may_in(file: &File, way: Way) -> io::Result<bool> {
    let mut acl: *mut ACL = std::ptr::null_mut();
    let mut descriptor = PSECURITY_DESCRIPTOR::default();
    // SAFETY: the handle is that of an open file. The list lies within the descriptor, which is given back once, after
    // the last use.
    unsafe {
        GetSecurityInfo(
            HANDLE(file.as_raw_handle()),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION,
            None,
            None,
            Some(&raw mut acl),
            None,
            Some(&raw mut descriptor),
        )
        .ok()
        .map_err(|error| plain(&error))?;
        // Without a list everybody may do everything.
        let may = acl.is_null() || grants_to_anybody(acl, way);
        let _ = LocalFree(Some(HLOCAL(descriptor.0)));
        Ok(may)
    }
}

/// True if an entry of a list gives one of these rights to a group that anybody may be of. What another entry denies is
/// not counted: a right is rather seen where there is none than the other way round. Entries that are only there to be
/// inherited mean nothing for the file itself; so does CREATOR OWNER, which stands in such entries only.
///
/// # Safety
/// `acl` must be a valid list.
unsafe fn grants_to_anybody(acl: *const ACL, way: Way) -> bool {
    const INHERIT_ONLY: u8 = 0x08;
    // Plain entries, and those with a condition, which have the same beginning; objects' have another and are no file's.
    const ALLOWED: u8 = 0x00;
    const ALLOWED_CALLBACK: u8 = 0x09;
    // SAFETY: the list is the caller's; its entries lie within it, and each says by its kind what it holds.
    unsafe {
        for number in 0..(*acl).AceCount {
            let mut entry = std::ptr::null_mut();
            if GetAce(acl, u32::from(number), &raw mut entry).is_err() {
                // What cannot be read might give any right.
                return true;
            }
            let entry: *const ACCESS_ALLOWED_ACE = entry.cast();
            let header = (*entry).Header;
            let counts =
                matches!(header.AceType, ALLOWED | ALLOWED_CALLBACK) && header.AceFlags & INHERIT_ONLY == 0;
            if counts && (*entry).Mask & way.rights() != 0 {
                let sid = PSID((&raw const (*entry).SidStart).cast_mut().cast());
                if ANYBODY.iter().any(|group| IsWellKnownSid(sid, *group).as_bool()) {
                    return true;
                }
            }
        }
    }
    false
}

/// The groups of which anybody may be.
const ANYBODY: [WELL_KNOWN_SID_TYPE; 11] = [
    WinWorldSid,
    WinAuthenticatedUserSid,
    WinBuiltinUsersSid,
    WinBuiltinGuestsSid,
    WinAnonymousSid,
    WinInteractiveSid,
    WinNetworkSid,
    WinLocalSid,
    WinAccountDomainUsersSid,
    WinAccountDomainGuestsSid,
    WinBuiltinPreWindows2000CompatibleAccessSid,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_replace_a_file_takes_more_than_to_make_one_beside_it() {
        const ADD_SUBDIRECTORY: u32 = 0x4;
        assert_eq!(Way::Replace.rights() & ADD_SUBDIRECTORY, 0);
        assert_ne!(Way::Write.rights() & ADD_SUBDIRECTORY, 0);
        assert_eq!(Way::Replace.rights() & !Way::Write.rights(), 0);
    }

    #[test]
    fn the_rights_of_a_file_of_our_own_can_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        others_may(file.path(), Way::Write).unwrap();
        others_may(file.path().parent().unwrap(), Way::Replace).unwrap();
    }
}
