//! Before Linux 6.6 the kernel tells of processes only to who may change the network, which the service may not. So a program
//! that may, and does nothing else, asks the kernel and lends the service the socket: `host-watchdog-events@.service`. With
//! the socket goes no right but to hear.

use super::connector::{Connector, Refusal};
use crate::text::Text;
use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Where systemd waits for the service to ask.
pub const PLACE: &str = "/run/host-watchdog-events.sock";

/// So long the answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the kernel to tell of processes, and gives the socket to whoever is at the other end; or says why there is none.
///
/// # Errors
/// If the other end does not take it.
pub fn lend(to: impl AsFd) -> io::Result<()> {
    let (connector, words) = match Connector::subscribe(std::process::id()) {
        Ok(connector) => (Some(connector), "lent".to_owned()),
        Err(Refusal::Right(why) | Refusal::Other(why)) => (None, why),
    };
    let lent = connector.as_ref().map(AsFd::as_fd);
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !lent.as_slice().is_empty() {
        control.push(SendAncillaryMessage::ScmRights(lent.as_slice()));
    }
    sendmsg(to, &[IoSlice::new(words.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A socket that is lent at this place, or why there is none.
pub fn borrow(place: &Path) -> Result<Connector, String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "host-watchdog-events.socket does not wait".to_owned(),
        io::ErrorKind::WouldBlock => "host-watchdog-events.socket does not answer".to_owned(),
        _ => format!("host-watchdog-events.socket: {error}"),
    };
    let stream = UnixStream::connect(place).map_err(cannot)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(cannot)?;
    let mut words = [0; 256];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(&stream, &mut [IoSliceMut::new(&mut words)], &mut control, RecvFlags::CMSG_CLOEXEC)
            .map_err(|errno| cannot(errno.into()))?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut sockets) = message
            && let Some(socket) = sockets.next()
        {
            return Ok(Connector::from(socket));
        }
    }
    let words = Text::cut(words.get(..received.bytes).unwrap_or_default(), 200);
    Err(if words.is_empty() {
        "host-watchdog-events@.service has failed".to_owned()
    } else {
        words.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::events::message::What;
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    /// One who lends at a place, once.
    fn lender(place: &Path, lends: impl FnOnce(UnixStream) + Send + 'static) {
        let listener = UnixListener::bind(place).unwrap();
        std::thread::spawn(move || lends(listener.accept().unwrap().0));
    }

    #[test]
    fn on_a_socket_that_was_lent_the_starts_are_heard() {
        if let Err(refusal) = Connector::subscribe(1) {
            eprintln!("left out, as the kernel does not tell of processes here: {refusal:?}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("socket");
        lender(&place, |stream| lend(stream).unwrap());
        let connector = borrow(&place).unwrap();
        let started = crate::program::run("/bin/true", &[], PATIENCE, 0);
        assert!(started.unwrap().status.success());
        let (until, mut buffer) = (Instant::now() + PATIENCE, vec![0; 4096]);
        let is_ours = |what: What| matches!(what, What::Fork { parent, .. } if parent == std::process::id());
        while Instant::now() < until {
            assert!(connector.is_readable(PATIENCE).unwrap());
            // On a busy machine messages may be lost.
            if matches!(connector.receive(&mut buffer), Ok(Some(message)) if is_ours(message.what)) {
                return;
            }
        }
        panic!("our own start was not heard");
    }

    #[test]
    fn where_nobody_lends_it_is_said_why() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let why = |name: &str| borrow(&place(name)).unwrap_err();
        assert_eq!(why("nothing"), "host-watchdog-events.socket does not wait");
        lender(&place("ended"), drop);
        assert_eq!(why("ended"), "host-watchdog-events@.service has failed");
        lender(&place("refuses"), |stream| {
            use std::io::Write as _;
            (&stream).write_all(b"the process connector refuses\n").unwrap();
        });
        assert!(why("refuses").starts_with("the process connector refuses"));
    }
}
