//! Text that came from the host, made harmless once, at the border.
//!
//! Process names, arguments, paths, user names and log lines are written by whoever wants to. A [`Text`] holds
//! such bytes in a form that can be shown anywhere: no control character, no bidi mark, no line break, no byte
//! that is not UTF-8. The form is one to one, so two different names never look the same: everything unshowable becomes
//! `\x0a`, `\x1b`, `\xff` or `\u{202e}`. A backslash stays one, so that `C:\Windows` reads as it is written; only where
//! backslashes stand before what would then be read as such an escape, each is doubled.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::{Borrow, Cow};
use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::Arc;

/// Escaped text from the host. Cheap to clone; compares, sorts and serialises as the escaped string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// Escapes all of `bytes`.
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(escape(bytes.as_ref()).into())
    }

    /// Escapes at most the first `limit` bytes and says how much was left out, for text without a natural end.
    #[must_use]
    pub fn cut(bytes: &[u8], limit: usize) -> Self {
        match bytes.get(..limit) {
            Some(head) if head.len() < bytes.len() => {
                let mut shown = escape(head).into_owned();
                let _ = write!(shown, "… ({} bytes more)", bytes.len() - limit);
                Self(shown.into())
            }
            _ => Self::new(bytes),
        }
    }

    /// Text of which this is the escaped form already; what should have been escaped is.
    #[must_use]
    pub fn shown(shown: &str) -> Self {
        Self(clean(shown).into())
    }

    /// The escaped form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes this text was made from (of text made by [`Text::cut`], those of its shown form).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        unescape(&self.0)
    }
}

impl Default for Text {
    fn default() -> Self {
        Self("".into())
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    /// Reads the escaped form back. A facts file may come from anywhere, so what should have been escaped is.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::shown(&Cow::<str>::deserialize(deserializer)?))
    }
}

/// Escapes what must never reach a terminal, a header or a log, and leaves backslashes alone. For the last step
/// before showing a whole line that was put together from [`Text`] and our own words.
#[must_use]
pub fn clean(line: &str) -> Cow<'_, str> {
    if line.chars().all(is_showable) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 8);
    line.chars().for_each(|c| push_escaped(&mut out, c));
    Cow::Owned(out)
}

fn escape(bytes: &[u8]) -> Cow<'_, str> {
    let plain = |b: &u8| (0x20..0x7f).contains(b) && *b != b'\\';
    if bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    // How many backslashes stand at the end of what is written: an odd number before an escape makes it one.
    let mut run = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        for (at, c) in valid.char_indices() {
            if c == '\\' {
                out.push(c);
                run += 1;
                continue;
            }
            let reads_as_escape = || escaped(valid.get(at..).unwrap_or_default()).is_some();
            if run > 0 && (!is_showable(c) || reads_as_escape()) {
                out.extend(std::iter::repeat_n('\\', run));
            }
            run = 0;
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            out.extend(std::iter::repeat_n('\\', run));
            run = 0;
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

fn push_escaped(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = match c {
        c if is_showable(c) => out.write_char(c),
        c if c.is_ascii() => write!(out, "\\x{:02x}", u32::from(c)),
        c => write!(out, "\\u{{{:x}}}", u32::from(c)),
    };
}

/// No controls, no format characters (bidi, zero width, tags), no line or paragraph separators, no odd spaces,
/// no private use: what a reader sees is what is there.
fn is_showable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    !(c.is_control()
        || (c.is_whitespace())
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
            | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
            | 0xfff0..=0xfffb | 0xe000..=0xf8ff | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a
            | 0xe_0000..=0x10_ffff))
}

fn unescape(shown: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(shown.len());
    let mut rest = shown;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before.as_bytes());
        let after = from.trim_start_matches('\\');
        let run = from.len() - after.len();
        rest = after;
        match escaped(after) {
            None => out.extend(std::iter::repeat_n(b'\\', run)),
            Some((bytes, length)) => {
                out.extend(std::iter::repeat_n(b'\\', run / 2));
                if run % 2 == 1 {
                    out.extend_from_slice(&bytes);
                    rest = after.get(length..).unwrap_or_default();
                }
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// What an escape stands for, and its length, given the text behind its backslash. Only what is never shown as itself
/// has one: `\x64` is a backslash and a name.
pub(crate) fn escaped(after: &str) -> Option<(Vec<u8>, usize)> {
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok().filter(|_| is_hex(digits));
    if let Some(rest) = after.strip_prefix('x') {
        let byte = u8::try_from(number(rest.get(..2)?)?).ok()?;
        let is_shown = byte.is_ascii() && is_showable(char::from(byte));
        return (!is_shown).then(|| (vec![byte], 3));
    }
    let (digits, _) = after.strip_prefix("u{")?.split_once('}')?;
    let c = char::from_u32(number(digits)?).filter(|c| !is_showable(*c))?;
    Some((c.to_string().into_bytes(), digits.len() + 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_shown_is_escaped() {
        for (raw, shown) in [
            (&b"nginx"[..], "nginx"),
            (b"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
            (b"\x1b[31mred", "\\x1b[31mred"),
            (b"caf\xc3\xa9 \xff", "café \\xff"),
            ("user\u{202e}gpj.exe".as_bytes(), "user\\u{202e}gpj.exe"),
            (b"C:\\new\\tmp\\x64\\u{41}", "C:\\new\\tmp\\x64\\u{41}"),
            (b"\\\\server\\share", "\\\\server\\share"),
            (b"dev-by\\x1b", "dev-by\\\\x1b"),
            (b"a\\\\\x1b", "a\\\\\\\\\\x1b"),
            ("\u{85}\u{2028}\u{feff}\u{a0}".as_bytes(), "\\u{85}\\u{2028}\\u{feff}\\u{a0}"),
        ] {
            assert_eq!(Text::new(raw).as_str(), shown);
        }
    }

    #[test]
    fn long_text_says_how_much_was_cut() {
        assert_eq!(Text::cut(b"abcdef", 4).as_str(), "abcd… (2 bytes more)");
        assert_eq!(Text::cut(b"abcd", 4).as_str(), "abcd");
    }

    #[test]
    fn a_facts_file_cannot_smuggle_raw_controls_in() {
        let text: Text = serde_json::from_str("\"a\\u001b[2J\\\\x1b\"").unwrap();
        assert_eq!(text.as_str(), "a\\x1b[2J\\x1b");
    }

    proptest! {
        #[test]
        fn escaping_is_one_to_one_and_showable(bytes: Vec<u8>) {
            let text = Text::new(&bytes);
            prop_assert!(text.chars().all(is_showable));
            prop_assert_eq!(text.to_bytes(), bytes);
        }

        #[test]
        fn backslashes_before_escapes_are_told_from_escapes(shown in "[\\\\xu{}1be2\u{1b}\u{202e}]{0,12}") {
            prop_assert_eq!(Text::new(&shown).to_bytes(), shown.into_bytes());
        }

        #[test]
        fn clean_changes_nothing_the_second_time(line: String) {
            let once = clean(&line).into_owned();
            prop_assert_eq!(clean(&once).into_owned(), once);
        }

        #[test]
        fn unescaping_takes_any_text(shown: String) {
            unescape(&shown);
        }
    }
}
