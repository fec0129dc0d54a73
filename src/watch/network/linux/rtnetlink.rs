//! Links, addresses, routes and neighbours as the kernel tells them over netlink. The one place that knows the crate for
//! it, which changes often. What of a message is not understood leaves out that message's item, and no other.

use super::super::Address;
use crate::text::Text;
use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NlaBuffer, NlasIterator,
};
use netlink_packet_route::address::{AddressFlags, AddressHeader, AddressScope};
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use netlink_packet_route::neighbour::{NeighbourHeader, NeighbourState};
use netlink_packet_route::route::{RouteFlags, RouteHeader, RouteProtocol, RouteType};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;

/// Message types: what is asked for. What is answered is two less.
const ASK: [u16; 4] = [18, 22, 26, 30];
const LINK: u16 = 16;
const ADDRESS: u16 = 20;
const ROUTE: u16 = 24;
const NEIGHBOUR: u16 = 28;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// The table of the host's own addresses.
const LOCAL: u32 = 255;

/// Asked again so often in all, if something changed while it was listed.
const TRIES: u32 = 4;

/// So long may the kernel take for one answer.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A thing that the kernel told of; it knows links by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A link.
    Link(RawLink),
    /// An address of a link.
    Address {
        /// The link.
        index: u32,
        /// The address.
        address: Address,
    },
    /// A route.
    Route(RawRoute),
    /// A neighbour whose hardware address is known.
    Neighbour {
        /// The link.
        index: u32,
        /// Its address.
        address: IpAddr,
        /// Its hardware address.
        mac: Text,
    },
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLink {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: Text,
    /// Of a virtual one what it is.
    pub kind: Option<Text>,
    /// It is the loopback.
    pub loopback: bool,
    /// It is set up and carries packets, as far as it can tell.
    pub up: bool,
    /// How many want it to take in the packets of others.
    pub promiscuity: u32,
    /// The number of the link it is part of.
    pub master: Option<u32>,
    /// The number of the link it lies upon.
    pub lower: Option<u32>,
    /// Its hardware address.
    pub mac: Option<Text>,
}

/// A route, or one of its ways if it has many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRoute {
    /// To these addresses.
    pub to: IpNet,
    /// By this neighbour.
    pub via: Option<IpAddr>,
    /// The number of the link.
    pub link: Option<u32>,
    /// The number of the table.
    pub table: u32,
    /// Of two with the same destination the smaller one is taken.
    pub metric: u32,
    /// Who made it.
    pub by: Text,
}

/// Everything that the kernel tells of the network namespace we are in.
///
/// # Errors
/// The system's; also if the kernel did not answer for five seconds.
pub fn read() -> io::Result<Vec<Item>> {
    let mut netlink = Netlink::new(NETLINK_ROUTE)?;
    netlink.bind_auto()?;
    netlink.connect(&SocketAddr::new(0, 0))?;
    let mut items = Vec::new();
    for (sequence, kind) in (1..).zip(ASK) {
        items.extend(read_all(&netlink, kind, sequence * TRIES)?);
    }
    Ok(items)
}

fn read_all(netlink: &Netlink, kind: u16, first: u32) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for sequence in first..first + TRIES {
        items.clear();
        netlink.send(&request(kind, sequence), 0)?;
        let mut interrupted = false;
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
            let answer = parse_answer(&datagram, sequence);
            if let Some(errno) = answer.error {
                return Err(io::Error::from_raw_os_error(errno));
            }
            interrupted |= answer.interrupted;
            items.extend(answer.items);
            if answer.done {
                break;
            }
        }
        if !interrupted {
            break;
        }
    }
    // If it never held still: what was listed last does exist.
    Ok(items)
}

/// Header and an empty body that is long enough for each kind: of every family.
fn request(kind: u16, sequence: u32) -> Vec<u8> {
    const LENGTH: u32 = 32;
    let mut bytes = LENGTH.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.resize(LENGTH as usize, 0);
    bytes
}

/// What one datagram of an answer said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The things in it.
    pub items: Vec<Item>,
    /// Something changed while it was listed.
    pub interrupted: bool,
    /// It was the last.
    pub done: bool,
    /// The system's error number.
    pub error: Option<i32>,
}

/// Parses one datagram, of which messages with another sequence number answer something else.
#[must_use]
pub fn parse_answer(datagram: &[u8], sequence: u32) -> Answer {
    let mut answer = Answer::default();
    let mut rest = datagram;
    while let Ok(message) = NetlinkBuffer::new_checked(rest) {
        if message.sequence_number() == sequence {
            answer.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
            answer.add(message.message_type(), message.payload());
        }
        // Messages begin at multiples of four.
        let length = (message.length() as usize).next_multiple_of(4).max(16);
        rest = rest.get(length..).unwrap_or_default();
    }
    answer
}

impl Answer {
    fn add(&mut self, kind: u16, payload: &[u8]) {
        match kind {
            DONE | ERROR => {
                let errno =
                    payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes).saturating_neg());
                self.done = true;
                self.error = Some(errno).filter(|errno| *errno > 0);
            }
            LINK => self.items.extend(link(payload).map(Item::Link)),
            ADDRESS => self.items.extend(address(payload)),
            ROUTE => self.items.extend(routes(payload).unwrap_or_default().into_iter().map(Item::Route)),
            NEIGHBOUR => self.items.extend(neighbour(payload)),
            _ => {}
        }
    }
}

/// The attributes behind a header of this length.
fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload.get(header..).unwrap_or_default()).filter_map(Result::ok)
}

fn number(attribute: &NlaBuffer<&[u8]>) -> Option<u32> {
    attribute.value().first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn name(attribute: &NlaBuffer<&[u8]>) -> Text {
    Text::cut(attribute.value().split(|byte| *byte == 0).next().unwrap_or_default(), 64)
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk()?).into()),
        _ => None,
    }
}

/// `52:54:00:12:34:56`; none if it is empty or all zero.
fn mac(bytes: &[u8]) -> Option<Text> {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.iter().any(|byte| *byte != 0).then(|| Text::new(digits.join(":")))
}

fn link(payload: &[u8]) -> Option<RawLink> {
    let header = LinkHeader::parse(payload).ok()?;
    let loopback = header.flags.contains(LinkFlags::Loopback);
    let mut link = RawLink {
        index: header.index,
        name: Text::default(),
        kind: None,
        loopback,
        // What cannot tell whether it has a carrier has one.
        up: header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        promiscuity: 0,
        master: None,
        lower: None,
        mac: None,
    };
    for attribute in attributes(payload, 16) {
        match attribute.kind() {
            1 => link.mac = mac(attribute.value()),
            3 => link.name = name(&attribute),
            5 => link.lower = number(&attribute).filter(|lower| *lower != 0 && *lower != header.index),
            10 => link.master = number(&attribute),
            18 => {
                let mut inner = attributes(attribute.value(), 0);
                link.kind = inner.find(|inner| inner.kind() == 1).map(|inner| name(&inner));
            }
            30 => link.promiscuity = number(&attribute).unwrap_or(0),
            _ => {}
        }
    }
    // The other end of a veth stands where others have the link they lie upon, and is in another namespace.
    if link.kind.as_deref() == Some("veth") {
        link.lower = None;
    }
    Some(link).filter(|link| !link.name.is_empty())
}

fn address(payload: &[u8]) -> Option<Item> {
    let header = AddressHeader::parse(payload).ok()?;
    let (mut address, mut local) = (None, None);
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    for attribute in attributes(payload, 8) {
        match attribute.kind() {
            1 => address = ip(attribute.value()),
            2 => local = ip(attribute.value()),
            8 => flags = AddressFlags::from_bits_retain(number(&attribute)?),
            _ => {}
        }
    }
    // Of a link from point to point the other end stands first.
    let own = local.or(address)?;
    // The temporary addresses of IPv6 come and go by their nature: their permanent sister tells of the net.
    let temporary = own.is_ipv6() && flags.contains(AddressFlags::Secondary);
    let only_here = own.is_loopback() || matches!(header.scope, AddressScope::Link | AddressScope::Host);
    if temporary || only_here {
        return None;
    }
    let net = IpNet::new(own, header.prefix_len).ok()?;
    let leased = !flags.contains(AddressFlags::Permanent);
    Some(Item::Address { index: header.index, address: Address { net, leased } })
}

fn routes(payload: &[u8]) -> Option<Vec<RawRoute>> {
    let header = RouteHeader::parse(payload).ok()?;
    let any: IpAddr = match u8::from(header.address_family) {
        2 => Ipv4Addr::UNSPECIFIED.into(),
        10 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let leads_somewhere = match header.kind {
        RouteType::Unicast => true,
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => false,
        _ => return None,
    };
    let (mut to, mut via, mut link, mut table, mut metric) = (any, None, None, u32::from(header.table), 0);
    let mut hops: Vec<(Option<u32>, Option<IpAddr>)> = Vec::new();
    for attribute in attributes(payload, 12) {
        let value = attribute.value();
        match attribute.kind() {
            1 => to = ip(value)?,
            4 => link = number(&attribute),
            5 => via = ip(value),
            6 => metric = number(&attribute)?,
            9 => hops = next_hops(value),
            15 => table = number(&attribute)?,
            // A neighbour of the other family: two bytes say which.
            18 => via = value.get(2..).and_then(ip),
            _ => {}
        }
    }
    let to = IpNet::new(to, header.destination_prefix_length).ok()?.trunc();
    let by = header.protocol;
    let cached = header.flags.contains(RouteFlags::Cloned);
    // The kernel refuses what leads nowhere in every IPv6; a daemon's routes follow the net, but for the default.
    let refused = !leads_somewhere && by == RouteProtocol::Kernel;
    if table == LOCAL
        || cached
        || refused
        || to.addr().is_multicast()
        || (is_daemon(by) && to.prefix_len() > 0)
    {
        return None;
    }
    if hops.is_empty() || !leads_somewhere {
        hops = vec![(link, via)];
    }
    let one = |(link, via): (Option<u32>, Option<IpAddr>)| RawRoute {
        to,
        via,
        link: link.filter(|_| leads_somewhere),
        table,
        metric,
        by: Text::new(by.to_string()),
    };
    Some(hops.into_iter().map(one).collect())
}

/// `rtnexthop`: two bytes of length, flags, weight, the link, then attributes.
fn next_hops(mut rest: &[u8]) -> Vec<(Option<u32>, Option<IpAddr>)> {
    let mut hops = Vec::new();
    while let Some(length) = rest.first_chunk().map(|bytes| usize::from(u16::from_ne_bytes(*bytes))) {
        let Some(hop) = rest.get(..length).filter(|hop| hop.len() >= 8) else { break };
        let link = hop.get(4..).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes));
        let via = attributes(hop, 8).find_map(|attribute| match attribute.kind() {
            5 => ip(attribute.value()),
            18 => attribute.value().get(2..).and_then(ip),
            _ => None,
        });
        hops.push((link, via));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

/// True if a daemon keeps such routes in step with what others on the net tell it.
fn is_daemon(by: RouteProtocol) -> bool {
    // GateD, Zebra, Bird, XORP, keepalived, Babel, Open/R, BGP, IS-IS, OSPF, RIP, EIGRP.
    matches!(u8::from(by), 8 | 11 | 12 | 14 | 18 | 42 | 99 | 186..=189 | 192)
}

fn neighbour(payload: &[u8]) -> Option<Item> {
    let header = NeighbourHeader::parse(payload).ok()?;
    let answers = matches!(
        header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    let (mut address, mut hardware) = (None, None);
    for attribute in attributes(payload, 12) {
        match attribute.kind() {
            1 => address = ip(attribute.value()),
            2 => hardware = mac(attribute.value()),
            _ => {}
        }
    }
    let (address, mac) = (address?, hardware?);
    answers.then_some(Item::Neighbour { index: header.ifindex, address, mac })
}

#[cfg(test)]
mod tests;
