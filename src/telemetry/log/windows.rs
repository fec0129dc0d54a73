//! The log of Windows: its event log, in which each field of a record is a string of the event.

use super::super::Record;
use super::super::record::EventKind;
use super::super::settings::LogTo;
use crate::host::Host;
use crate::win32::event_report::{EventSource, Kind};
use std::io;

/// The event log of this host.
#[derive(Debug)]
pub struct Log {
    to: LogTo,
    source: Option<EventSource>,
}

impl Log {
    /// The log of this kind.
    #[must_use]
    pub fn new(to: LogTo, _host: &Host) -> Self {
        Self { to, source: None }
    }

    /// Which it is, for a complaint.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.to {
            LogTo::EventLog | LogTo::None => "a record was not taken by the event log".to_owned(),
            LogTo::Journal | LogTo::Syslog => "Windows has no such log".to_owned(),
        }
    }

    /// Sends a record, or says why it could not.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, record: &Record) -> io::Result<()> {
        match self.to {
            LogTo::None => return Ok(()),
            LogTo::Journal | LogTo::Syslog => return Err(io::ErrorKind::Unsupported.into()),
            LogTo::EventLog => {}
        }
        let event = record.to_event();
        let kind = match event.kind {
            EventKind::Error => Kind::Error,
            EventKind::Warning => Kind::Warning,
            EventKind::Information => Kind::Information,
        };
        let source = match self.source.take() {
            Some(source) => source,
            None => EventSource::open()?,
        };
        // A log service that was started anew does not know the handle any more: then it is opened again.
        source.report(kind, event.id, &event.strings)?;
        self.source = Some(source);
        Ok(())
    }
}
