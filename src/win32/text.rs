//! Texts as Windows wants them.

use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::{OsStrExt, OsStringExt};

/// UTF-16 with a zero at its end.
pub(super) fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// What stands in a buffer before its first zero.
pub(super) fn from_wide(buffer: &[u16]) -> OsString {
    OsString::from_wide(buffer.split(|unit| *unit == 0).next().unwrap_or_default())
}
