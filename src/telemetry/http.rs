//! One HTTP request over standard input and output, as inetd and systemd hand a connection over: enough for a
//! Prometheus that asks for the counts, and nothing else. One request, bounded in bytes and time, then the end.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// The longest head of a request.
const MOST: usize = 8 * 1024;

/// So long the whole conversation may take.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `GET /metrics`.
    Metrics,
    /// `HEAD /metrics`.
    Head,
    /// Another path.
    Elsewhere,
    /// Something else than to read.
    OtherMethod,
    /// It is not HTTP.
    Nonsense,
}

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: &'static str,
    body: String,
    with_body: bool,
}

/// Parses the head of a request: its first line says all that matters here.
#[must_use]
pub fn parse_request(head: &[u8]) -> Asked {
    let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) else {
        return Asked::Nonsense;
    };
    let parts: Vec<&str> = line.split(' ').collect();
    let &[method, target, version] = parts.as_slice() else { return Asked::Nonsense };
    let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if !is_method || !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
        return Asked::Nonsense;
    }
    // A proxy names the whole address.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    if !path.starts_with('/') && path != "*" {
        return Asked::Nonsense;
    }
    let path = path.split('?').next().unwrap_or_default();
    match (method, path) {
        ("GET", "/metrics") => Asked::Metrics,
        ("HEAD", "/metrics") => Asked::Head,
        ("GET" | "HEAD", _) => Asked::Elsewhere,
        _ => Asked::OtherMethod,
    }
}

/// The answer to a request; `metrics` gives the counts, or says why there are none.
pub fn answer(asked: Asked, metrics: impl FnOnce() -> Result<String, String>) -> Answer {
    let plain = |status, body: &str| Answer { status, body: format!("{body}\n"), with_body: true };
    match asked {
        Asked::Metrics | Asked::Head => match metrics() {
            Ok(body) => Answer { status: "200 OK", body, with_body: asked == Asked::Metrics },
            Err(why) => plain("503 Service Unavailable", &why),
        },
        Asked::Elsewhere => plain("404 Not Found", "the counts are at /metrics"),
        Asked::OtherMethod => plain("405 Method Not Allowed", "the counts can only be read: GET /metrics"),
        Asked::Nonsense => plain("400 Bad Request", "that is no HTTP request"),
    }
}

impl Answer {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let allow = if self.status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
             X-Content-Type-Options: nosniff\r\n{allow}Connection: close\r\n\r\n",
            self.status,
            self.body.len()
        );
        let body = if self.with_body { self.body.as_str() } else { "" };
        [head.as_bytes(), body.as_bytes()].concat()
    }
}

/// Reads one request from `input` and writes the answer to `output`, within `patience`.
///
/// # Errors
/// If nobody asked anything in time, or took the answer.
pub fn serve(
    input: impl AsFd,
    output: impl AsFd,
    patience: Duration,
    metrics: impl FnOnce() -> Result<String, String>,
) -> io::Result<()> {
    let (input, output) = (input.as_fd(), output.as_fd());
    let until = Instant::now() + patience;
    let asked = match read_head(input, until)? {
        Some(head) => parse_request(&head),
        None => Asked::Nonsense,
    };
    let mut rest = answer(asked, metrics).to_bytes();
    while !rest.is_empty() {
        wait(output, PollFlags::OUT, until)?;
        // No more at once than what is surely taken without waiting, once there is room.
        let part = rest.get(..4096).unwrap_or(&rest);
        match write(output, part) {
            Ok(written) => drop(rest.drain(..written)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // What was sent and not read would make the kernel take the answer back: it is read a little longer.
    if rustix::net::shutdown(output, rustix::net::Shutdown::Write).is_ok() {
        let until = until.min(Instant::now() + Duration::from_secs(1));
        let mut sink = [0; 4096];
        let mut left = 16;
        while left > 0
            && wait(input, PollFlags::IN, until).is_ok()
            && read(input, &mut sink).is_ok_and(|n| n > 0)
        {
            left -= 1;
        }
    }
    Ok(())
}

/// The head of the request, up to the empty line; none if it is too long or ends before.
fn read_head(input: BorrowedFd, until: Instant) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        wait(input, PollFlags::IN, until)?;
        let count = match read(input, &mut buffer) {
            Ok(count) => count,
            Err(Errno::INTR | Errno::AGAIN) => continue,
            Err(error) => return Err(error.into()),
        };
        head.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let is_whole = memchr::memmem::find(&head, b"\r\n\r\n").is_some()
            || memchr::memmem::find(&head, b"\n\n").is_some();
        if is_whole {
            return Ok(Some(head));
        }
        if count == 0 && head.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if count == 0 || head.len() > MOST {
            return Ok(None);
        }
    }
}

/// Waits until something can be read or written.
fn wait(fd: BorrowedFd, flags: PollFlags, until: Instant) -> io::Result<()> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;
