//! What only the kernel itself tells of sockets, over netlink: which packet sockets had an interface take all packets,
//! and whether a port is open, asked port by port instead of by reading a list that somebody may have shortened.

use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::AsFd;

const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_PACKET: u8 = 17;
const TCP: u8 = 6;

/// The length of the head of a message.
const HEAD: usize = 16;

/// So long may the kernel take for one answer. It never should; but we never wait for ever.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A packet socket that had an interface take all packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The number of the socket.
    pub inode: u32,
    /// The number of the interface.
    pub interface: u32,
}

/// Those of the network namespace we are in.
///
/// # Errors
/// The system's; also where the kernel does not know how to tell.
pub fn read_memberships() -> io::Result<Vec<Membership>> {
    const SHOW_MEMBERSHIPS: u32 = 2;
    let netlink = connect()?;
    let mut request = vec![AF_PACKET, 0, 0, 0];
    request.extend(0_u32.to_ne_bytes());
    request.extend(SHOW_MEMBERSHIPS.to_ne_bytes());
    request.extend([0; 8]);
    netlink.send(&message(REQUEST | DUMP, 1, &request), 0)?;
    let mut found = Vec::new();
    loop {
        let answer = receive(&netlink)?;
        let (memberships, end) = parse_memberships(&answer);
        found.extend(memberships);
        match end {
            None => {}
            Some(0) => return Ok(found),
            Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Asks for ports one by one.
pub struct Ports {
    netlink: Netlink,
    sequence: u32,
}

impl Ports {
    /// A line to the kernel.
    ///
    /// # Errors
    /// The system's.
    pub fn open() -> io::Result<Self> {
        Ok(Self { netlink: connect()?, sequence: 0 })
    }

    /// True if whoever connects to this TCP port over loopback, by IPv4 or IPv6, finds a socket that listens.
    ///
    /// # Errors
    /// The system's; also if the kernel does not answer.
    pub fn listens(&mut self, port: u16) -> io::Result<bool> {
        Ok(self.listens_in(AF_INET, port)? || self.listens_in(AF_INET6, port)?)
    }

    fn listens_in(&mut self, family: u8, port: u16) -> io::Result<bool> {
        self.sequence += 1;
        let mut address = [0; 16];
        let loopback: &[u8] = if family == AF_INET {
            &[127, 0, 0, 1]
        } else {
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        };
        for (byte, own) in address.iter_mut().zip(loopback) {
            *byte = *own;
        }
        let mut request = vec![family, TCP, 0, 0];
        request.extend(u32::MAX.to_ne_bytes());
        request.extend(port.to_be_bytes());
        request.extend(0_u16.to_be_bytes());
        request.extend(address);
        request.extend(address);
        request.extend(0_u32.to_ne_bytes());
        // Whichever socket it is.
        request.extend([0xff; 8]);
        self.netlink.send(&message(REQUEST, self.sequence, &request), 0)?;
        loop {
            let answer = receive(&self.netlink)?;
            if let Some(is_open) = parse_listens(&answer, self.sequence, port) {
                return Ok(is_open);
            }
        }
    }
}

fn connect() -> io::Result<Netlink> {
    let mut netlink = Netlink::new(NETLINK_SOCK_DIAG)?;
    netlink.bind_auto()?;
    netlink.connect(&SocketAddr::new(0, 0))?;
    Ok(netlink)
}

fn receive(netlink: &Netlink) -> io::Result<Vec<u8>> {
    loop {
        let mut ready = [PollFd::from_borrowed_fd(netlink.as_fd(), PollFlags::IN)];
        if poll(&mut ready, Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (datagram, sender) = netlink.recv_from_full()?;
        // Only the kernel may answer.
        if sender.port_number() == 0 {
            return Ok(datagram);
        }
    }
}

fn message(flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEAD + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Kind, sequence number and payload of each message of a datagram.
fn messages(datagram: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while let Some(length) = number(rest, 0) {
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(HEAD);
        let (Some(kind), Some(sequence)) = (short(rest, 4), number(rest, 8)) else { break };
        let Some(payload) = rest.get(HEAD..length) else { break };
        found.push((kind, sequence, payload));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The memberships in a datagram, and the error number if it ends the list; 0 if it ended well.
#[must_use]
pub fn parse_memberships(datagram: &[u8]) -> (Vec<Membership>, Option<i32>) {
    let mut found = Vec::new();
    for (kind, _, payload) in messages(datagram) {
        match kind {
            DONE => return (found, Some(0)),
            ERROR => return (found, Some(errno(payload))),
            BY_FAMILY => found.extend(memberships(payload)),
            _ => {}
        }
    }
    (found, None)
}

/// The answer for one port in a datagram; none if it answers something else. A program in the kernel may lead to the
/// socket of another port: that is not this one.
#[must_use]
pub fn parse_listens(datagram: &[u8], sequence: u32, port: u16) -> Option<bool> {
    const LISTEN: u8 = 10;
    messages(datagram).into_iter().filter(|(_, own, _)| *own == sequence).find_map(|(kind, _, payload)| {
        match kind {
            ERROR => Some(false),
            BY_FAMILY => {
                Some(payload.get(1) == Some(&LISTEN) && payload.get(4..6) == Some(&port.to_be_bytes()))
            }
            _ => None,
        }
    })
}

fn errno(payload: &[u8]) -> i32 {
    number(payload, 0).map_or(0, |number| number.cast_signed().saturating_neg())
}

/// Behind sixteen bytes of one socket come attributes; one of them lists what it asked of which interface.
fn memberships(payload: &[u8]) -> Vec<Membership> {
    const MEMBERSHIPS: u16 = 1;
    const ALL_PACKETS: u16 = 1;
    const LENGTH: usize = 44;
    let Some(inode) = number(payload, 4) else { return Vec::new() };
    let mut found = Vec::new();
    let mut rest = payload.get(16..).unwrap_or_default();
    while let (Some(length), Some(kind)) = (short(rest, 0), short(rest, 2)) {
        let length = usize::from(length).max(4);
        let Some(value) = rest.get(4..length) else { break };
        if kind == MEMBERSHIPS {
            let asked = value.chunks_exact(LENGTH).filter(|entry| short(entry, 8) == Some(ALL_PACKETS));
            found.extend(asked.filter_map(|entry| Some(Membership { inode, interface: number(entry, 0)? })));
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}
