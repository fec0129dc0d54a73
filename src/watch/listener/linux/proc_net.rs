//! `/proc/net/tcp` and its like: sockets as lines of text, for when the kernel does not answer directly and for
//! network namespaces other than ours.

use super::{Socket, Wanted};
use crate::host::Host;
use crate::watch::listener::Protocol;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const TABLES: [(&str, Protocol); 6] = [
    ("tcp", Protocol::Tcp),
    ("tcp6", Protocol::Tcp),
    ("udp", Protocol::Udp),
    ("udp6", Protocol::Udp),
    ("udplite", Protocol::UdpLite),
    ("udplite6", Protocol::UdpLite),
];

/// The states as `/proc` writes them: a socket with a peer, a TCP socket that listens, and one without a peer.
const ESTABLISHED: &[u8] = b"01";
const LISTEN: &[u8] = b"0A";
const CLOSE: &[u8] = b"07";

/// The wanted sockets that a folder like `/proc/net` lists.
///
/// # Errors
/// If it does not even list those of TCP over IPv4; other tables may be missing (IPv6 turned off).
pub fn read_sockets(host: &Host, folder: &str, wanted: Wanted) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for (name, protocol) in TABLES {
        match host.read(format!("{folder}/{name}")) {
            Ok(table) => sockets.extend(parse_table(&table, protocol, wanted)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && name != "tcp" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

/// Parses one table. Lines that are no socket, or one that is not wanted, are passed over.
#[must_use]
pub fn parse_table(table: &[u8], protocol: Protocol, wanted: Wanted) -> Vec<Socket> {
    table.split(|b| *b == b'\n').filter_map(|line| parse_line(line, protocol, wanted)).collect()
}

/// `0: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 …`
fn parse_line(line: &[u8], protocol: Protocol, wanted: Wanted) -> Option<Socket> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let local = fields.nth(1)?;
    let remote = fields.next()?;
    let state = fields.next()?;
    let expected = match wanted {
        Wanted::Connected => ESTABLISHED,
        Wanted::Listening if protocol.has_no_listen_state() => CLOSE,
        Wanted::Listening => LISTEN,
    };
    if state != expected {
        return None;
    }
    let uid = decimal(fields.nth(3)?)?;
    let inode = decimal(fields.nth(1)?)?;
    let local = parse_end(local)?;
    let peer = if wanted == Wanted::Connected { Some(parse_end(remote)?) } else { None };
    Some(Socket {
        protocol,
        port: local.port(),
        address: local.ip(),
        inode,
        uid: u32::try_from(uid).ok()?,
        only_ipv6: None,
        peer,
    })
}

/// `0100007F:0277`.
fn parse_end(written: &[u8]) -> Option<SocketAddr> {
    let colon = written.iter().position(|b| *b == b':')?;
    let address = parse_address(written.get(..colon)?)?;
    let port = u16::try_from(hex(written.get(colon + 1..)?)?).ok()?;
    Some(SocketAddr::new(address, port))
}

/// The kernel prints the four bytes of each part as one number of this machine.
pub(in crate::watch) fn parse_address(digits: &[u8]) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let parts = digits.chunks_exact(8);
    if !parts.remainder().is_empty() {
        return None;
    }
    for (into, part) in bytes.chunks_exact_mut(4).zip(parts) {
        into.copy_from_slice(&hex(part)?.to_ne_bytes());
    }
    match (digits.len(), bytes) {
        (8, [a, b, c, d, ..]) => Some(Ipv4Addr::new(a, b, c, d).into()),
        (32, bytes) => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first and the last of the ports that the system hands out; the kernel's own if it does not say.
#[must_use]
pub fn read_ephemeral(host: &Host) -> (u16, u16) {
    let range = host.read("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    parse_ephemeral(&range).unwrap_or((32_768, 60_999))
}

/// Parses `ip_local_port_range`.
#[must_use]
pub fn parse_ephemeral(range: &[u8]) -> Option<(u16, u16)> {
    let mut numbers = std::str::from_utf8(range).ok()?.split_ascii_whitespace();
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:0277 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0\n\
        \x20  1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000 100 0 0 10 0\n\
        \x20  2: 0100007F:8F5C 0100007F:0277 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0000 20 4 30 10 -1\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn only_sockets_that_listen_are_taken() {
        let seen: Vec<String> = parse_table(TCP, Protocol::Tcp, Wanted::Listening)
            .iter()
            .map(|s| format!("{} {} uid {} inode {}", s.address, s.port, s.uid, s.inode))
            .collect();
        assert_eq!(seen, ["127.0.0.1 631 uid 0 inode 4711", "0.0.0.0 22 uid 1000 inode 4712"]);
        let udp = b"  1: 00000000000000000000000001000000:D431 00000000000000000000000000000000:0000 07 0:0 00:0 0 33 0 99 2 0 0\n\
            2: B80D01200000000000000000FE000000:0001 00000000000000000000000000000000:0000 01 0:0 00:0 0 33 0 98 2 0 0\n";
        let seen = parse_table(udp, Protocol::Udp, Wanted::Listening);
        assert_eq!((seen.len(), seen[0].address.to_string(), seen[0].port), (1, "::1".to_owned(), 54_321));
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_connection_has_another_end() {
        let seen = parse_table(TCP, Protocol::Tcp, Wanted::Connected);
        let ends: Vec<String> = seen.iter().map(|s| format!("{} {:?}", s.port, s.peer)).collect();
        assert_eq!(ends, ["36700 Some(127.0.0.1:631)"]);
    }

    #[test]
    fn broken_lines_are_passed_over() {
        for line in [
            "0: 0100007F 0:0 0A 0:0 0:0 0 0 0 1",
            "0: 0100007F:0277",
            "0: 0100007:0277 0:0 0A 0:0 0:0 0 0 0 1",
            "0: 0100007F:10277 0:0 0A 0:0 0:0 0 0 0 1",
            "0: +100007F:0277 0:0 0A 0:0 0:0 0 0 0 1",
            "0: 0100007F:0277 0:0 0A 0:0 0:0 0 -1 0 1",
            "0: 0100007F:0277 0:0 0A 0:0 0:0 0 0 0 x",
        ] {
            assert_eq!(parse_table(line.as_bytes(), Protocol::Tcp, Wanted::Listening), [], "{line}");
        }
    }

    #[test]
    fn the_range_of_ports_that_are_handed_out() {
        assert_eq!(parse_ephemeral(b"32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(parse_ephemeral(b"32768"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, fields in "[0-9A-F: \n]{0,200}") {
            let _ = parse_table(&bytes, Protocol::Udp, Wanted::Connected);
            let _ = parse_table(fields.as_bytes(), Protocol::Tcp, Wanted::Connected);
            let _ = parse_ephemeral(&bytes);
        }
    }
}
