//! Connections from `/proc/net/tcp` and its like, by the number of their socket.

use crate::host::Host;
use crate::watch::listener::linux::proc_net::parse_address;
use rustix::fs::readlink;
use std::collections::HashMap;
use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};

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

/// The tables of each network namespace, read when one is first asked for: whoever opens many sockets makes them long.
#[derive(Default)]
pub struct Tables(HashMap<CString, Table>);

/// The connections of one namespace, by the number of their socket.
type Table = HashMap<u64, Connection>;

impl Tables {
    /// The connection that this socket is in the network namespace of a process.
    pub fn get(&mut self, host: &Host, pid: u32, inode: u64) -> Option<Connection> {
        let namespace = || readlink(host.path(format!("/proc/{pid}/ns/net")), Vec::new()).ok();
        let before = namespace();
        if let Some(table) = before.as_ref().and_then(|namespace| self.0.get(namespace)) {
            return table.get(&inode).copied();
        }
        let table = read(host, &format!("/proc/{pid}/net"));
        let found = table.get(&inode).copied();
        // One that has ended meanwhile, or went elsewhere, showed only a part. Of one that may not be asked where it is the tables may
        // be there all the same.
        if let Some(namespace) = before.filter(|before| namespace().as_ref() == Some(before)) {
            self.0.insert(namespace, table);
        }
        found
    }
}

/// The tables in a folder like `/proc/net`; those that are not there have nothing in them.
fn read(host: &Host, folder: &str) -> Table {
    let read = |name: &str| host.read(format!("{folder}/{name}")).unwrap_or_default();
    let mut connections = HashMap::new();
    for name in ["tcp", "tcp6", "udp", "udp6", "udplite", "udplite6"] {
        connections.extend(parse_connections(&read(name)).map(|connection| (connection.inode, connection)));
    }
    let associations = read("sctp/assocs");
    connections.extend(parse_associations(&associations).map(|connection| (connection.inode, connection)));
    connections
}

/// Those with a peer. Lines that are none, or no socket, are passed over.
pub fn parse_connections(table: &[u8]) -> impl Iterator<Item = Connection> {
    table.split(|byte| *byte == b'\n').filter_map(parse_line)
}

/// Those of SCTP: the number of the socket is the eleventh field, then come the ports and the addresses of both ends, of each the first.
pub fn parse_associations(table: &[u8]) -> impl Iterator<Item = Connection> {
    table.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(10);
        let inode = fields.next()?.parse().ok()?;
        let (ours, theirs) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        // The one in use is marked.
        let address = |field: &str| field.trim_start_matches('*').parse::<IpAddr>().ok();
        let local = SocketAddr::new(address(fields.next()?)?, ours);
        let peer = SocketAddr::new(address(fields.skip_while(|field| *field != "<->").nth(1)?)?, theirs);
        Some(Connection { local, peer, inode })
    })
}

/// `0: 0100007F:0277 0100007F:8F5C 01 …`: the uid is the eighth field, the number the tenth.
fn parse_line(line: &[u8]) -> Option<Connection> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let local = parse_end(fields.nth(1)?)?;
    let peer = parse_end(fields.next()?)?;
    let inode = std::str::from_utf8(fields.nth(6)?).ok()?.parse().ok()?;
    // There are peers with port 0.
    let has_peer = !peer.ip().is_unspecified() || peer.port() != 0;
    has_peer.then_some(Connection { local, peer, inode })
}

fn parse_end(end: &[u8]) -> Option<SocketAddr> {
    let colon = end.iter().position(|byte| *byte == b':')?;
    let address = parse_address(end.get(..colon)?)?;
    let port = std::str::from_utf8(end.get(colon + 1..)?).ok()?;
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}
