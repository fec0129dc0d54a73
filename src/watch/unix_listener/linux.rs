//! Listing the sockets of a Linux host that have a name, and asking the file system who may talk to them.

use super::{Rules, UnixListener, UnixListenerFacts};
use crate::host::Host;
use crate::text::Text;
use crate::watch::Look;
use crate::watch::holders::Holders;
use crate::watch::listener::linux::People;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NlasIterator};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const ERROR: u16 = 2;
const DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_UNIX: u8 = 1;

/// Those that listen, and those without a peer, which take datagrams of anybody.
const STATES: u32 = 1 << 10 | 1 << 7;
const STREAM: u8 = 1;
const CLOSED: u8 = 7;

/// Their name, and the file that they are in the file system.
const SHOW: u32 = 1 | 2;
const NAME: u16 = 0;
const FILE: u16 = 1;

const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A socket with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its number.
    pub inode: u64,
    /// Its name as the program gave it; an abstract one begins with a zero.
    pub name: Vec<u8>,
    /// The inode of the file that it is, if it is one.
    pub file: Option<u32>,
}

/// What is remembered from pass to pass.
#[derive(Default)]
pub struct Eyes {
    holders: Holders,
}

impl Eyes {
    /// All that everybody on the host may talk to.
    ///
    /// # Errors
    /// If the kernel does not list them.
    pub fn look(&mut self, look: &mut Look<Rules>) -> io::Result<UnixListenerFacts> {
        let host = look.host;
        if host.path("/proc") != Path::new("/proc") {
            return Err(io::Error::other("the kernel tells of this machine only"));
        }
        let listing = look.processes.now(host)?;
        let open: Vec<Named> = read()?.into_iter().filter(|socket| is_open_to_all(host, socket)).collect();
        let inodes: BTreeSet<u64> = open.iter().map(|socket| socket.inode).collect();
        self.holders.find(host, &listing, &inodes, look.now);
        let mut people = People::new(host, &listing);
        let mut sockets: Vec<UnixListener> = open
            .iter()
            .map(|socket| {
                let (owners, _) = people.owners_and_heirs(&self.holders.of(socket.inode));
                let sought = self.holders.is_sought(socket.inode);
                UnixListener { path: shown(&socket.name), owners, sought }
            })
            .collect();
        sockets.sort_by(|a, b| a.path.cmp(&b.path));
        let hidden = sockets.iter().filter(|socket| socket.owners.is_empty()).count();
        look.gaps.extend(self.holders.gap(host, "unix-listener-owner", hidden, sockets.len()));
        let sees_all = host.privilege().sees_all_processes;
        Ok(UnixListenerFacts { sockets: Some(sockets), sees_all })
    }
}

fn shown(name: &[u8]) -> Text {
    match name.strip_prefix(b"\0") {
        Some(name) => Text::new([b"@", name].concat()),
        None => Text::new(name),
    }
}

/// True if others may write to the file and come to it, or if there are no rights to ask for. What is no path from the
/// root may lie anywhere, and counts. A file that is another one by now leads nobody to the socket.
fn is_open_to_all(host: &Host, socket: &Named) -> bool {
    if !socket.name.starts_with(b"/") {
        return true;
    }
    let path = Path::new(OsStr::from_bytes(&socket.name));
    let Ok(file) = std::fs::symlink_metadata(host.path(path)) else { return false };
    let is_it = socket.file.is_none_or(|inode| u64::from(inode) == file.ino() & u64::from(u32::MAX));
    let leads_there =
        |folder: &Path| std::fs::metadata(host.path(folder)).is_ok_and(|folder| folder.mode() & 0o001 != 0);
    is_it && file.mode() & 0o002 != 0 && path.ancestors().skip(1).all(leads_there)
}

fn read() -> io::Result<Vec<Named>> {
    const LENGTH: u32 = 40;
    let mut netlink = Netlink::new(NETLINK_SOCK_DIAG)?;
    netlink.bind_auto()?;
    netlink.connect(&SocketAddr::new(0, 0))?;
    let mut request = LENGTH.to_ne_bytes().to_vec();
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.extend(1_u32.to_ne_bytes());
    request.extend([0, 0, 0, 0, AF_UNIX, 0, 0, 0]);
    request.extend(STATES.to_ne_bytes());
    request.extend([0; 4]);
    request.extend(SHOW.to_ne_bytes());
    request.resize(LENGTH as usize, 0);
    netlink.send(&request, 0)?;
    let mut all = Vec::new();
    loop {
        let mut ready = [PollFd::from_borrowed_fd(netlink.as_fd(), PollFlags::IN)];
        if poll(&mut ready, Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (datagram, sender) = netlink.recv_from_full()?;
        if sender.port_number() != 0 {
            // Not from the kernel.
            continue;
        }
        let (sockets, end) = parse_named(&datagram);
        all.extend(sockets);
        match end {
            None => {}
            Some(0) => return Ok(all),
            Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Parses one datagram: the sockets in it that have a name, and, if it is the last, the system's error number or 0.
#[must_use]
pub fn parse_named(datagram: &[u8]) -> (Vec<Named>, Option<i32>) {
    let (mut sockets, mut end) = (Vec::new(), None);
    let mut rest = datagram;
    while let Ok(message) = NetlinkBuffer::new_checked(rest) {
        let payload: &[u8] = message.payload();
        match message.message_type() {
            DONE | ERROR => {
                let errno =
                    payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes).saturating_neg());
                end = Some(errno.max(0));
            }
            SOCK_DIAG_BY_FAMILY => sockets.extend(named(payload)),
            _ => {}
        }
        // Messages begin at multiples of four.
        let length = (message.length() as usize).next_multiple_of(4).max(16);
        rest = rest.get(length..).unwrap_or_default();
    }
    (sockets, end)
}

/// `unix_diag_msg` and its attributes.
fn named(payload: &[u8]) -> Option<Named> {
    let (kind, state) = (*payload.get(1)?, *payload.get(2)?);
    // A stream that neither listens nor is connected answers nobody.
    if kind == STREAM && state == CLOSED {
        return None;
    }
    let inode = u32::from_ne_bytes(*payload.get(4..)?.first_chunk()?).into();
    let (mut name, mut file) = (None, None);
    for attribute in NlasIterator::new(payload.get(16..)?).filter_map(Result::ok) {
        match attribute.kind() {
            NAME => name = Some(attribute.value().to_vec()),
            FILE => file = attribute.value().first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)),
            _ => {}
        }
    }
    let mut name = name.filter(|name| !name.is_empty())?;
    // A path may end in a zero; an abstract name has them where it wants.
    if name.first() != Some(&0) {
        name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    }
    Some(Named { inode, name, file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(16 + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(16, 0);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn sockets_with_a_name_are_taken_and_the_end_is_told() {
        let socket = |kind: u8, state: u8, name: &[u8]| {
            let mut payload = vec![AF_UNIX, kind, state, 0];
            payload.extend(4711_u32.to_ne_bytes());
            payload.resize(16, 0);
            payload.extend(u16::try_from(4 + name.len()).unwrap().to_ne_bytes());
            payload.extend(NAME.to_ne_bytes());
            payload.extend(name);
            message(SOCK_DIAG_BY_FAMILY, &payload)
        };
        let answer = [
            socket(STREAM, 10, b"/run/a\0"),
            socket(STREAM, CLOSED, b"/run/bound"),
            socket(2, CLOSED, b"\0log"),
            message(DONE, &0_i32.to_ne_bytes()),
        ];
        let (sockets, end) = parse_named(&answer.concat());
        let names: Vec<String> = sockets.iter().map(|socket| shown(&socket.name).to_string()).collect();
        assert_eq!((names, end), (vec!["/run/a".to_owned(), "@log".to_owned()], Some(0)));
        assert_eq!(parse_named(&message(ERROR, &(-1_i32).to_ne_bytes())).1, Some(1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let _ = parse_named(&bytes);
            let _ = parse_named(&message(SOCK_DIAG_BY_FAMILY, &bytes));
        }
    }
}
