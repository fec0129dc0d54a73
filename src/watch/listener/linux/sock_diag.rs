//! Asking the kernel for listening sockets over netlink.

use super::{Socket, Wanted};
use crate::watch::listener::Protocol;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NlasIterator, Parseable,
};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags};
use netlink_packet_sock_diag::{
    AF_INET, AF_INET6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DIAG_BY_FAMILY,
    SockDiagMessage,
};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr as Address;
use std::os::fd::AsFd;

/// So long is what stands before the attributes of a socket (`inet_diag_msg`), and this one is `INET_DIAG_SKV6ONLY`.
const HEADER: usize = 72;
const ONLY_IPV6: u16 = 11;

const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// The kernel says when sockets came and went while it listed them; then it is asked again, so many times in all.
const TRIES: u32 = 4;

/// The kernel puts at most 32 KiB into one datagram of a list, and as much only for who can take it.
const DATAGRAM: usize = 64 * 1024;

/// So long may the kernel take for one answer. It never should; but we never wait for ever.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// The wanted sockets of the network namespace we are in.
///
/// # Errors
/// The system's; also if the kernel did not answer for five seconds, or answered what cannot be understood.
pub fn read_sockets(wanted: Wanted) -> io::Result<Vec<Socket>> {
    let mut netlink = Netlink::new(NETLINK_SOCK_DIAG)?;
    netlink.bind_auto()?;
    netlink.connect(&SocketAddr::new(0, 0))?;
    let mut sequence = 0;
    let mut sockets = Vec::new();
    let mut buffer = Vec::with_capacity(DATAGRAM);
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::UdpLite, Protocol::Sctp] {
        for family in [AF_INET, AF_INET6] {
            match read_table(&netlink, (protocol, family), wanted, &mut sequence, &mut buffer) {
                Ok(table) => sockets.extend(table),
                // Protocols that this kernel has not, or has not loaded, have no sockets. (Asking loads none.)
                Err(error) if is_unknown(&error) && !matches!(protocol, Protocol::Tcp | Protocol::Udp) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(sockets)
}

fn is_unknown(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::INVAL, Errno::OPNOTSUPP]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn read_table(
    netlink: &Netlink,
    (protocol, family): (Protocol, u8),
    wanted: Wanted,
    sequence: &mut u32,
    buffer: &mut Vec<u8>,
) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for _ in 0..TRIES {
        *sequence += 1;
        let request = request(protocol, family, wanted, *sequence);
        netlink.send(&request, 0)?;
        let mut interrupted = false;
        sockets.clear();
        loop {
            let mut ready = [PollFd::from_borrowed_fd(netlink.as_fd(), PollFlags::IN)];
            if poll(&mut ready, Some(&PATIENCE))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            buffer.clear();
            let (length, sender) = netlink.recv_from(buffer, 0)?;
            if length >= DATAGRAM {
                // It was cut.
                return Err(io::ErrorKind::InvalidData.into());
            }
            if sender.port_number() != 0 {
                // Not from the kernel.
                continue;
            }
            let part = parse_messages(buffer, *sequence, protocol, wanted);
            if let Some(errno) = part.error {
                return Err(io::Error::from_raw_os_error(errno));
            }
            if part.misunderstood > 0 {
                // The list would be short of sockets in silence: /proc tells them all.
                return Err(io::ErrorKind::InvalidData.into());
            }
            interrupted |= part.interrupted;
            sockets.extend(part.sockets);
            if part.done {
                break;
            }
        }
        if !interrupted {
            return Ok(sockets);
        }
    }
    // It never held still. What was listed last does exist.
    Ok(sockets)
}

fn request(protocol: Protocol, family: u8, wanted: Wanted, sequence: u32) -> Vec<u8> {
    let number = match protocol {
        Protocol::Tcp => IPPROTO_TCP,
        Protocol::Udp => IPPROTO_UDP,
        Protocol::UdpLite => IPPROTO_UDPLITE,
        Protocol::Sctp => IPPROTO_SCTP,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = sequence;
    let request = InetRequest {
        family,
        protocol: number,
        extensions: ExtensionFlags::empty(),
        states: match wanted {
            Wanted::Connected => StateFlags::ESTABLISHED,
            // A socket without a peer is "closed" to the kernel.
            Wanted::Listening if protocol.has_no_listen_state() => StateFlags::CLOSE,
            Wanted::Listening => StateFlags::LISTEN,
        },
        socket_id: if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() },
    };
    let payload = NetlinkPayload::InnerMessage(SockDiagMessage::InetRequest(request));
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// What one datagram of an answer said.
#[derive(Debug, Default, PartialEq)]
pub struct Part {
    /// The sockets in it.
    pub sockets: Vec<Socket>,
    /// Sockets came or went while they were listed.
    pub interrupted: bool,
    /// It was the last.
    pub done: bool,
    /// The system's error number.
    pub error: Option<i32>,
    /// Messages that could not be understood.
    pub misunderstood: u64,
}

/// Parses one datagram, of which messages with another sequence number answer something else.
#[must_use]
pub fn parse_messages(datagram: &[u8], sequence: u32, protocol: Protocol, wanted: Wanted) -> Part {
    let mut part = Part::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        let Ok(message) = NetlinkBuffer::new_checked(rest) else {
            part.misunderstood += 1;
            break;
        };
        if message.sequence_number() == sequence {
            part.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
            part.add(message.message_type(), message.payload(), protocol, wanted);
        }
        // Messages begin at multiples of four; a length of nothing was refused above.
        let length = (message.length() as usize).next_multiple_of(4).max(16);
        rest = rest.get(length..).unwrap_or_default();
    }
    part
}

impl Part {
    fn add(&mut self, kind: u16, payload: &[u8], protocol: Protocol, wanted: Wanted) {
        // An error, and what is wrong with a whole dump, are negative error numbers.
        let errno = payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes).saturating_neg());
        match kind {
            NOOP => {}
            DONE => {
                self.done = true;
                self.error = Some(errno).filter(|errno| *errno > 0);
            }
            ERROR => {
                self.done = true;
                self.error = Some(errno).filter(|errno| *errno != 0);
            }
            SOCK_DIAG_BY_FAMILY => match parse_socket(payload, protocol, wanted) {
                Some(socket) => self.sockets.push(socket),
                None => self.misunderstood += 1,
            },
            // Also an overrun: the kernel lost some.
            _ => self.misunderstood += 1,
        }
    }
}

fn parse_socket(payload: &[u8], protocol: Protocol, wanted: Wanted) -> Option<Socket> {
    let header = InetResponseHeader::parse(payload).ok()?;
    // Of the attributes one is wanted. One that is not understood tells nothing we need.
    let attributes = NlasIterator::new(payload.get(HEADER..).unwrap_or_default());
    let only_ipv6 = attributes.filter_map(Result::ok).find(|attribute| attribute.kind() == ONLY_IPV6);
    let only_ipv6 = only_ipv6.and_then(|attribute| attribute.value().first().map(|only| *only != 0));
    Some(Socket {
        protocol,
        port: header.socket_id.source_port,
        address: header.socket_id.source_address,
        inode: header.inode.into(),
        uid: header.uid,
        only_ipv6,
        peer: (wanted == Wanted::Connected)
            .then(|| Address::new(header.socket_id.destination_address, header.socket_id.destination_port)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;
    use proptest::prelude::*;

    fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn socket(port: u16, attributes: &[u8]) -> Vec<u8> {
        let header = InetResponseHeader {
            family: AF_INET6,
            state: 10,
            timer: None,
            socket_id: SocketId { source_port: port, ..SocketId::new_v6() },
            recv_queue: 0,
            send_queue: 128,
            uid: 33,
            inode: 4711,
        };
        let mut bytes = vec![0; header.buffer_len()];
        header.emit(&mut bytes);
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn an_answer_is_taken_apart() {
        // An attribute: five bytes long, number 11 (only IPv6), 0.
        let only_ipv6 = [5_u16.to_ne_bytes(), 11_u16.to_ne_bytes(), [0, 0], [0, 0]].concat();
        let answer = [
            message(SOCK_DIAG_BY_FAMILY, 2, 7, &socket(80, &only_ipv6)),
            message(SOCK_DIAG_BY_FAMILY, 2, 6, &socket(81, &[])),
            message(SOCK_DIAG_BY_FAMILY, 2, 7, &socket(82, &[9, 0, 15, 0])),
            message(DONE, 2, 7, &0_i32.to_ne_bytes()),
        ];
        let part = parse_messages(&answer.concat(), 7, Protocol::Tcp, Wanted::Listening);
        let seen: Vec<_> = part.sockets.iter().map(|s| (s.port, s.only_ipv6, s.inode, s.uid)).collect();
        assert_eq!(seen, [(80, Some(false), 4711, 33), (82, None, 4711, 33)]);
        assert_eq!((part.done, part.error, part.interrupted, part.misunderstood), (true, None, false, 0));
    }

    #[test]
    fn a_list_that_changed_under_way_says_so() {
        let answer = message(SOCK_DIAG_BY_FAMILY, 2 | NLM_F_DUMP_INTR, 7, &socket(80, &[]));
        let part = parse_messages(&answer, 7, Protocol::Tcp, Wanted::Listening);
        assert_eq!((part.interrupted, part.done, part.sockets.len()), (true, false, 1));
    }

    #[test]
    fn errors_are_error_numbers() {
        let no_such_module = message(ERROR, 0, 7, &(-2_i32).to_ne_bytes());
        assert_eq!(parse_messages(&no_such_module, 7, Protocol::Sctp, Wanted::Listening).error, Some(2));
        let failed = message(DONE, 2, 7, &(-12_i32).to_ne_bytes());
        assert_eq!(parse_messages(&failed, 7, Protocol::Tcp, Wanted::Listening).error, Some(12));
        let overrun = message(4, 2, 7, &[]);
        assert_eq!(parse_messages(&overrun, 7, Protocol::Tcp, Wanted::Listening).misunderstood, 1);
        assert_eq!(parse_messages(&[1; 15], 7, Protocol::Tcp, Wanted::Listening).misunderstood, 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, attributes: Vec<u8>) {
            let _ = parse_messages(&bytes, 0, Protocol::Tcp, Wanted::Listening);
            let _ = parse_messages(&message(SOCK_DIAG_BY_FAMILY, 2, 7, &bytes), 7, Protocol::Tcp, Wanted::Listening);
            let answer = message(SOCK_DIAG_BY_FAMILY, 2, 7, &socket(80, &attributes));
            prop_assert_eq!(parse_messages(&answer, 7, Protocol::Tcp, Wanted::Listening).sockets.len(), 1);
            let _ = parse_messages(&message(ERROR, 2, 7, &bytes), 7, Protocol::Tcp, Wanted::Listening);
        }
    }
}
