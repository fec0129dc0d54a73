//! Connections of a Linux host, from the same places as its listening sockets.

use super::{Connection, ConnectionFacts, Rules};
use crate::coverage::Gap;
use crate::processes::Process;
use crate::watch::Look;
use crate::watch::listener::Protocol;
use crate::watch::listener::linux::namespace::{self, Namespaces};
use crate::watch::listener::linux::owner::Owners;
use crate::watch::listener::linux::{People, Socket, Wanted, list};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// So many doors that were open once are remembered.
const DOORS: usize = 4096;

/// A door: protocol and port.
type Door = (String, u16);

/// What is remembered from pass to pass.
#[derive(Default)]
pub struct Eyes {
    owners: Owners,
    namespaces: Namespaces,
}

impl Eyes {
    /// All connections to elsewhere.
    ///
    /// # Errors
    /// If neither the kernel nor `/proc` lists them.
    pub fn look(&mut self, look: &mut Look<Rules>) -> io::Result<ConnectionFacts> {
        let (host, now) = (look.host, look.now);
        let listing = look.processes.now(host)?;
        let sees_all = host.privilege().sees_all_processes;
        let home = namespace::home(host);
        let mut found: Vec<(Option<u64>, Socket)> = Vec::new();
        let mut doors: BTreeSet<Door> = look.memory.recall();
        // Connections first: a door that opens in between makes none of them lead in.
        let connected = list(host, home.is_ours, Wanted::Connected)?;
        let listening = list(host, home.is_ours, Wanted::Listening)?;
        found.extend(leading_out(connected, &listening, &mut doors).map(|socket| (None, socket)));
        for (number, pids) in self.namespaces.others(host, &listing, now, home.number).pids {
            let connected = namespace::list(host, number, &pids, Wanted::Connected);
            let listening = namespace::list(host, number, &pids, Wanted::Listening);
            let out = leading_out(connected, &listening, &mut doors);
            found.extend(out.map(|socket| (Some(number), socket)));
        }
        while doors.len() > DOORS {
            doors.pop_first();
        }
        look.memory.keep(&doors);

        let inodes = found.iter().map(|(_, socket)| socket.inode).filter(|inode| *inode != 0).collect();
        self.owners.find(host, &listing, &inodes, now);
        // What asked one question and closed while we looked for it has no owner any more.
        let is_orphan = |socket: &Socket| self.owners.holders(socket.inode).is_empty();
        if found.iter().any(|(_, socket)| is_orphan(socket)) {
            let again = list(host, home.is_ours, Wanted::Connected)?;
            let still: BTreeSet<u64> = again.iter().map(|socket| socket.inode).collect();
            // One without a number is closed already by its program; the kernel only says goodbye.
            found.retain(|(namespace, socket)| {
                !is_orphan(socket)
                    || (socket.inode != 0 && namespace.is_none() && still.contains(&socket.inode))
            });
        }

        let users = host.users();
        let mut people = People::new(host, &listing);
        let mut all: BTreeMap<Key, Connection> = BTreeMap::new();
        let mut hidden = 0;
        let total = found.len() as u64;
        for (namespace, socket) in found {
            let Some(peer) = socket.peer else { continue };
            let (owners, _) = people.owners_and_heirs(&self.owners.holders(socket.inode));
            let owner: Option<Arc<Process>> = owners.into_iter().next();
            hidden += u64::from(owner.is_none());
            let key = Key {
                protocol: socket.protocol,
                to: peer.ip().to_canonical(),
                port: peer.port(),
                pid: owner.as_ref().map(|owner| owner.pid),
                uid: socket.uid,
                namespace,
            };
            all.entry(key)
                .or_insert_with(|| Connection {
                    protocol: socket.protocol,
                    to: peer.ip().to_canonical(),
                    port: peer.port(),
                    count: 0,
                    user: users.name(socket.uid),
                    owner,
                    namespace,
                })
                .count += 1;
        }
        if hidden > 0 && !sees_all {
            look.gaps.push(Gap {
                gap: "connection-owner".to_owned(),
                seen: total - hidden,
                of: total,
                why: "an ordinary user may not see which process of another user has a connection open; run as root"
                    .to_owned(),
            });
        }
        Ok(ConnectionFacts { connections: Some(all.into_values().collect()), sees_all })
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    protocol: Protocol,
    to: IpAddr,
    port: u16,
    pid: Option<u32>,
    uid: u32,
    namespace: Option<u64>,
}

/// Of these, the ones that did not come in by a door. A door that was open once counts: a server that is told to stop
/// closes it first and its connections later.
fn leading_out<'a>(
    connected: Vec<Socket>,
    listening: &[Socket],
    doors: &'a mut BTreeSet<Door>,
) -> impl Iterator<Item = Socket> + use<'a> {
    let door = |socket: &Socket| (socket.protocol.as_str().to_owned(), socket.port);
    // A client's socket of a protocol without listening is no door while it waits for its answer, but by luck.
    let is_door = |socket: &&Socket| !socket.protocol.has_no_listen_state() || socket.port < 32_768;
    doors.extend(listening.iter().filter(is_door).map(door));
    connected.into_iter().filter(move |socket| {
        let Some(peer) = socket.peer else { return false };
        let to = peer.ip().to_canonical();
        let within = to.is_loopback() || to.is_unspecified() || to == socket.address.to_canonical();
        !within && !doors.contains(&door(socket))
    })
}
