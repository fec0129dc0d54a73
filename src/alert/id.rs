//! Names that are made here: the short id of an alert, and the message id of a digest.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The fewest letters of an alert's id; it is typed on phones, and is no secret.
const SHORTEST: usize = 5;

/// An id for the alert with this key, opened then: as short as it can be without being `taken`. Key and moment are
/// what the alert is; they do not come twice, as no two passes share a nanosecond even if the clock was set back.
pub fn short(key: &str, opened: Timestamp, taken: impl Fn(&str) -> bool) -> String {
    let whole = base32(&hash(&[key.as_bytes(), &opened.as_nanosecond().to_be_bytes()]));
    let free = (SHORTEST..whole.len()).filter_map(|length| whole.get(..length)).find(|id| !taken(id));
    free.unwrap_or(&whole).to_owned()
}

/// The fixed message id of the digest that was made `at` a moment from `parts`, with its angle brackets. The same
/// digest always has the same id, so that it can be put into the outbox twice and be there once.
#[must_use]
pub fn message(host: &str, at: Timestamp, parts: &[&[u8]]) -> String {
    let mut all = vec![host.as_bytes()];
    let nanoseconds = at.as_nanosecond().to_be_bytes();
    all.push(&nanoseconds);
    all.extend(parts);
    let short = base32(&hash(&all));
    let short = short.get(..16).unwrap_or(&short);
    format!("<{}.{short}.watchdog@{}>", at.strftime("%Y%m%dT%H%M%SZ"), domain(host))
}

/// The host's name as the right side of a message id: letters, digits, hyphens and single dots.
fn domain(host: &str) -> String {
    let labels = host.split('.').map(|label| {
        let label: String =
            label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
        label.trim_matches('-').to_owned()
    });
    let labels: Vec<String> = labels.filter(|label| !label.is_empty()).take(8).collect();
    if labels.is_empty() { "localhost".to_owned() } else { labels.join(".") }
}

/// A hash of parts; where one ends and the next begins counts.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// RFC 4648 base32 in lower case: it has no 0, 1, 8 or 9 that could be taken for a letter.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bits = String::with_capacity(bytes.len() * 8);
    for byte in bytes {
        let _ = write!(bits, "{byte:08b}");
    }
    let bits = bits.as_bytes().chunks_exact(5);
    let value = |five: &[u8]| five.iter().fold(0, |value, bit| value * 2 + usize::from(bit - b'0'));
    bits.filter_map(|five| LETTERS.get(value(five))).map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
    }

    #[test]
    fn an_id_grows_only_when_a_shorter_one_is_taken() {
        let opened = at("2026-11-22T14:02:00Z");
        let id = short("unknown-process /tmp/x", opened, |_| false);
        assert_eq!(id.len(), 5);
        let longer = short("unknown-process /tmp/x", opened, |taken| taken == id);
        assert_eq!((longer.len(), longer.starts_with(&id)), (6, true));
        assert_ne!(short("unknown-process /tmp/y", opened, |_| false), id);
        assert_ne!(short("unknown-process /tmp/x", at("2026-11-22T14:02:01Z"), |_| false), id);
    }

    #[test]
    fn a_message_id_is_fixed_by_its_content() {
        let opened = at("2026-11-22T14:02:00Z");
        let id = message("web1.example.org", opened, &[b"a", b"b"]);
        assert_eq!(id, message("web1.example.org", opened, &[b"a", b"b"]));
        assert_ne!(id, message("web1.example.org", opened, &[b"ab"]));
        assert!(id.starts_with("<20261122T140200Z.") && id.ends_with(".watchdog@web1.example.org>"), "{id}");
    }

    #[test]
    fn a_host_name_cannot_break_a_message_id() {
        for (host, wanted) in [
            ("web1", "web1"),
            ("a b>\\n", "a-b--n"),
            ("..x..y-.", "x.y"),
            ("", "localhost"),
            ("\u{fc}", "localhost"),
            ("my_host", "my-host"),
        ] {
            assert_eq!(domain(host), wanted, "{host:?}");
        }
    }

    proptest! {
        #[test]
        fn any_host_name_gives_a_message_id_of_safe_characters(host: String, second in 0i64..4_000_000_000) {
            let id = message(&host, Timestamp::from_second(second).unwrap(), &[]);
            let inner = id.strip_prefix('<').unwrap().strip_suffix('>').unwrap();
            prop_assert!(inner.chars().all(|c| c.is_ascii_alphanumeric() || ".-@".contains(c)));
            prop_assert_eq!(inner.matches('@').count(), 1);
            prop_assert!(!inner.contains("..") && !inner.ends_with('.'));
        }
    }
}
