//! Connections of a Linux host, from the same places as its listening sockets.

mod door;

use super::{Connection, ConnectionFacts, Rules};
use crate::processes::{Listing, Process};
use crate::watch::Look;
use crate::watch::holders::Holders;
use crate::watch::listener::Protocol;
use crate::watch::listener::linux::crowd::Limit;
use crate::watch::listener::linux::namespace::{self, Namespaces};
use crate::watch::listener::linux::{People, Socket, Wanted, list};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// A busy proxy has tens of thousands.
const MOST: Limit = Limit { each: 100_000, people: 200_000 };

/// What is remembered from pass to pass.
#[derive(Default)]
pub struct Eyes {
    holders: Holders,
    keepers: Holders,
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
        let home = namespace::home(host);
        // Connections first: a door that opens in between makes none of them lead in.
        let mut connected = placed(None, list(host, home.is_ours, Wanted::Connected)?);
        let mut listening = placed(None, list(host, home.is_ours, Wanted::Listening)?);
        for (number, pids) in self.namespaces.others(host, &listing, now, home.number).pids {
            let list = |wanted| placed(Some(number), namespace::list(host, number, &pids, wanted));
            connected.extend(list(Wanted::Connected));
            listening.extend(list(Wanted::Listening));
        }
        let gaps = [&mut connected, &mut listening].map(|found| MOST.keep(host, "connection-crowd", found));
        look.gaps.extend(gaps.into_iter().flatten().next());
        let inodes = listening.iter().map(|(_, socket)| socket.inode).filter(|inode| *inode != 0).collect();
        self.keepers.find(host, &listing, &inodes, now);
        if self.keepers.is_any_sought() {
            let why = "not all open files could be looked through in this pass for who listens, so that what came in cannot be told from what leads out; the next one goes on";
            return Err(io::Error::other(why));
        }
        let doors = door::doors(&listening, |inode| keepers(&self.keepers.of(inode), &listing));
        let (mut found, past) = door::leading_out(connected, doors, &look.memory.recall());
        look.memory.keep(&past);

        let inodes = found.iter().map(|(_, socket)| socket.inode).filter(|inode| *inode != 0).collect();
        self.holders.find(host, &listing, &inodes, now);
        // What asked one question and closed while we looked for it has no owner any more.
        let is_orphan = |socket: &Socket| self.holders.of(socket.inode).is_empty();
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
        let total = found.len();
        for (namespace, socket) in found {
            let sought = self.holders.is_sought(socket.inode);
            let Some(peer) = socket.peer else { continue };
            let (owners, _) = people.owners_and_heirs(&self.holders.of(socket.inode));
            let owner: Option<Arc<Process>> = owners.into_iter().next();
            hidden += usize::from(owner.is_none());
            let key = Key {
                protocol: socket.protocol,
                to: peer.ip().to_canonical(),
                port: peer.port(),
                pid: owner.as_ref().map(|owner| owner.pid),
                uid: socket.uid,
                namespace,
            };
            let one = all.entry(key).or_insert_with(|| Connection {
                protocol: socket.protocol,
                to: peer.ip().to_canonical(),
                port: peer.port(),
                count: 0,
                user: users.name(socket.uid),
                owner,
                namespace,
                sought,
            });
            one.count += 1;
            one.sought &= sought;
        }
        look.gaps.extend(self.holders.gap(host, "connection-owner", hidden, total));
        let sees_all = host.privilege().sees_all_processes;
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

/// Sockets with the network namespace they are in.
fn placed(namespace: Option<u64>, sockets: Vec<Socket>) -> Vec<(Option<u64>, Socket)> {
    sockets.into_iter().map(|socket| (namespace, socket)).collect()
}

/// The users of these processes; none if they are not known of every one, or nobody was found.
fn keepers(holders: &BTreeSet<u32>, listing: &Listing) -> Option<BTreeSet<u32>> {
    let users = holders.iter().map(|pid| listing.get(*pid).map(|process| process.uid));
    users.collect::<Option<BTreeSet<u32>>>().filter(|users| !users.is_empty())
}
