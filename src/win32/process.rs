//! Processes.

use windows::Win32::Foundation::FILETIME;
use windows::Win32::System::ProcessStatus::{GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};

/// The processor time that this process has used, in milliseconds, and the memory it holds, in kilobytes.
#[must_use]
pub fn own_cost() -> (Option<u64>, Option<u64>) {
    let mut times = [FILETIME::default(); 4];
    let mut memory = PROCESS_MEMORY_COUNTERS::default();
    let size = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).unwrap_or(0);
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: the handle stands for this process itself, and all that is written to lives longer than the calls.
    let (timed, measured) = unsafe {
        let own = GetCurrentProcess();
        (
            GetProcessTimes(own, created, ended, kernel, user).is_ok(),
            GetProcessMemoryInfo(own, &raw mut memory, size).is_ok(),
        )
    };
    // In units of 100 nanoseconds.
    let ms = |time: FILETIME| (u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)) / 10_000;
    (timed.then(|| ms(times[2]) + ms(times[3])), measured.then(|| memory.WorkingSetSize as u64 / 1024))
}
