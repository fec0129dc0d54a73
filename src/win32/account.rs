//! Accounts, and what this process may do.

use super::handle::{borrowed, owned};
use super::text::{from_wide, wide};
use std::ffi::OsString;
use windows::Win32::Foundation::{ERROR_NOT_ALL_ASSIGNED, GetLastError, HANDLE, LUID};
use windows::Win32::Security::{
    AdjustTokenPrivileges, LUID_AND_ATTRIBUTES, LookupAccountSidW, LookupPrivilegeValueW, PSID,
    SE_PRIVILEGE_ENABLED, SID_NAME_USE, TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY,
};
use windows::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows::core::{PCWSTR, PWSTR};

/// The name of an account, as `DOMAIN\name`; none if nobody knows it.
#[must_use]
pub fn name(sid: &[u8]) -> Option<OsString> {
    // A SID says by itself how long it is.
    if sid.len() < 8 || sid.len() != 8 + 4 * usize::from(*sid.get(1)?) {
        return None;
    }
    let aligned: Vec<u32> = sid.as_chunks().0.iter().map(|part| u32::from_ne_bytes(*part)).collect();
    let (mut name, mut domain) = ([0_u16; 512], [0_u16; 512]);
    let (mut name_length, mut domain_length) = (512, 512);
    let mut kind = SID_NAME_USE::default();
    // SAFETY: the SID is as long as it says and aligned; the buffers hold as many units as the lengths say; all of them
    // outlive the call.
    unsafe {
        LookupAccountSidW(
            PCWSTR::null(),
            PSID(aligned.as_ptr().cast_mut().cast()),
            Some(PWSTR(name.as_mut_ptr())),
            &raw mut name_length,
            Some(PWSTR(domain.as_mut_ptr())),
            &raw mut domain_length,
            &raw mut kind,
        )
        .ok()?;
    }
    let mut whole = from_wide(&domain);
    if !whole.is_empty() {
        whole.push("\\");
    }
    whole.push(from_wide(&name));
    Some(whole)
}

/// Makes use of the right to look at any process, if this account has it; says so.
#[must_use]
pub fn enable_debug_privilege() -> bool {
    let mut token = HANDLE::default();
    let mut luid = LUID::default();
    let privilege = wide("SeDebugPrivilege");
    // SAFETY: the handle is new, ours alone and closed by its owner; all that is read or written outlives the calls.
    unsafe {
        let rights = TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY;
        if OpenProcessToken(GetCurrentProcess(), rights, &raw mut token).is_err() {
            return false;
        }
        let token = owned(token);
        if LookupPrivilegeValueW(PCWSTR::null(), PCWSTR(privilege.as_ptr()), &raw mut luid).is_err() {
            return false;
        }
        let wanted = TOKEN_PRIVILEGES {
            PrivilegeCount: 1,
            Privileges: [LUID_AND_ATTRIBUTES { Luid: luid, Attributes: SE_PRIVILEGE_ENABLED }],
        };
        let adjusted = AdjustTokenPrivileges(borrowed(&token), false, Some(&raw const wanted), 0, None, None);
        // It also succeeds if it could do nothing.
        adjusted.is_ok() && GetLastError() != ERROR_NOT_ALL_ASSIGNED
    }
}
