//! Comparing two versions of a Debian package: epoch, upstream version, revision, with `~` before the end.

use std::cmp::Ordering;

/// Compares as dpkg does. What is not a version is compared all the same, never refused.
#[must_use]
pub fn compare_versions(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (split(a), split(b));
    compare_numbers(a.0, b.0).then_with(|| compare_part(a.1, b.1)).then_with(|| compare_part(a.2, b.2))
}

/// Epoch, upstream version and revision.
fn split(version: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (epoch, rest) =
        match version.iter().position(|b| *b == b':').and_then(|at| version.split_at_checked(at)) {
            Some((epoch, rest)) => (epoch, rest.get(1..).unwrap_or_default()),
            None => (&[][..], version),
        };
    match rest.iter().rposition(|b| *b == b'-').and_then(|at| rest.split_at_checked(at)) {
        Some((upstream, revision)) => (epoch, upstream, revision.get(1..).unwrap_or_default()),
        None => (epoch, rest, &[]),
    }
}

/// Runs of anything but digits and runs of digits, in turn.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let ((a_text, a_rest), (b_text, b_rest)) = (text(a), text(b));
        let ((a_digits, a_rest), (b_digits, b_rest)) = (digits(a_rest), digits(b_rest));
        let order = compare_text(a_text, b_text).then_with(|| compare_numbers(a_digits, b_digits));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}

fn text(part: &[u8]) -> (&[u8], &[u8]) {
    part.split_at(part.iter().position(u8::is_ascii_digit).unwrap_or(part.len()))
}

fn digits(part: &[u8]) -> (&[u8], &[u8]) {
    part.split_at(part.iter().position(|b| !b.is_ascii_digit()).unwrap_or(part.len()))
}

/// `~` is before the end, letters are before all else.
fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    let length = a.len().max(b.len());
    (0..length)
        .map(|at| weight(a.get(at)).cmp(&weight(b.get(at))))
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length.
fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &'_ [u8]| digits.iter().position(|d| *d != b'0').unwrap_or(digits.len());
    let (a, b) = (a.get(significant(a)..).unwrap_or_default(), b.get(significant(b)..).unwrap_or_default());
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
