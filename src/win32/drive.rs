//! Drives, and what a file is called on them.

use super::handle::borrowed;
use super::text::{from_wide, wide};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use windows::Win32::Storage::FileSystem::{
    FILE_NAME_NORMALIZED, GETFINALPATHNAMEBYHANDLE_FLAGS, GetFinalPathNameByHandleW, QueryDosDeviceW,
    VOLUME_NAME_DOS,
};
use windows::core::PCWSTR;

/// So that a folder can be opened too.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// Each drive letter, with the kernel's name of the volume behind it.
#[must_use]
pub fn all() -> Vec<(char, String)> {
    let device = |letter: char| {
        let name = wide(format!("{letter}:"));
        let mut target = [0_u16; 1024];
        // SAFETY: the name ends in a zero; both outlive the call, which is told how much may be written.
        let length = unsafe { QueryDosDeviceW(PCWSTR(name.as_ptr()), Some(&mut target)) };
        // Of several, the first is the one in force.
        (length > 0).then(|| (letter, from_wide(&target).to_string_lossy().into_owned()))
    };
    ('A'..='Z').filter_map(device).collect()
}

/// What a file is really called: with the case it has on the disk, without short names, as `\\?\C:\…`.
///
/// # Errors
/// The system's.
pub fn final_path(path: &Path) -> io::Result<OsString> {
    // To ask for its name, no right on a file is needed.
    let file: File = OpenOptions::new().access_mode(0).custom_flags(BACKUP_SEMANTICS).open(path)?;
    let mut name = vec![0_u16; 32 * 1024];
    let flags = GETFINALPATHNAMEBYHANDLE_FLAGS(VOLUME_NAME_DOS.0 | FILE_NAME_NORMALIZED.0);
    // SAFETY: the file is open, and the call is told how much may be written.
    let length = unsafe { GetFinalPathNameByHandleW(borrowed(&file), &mut name, flags) } as usize;
    match name.get(..length) {
        Some(name) if length > 0 => Ok(from_wide(name)),
        _ => Err(io::Error::last_os_error()),
    }
}
