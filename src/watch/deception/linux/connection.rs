//! Connections from `/proc/net/tcp` and its like, by the number of their socket.

use crate::watch::listener::linux::proc_net::parse_address;
use std::net::SocketAddr;

/// A socket that has a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// The number of the socket.
    pub inode: u64,
}

/// Those with a peer. Lines that are none, or no socket, are passed over.
#[must_use]
pub fn parse_connections(table: &[u8]) -> Vec<Connection> {
    table.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

/// `0: 0100007F:0277 0100007F:8F5C 01 …`: the uid is the eighth field, the number the tenth.
fn parse_line(line: &[u8]) -> Option<Connection> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let local = parse_end(fields.nth(1)?)?;
    let peer = parse_end(fields.next()?)?;
    let inode = std::str::from_utf8(fields.nth(6)?).ok()?.parse().ok()?;
    (peer.port() != 0).then_some(Connection { local, peer, inode })
}

fn parse_end(end: &[u8]) -> Option<SocketAddr> {
    let colon = end.iter().position(|byte| *byte == b':')?;
    let address = parse_address(end.get(..colon)?)?;
    let port = std::str::from_utf8(end.get(colon + 1..)?).ok()?;
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}
