//! What listens in on the network: packet sockets and raw sockets of every network namespace.

use super::diag;
use super::process::namespace;
use crate::host::Host;
use crate::processes::Process;
use crate::text::Text;
use crate::watch::deception::{Deceit, Kind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A socket that reads what comes, not only what is for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Packets or raw.
    pub kind: Kind,
    /// Of what it takes: `all packets`, `ICMP`.
    pub what: Text,
    /// The number of the socket.
    pub inode: u64,
    /// The number of the user it belongs to.
    pub uid: u32,
    /// What else is known of it.
    pub note: Option<Text>,
}

impl Socket {
    /// One for each process that holds it; one of nobody if none was found.
    #[must_use]
    pub fn deceits(self, holders: &[Arc<Process>]) -> Vec<Deceit> {
        let Self { kind, what, uid, note, .. } = self;
        if holders.is_empty() {
            let note = format!("it belongs to user number {uid}, and no process was found that holds it");
            return vec![Deceit { kind, what, process: None, note: Some(Text::new(note)) }];
        }
        let deceit = |holder: &Arc<Process>| Deceit {
            kind,
            what: what.clone(),
            process: Some(Arc::clone(holder)),
            note: note.clone(),
        };
        holders.iter().map(deceit).collect()
    }
}

/// The packet and raw sockets of these network namespaces, asked for through one of their processes each.
#[must_use]
pub fn read_sockets(host: &Host, namespaces: &BTreeMap<u64, Vec<u32>>) -> Vec<Socket> {
    let own = namespace(host, "self");
    let mut sockets = Vec::new();
    for (number, pids) in namespaces {
        // It may have ended or gone elsewhere meanwhile.
        let read = |pid: &u32| {
            let found = read_folder(host, &format!("/proc/{pid}/net"))?;
            (namespace(host, &pid.to_string()) == Some(*number)).then_some(found)
        };
        let mut found = pids.iter().find_map(read).unwrap_or_default();
        if own == Some(*number) {
            note_promiscuous(host, &mut found);
        }
        sockets.extend(found);
    }
    sockets
}

fn read_folder(host: &Host, folder: &str) -> Option<Vec<Socket>> {
    // Without IPv6, or without the module for it, there is no such table.
    let mut sockets = parse_raw(&host.read(format!("{folder}/raw")).ok()?);
    sockets.extend(parse_raw(&host.read(format!("{folder}/raw6")).unwrap_or_default()));
    sockets.extend(parse_packet(&host.read(format!("{folder}/packet")).unwrap_or_default()));
    Some(sockets)
}

/// Says of the sockets that asked an interface to take all packets that they did.
fn note_promiscuous(host: &Host, sockets: &mut [Socket]) {
    if !sockets.iter().any(|socket| socket.kind == Kind::PacketSocket) || !super::may_ask_kernel(host) {
        return;
    }
    // A kernel that cannot tell leaves it at what the interfaces say.
    for membership in diag::read_memberships().unwrap_or_default() {
        let is_its = |socket: &&mut Socket| {
            socket.kind == Kind::PacketSocket && socket.inode == u64::from(membership.inode)
        };
        if let Some(socket) = sockets.iter_mut().find(is_its) {
            let interface = interface_name(host, membership.interface);
            socket.note = Some(Text::new(format!("it had {interface} take packets that are for others")));
        }
    }
}

fn interface_name(host: &Host, number: u32) -> String {
    let is_it = |name: &String| {
        let own = host.read(format!("/sys/class/net/{name}/ifindex")).unwrap_or_default();
        std::str::from_utf8(&own).is_ok_and(|own| own.trim().parse() == Ok(number))
    };
    interfaces(host).into_iter().find(is_it).unwrap_or_else(|| format!("interface number {number}"))
}

fn interfaces(host: &Host) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(host.path("/sys/class/net")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The sockets of `/proc/net/packet`: `sk RefCnt Type Proto Iface R Rmem User Inode`.
#[must_use]
pub fn parse_packet(table: &[u8]) -> Vec<Socket> {
    let lines = table.split(|byte| *byte == b'\n');
    let socket = |line: &[u8]| {
        let fields: Vec<&str> = std::str::from_utf8(line).ok()?.split_ascii_whitespace().collect();
        let protocol = u16::from_str_radix(fields.get(3)?, 16).ok()?;
        Some(Socket {
            kind: Kind::PacketSocket,
            what: Text::new(packets(protocol)),
            uid: fields.get(7)?.parse().ok()?,
            inode: fields.get(8)?.parse().ok()?,
            note: None,
        })
    };
    lines.filter_map(socket).collect()
}

/// The sockets of `/proc/net/raw`, where the place of the port holds the protocol.
#[must_use]
pub fn parse_raw(table: &[u8]) -> Vec<Socket> {
    let lines = table.split(|byte| *byte == b'\n');
    let socket = |line: &[u8]| {
        let fields: Vec<&str> = std::str::from_utf8(line).ok()?.split_ascii_whitespace().collect();
        let (_, protocol) = fields.get(1)?.rsplit_once(':')?;
        Some(Socket {
            kind: Kind::RawSocket,
            what: Text::new(protocol_name(u16::from_str_radix(protocol, 16).ok()?)),
            uid: fields.get(7)?.parse().ok()?,
            inode: fields.get(9)?.parse().ok()?,
            note: None,
        })
    };
    lines.filter_map(socket).collect()
}

fn packets(protocol: u16) -> String {
    match protocol {
        0x0000 => "no packets yet".to_owned(),
        0x0003 => "all packets".to_owned(),
        0x0800 => "packets of IPv4".to_owned(),
        0x0806 => "packets of ARP".to_owned(),
        0x86dd => "packets of IPv6".to_owned(),
        0x8863 | 0x8864 => "packets of PPPoE".to_owned(),
        0x888e => "packets of 802.1X".to_owned(),
        0x88cc => "packets of LLDP".to_owned(),
        other => format!("packets of type 0x{other:04x}"),
    }
}

fn protocol_name(number: u16) -> String {
    let name = match number {
        1 => "ICMP",
        2 => "IGMP",
        6 => "TCP",
        17 => "UDP",
        47 => "GRE",
        50 => "ESP",
        58 => "ICMPv6",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        255 => "any protocol",
        other => return format!("protocol {other}"),
    };
    name.to_owned()
}
