//! The privileges of this process: what is not needed is given away, for good.

use super::error::plain;
use super::text::wide;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows::Win32::Foundation::{HANDLE, LUID};
use windows::Win32::Security::{
    AdjustTokenPrivileges, GetTokenInformation, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW,
    SE_PRIVILEGE_REMOVED, TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY, TokenPrivileges,
};
use windows::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows::core::PCWSTR;

/// More than Windows has privileges.
const MOST: usize = 128;

/// As Windows lays them out: a number, and so many of these.
#[repr(C)]
struct List {
    count: u32,
    privileges: [LUID_AND_ATTRIBUTES; MOST],
}

/// Gives away every privilege of this process but these; how many it had besides them.
///
/// # Errors
/// The system's; what it held before it holds still then.
pub fn keep_only(names: &[&str]) -> io::Result<usize> {
    let token = own_token()?;
    let kept: Vec<LUID> = names.iter().filter_map(|name| number(name)).collect();
    let mut list = List { count: 0, privileges: [LUID_AND_ATTRIBUTES::default(); MOST] };
    let mut length = 0;
    let size = u32::try_from(size_of::<List>()).unwrap_or(0);
    // SAFETY: the token is open, and the list is as large as it is said to be and outlives the call.
    unsafe {
        let into = Some((&raw mut list).cast());
        GetTokenInformation(handle(&token), TokenPrivileges, into, size, &raw mut length)
            .map_err(|error| plain(&error))?;
    }
    let held = list.privileges.iter().take(list.count as usize);
    let others: Vec<LUID_AND_ATTRIBUTES> = held
        .filter(|held| !kept.contains(&held.Luid))
        .map(|held| LUID_AND_ATTRIBUTES { Luid: held.Luid, Attributes: SE_PRIVILEGE_REMOVED })
        .collect();
    let mut away = List { count: 0, privileges: [LUID_AND_ATTRIBUTES::default(); MOST] };
    for (place, other) in away.privileges.iter_mut().zip(&others) {
        *place = *other;
        away.count += 1;
    }
    // SAFETY: the list says how many entries it has, and outlives the call; nothing is asked back.
    unsafe {
        let away = (&raw const away).cast::<TOKEN_PRIVILEGES>();
        AdjustTokenPrivileges(handle(&token), false, Some(away), 0, None, None)
            .map_err(|error| plain(&error))?;
    }
    Ok(others.len())
}

fn own_token() -> io::Result<OwnedHandle> {
    let mut token = HANDLE::default();
    // SAFETY: the handle of this process needs no closing; that of its token is owned from here on.
    unsafe {
        OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES, &raw mut token)
            .map_err(|error| plain(&error))?;
        Ok(OwnedHandle::from_raw_handle(token.0))
    }
}

fn handle(token: &OwnedHandle) -> HANDLE {
    HANDLE(token.as_raw_handle())
}

/// The number that this Windows has for a privilege.
fn number(name: &str) -> Option<LUID> {
    let name = wide(name);
    let mut number = LUID::default();
    // SAFETY: the name ends in a zero, and what is written to outlives the call.
    unsafe { LookupPrivilegeValueW(PCWSTR::null(), PCWSTR(name.as_ptr()), &raw mut number).ok()? };
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that other tests in this process may need; the one of setting the time zone none does.
    const KEPT: &[&str] = &[
        "SeBackupPrivilege",
        "SeChangeNotifyPrivilege",
        "SeCreateGlobalPrivilege",
        "SeDebugPrivilege",
        "SeImpersonatePrivilege",
        "SeLoadDriverPrivilege",
        "SeManageVolumePrivilege",
        "SeRestorePrivilege",
        "SeSecurityPrivilege",
        "SeTakeOwnershipPrivilege",
    ];

    #[test]
    fn what_is_not_named_is_given_away_and_stays_away() {
        let first = keep_only(KEPT).unwrap();
        assert!(first > 0, "this process had no others");
        assert_eq!(keep_only(KEPT).unwrap(), 0);
    }
}
