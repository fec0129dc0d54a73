//! Handles: each is closed once, by whoever owns it.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows::Win32::Foundation::HANDLE;

/// Takes over a handle that was just opened.
///
/// # Safety
/// It must be valid, and nobody else may close it.
pub(super) unsafe fn owned(handle: HANDLE) -> OwnedHandle {
    // SAFETY: the caller's word.
    unsafe { OwnedHandle::from_raw_handle(handle.0) }
}

/// What a call takes for a handle that somebody else keeps open.
pub(super) fn borrowed(handle: &impl AsRawHandle) -> HANDLE {
    HANDLE(handle.as_raw_handle())
}

/// Memory for what Windows writes: aligned for any of its structures.
pub(super) struct Buffer(Vec<u64>);

impl Buffer {
    pub(super) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes.div_ceil(8)])
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.0.len() * 8).unwrap_or(u32::MAX)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: numbers are bytes, all of them are set, and the slice lives no longer than they do.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * 8) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: numbers are bytes, any bytes are numbers, and nothing else can reach them meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * 8) }
    }

    /// The bytes that a pointer into this memory stands before, as far as they go.
    pub(super) fn behind(&self, address: u64) -> Option<&[u8]> {
        let at = address.checked_sub(self.0.as_ptr() as u64)?;
        self.bytes().get(usize::try_from(at).ok()?..)
    }

    /// The text of a `UNICODE_STRING` that stands `at` so many bytes, if all of it lies in this memory.
    pub(super) fn unicode_string(&self, at: usize) -> Option<Vec<u16>> {
        let length = usize::from(self.u16(at)?);
        let text = match self.u64(at + 8)? {
            0 => return (length == 0).then(Vec::new),
            address => self.behind(address)?.get(..length)?,
        };
        Some(units(text))
    }

    /// The text that ends in a zero, where a pointer into this memory leads.
    pub(super) fn text(&self, address: u64) -> Option<Vec<u16>> {
        let pairs = self.behind(address)?.as_chunks().0;
        let end = pairs.iter().position(|pair| *pair == [0, 0])?;
        Some(pairs.get(..end)?.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes().get(at..at + 2)?.try_into().ok()?))
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes().get(at..at + 4)?.try_into().ok()?))
    }

    pub(super) fn u64(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes().get(at..at + 8)?.try_into().ok()?))
    }
}

fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect()
}
