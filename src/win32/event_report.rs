//! Writing to the event log.

use super::error::plain;
use super::text::wide;
use std::io;
use windows::Win32::Foundation::HANDLE;
use windows::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
    REPORT_EVENT_TYPE, RegisterEventSourceW, ReportEventW,
};
use windows::core::PCWSTR;

/// The name under which our events stand in the log `Application`. The installer registers it, with the file that holds the
/// words around the strings of an event.
pub const SOURCE: &str = "Host Watchdog";

/// How an event is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As an error.
    Error,
    /// As a warning.
    Warning,
    /// As information.
    Information,
}

/// The event log, open for writing.
#[derive(Debug)]
pub struct EventSource(HANDLE);

// SAFETY: the handle is a number that the system knows in every thread of this process.
unsafe impl Send for EventSource {}

impl EventSource {
    /// Opens it.
    ///
    /// # Errors
    /// The system's.
    pub fn open() -> io::Result<Self> {
        let name = wide(SOURCE);
        // SAFETY: the name ends in a zero and outlives the call.
        let handle = unsafe { RegisterEventSourceW(PCWSTR::null(), PCWSTR(name.as_ptr())) };
        handle.map(Self).map_err(|error| plain(&error))
    }

    /// Writes one event with these strings.
    ///
    /// # Errors
    /// The system's.
    pub fn report(&self, kind: Kind, id: u16, strings: &[String]) -> io::Result<()> {
        let kind: REPORT_EVENT_TYPE = match kind {
            Kind::Error => EVENTLOG_ERROR_TYPE,
            Kind::Warning => EVENTLOG_WARNING_TYPE,
            Kind::Information => EVENTLOG_INFORMATION_TYPE,
        };
        let texts: Vec<Vec<u16>> = strings.iter().map(wide).collect();
        let pointers: Vec<PCWSTR> = texts.iter().map(|text| PCWSTR(text.as_ptr())).collect();
        // SAFETY: the handle is open until this is dropped; every text ends in a zero and outlives the call.
        unsafe { ReportEventW(self.0, kind, 0, u32::from(id), None, 0, Some(&pointers), None) }
            .map_err(|error| plain(&error))
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and closed once.
        unsafe {
            let _ = DeregisterEventSource(self.0);
        }
    }
}
