//! Whether a process runs.

use std::os::windows::io::{FromRawHandle, OwnedHandle};
use windows::Win32::Foundation::{FILETIME, STILL_ACTIVE};
use windows::Win32::System::Threading::{
    GetExitCodeProcess, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION,
};

/// When the process of this number was started, in units of 100 nanoseconds since 1601, if it still runs.
#[must_use]
pub fn started(pid: u32) -> Option<u64> {
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    let mut code = 0;
    // SAFETY: the handle is ours from here on and closed once, by its owner at the end of the block; all that is written to
    // lives longer than the calls.
    unsafe {
        let process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, false, pid).ok()?;
        let _owner = OwnedHandle::from_raw_handle(process.0);
        GetExitCodeProcess(process, &raw mut code).ok()?;
        GetProcessTimes(process, created, ended, kernel, user).ok()?;
    }
    // One that has ended keeps its number while somebody holds it.
    let runs = i64::from(code) == i64::from(STILL_ACTIVE.0);
    runs.then(|| u64::from(times[0].dwHighDateTime) << 32 | u64::from(times[0].dwLowDateTime))
}
