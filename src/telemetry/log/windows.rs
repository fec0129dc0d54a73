//! The log of Windows.

use super::super::Record;
use super::super::settings::LogTo;
use crate::host::Host;
use std::io;

/// The event log of this host.
#[derive(Debug)]
pub struct Log {
    to: LogTo,
}

impl Log {
    /// The log of this kind.
    #[must_use]
    pub fn new(to: LogTo, _host: &Host) -> Self {
        Self { to }
    }

    /// Which it is, for a complaint.
    #[must_use]
    pub fn describe(&self) -> String {
        "a record was not taken by the event log".to_owned()
    }

    /// Sends a record, or says why it could not.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, _record: &Record) -> io::Result<()> {
        match self.to {
            LogTo::None => Ok(()),
            LogTo::Journal | LogTo::Syslog => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "Windows has no such log"))
            }
        }
    }
}
