//! Who we are, and who may write where.

use std::fs::File;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use windows::Win32::Foundation::{CloseHandle, HANDLE, HLOCAL, LocalFree};
use windows::Win32::Security::Authorization::{
    GetEffectiveRightsFromAclW, GetSecurityInfo, SE_FILE_OBJECT, TRUSTEE_IS_SID, TRUSTEE_IS_WELL_KNOWN_GROUP,
    TRUSTEE_W,
};
use windows::Win32::Security::{
    ACL, CreateWellKnownSid, DACL_SECURITY_INFORMATION, GetTokenInformation, PSECURITY_DESCRIPTOR, PSID,
    SECURITY_MAX_SID_SIZE, TOKEN_ELEVATION, TOKEN_QUERY, TokenElevation, WELL_KNOWN_SID_TYPE,
    WinAuthenticatedUserSid, WinBuiltinUsersSid, WinWorldSid,
};
use windows::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows::core::PWSTR;

/// To write, to append, to delete what lies in a folder, to change its rights or its owner, or all of that.
const WRITES: u32 = 0x0000_0002 | 0x0000_0004 | 0x0000_0040 | 0x0001_0000 | 0x0004_0000 | 0x0008_0000;

const READ_DATA: u32 = 0x0000_0001;
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

/// Makes sure that ordinary users cannot lay anything into a folder.
///
/// # Errors
/// If they can, or it cannot be told.
pub fn must_be_ours(folder: &Path) -> io::Result<()> {
    if others_may_write(folder)? {
        let fault = "ordinary users may write in it: take that right away (icacls FOLDER /inheritance:r /grant Administrators:(OI)(CI)F SYSTEM:(OI)(CI)F) or choose another folder";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, fault));
    }
    Ok(())
}

/// True if everybody, or everybody who has logged in, may write here.
///
/// # Errors
/// The system's.
pub fn others_may_write(path: &Path) -> io::Result<bool> {
    // A folder can only be opened by who says so.
    let file =
        std::fs::OpenOptions::new().access_mode(READ_CONTROL).custom_flags(BACKUP_SEMANTICS).open(path)?;
    others_may(&file, WRITES)
}

/// True if everybody, or everybody who has logged in, may read this file.
///
/// # Errors
/// The system's.
pub fn others_may_read(file: &File) -> io::Result<bool> {
    others_may(file, READ_DATA)
}

fn others_may(file: &File, what: u32) -> io::Result<bool> {
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
        .ok()?;
        // Without a list everybody may do everything.
        let may = acl.is_null()
            || [WinWorldSid, WinAuthenticatedUserSid, WinBuiltinUsersSid]
                .into_iter()
                .any(|group| rights(acl, group) & what != 0);
        let _ = LocalFree(Some(HLOCAL(descriptor.0)));
        Ok(may)
    }
}

/// The rights that a list gives to a group that every Windows has.
///
/// # Safety
/// `acl` must be a valid list.
unsafe fn rights(acl: *const ACL, group: WELL_KNOWN_SID_TYPE) -> u32 {
    let mut sid = [0u64; (SECURITY_MAX_SID_SIZE as usize).div_ceil(8)];
    let mut length = SECURITY_MAX_SID_SIZE;
    let sid = PSID(sid.as_mut_ptr().cast());
    let mut rights = 0;
    // SAFETY: the buffer is as large as it is said to be and lives until the end; the list is the caller's.
    unsafe {
        if CreateWellKnownSid(group, None, Some(sid), &raw mut length).is_err() {
            return 0;
        }
        let trustee = TRUSTEE_W {
            TrusteeForm: TRUSTEE_IS_SID,
            TrusteeType: TRUSTEE_IS_WELL_KNOWN_GROUP,
            ptstrName: PWSTR(sid.0.cast()),
            ..TRUSTEE_W::default()
        };
        if GetEffectiveRightsFromAclW(acl, &raw const trustee, &raw mut rights).is_err() {
            return 0;
        }
    }
    rights
}
