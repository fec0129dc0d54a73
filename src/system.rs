//! What every operating system can be asked, each in its own way: who we are on it, what room there is, how a file is opened
//! that may be a trap. What only one of them has stands in a `linux.rs` or `windows.rs` beside the watch that needs it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(windows)]
pub use windows::*;

/// What a symbolic link in place of a file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is followed.
    Follow,
    /// It is an error: somebody less trusted than the reader may have laid it.
    Refuse,
}

/// How much room a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that may still be written.
    pub free: u64,
    /// Files that may still be made; none: it does not count them.
    pub files: Option<u64>,
    /// True if nothing may be written to it.
    pub read_only: bool,
}
