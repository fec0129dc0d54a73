//! All processes, as the kernel lists them: that is told to anybody, and of every process.

use super::error::of_status;
use super::handle::Buffer;
use super::text::from_wide;
use std::ffi::OsString;
use std::io;
use windows::Wdk::System::SystemInformation::{NtQuerySystemInformation, SYSTEM_INFORMATION_CLASS};
use windows::Win32::Foundation::{NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INFO_LENGTH_MISMATCH};

const PROCESSES: SYSTEM_INFORMATION_CLASS = SYSTEM_INFORMATION_CLASS(5);
const PROCESS_ID: SYSTEM_INFORMATION_CLASS = SYSTEM_INFORMATION_CLASS(88);

/// A list that is larger than this is none.
const MOST: usize = 256 * 1024 * 1024;

/// A path has no more bytes than a `UNICODE_STRING` can count.
const PATH: u16 = u16::MAX - 1;

/// A process, as the kernel lists it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its number.
    pub pid: u32,
    /// The number of the process that started it, which may be another's by now.
    pub parent: u32,
    /// When it started, in units of 100 nanoseconds since 1601.
    pub start: u64,
    /// The name of its file, or what the kernel calls it.
    pub name: OsString,
}

/// All processes.
///
/// # Errors
/// The system's; `InvalidData` if what it says makes no sense.
pub fn read() -> io::Result<Vec<Listed>> {
    let mut size = 512 * 1024;
    loop {
        let mut buffer = Buffer::new(size);
        let mut length = 0;
        // SAFETY: the buffer is as large as is said, aligned for the structures, and outlives the call.
        let status = unsafe {
            NtQuerySystemInformation(
                PROCESSES,
                buffer.bytes_mut().as_mut_ptr().cast(),
                buffer.len(),
                &raw mut length,
            )
        };
        if status.is_ok() {
            return entries(&buffer).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        if !is_too_small(status) || size >= MOST {
            return Err(of_status(status));
        }
        // More may have started meanwhile.
        size = (size * 2).max(length as usize + 64 * 1024).min(MOST);
    }
}

/// The entries of a `SYSTEM_PROCESS_INFORMATION`, each of which says where the next one begins.
fn entries(buffer: &Buffer) -> Option<Vec<Listed>> {
    let mut all = Vec::new();
    let mut at = 0_usize;
    loop {
        let number = |field: usize| buffer.u64(at + field);
        all.push(Listed {
            pid: u32::try_from(number(80)?).ok()?,
            parent: u32::try_from(number(88)?).ok()?,
            start: number(32)?,
            name: from_wide(&buffer.unicode_string(at + 56)?),
        });
        match buffer.u32(at)? {
            0 => return Some(all),
            next => at = at.checked_add(next as usize)?,
        }
    }
}

/// The file that a process runs, by the kernel's name of it; empty if it has none. This too is told to anybody, also of
/// processes that are protected from administrators.
///
/// # Errors
/// The system's.
pub fn image(pid: u32) -> io::Result<OsString> {
    let mut path = Buffer::new(usize::from(PATH));
    // The number, and a UNICODE_STRING: its length, its room, its memory.
    let mut asked = [u64::from(pid), u64::from(PATH) << 16, path.bytes_mut().as_mut_ptr() as u64];
    let size = u32::try_from(size_of_val(&asked)).unwrap_or(0);
    // SAFETY: the structure is as large as is said and names memory of the size that it says; both outlive the call.
    let status = unsafe {
        NtQuerySystemInformation(PROCESS_ID, asked.as_mut_ptr().cast(), size, std::ptr::null_mut())
    };
    if status.is_err() {
        return Err(of_status(status));
    }
    let length = usize::try_from(asked[1] & 0xffff).unwrap_or(0);
    let bytes = path.bytes().get(..length).unwrap_or_default();
    let units: Vec<u16> = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    Ok(from_wide(&units))
}

fn is_too_small(status: NTSTATUS) -> bool {
    status == STATUS_INFO_LENGTH_MISMATCH || status == STATUS_BUFFER_TOO_SMALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_in_the_list_and_what_is_not_there_is_said_by_an_error_of_its_kind() {
        assert!(read().unwrap().iter().any(|one| one.pid == std::process::id()));
        let error = super::super::process::Process::open(0xffff_fff0).unwrap_err();
        // ERROR_INVALID_PARAMETER
        assert_eq!(error.raw_os_error(), Some(87), "{error}");
    }
}
