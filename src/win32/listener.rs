//! Sockets that listen, and the process that has each open.

use super::handle::Buffer;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use windows::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, NO_ERROR};
use windows::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, GetExtendedUdpTable, TCP_TABLE_OWNER_PID_LISTENER, UDP_TABLE_OWNER_PID,
};
use windows::Win32::Networking::WinSock::{ADDRESS_FAMILY, AF_INET, AF_INET6};

/// A table that is larger than this is none.
const MOST: usize = 64 * 1024 * 1024;

/// Sockets may be opened faster than a table of them is made; so often it is tried.
const TRIES: usize = 16;

/// A socket as Windows lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket {
    /// The local port.
    pub port: u16,
    /// The local address.
    pub address: IpAddr,
    /// The process that opened it; 0 if Windows does not say.
    pub pid: u32,
}

/// The table of TCP or of UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// TCP sockets that listen.
    Tcp,
    /// UDP sockets.
    Udp,
}

/// The sockets of a table, of IPv4 and IPv6.
///
/// # Errors
/// The system's; `InvalidData` if what it says makes no sense.
pub fn read(table: Table) -> io::Result<Vec<Socket>> {
    let mut all = rows(table, AF_INET)?;
    all.extend(rows(table, AF_INET6)?);
    Ok(all)
}

fn rows(table: Table, family: ADDRESS_FAMILY) -> io::Result<Vec<Socket>> {
    let mut size = 64 * 1024;
    for _ in 0..TRIES {
        let mut buffer = Buffer::new(size);
        let mut needed = buffer.len();
        let of = u32::from(family.0);
        let into = Some(buffer.bytes_mut().as_mut_ptr().cast());
        // SAFETY: the buffer is as large as is said, aligned for the rows, and outlives the call.
        let code = unsafe {
            match table {
                Table::Tcp => {
                    GetExtendedTcpTable(into, &raw mut needed, false, of, TCP_TABLE_OWNER_PID_LISTENER, 0)
                }
                Table::Udp => GetExtendedUdpTable(into, &raw mut needed, false, of, UDP_TABLE_OWNER_PID, 0),
            }
        };
        if code == NO_ERROR.0 {
            return parse(&buffer, table, family).ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
        size = (size * 2).max(needed as usize + 4096);
        if code != ERROR_INSUFFICIENT_BUFFER.0 || size > MOST {
            return Err(io::Error::from_raw_os_error(code.cast_signed()));
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "the list of sockets grew faster than it was read"))
}

/// How many there are, and the rows: each of 32-bit words, ports in the order of the network.
fn parse(buffer: &Buffer, table: Table, family: ADDRESS_FAMILY) -> Option<Vec<Socket>> {
    let is_ipv6 = family == AF_INET6;
    // Where in a row, in words, the address, the port and the owner stand, and how many words it has.
    let (address, port, pid, words) = match (table, is_ipv6) {
        (Table::Tcp, false) => (1, 2, 5, 6),
        (Table::Tcp, true) => (0, 5, 13, 14),
        (Table::Udp, false) => (0, 1, 2, 3),
        (Table::Udp, true) => (0, 5, 6, 7),
    };
    let count = buffer.u32(0)? as usize;
    let mut sockets = Vec::with_capacity(count.min(65_536));
    for row in 0..count {
        let at = |word: usize| 4 + 4 * (row * words + word);
        let bytes = |word: usize, length: usize| buffer.bytes().get(at(word)..at(word) + length);
        let address = if is_ipv6 {
            IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes(address, 16)?).ok()?))
        } else {
            IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes(address, 4)?).ok()?))
        };
        let port = u16::from_be_bytes(bytes(port, 2)?.try_into().ok()?);
        sockets.push(Socket { port, address, pid: buffer.u32(at(pid))? });
    }
    Some(sockets)
}
