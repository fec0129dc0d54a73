//! What systemd is told.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// So long it is waited for room for what is said.
const PATIENCE: Duration = Duration::from_millis(100);

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    interval: Option<Duration>,
    said: String,
}

impl Notify {
    /// As the environment says.
    pub fn here() -> Self {
        let to = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                [b'/', ..] => SocketAddr::from_pathname(&name),
                _ => return None,
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that hangs and reads nothing must not hold us up: watching goes on unheard.
            socket.set_write_timeout(Some(PATIENCE)).ok()?;
            Some((socket, address.ok()?))
        });
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let interval = number("WATCHDOG_USEC").filter(|_| is_ours && to.is_some()).map(Duration::from_micros);
        Self { to, interval, said: String::new() }
    }

    /// True if there is somebody who is told.
    pub fn is_heard(&self) -> bool {
        self.to.is_some()
    }

    /// How often we must show that we are alive, if at all.
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// At most so long may be waited between two signs of life.
    pub fn slice(&self, otherwise: Duration) -> Duration {
        self.interval.map_or(otherwise, |interval| (interval / 3).min(otherwise))
    }

    /// It does what it is there for.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// It is alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// It reads its settings anew; [`Notify::ready`] is the end of that.
    pub fn reloading(&self) {
        self.send("RELOADING=1");
    }

    /// It is about to end.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// How things are, in a sentence; said only when it has changed.
    pub fn status(&mut self, sentence: &str) {
        let line = sentence.lines().next().unwrap_or_default();
        if self.said != line {
            line.clone_into(&mut self.said);
            self.send(&format!("STATUS={line}"));
        }
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.to {
            // If nobody hears it, nobody can be told so either.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}
