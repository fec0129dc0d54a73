//! The logs of Linux: a socket each.

use super::super::Record;
use super::super::settings::LogTo;
use crate::host::Host;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// The journal's socket.
pub const JOURNAL: &str = "/run/systemd/journal/socket";

/// The syslog's socket.
pub const DEV_LOG: &str = "/dev/log";

/// A log of this host.
#[derive(Debug)]
pub struct Log {
    to: LogTo,
    host: Host,
    socket: Option<UnixDatagram>,
}

impl Log {
    /// The log of this kind on `host`.
    #[must_use]
    pub fn new(to: LogTo, host: &Host) -> Self {
        Self { to, host: host.clone(), socket: None }
    }

    /// Which it is, for a complaint.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.path() {
            Some(path) => format!("a record was not taken by {}", path.display()),
            None => "this system has no such log".to_owned(),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match self.to {
            LogTo::Journal => Some(self.host.path(JOURNAL)),
            LogTo::Syslog => Some(self.host.path(DEV_LOG)),
            LogTo::EventLog | LogTo::None => None,
        }
    }

    /// Sends a record, or says why it could not at once: no socket, or nobody takes from it what is in it.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&mut self, record: &Record) -> io::Result<()> {
        let Some(path) = self.path() else {
            return if self.to == LogTo::None { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) };
        };
        let datagram = match self.to {
            LogTo::Journal => record.to_journal(),
            LogTo::Syslog | LogTo::EventLog | LogTo::None => {
                record.to_syslog(self.host.now(), &self.host.name(), std::process::id()).into_bytes()
            }
        };
        let socket = if let Some(socket) = self.socket.take() {
            socket
        } else {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket
        };
        // The name is looked up each time: a log that was started anew has another socket there.
        let sent = socket.send_to(&datagram, path);
        self.socket = Some(socket);
        sent.map(drop)
    }
}
