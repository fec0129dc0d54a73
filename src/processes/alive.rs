//! Whether a process still runs: its number alone may be another's by now, so together with when it started.

use crate::host::Host;

/// When this process started, if it runs: in clock ticks after the boot, as [`super::Process::start`] has it.
#[cfg(target_os = "linux")]
#[must_use]
pub fn start(host: &Host, pid: u32) -> Option<u64> {
    let stat = host.read(format!("/proc/{pid}/stat")).ok()?;
    super::parse::parse_stat(&stat).filter(|stat| stat.state != b'Z').map(|stat| stat.start)
}

/// When this process started, if it runs: in steps of 100 nanoseconds, as Windows counts.
#[cfg(windows)]
#[must_use]
pub fn start(_host: &Host, pid: u32) -> Option<u64> {
    crate::win32::alive::started(pid)
}
