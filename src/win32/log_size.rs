//! Whether an event log can be read, asked in the oldest and plainest way there is.

use super::error::plain;
use super::text::wide;
use std::io;
use windows::Win32::System::EventLog::{CloseEventLog, GetNumberOfEventLogRecords, OpenEventLogW};
use windows::core::PCWSTR;

/// How many records the log of this name holds.
///
/// # Errors
/// The system's, if it may not be read.
pub fn records(name: &str) -> io::Result<u32> {
    let name = wide(name);
    let mut count = 0;
    // SAFETY: the name ends in a zero and outlives the call; the handle is closed once, after its last use.
    unsafe {
        let log = OpenEventLogW(PCWSTR::null(), PCWSTR(name.as_ptr())).map_err(|error| plain(&error))?;
        let counted = GetNumberOfEventLogRecords(log, &raw mut count);
        let _ = CloseEventLog(log);
        counted.map_err(|error| plain(&error))?;
    }
    Ok(count)
}
