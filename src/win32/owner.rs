//! To whom files and folders belong: whoever owns one may always take any right to it.

use super::error::plain;
use super::sid;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use windows::Win32::Foundation::{CloseHandle, HANDLE, HLOCAL, LocalFree};
use windows::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertSidToStringSidW, GetSecurityInfo,
    SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetTokenInformation, OBJECT_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION,
    PSECURITY_DESCRIPTOR, PSID, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};
use windows::core::PWSTR;

const READ_CONTROL: u32 = 0x0002_0000;

/// So that a folder can be opened.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// So that a link is opened itself, and not what it leads to.
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// The system, the administrators, and who installs Windows.
const TRUSTED: [&str; 3] =
    ["S-1-5-18", "S-1-5-32-544", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"];

/// Our service, whichever account it runs as: what `sc showsid host-watchdog` says, a digest of that name.
pub(super) const SERVICE: &str = "S-1-5-80-3770486469-563713243-145560886-251367417-1453561266";

/// No text that is read here is longer.
const MOST: usize = 64 * 1024;

/// Makes sure that a file, a folder or a link belongs to nobody who could gain by it: to the system, to the administrators,
/// to our service or to ourselves.
///
/// # Errors
/// If it belongs to somebody else, or it cannot be told.
pub fn must_be_owned(path: &Path) -> io::Result<()> {
    let owner = owner(path)?;
    if TRUSTED.contains(&owner.as_str()) || owner == SERVICE || own_sid().is_some_and(|own| own == owner) {
        return Ok(());
    }
    let name = sid::name(&owner).map_or(owner, |(domain, name)| format!("{domain}\\{name}"));
    let fault = format!(
        "{0} belongs to {name}, who is neither the system nor the administrators: look what it is, and remove it, or make it theirs (takeown /A /F \"{0}\")",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, fault))
}

/// The rights of a file, a folder or a link itself, as they are written.
///
/// # Errors
/// The system's.
pub(super) fn rights_text(path: &Path) -> io::Result<String> {
    asked(path, DACL_SECURITY_INFORMATION, |descriptor, _| {
        let mut text = PWSTR::null();
        // SAFETY: the descriptor is valid while this runs; the text is read and given back by the function it goes to.
        unsafe {
            ConvertSecurityDescriptorToStringSecurityDescriptorW(
                descriptor,
                SDDL_REVISION_1,
                DACL_SECURITY_INFORMATION,
                &raw mut text,
                None,
            )
            .map_err(|error| plain(&error))?;
            Ok(taken(text))
        }
    })
}

/// The SID of the owner of a file, a folder or a link itself.
fn owner(path: &Path) -> io::Result<String> {
    // SAFETY: the SID is valid while this runs.
    asked(path, OWNER_SECURITY_INFORMATION, |_, owner| unsafe { sid_text(owner) })
}

/// Asks something of the descriptor of a file, a folder or a link itself, and of the owner in it; both are valid while `ask` runs.
fn asked<T>(
    path: &Path,
    what: OBJECT_SECURITY_INFORMATION,
    ask: impl FnOnce(PSECURITY_DESCRIPTOR, PSID) -> io::Result<T>,
) -> io::Result<T> {
    let flags = BACKUP_SEMANTICS | OPEN_REPARSE_POINT;
    let file = std::fs::OpenOptions::new().access_mode(READ_CONTROL).custom_flags(flags).open(path)?;
    let mut owner = PSID::default();
    let mut descriptor = PSECURITY_DESCRIPTOR::default();
    // SAFETY: the handle is that of an open file. The owner lies within the descriptor, which is given back once, after the
    // last use.
    unsafe {
        GetSecurityInfo(
            HANDLE(file.as_raw_handle()),
            SE_FILE_OBJECT,
            what,
            Some(&raw mut owner),
            None,
            None,
            None,
            Some(&raw mut descriptor),
        )
        .ok()
        .map_err(|error| plain(&error))?;
        let answer = ask(descriptor, owner);
        let _ = LocalFree(Some(HLOCAL(descriptor.0)));
        answer
    }
}

/// The SID of the account that this process runs as.
fn own_sid() -> Option<String> {
    // Room for the structure and the longest SID behind it, aligned for both.
    let mut buffer = [0u64; 32];
    let mut token = HANDLE::default();
    let mut length = 0;
    let size = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    // SAFETY: what is written to lives longer than the calls and is as large as they are told; the handle is closed once.
    // What was written begins with a TOKEN_USER, whose pointer leads into the same buffer.
    unsafe {
        OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token).ok()?;
        let asked =
            GetTokenInformation(token, TokenUser, Some(buffer.as_mut_ptr().cast()), size, &raw mut length);
        let _ = CloseHandle(token);
        asked.ok()?;
        let user = &*buffer.as_ptr().cast::<TOKEN_USER>();
        sid_text(user.User.Sid).ok()
    }
}

/// A SID as it is written.
///
/// # Safety
/// `sid` must be a valid one.
unsafe fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = PWSTR::null();
    // SAFETY: the SID is the caller's.
    unsafe {
        ConvertSidToStringSidW(sid, &raw mut text).map_err(|error| plain(&error))?;
        Ok(taken(text))
    }
}

/// A text that the system has made for us, which is given back to it.
///
/// # Safety
/// `text` must end in a zero, come from a call that says to free it so, and not be used afterwards.
unsafe fn taken(text: PWSTR) -> String {
    let mut units = Vec::new();
    // SAFETY: it is read up to its zero, and given back once.
    unsafe {
        while units.len() < MOST && *text.0.add(units.len()) != 0 {
            units.push(*text.0.add(units.len()));
        }
        let _ = LocalFree(Some(HLOCAL(text.0.cast())));
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_make_is_ours_and_what_does_not_exist_is_nobodys() {
        let folder = tempfile::tempdir().unwrap();
        must_be_owned(folder.path()).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        must_be_owned(&file).unwrap();
        assert_eq!(must_be_owned(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn we_know_who_we_are() {
        let own = own_sid().unwrap();
        assert!(own.starts_with("S-1-5-"), "{own}");
    }
}
