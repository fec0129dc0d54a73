//! The desktops that people sit at, or left without logging off.

use super::error::plain;
use super::text::from_wide;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use windows::Win32::System::RemoteDesktop::{
    WTS_CLIENT_ADDRESS, WTS_CURRENT_SERVER_HANDLE, WTS_INFO_CLASS, WTS_SESSION_INFOW, WTSActive,
    WTSClientAddress, WTSDisconnected, WTSEnumerateSessionsW, WTSFreeMemory, WTSINFOW,
    WTSQuerySessionInformationW, WTSSessionInfo,
};
use windows::core::PWSTR;

/// More sessions than any host has.
const MOST: u32 = 10_000;
/// What Windows calls IPv4 and IPv6.
const INET: u32 = 2;
const INET6: u32 = 23;

/// A session somebody is logged in at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desktop {
    /// Its number.
    pub id: u32,
    /// The domain of its account.
    pub domain: String,
    /// The name of its account.
    pub user: String,
    /// The address that the client says it has, if it came over the network.
    pub from: Option<IpAddr>,
    /// True if nobody sits at it now.
    pub disconnected: bool,
    /// When its user logged in, in units of 100 nanoseconds since 1601; 0 if Windows does not say.
    pub since: i64,
}

/// Every session of a user.
///
/// # Errors
/// The system's.
pub fn desktops() -> std::io::Result<Vec<Desktop>> {
    let mut list: *mut WTS_SESSION_INFOW = std::ptr::null_mut();
    let mut count = 0;
    // SAFETY: what comes back is as many entries as the count says, or no list at all; the parts that are read are copied, and
    // the list is given back once, after the last use.
    let found: Vec<(u32, i32)> = unsafe {
        WTSEnumerateSessionsW(Some(WTS_CURRENT_SERVER_HANDLE), 0, 1, &raw mut list, &raw mut count)
            .map_err(|error| plain(&error))?;
        if list.is_null() {
            return Ok(Vec::new());
        }
        let entries = std::slice::from_raw_parts(list, count.min(MOST) as usize);
        let found = entries.iter().map(|entry| (entry.SessionId, entry.State.0)).collect();
        WTSFreeMemory(list.cast());
        found
    };
    let of_users = |(id, state): (u32, i32)| {
        if state != WTSActive.0 && state != WTSDisconnected.0 {
            return None;
        }
        let info: WTSINFOW = ask(id, WTSSessionInfo)?;
        let text = |buffer: &[u16]| from_wide(buffer).to_string_lossy().into_owned();
        let user = text(&info.UserName);
        // Session 0 belongs to services.
        if user.is_empty() {
            return None;
        }
        Some(Desktop {
            id,
            domain: text(&info.Domain),
            user,
            from: ask::<WTS_CLIENT_ADDRESS>(id, WTSClientAddress).and_then(|address| address_of(&address)),
            disconnected: state == WTSDisconnected.0,
            since: info.LogonTime,
        })
    };
    Ok(found.into_iter().filter_map(of_users).collect())
}

/// What Windows keeps of a session: a plain structure of numbers.
fn ask<T: Copy>(id: u32, what: WTS_INFO_CLASS) -> Option<T> {
    let mut buffer = PWSTR::null();
    let mut bytes = 0;
    // SAFETY: what comes back is as many bytes as it is said to be, or nothing; only a whole structure is read of it, from
    // wherever it lies, and it is given back once.
    unsafe {
        let asked = WTSQuerySessionInformationW(
            Some(WTS_CURRENT_SERVER_HANDLE),
            id,
            what,
            &raw mut buffer,
            &raw mut bytes,
        );
        if asked.is_err() || buffer.is_null() {
            return None;
        }
        let whole = bytes as usize >= size_of::<T>();
        let found = whole.then(|| buffer.0.cast::<T>().read_unaligned());
        WTSFreeMemory(buffer.0.cast());
        found
    }
}

/// IPv4 begins at the third byte, IPv6 at the first.
fn address_of(address: &WTS_CLIENT_ADDRESS) -> Option<IpAddr> {
    let part = |from: usize, length: usize| address.Address.get(from..from + length);
    let found = match address.AddressFamily {
        INET => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(part(2, 4)?).ok()?)),
        INET6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(part(0, 16)?).ok()?)),
        _ => return None,
    };
    (!found.is_unspecified()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_sessions_never_fails_badly() {
        if let Ok(desktops) = desktops() {
            assert!(desktops.iter().all(|desktop| !desktop.user.is_empty()));
        }
    }

    #[test]
    fn the_address_of_a_client_is_that_of_its_family() {
        let mut address = WTS_CLIENT_ADDRESS { AddressFamily: INET, ..WTS_CLIENT_ADDRESS::default() };
        address.Address[2..6].copy_from_slice(&[10, 8, 0, 2]);
        assert_eq!(address_of(&address), Some("10.8.0.2".parse().unwrap()));
        address.AddressFamily = INET6;
        address.Address = [0; 20];
        assert_eq!(address_of(&address), None);
        address.AddressFamily = 7;
        assert_eq!(address_of(&address), None);
    }
}
