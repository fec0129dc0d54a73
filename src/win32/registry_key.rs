//! Keys of the registry for the whole machine: when they were changed, and lists, as far as the `windows-registry` crate does not read it itself.

use windows::Win32::Foundation::FILETIME;
use windows::Win32::System::Registry::{
    HKEY, HKEY_LOCAL_MACHINE, REG_VALUE_TYPE, RRF_RT_REG_MULTI_SZ, RegGetValueW, RegQueryInfoKeyW,
};
use windows::core::PCWSTR;

use super::text::wide;
use std::ffi::OsString;
use std::os::windows::ffi::OsStringExt;

/// More than any list of texts that is read here holds, in bytes.
const MOST: u32 = 4 * 1024 * 1024;

/// When a key or its values were last changed, in units of 100 nanoseconds since 1601; nothing if there is no such key.
#[must_use]
pub fn changed(key: &str) -> Option<u64> {
    let key = windows_registry::LOCAL_MACHINE.open(key).ok()?;
    let mut time = FILETIME::default();
    // SAFETY: the key is open as long as it lives, and what is written to outlives the call.
    let asked = unsafe {
        RegQueryInfoKeyW(
            HKEY(key.as_raw()),
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            Some(&raw mut time),
        )
    };
    asked.ok().ok()?;
    Some(u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime))
}

/// A number; nothing if there is none.
#[must_use]
pub fn number(key: &str, value: &str) -> Option<u32> {
    windows_registry::LOCAL_MACHINE.open(key).ok()?.get_u32(value).ok()
}

/// A list of texts with the empty ones in it, which an ordinary list cannot hold and the one of files to be renamed does;
/// nothing if there is none.
#[must_use]
pub fn texts(key: &str, value: &str) -> Vec<String> {
    let (key, value) = (wide(key), wide(value));
    let mut units: Vec<u16> = Vec::new();
    let mut size = 0;
    let mut kind = REG_VALUE_TYPE::default();
    for _ in 0..4 {
        let into = (!units.is_empty()).then(|| units.as_mut_ptr().cast());
        // SAFETY: the names end in a zero; the buffer is as large as `size` says, or there is none.
        let asked = unsafe {
            RegGetValueW(
                HKEY_LOCAL_MACHINE,
                PCWSTR(key.as_ptr()),
                PCWSTR(value.as_ptr()),
                RRF_RT_REG_MULTI_SZ,
                Some(&raw mut kind),
                into,
                Some(&raw mut size),
            )
        };
        if asked.is_ok() && into.is_some() {
            units.truncate(size as usize / 2);
            return split(&units);
        }
        // It may have grown meanwhile.
        if size == 0 || size > MOST {
            return Vec::new();
        }
        units = vec![0; (size as usize).div_ceil(2) + 512];
        size = u32::try_from(units.len() * 2).unwrap_or(0);
    }
    Vec::new()
}

/// Each text ends in a zero, and the whole in one more.
fn split(units: &[u16]) -> Vec<String> {
    let mut texts: Vec<String> = units
        .split(|unit| *unit == 0)
        .map(|text| OsString::from_wide(text).to_string_lossy().into_owned())
        .collect();
    // What stands behind the last zeros is nothing.
    while texts.len() % 2 == 1 || texts.ends_with(&[String::new(), String::new()]) {
        texts.pop();
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_empty_texts_but_not_its_end() {
        let list = |text: &str| split(&text.encode_utf16().collect::<Vec<_>>());
        assert_eq!(list("a\0\0b\0c\0\0"), ["a", "", "b", "c"]);
        assert_eq!(list("a\0\0\0"), ["a", ""]);
        assert_eq!(list(""), Vec::<String>::new());
    }

    #[test]
    fn a_key_that_is_there_was_changed_once_and_another_is_not_there() {
        assert!(changed(r"SOFTWARE\Microsoft\Windows\CurrentVersion").unwrap() > 0);
        assert_eq!(changed(r"SOFTWARE\No Such Key"), None);
        assert_eq!(texts(r"SOFTWARE\No Such Key", "x"), Vec::<String>::new());
    }
}
