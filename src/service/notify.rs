//! What the service manager is told: ready, alive, reading anew, stopping, and how things are in a sentence.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::Notify;
#[cfg(windows)]
pub use windows::Notify;
