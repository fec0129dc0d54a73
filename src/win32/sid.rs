//! Names of accounts.

use super::text::{from_wide, wide};
use windows::Win32::Foundation::{HLOCAL, LocalFree};
use windows::Win32::Security::Authorization::ConvertStringSidToSidW;
use windows::Win32::Security::{LookupAccountSidW, PSID, SID_NAME_USE};
use windows::core::{PCWSTR, PWSTR};

/// Domain and name of the account that a security identifier is of, if it is known here.
#[must_use]
pub fn name(sid: &str) -> Option<(String, String)> {
    // Some take an empty text for the identifier of nobody.
    if !sid.starts_with("S-") {
        return None;
    }
    let text = wide(sid);
    let mut binary = PSID::default();
    let (mut name, mut domain) = ([0_u16; 257], [0_u16; 257]);
    let (mut name_length, mut domain_length) = (256, 256);
    let mut kind = SID_NAME_USE::default();
    // SAFETY: the texts end in a zero or are as long as they are said to be, and outlive the calls. The binary form
    // is given back once, after its last use.
    let found = unsafe {
        ConvertStringSidToSidW(PCWSTR(text.as_ptr()), &raw mut binary).ok()?;
        let found = LookupAccountSidW(
            PCWSTR::null(),
            binary,
            Some(PWSTR(name.as_mut_ptr())),
            &raw mut name_length,
            Some(PWSTR(domain.as_mut_ptr())),
            &raw mut domain_length,
            &raw mut kind,
        );
        let _ = LocalFree(Some(HLOCAL(binary.0)));
        found
    };
    let text = |buffer: &[u16]| from_wide(buffer).to_string_lossy().into_owned();
    found.ok().map(|()| (text(&domain), text(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_known_identifier_has_a_name_and_nonsense_has_none() {
        assert!(name("S-1-5-18").is_some_and(|(_, name)| !name.is_empty()));
        assert_eq!(name("S-1-5-nonsense"), None);
        assert_eq!(name(""), None);
    }
}
