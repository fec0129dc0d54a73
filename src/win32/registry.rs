//! Values of the registry, read so that what is missing and what is of another kind is none.

use super::text::from_wide;
use windows_registry::{Key, LOCAL_MACHINE, Type, USERS, Value};

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
    root.open(path).map_err(Into::into)
}

/// The names of the keys right below.
#[must_use]
pub fn keys(key: &Key) -> Vec<String> {
    key.keys().map(Iterator::collect).unwrap_or_default()
}

/// The names and texts of all values that are text. The names are those that the values really have, a zero in them
/// included: asked for by name, such a one is not to be found.
#[must_use]
pub fn texts(key: &Key) -> Vec<(String, String)> {
    let Ok(values) = key.values() else { return Vec::new() };
    values.filter_map(|(name, value)| Some((name, text_of(&value)?))).collect()
}

/// A text, as it is written.
#[must_use]
pub fn text(key: &Key, name: &str) -> Option<String> {
    text_of(&key.get_value(name).ok()?)
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
        let (mut texts, numbers, lists, bytes) = read;
        texts.sort();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(texts, [pair("broken", "x\u{fffd}"), pair("text", "C:\\x.exe -a")]);
        assert_eq!(numbers, (None, Some(7), None));
        assert_eq!(lists, (vec!["a".to_owned(), "b".to_owned()], vec!["C:\\x.exe -a".to_owned()], vec![]));
        assert_eq!(bytes, (Some(vec![1, 2]), None));
    }
}
