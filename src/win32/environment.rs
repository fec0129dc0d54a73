//! What a process has for its environment: read from its own memory, where Windows itself keeps it.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, HANDLE};
use windows::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows::Win32::System::Threading::{
    GetProcessTimes, IsWow64Process, OpenProcess, PROCESS_BASIC_INFORMATION, PROCESS_QUERY_INFORMATION,
    PROCESS_VM_READ,
};

/// No environment that is looked at is larger, in bytes.
const LARGEST: usize = 256 * 1024;
/// Where, in 64-bit processes, the block of a process points to its parameters, and these to the environment and its size.
/// These places have been the same since Windows Vista.
const PARAMETERS: usize = 0x20;
const ENVIRONMENT: usize = 0x80;
const ENVIRONMENT_SIZE: usize = 0x3f0;

/// What came of reading an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    /// UTF-16, little end first: `NAME=VALUE`, each with a zero behind it.
    Read(Vec<u8>),
    /// It may not be read.
    Forbidden,
    /// It is a 32-bit process, which keeps its environment in a form of its own.
    Of32Bits,
    /// There is no such process any more.
    Gone,
}

/// When a process started, in units of 100 nanoseconds since 1601, and its environment.
#[must_use]
pub fn of_process(pid: u32) -> (Option<u64>, Environment) {
    // SAFETY: it takes numbers and gives a handle of our own, which is owned at once.
    let opened = unsafe { OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, false, pid) };
    let process = match opened {
        // SAFETY: as above.
        Ok(handle) => unsafe { OwnedHandle::from_raw_handle(handle.0) },
        // There is no process of that number.
        Err(error) if error.code() == ERROR_INVALID_PARAMETER.to_hresult() => {
            return (None, Environment::Gone);
        }
        // Whatever else it is, there is one, and nobody may hide by it.
        Err(_) => return (None, Environment::Forbidden),
    };
    let handle = HANDLE(process.as_raw_handle());
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    let mut is_32_bit = windows::core::BOOL::default();
    // SAFETY: the handle is open, and all that is written to outlives the calls.
    let (dated, asked) = unsafe {
        (
            GetProcessTimes(handle, created, ended, kernel, user).is_ok(),
            IsWow64Process(handle, &raw mut is_32_bit).is_ok(),
        )
    };
    let created = u64::from(times[0].dwHighDateTime) << 32 | u64::from(times[0].dwLowDateTime);
    let created = dated.then_some(created);
    if !asked || is_32_bit.as_bool() || size_of::<usize>() != 8 {
        return (created, Environment::Of32Bits);
    }
    (created, read(handle).map_or(Environment::Forbidden, Environment::Read))
}

fn read(process: HANDLE) -> Option<Vec<u8>> {
    let mut basic = PROCESS_BASIC_INFORMATION::default();
    let size = u32::try_from(size_of::<PROCESS_BASIC_INFORMATION>()).unwrap_or(0);
    let mut used = 0;
    // SAFETY: what is written to is as large as it is said to be and outlives the call.
    let status = unsafe {
        let into = (&raw mut basic).cast();
        NtQueryInformationProcess(process, ProcessBasicInformation, into, size, &raw mut used)
    };
    if status.is_err() || basic.PebBaseAddress.is_null() {
        return None;
    }
    let parameters = pointer(process, (basic.PebBaseAddress as usize).checked_add(PARAMETERS)?)?;
    let environment = pointer(process, parameters.checked_add(ENVIRONMENT)?)?;
    let size = pointer(process, parameters.checked_add(ENVIRONMENT_SIZE)?)?;
    if environment == 0 {
        return None;
    }
    memory(process, environment, size.min(LARGEST))
}

/// A number of eight bytes.
fn pointer(process: HANDLE, at: usize) -> Option<usize> {
    let bytes = memory(process, at, 8)?;
    Some(usize::from_le_bytes(bytes.try_into().ok()?))
}

/// Memory of another process. Whatever it holds, it is only bytes here.
fn memory(process: HANDLE, at: usize, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0_u8; length];
    let mut read = 0;
    // SAFETY: the buffer is as long as it is said to be and outlives the call; the address is one of the other process, and
    // one that is not there is an error.
    let done = unsafe {
        ReadProcessMemory(process, at as *const _, bytes.as_mut_ptr().cast(), length, Some(&raw mut read))
    };
    (done.is_ok() && read == length).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_environment_is_what_we_were_started_with() {
        let (created, environment) = of_process(std::process::id());
        assert!(created.is_some());
        let Environment::Read(bytes) = environment else { panic!("{environment:?}") };
        let units: Vec<u16> = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        let text = String::from_utf16_lossy(&units);
        let (name, value) =
            std::env::vars().find(|(name, _)| name.eq_ignore_ascii_case("SystemRoot")).unwrap();
        assert!(text.split('\0').any(|entry| entry == format!("{name}={value}")), "{text:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_gone() {
        assert_eq!(of_process(0xffff_fff0).1, Environment::Gone);
    }
}
