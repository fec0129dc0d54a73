//! What the processors did, and what each process uses of them and of memory.

use super::error::plain;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use windows::Win32::Foundation::{FILETIME, HANDLE};
use windows::Win32::System::ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows::Win32::System::Threading::{
    ALL_PROCESSOR_GROUPS, GetActiveProcessorCount, GetProcessTimes, GetSystemTimes, OpenProcess,
    PROCESS_QUERY_LIMITED_INFORMATION,
};

/// How many processors there are.
#[must_use]
pub fn processors() -> u32 {
    // SAFETY: it takes a number and only reads a counter.
    unsafe { GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) }.max(1)
}

/// Since the start of Windows, of all processors together, in units of 100 nanoseconds: idle, in the kernel (with idle),
/// in programs.
///
/// # Errors
/// The system's.
pub fn processor_times() -> io::Result<(u64, u64, u64)> {
    let mut times = [FILETIME::default(); 3];
    let [idle, kernel, user] = &mut times;
    // SAFETY: all that is written to outlives the call.
    unsafe { GetSystemTimes(Some(idle), Some(kernel), Some(user)) }.map_err(|error| plain(&error))?;
    let [idle, kernel, user] = times.map(units);
    Ok((idle, kernel, user))
}

/// The processor time that a process has used, in units of 100 nanoseconds; nothing if it has ended or may not be asked.
#[must_use]
pub fn process_time(pid: u32) -> Option<u64> {
    let process = open(pid)?;
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: the handle is open, and all that is written to outlives the call.
    unsafe { GetProcessTimes(HANDLE(process.as_raw_handle()), created, ended, kernel, user).ok()? };
    let [_, _, kernel, user] = times.map(units);
    kernel.checked_add(user)
}

/// The memory that a process holds, in bytes; nothing if it has ended or may not be asked.
#[must_use]
pub fn process_memory(pid: u32) -> Option<u64> {
    let process = open(pid)?;
    let mut memory = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of_val(&memory)).ok()?;
    // SAFETY: the handle is open; what is written to is as large as is said and outlives the call.
    unsafe { GetProcessMemoryInfo(HANDLE(process.as_raw_handle()), &raw mut memory, size).ok()? };
    Some(memory.WorkingSetSize as u64)
}

fn open(pid: u32) -> Option<OwnedHandle> {
    // SAFETY: it takes numbers; the handle is new and has no other owner.
    unsafe {
        let handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, false, pid).ok()?;
        Some(OwnedHandle::from_raw_handle(handle.0))
    }
}

fn units(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}
