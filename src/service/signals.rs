//! Signals, as events for the deciding thread.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::forward;
#[cfg(windows)]
pub use windows::forward;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End: SIGTERM, or Ctrl-C.
    Stop,
    /// Read settings and policy anew: SIGHUP.
    Reload,
}

/// The signals the service listens to.
pub const WATCHED: &[Signal] = &[Signal::Stop, Signal::Reload];
