//! Sending records to a log on this host, without ever waiting for it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::{DEV_LOG, JOURNAL, Log};
#[cfg(windows)]
pub use windows::Log;
