//! Accounts of this host, local groups and their members, and the names behind SIDs.

use super::error::plain;
use super::text::{from_wide, wide};
use std::ffi::{OsStr, OsString};
use std::io;
use windows::Win32::Foundation::{HLOCAL, LocalFree};
use windows::Win32::NetworkManagement::NetManagement::{
    FILTER_NORMAL_ACCOUNT, LOCALGROUP_MEMBERS_INFO_2, NetApiBufferFree, NetLocalGroupGetMembers, NetUserEnum,
    NetUserGetInfo, USER_INFO_0, USER_INFO_4,
};
use windows::Win32::Security::Authorization::{ConvertSidToStringSidW, ConvertStringSidToSidW};
use windows::Win32::Security::{IsValidSid, LookupAccountSidW, PSID, SID_NAME_USE};
use windows::core::{PCWSTR, PWSTR};

/// What calls answer when there is more than one buffer of it.
const MORE: u32 = 234;
/// What they answer for an account that is gone since it was listed.
const NO_SUCH_USER: u32 = 2221;
/// What they answer for a group that is not there.
const NO_SUCH_GROUP: [u32; 2] = [2220, 1376];
/// What they answer for a SID that nobody has.
const NONE_MAPPED: i32 = 0x8007_0534_u32.cast_signed();

/// So many bytes at a time.
const BUFFER: u32 = 256 * 1024;
/// A name has no more units.
const LONGEST_NAME: usize = 1024;
/// A group has no more members that are looked at.
const MOST_MEMBERS: usize = 20_000;

/// Set for an account that cannot log in, whose password may be empty, and whose password need never be changed.
const DISABLED: u32 = 0x2;
const PASSWORD_NOT_REQUIRED: u32 = 0x20;
const PASSWORD_NEVER_EXPIRES: u32 = 0x1_0000;

/// An account of this host.
#[derive(Debug)]
pub struct User {
    /// Its name.
    pub name: OsString,
    /// Its SID in its written form; empty if it has none.
    pub sid: OsString,
    /// Whose it is, in words.
    pub full_name: OsString,
    /// True if one can log in with it.
    pub enabled: bool,
    /// False if its password may be empty.
    pub password_required: bool,
    /// True if its password must be changed now and then.
    pub password_expires: bool,
    /// How many seconds ago its password was set.
    pub password_age: u32,
    /// When it last logged in, in seconds since 1970; 0 if never.
    pub last_login: u32,
}

/// Who belongs to a group.
#[derive(Debug)]
pub struct Member {
    /// The name with that of the domain; empty if nobody knows it.
    pub name: OsString,
    /// The SID in its written form.
    pub sid: OsString,
    /// What kind of member, by the numbers of `SID_NAME_USE`.
    pub kind: i32,
}

/// A buffer that the network library made; given back when it goes.
struct Buffer(*mut u8);

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it came from the network library, and nothing of it is used after this.
            unsafe { NetApiBufferFree(Some(self.0.cast())) };
        }
    }
}

impl Buffer {
    /// The first `count` entries.
    ///
    /// # Safety
    /// The library must have put so many of just this kind there.
    unsafe fn entries<T>(&self, count: u32) -> &[T] {
        if self.0.is_null() {
            return &[];
        }
        // SAFETY: the caller's word; the library aligns its buffers for whatever it puts there.
        unsafe { std::slice::from_raw_parts(self.0.cast(), count as usize) }
    }
}

fn fault(code: u32) -> io::Error {
    io::Error::from_raw_os_error(i32::try_from(code).unwrap_or(i32::MAX))
}

/// The names of the accounts of this host; true if there are more than `most`.
///
/// # Errors
/// The system's.
pub fn user_names(most: usize) -> io::Result<(Vec<OsString>, bool)> {
    let mut names = Vec::new();
    let mut resume = 0;
    loop {
        let mut buffer = Buffer(std::ptr::null_mut());
        let (mut read, mut total) = (0, 0);
        // SAFETY: all that is written to lives longer than the call; the buffer is given back by its owner.
        let code = unsafe {
            NetUserEnum(
                PCWSTR::null(),
                0,
                FILTER_NORMAL_ACCOUNT,
                &raw mut buffer.0,
                BUFFER,
                &raw mut read,
                &raw mut total,
                Some(&raw mut resume),
            )
        };
        if code != 0 && code != MORE {
            return Err(fault(code));
        }
        // SAFETY: level 0 is a list of this kind; each name ends in a zero and lies in the same buffer.
        names.extend(unsafe { buffer.entries::<USER_INFO_0>(read).iter().map(|user| text(user.usri0_name)) });
        if names.len() > most {
            names.truncate(most);
            return Ok((names, true));
        }
        // A list that says that it goes on and does not would never end.
        if code == 0 || read == 0 {
            return Ok((names, false));
        }
    }
}

/// An account of this host; none if it is gone.
///
/// # Errors
/// The system's.
pub fn user(name: &OsStr) -> io::Result<Option<User>> {
    let written = wide(name);
    let mut buffer = Buffer(std::ptr::null_mut());
    // SAFETY: the name ends in a zero and outlives the call; the buffer is given back by its owner.
    let code = unsafe { NetUserGetInfo(PCWSTR::null(), PCWSTR(written.as_ptr()), 4, &raw mut buffer.0) };
    match code {
        0 => {}
        NO_SUCH_USER => return Ok(None),
        code => return Err(fault(code)),
    }
    // SAFETY: level 4 is one entry of this kind, whose texts and SID lie in the same buffer.
    let user = unsafe {
        buffer.entries::<USER_INFO_4>(1).first().map(|user| User {
            name: text(user.usri4_name),
            sid: written_sid(user.usri4_user_sid),
            full_name: text(user.usri4_full_name),
            enabled: user.usri4_flags.0 & DISABLED == 0,
            password_required: user.usri4_flags.0 & PASSWORD_NOT_REQUIRED == 0,
            password_expires: user.usri4_flags.0 & PASSWORD_NEVER_EXPIRES == 0,
            password_age: user.usri4_password_age,
            last_login: user.usri4_last_logon,
        })
    };
    Ok(user)
}

/// The members of a local group; none if there is no such group.
///
/// # Errors
/// The system's, and more members than anybody could read.
pub fn members(group: &OsStr) -> io::Result<Option<Vec<Member>>> {
    let written = wide(group);
    let mut members = Vec::new();
    let mut resume = 0;
    loop {
        let mut buffer = Buffer(std::ptr::null_mut());
        let (mut read, mut total) = (0, 0);
        // SAFETY: the name ends in a zero, all that is written to lives longer than the call, and the buffer is given
        // back by its owner.
        let code = unsafe {
            NetLocalGroupGetMembers(
                PCWSTR::null(),
                PCWSTR(written.as_ptr()),
                2,
                &raw mut buffer.0,
                BUFFER,
                &raw mut read,
                &raw mut total,
                Some(&raw mut resume),
            )
        };
        if NO_SUCH_GROUP.contains(&code) {
            return Ok(None);
        }
        if code != 0 && code != MORE {
            return Err(fault(code));
        }
        // SAFETY: level 2 is a list of this kind, whose texts and SIDs lie in the same buffer.
        members.extend(unsafe {
            buffer.entries::<LOCALGROUP_MEMBERS_INFO_2>(read).iter().map(|member| Member {
                name: text(member.lgrmi2_domainandname),
                sid: written_sid(member.lgrmi2_sid),
                kind: member.lgrmi2_sidusage.0,
            })
        });
        if members.len() > MOST_MEMBERS {
            return Err(io::Error::other(format!("it has more than {MOST_MEMBERS} members")));
        }
        if code == 0 || read == 0 {
            return Ok(Some(members));
        }
    }
}

/// The domain and the name of a SID in its written form; none if nobody has it.
///
/// # Errors
/// The system's.
pub fn name_of(sid: &str) -> io::Result<Option<(OsString, OsString)>> {
    let written = wide(sid);
    let mut binary = PSID::default();
    let (mut name, mut domain) = ([0; LONGEST_NAME], [0; LONGEST_NAME]);
    let (mut name_length, mut domain_length) = (1024, 1024);
    let mut kind = SID_NAME_USE::default();
    // SAFETY: the text ends in a zero, the buffers are as long as they are said to be, and the SID is given back once.
    let asked = unsafe {
        ConvertStringSidToSidW(PCWSTR(written.as_ptr()), &raw mut binary).map_err(|error| plain(&error))?;
        let asked = LookupAccountSidW(
            PCWSTR::null(),
            binary,
            Some(PWSTR(name.as_mut_ptr())),
            &raw mut name_length,
            Some(PWSTR(domain.as_mut_ptr())),
            &raw mut domain_length,
            &raw mut kind,
        );
        let _ = LocalFree(Some(HLOCAL(binary.0)));
        asked
    };
    match asked {
        Ok(()) => Ok(Some((from_wide(&domain), from_wide(&name)))),
        Err(error) if error.code().0 == NONE_MAPPED => Ok(None),
        Err(error) => Err(plain(&error)),
    }
}

/// A text that ends in a zero.
///
/// # Safety
/// It must be null or end in a zero.
unsafe fn text(text: PWSTR) -> OsString {
    if text.is_null() {
        return OsString::new();
    }
    let mut units = Vec::new();
    // SAFETY: it is read up to the zero and no further.
    unsafe {
        while units.len() < 32 * 1024 && *text.0.add(units.len()) != 0 {
            units.push(*text.0.add(units.len()));
        }
    }
    from_wide(&units)
}

/// The written form of a SID; empty if it is none.
///
/// # Safety
/// It must be null or point to a SID.
unsafe fn written_sid(sid: PSID) -> OsString {
    if sid.is_invalid() {
        return OsString::new();
    }
    let mut written = PWSTR::null();
    // SAFETY: the text that comes back ends in a zero and is given back once, after it was copied.
    unsafe {
        if !IsValidSid(sid).as_bool() || ConvertSidToStringSidW(sid, &raw mut written).is_err() {
            return OsString::new();
        }
        let copied = text(written);
        let _ = LocalFree(Some(HLOCAL(written.0.cast())));
        copied
    }
}
