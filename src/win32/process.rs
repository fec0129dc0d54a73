//! Processes.

use super::error::{of_status, plain};
use super::handle::{Buffer, borrowed, owned};
use super::text::from_wide;
use std::ffi::OsString;
use std::io;
use std::os::windows::io::OwnedHandle;
use windows::Wdk::System::Threading::{NtQueryInformationProcess, ProcessCommandLineInformation};
use windows::Win32::Foundation::{FILETIME, HANDLE};
use windows::Win32::Security::{
    GetTokenInformation, SECURITY_MAX_SID_SIZE, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows::Win32::System::ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows::Win32::System::Threading::{
    GetCurrentProcess, GetProcessTimes, OpenProcess, OpenProcessToken, PROCESS_NAME_WIN32,
    PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};
use windows::core::PWSTR;

/// More units than any path has.
const LONGEST: usize = 32 * 1024;

/// The processor time that this process has used, in milliseconds, and the memory it holds, in kilobytes.
#[must_use]
pub fn own_cost() -> (Option<u64>, Option<u64>) {
    let mut times = [FILETIME::default(); 4];
    let mut memory = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).unwrap_or(0);
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: the handle stands for this process itself, and all that is written to lives longer than the calls.
    let (has_times, has_memory) = unsafe {
        let own = GetCurrentProcess();
        (
            GetProcessTimes(own, created, ended, kernel, user).is_ok(),
            GetProcessMemoryInfo(own, &raw mut memory, size).is_ok(),
        )
    };
    let ms = |time: FILETIME| units(time) / 10_000;
    let [_, _, kernel, user] = times;
    (has_times.then(|| ms(kernel) + ms(user)), has_memory.then_some(memory.WorkingSetSize as u64 / 1024))
}

/// A time as one number, in units of 100 nanoseconds.
fn units(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

/// A process that may be asked about.
#[derive(Debug)]
pub struct Process(OwnedHandle);

impl Process {
    /// Opens a process for what is told most freely.
    ///
    /// # Errors
    /// The system's.
    pub fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: the handle is new, and ours alone.
        let opened = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, false, pid) };
        let handle = opened.map_err(|error| plain(&error))?;
        // SAFETY: as above.
        Ok(Self(unsafe { owned(handle) }))
    }

    /// When it started, in units of 100 nanoseconds since 1601: tells whether it is still the one that was meant.
    ///
    /// # Errors
    /// The system's.
    pub fn start(&self) -> io::Result<u64> {
        let mut times = [FILETIME::default(); 4];
        let [created, ended, kernel, user] = &mut times;
        // SAFETY: the handle is open, and all that is written to lives longer than the call.
        unsafe { GetProcessTimes(borrowed(&self.0), created, ended, kernel, user) }
            .map_err(|error| plain(&error))?;
        Ok(units(times[0]))
    }

    /// The path of the file that it runs.
    ///
    /// # Errors
    /// The system's.
    pub fn image(&self) -> io::Result<OsString> {
        let mut path = vec![0; LONGEST];
        let mut length = u32::try_from(path.len()).unwrap_or(0);
        // SAFETY: the handle is open, and the buffer holds as many units as the length says.
        unsafe {
            QueryFullProcessImageNameW(
                borrowed(&self.0),
                PROCESS_NAME_WIN32,
                PWSTR(path.as_mut_ptr()),
                &raw mut length,
            )
            .map_err(|error| plain(&error))?;
        }
        Ok(from_wide(path.get(..length as usize).unwrap_or_default()))
    }

    /// The command line it was started with, or what it has put in its place.
    ///
    /// # Errors
    /// The system's; `InvalidData` if what it says makes no sense.
    pub fn command_line(&self) -> io::Result<OsString> {
        // A UNICODE_STRING, and all it can hold behind it.
        let mut buffer = Buffer::new(usize::from(u16::MAX) + 64);
        let mut length = 0;
        // SAFETY: the handle is open; the buffer is as large as is said, aligned, and outlives the call.
        let status = unsafe {
            NtQueryInformationProcess(
                borrowed(&self.0),
                ProcessCommandLineInformation,
                buffer.bytes_mut().as_mut_ptr().cast(),
                buffer.len(),
                &raw mut length,
            )
        };
        if status.is_err() {
            return Err(of_status(status));
        }
        let line = buffer.unicode_string(0).ok_or(io::ErrorKind::InvalidData)?;
        Ok(from_wide(&line))
    }

    /// The SID of its user, as bytes.
    ///
    /// # Errors
    /// The system's; `InvalidData` if what it says makes no sense.
    pub fn user(&self) -> io::Result<Vec<u8>> {
        let mut token = HANDLE::default();
        let mut buffer = Buffer::new(size_of::<TOKEN_USER>() + SECURITY_MAX_SID_SIZE as usize);
        let mut length = 0;
        // SAFETY: the handle is open, the token is new and ours alone; the buffer is as large as is said, aligned, and
        // outlives the call.
        unsafe {
            OpenProcessToken(borrowed(&self.0), TOKEN_QUERY, &raw mut token)
                .map_err(|error| plain(&error))?;
            let token = owned(token);
            let size = buffer.len();
            let into = buffer.bytes_mut().as_mut_ptr().cast();
            GetTokenInformation(borrowed(&token), TokenUser, Some(into), size, &raw mut length)
                .map_err(|error| plain(&error))?;
        }
        let sid = buffer.u64(0).and_then(|address| buffer.behind(address));
        let size = |sid: &[u8]| Some(8 + 4 * usize::from(*sid.get(1)?));
        let sid = sid.and_then(|sid| sid.get(..size(sid)?));
        Ok(sid.ok_or(io::ErrorKind::InvalidData)?.to_vec())
    }
}
