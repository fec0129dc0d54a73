//! What a process keeps in its own memory for all to read who may. Only where Windows has no call that tells it.

use super::error::{of_status, plain};
use super::handle::{Buffer, borrowed, owned};
use super::text::from_wide;
use std::ffi::OsString;
use std::io;
use std::os::windows::io::OwnedHandle;
use windows::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows::Win32::System::Threading::{
    OpenProcess, PROCESS_BASIC_INFORMATION, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_VM_READ,
};

/// Where the parameters of a process are named in its environment block, and the command line in these.
const PARAMETERS: u64 = 0x20;
const COMMAND_LINE: u64 = 0x70;

/// The command line that a process has in its memory.
///
/// # Errors
/// The system's; `InvalidData` if what is there makes no sense.
pub fn command_line(pid: u32) -> io::Result<OsString> {
    let rights = PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ;
    // SAFETY: the handle is new, and ours alone.
    let process = unsafe { owned(OpenProcess(rights, false, pid).map_err(|error| plain(&error))?) };
    let mut basic = PROCESS_BASIC_INFORMATION::default();
    let mut length = 0;
    let size = u32::try_from(size_of::<PROCESS_BASIC_INFORMATION>()).unwrap_or(0);
    // SAFETY: the handle is open, and what is written to is as large as is said and lives longer.
    let status = unsafe {
        NtQueryInformationProcess(
            borrowed(&process),
            ProcessBasicInformation,
            (&raw mut basic).cast(),
            size,
            &raw mut length,
        )
    };
    if status.is_err() {
        return Err(of_status(status));
    }
    let senseless = || io::Error::from(io::ErrorKind::InvalidData);
    let number = |address: u64| read(&process, address, 8)?.u64(0).ok_or_else(senseless);
    let parameters = number((basic.PebBaseAddress as u64).saturating_add(PARAMETERS))?;
    let line = parameters.saturating_add(COMMAND_LINE);
    let length = usize::from(read(&process, line, 8)?.u16(0).ok_or_else(senseless)?);
    let text = read(&process, number(line.saturating_add(8))?, length)?;
    let units = text.bytes().get(..length).ok_or_else(senseless)?;
    let units: Vec<u16> = units.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    Ok(from_wide(&units))
}

/// So many bytes of another process's memory.
fn read(process: &OwnedHandle, address: u64, length: usize) -> io::Result<Buffer> {
    let mut buffer = Buffer::new(length);
    let mut done = 0;
    // SAFETY: the handle is open, and as much may be written as the buffer holds; the address is the other process's, and is
    // looked at by the kernel, which refuses what is none.
    unsafe {
        ReadProcessMemory(
            borrowed(process),
            address as *const _,
            buffer.bytes_mut().as_mut_ptr().cast(),
            length,
            Some(&raw mut done),
        )
        .map_err(|error| plain(&error))?;
    }
    if done == length { Ok(buffer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
