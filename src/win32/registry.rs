//! Values of the registry, read so that what is missing and what is of another kind is none.

use super::error::plain;
use super::text::{from_wide, wide};
use windows::Win32::Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS};
use windows::Win32::System::Registry::{HKEY, REG_EXPAND_SZ, REG_SZ, RegEnumKeyExW, RegEnumValueW};
use windows::core::{PCWSTR, PWSTR};
use windows_registry::{Key, LOCAL_MACHINE, Type, USERS, Value};

/// A command line has 32767 units, and a list of libraries no more. A larger text starts nothing.
const LARGEST: usize = 256 * 1024;

/// A name of a value has no more units, with its zero.
const NAME: usize = 16 * 1024;

/// No key that is read here has more keys or values in it.
const MOST: usize = 100_000;

/// A branch of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// What is the whole host's.
    Machine,
    /// What is of the users that are logged in, by SID.
    Users,
}

/// A key, opened for reading; none if it is not there or may not be read.
#[must_use]
pub fn key(root: Root, path: &str) -> Option<Key> {
    open(root, path).ok()
}

/// A key, opened for reading.
///
/// # Errors
/// The system's: above all that it is not there.
pub fn open(root: Root, path: &str) -> std::io::Result<Key> {
    let root = match root {
        Root::Machine => LOCAL_MACHINE,
        Root::Users => USERS,
    };
    root.open(path).map_err(|error| plain(&error))
}

/// The names of the keys right below.
///
/// They are listed here, as the values are, and not by the crate: its list ends without a word where something grows while it
/// is read, and anybody may write to a part of the registry, as fast and as much as they like.
#[must_use]
pub fn keys(key: &Key) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = [0_u16; 256];
    while names.len() < MOST {
        let mut length = 256;
        let index = u32::try_from(names.len()).unwrap_or(u32::MAX);
        // SAFETY: the key is open as long as it lives; the name is as long as is said and outlives the call.
        let listed = unsafe {
            let into = Some(PWSTR(name.as_mut_ptr()));
            RegEnumKeyExW(HKEY(key.as_raw()), index, into, &raw mut length, None, None, None, None)
        };
        if listed != ERROR_SUCCESS {
            break;
        }
        names.push(String::from_utf16_lossy(name.get(..length as usize).unwrap_or_default()));
    }
    names
}

/// The texts among the values of a key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Name and text of each. The names are those that the values really have, a zero in them included: asked for by name,
    /// such a one is not to be found.
    pub found: Vec<(String, String)>,
    /// How many values were not read: they are larger than anything that can be started, or more than anybody has.
    pub unread: usize,
}

/// The names and texts of all values that are text.
#[must_use]
pub fn texts(key: &Key) -> Texts {
    let mut texts = Texts::default();
    let mut name = vec![0_u16; NAME];
    let mut data = vec![0_u16; LARGEST / 2];
    for index in 0..=MOST {
        let mut length = u32::try_from(name.len()).unwrap_or(0);
        let mut size = u32::try_from(data.len() * 2).unwrap_or(0);
        let mut kind = 0;
        // SAFETY: the key is open as long as it lives; both buffers are as large as is said and outlive the call.
        let listed = unsafe {
            RegEnumValueW(
                HKEY(key.as_raw()),
                u32::try_from(index).unwrap_or(u32::MAX),
                Some(PWSTR(name.as_mut_ptr())),
                &raw mut length,
                None,
                Some(&raw mut kind),
                Some(data.as_mut_ptr().cast()),
                Some(&raw mut size),
            )
        };
        match listed {
            ERROR_SUCCESS if index == MOST => texts.unread += 1,
            ERROR_SUCCESS if kind == REG_SZ.0 || kind == REG_EXPAND_SZ.0 => {
                let name = String::from_utf16_lossy(name.get(..length as usize).unwrap_or_default());
                let text = from_wide(data.get(..size as usize / 2).unwrap_or_default());
                texts.found.push((name, text.to_string_lossy().into_owned()));
            }
            ERROR_SUCCESS => {}
            ERROR_MORE_DATA => texts.unread += 1,
            _ => break,
        }
    }
    texts
}

/// A text, as it is written; none if it is larger than anything that can be started.
#[must_use]
pub fn text(key: &Key, name: &str) -> Option<String> {
    let written = wide(name);
    // SAFETY: the name ends in a zero and outlives the call.
    let (_, size) = unsafe { key.raw_get_info(PCWSTR(written.as_ptr())).ok()? };
    if size <= LARGEST { text_of(&key.get_value(name).ok()?) } else { None }
}

/// A number of 32 bits.
#[must_use]
pub fn number(key: &Key, name: &str) -> Option<u32> {
    key.get_u32(name).ok()
}

/// A list of texts, without empty ones; a single text is a list of one.
#[must_use]
pub fn list(key: &Key, name: &str) -> Vec<String> {
    let Ok(value) = key.get_value(name) else { return Vec::new() };
    if value.ty() == Type::MultiString {
        // The zeros at its end are read as texts of their own.
        let texts = value.as_wide().split(|unit| *unit == 0).filter(|text| !text.is_empty());
        return texts.map(|text| from_wide(text).to_string_lossy().into_owned()).collect();
    }
    text_of(&value).into_iter().collect()
}

/// Bytes.
#[must_use]
pub fn bytes(key: &Key, name: &str) -> Option<Vec<u8>> {
    let value = key.get_value(name).ok()?;
    (value.ty() == Type::Bytes).then(|| value.to_vec())
}

/// A text that is no proper UTF-16 is shown with marks in it rather than not at all: nobody shall hide behind one.
fn text_of(value: &Value) -> Option<String> {
    let is_text = matches!(value.ty(), Type::String | Type::ExpandString);
    is_text.then(|| from_wide(value.as_wide()).to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows_registry::CURRENT_USER;

    #[test]
    fn values_are_read_by_their_kind_and_broken_text_is_not_hidden() {
        let path = format!(r"Software\host-watchdog-test-{}", std::process::id());
        let key = CURRENT_USER.create(&path).unwrap();
        key.set_string("text", "C:\\x.exe -a").unwrap();
        key.set_u32("number", 7).unwrap();
        key.set_multi_string("list", &["a", "b"]).unwrap();
        key.set_bytes("bytes", Type::Bytes, &[1, 2]).unwrap();
        let broken: Vec<u8> =
            [u16::from(b'x'), 0xd800, 0].iter().flat_map(|unit| unit.to_le_bytes()).collect();
        key.set_bytes("broken", Type::String, &broken).unwrap();
        let read = (
            texts(&key),
            (text(&key, "number"), number(&key, "number"), number(&key, "text")),
            (list(&key, "list"), list(&key, "text"), list(&key, "none")),
            (bytes(&key, "bytes"), bytes(&key, "text")),
        );
        CURRENT_USER.remove_tree(&path).unwrap();
        let (Texts { found: mut texts, unread }, numbers, lists, bytes) = read;
        texts.sort();
        assert_eq!(unread, 0);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(texts, [pair("broken", "x\u{fffd}"), pair("text", "C:\\x.exe -a")]);
        assert_eq!(numbers, (None, Some(7), None));
        assert_eq!(lists, (vec!["a".to_owned(), "b".to_owned()], vec!["C:\\x.exe -a".to_owned()], vec![]));
        assert_eq!(bytes, (Some(vec![1, 2]), None));
    }

    #[test]
    fn a_value_that_is_too_large_hides_none_behind_it_and_is_counted() {
        let path = format!(r"Software\host-watchdog-test-large-{}", std::process::id());
        let key = CURRENT_USER.create(&path).unwrap();
        key.set_string("a", "first").unwrap();
        key.set_string("b", "x".repeat(LARGEST)).unwrap();
        key.set_string("c", "last").unwrap();
        key.create("below").unwrap();
        let (read, large, below) = (texts(&key), text(&key, "b"), keys(&key));
        CURRENT_USER.remove_tree(&path).unwrap();
        let names: Vec<&str> = read.found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, read.unread), (vec!["a", "c"], 1));
        assert_eq!((large, below), (None, vec!["below".to_owned()]));
    }
}
