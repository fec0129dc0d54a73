//! Listing the sockets of a Linux host with their owners.
//!
//! The kernel's `sock_diag` lists those of the host's network namespace at once; where it is refused, or where we
//! are not in that namespace, `/proc/PID/net` tells the same. That is also how other namespaces are seen, without
//! entering them.

pub(in crate::watch) mod crowd;
pub(in crate::watch) mod namespace;
pub mod proc_net;
pub mod sock_diag;

use super::{Listener, ListenerFacts, Protocol};
use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::{Listing, Process, Processes};
use crate::watch::holders::Holders;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// Nobody honest listens at so many ports.
const MOST: crowd::Limit = crowd::Limit { each: 20_000, people: 100_000 };

/// Which sockets are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Those that listen; of a protocol that knows no listening, those without a peer.
    Listening,
    /// Those that have a peer and are open in both directions.
    Connected,
}

/// A socket, as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket {
    /// The protocol.
    pub protocol: Protocol,
    /// The local port.
    pub port: u16,
    /// The local address.
    pub address: IpAddr,
    /// Its number; 0 if it belongs to no file.
    pub inode: u64,
    /// The user it belongs to.
    pub uid: u32,
    /// Of IPv6: true if it takes no IPv4.
    pub only_ipv6: Option<bool>,
    /// The other end, if it has one.
    pub peer: Option<SocketAddr>,
}

impl Socket {
    /// True if it listens at this address, so that what is connected to there came in by it.
    #[must_use]
    pub fn takes(&self, to: SocketAddr) -> bool {
        let (own, ip) = (self.address.to_canonical(), to.ip().to_canonical());
        let is_of_its_kind = match own {
            IpAddr::V4(_) => ip.is_ipv4(),
            IpAddr::V6(_) => ip.is_ipv6() || self.only_ipv6 != Some(true),
        };
        self.port == to.port() && (own == ip || own.is_unspecified() && is_of_its_kind)
    }
}

/// What is remembered from pass to pass, so that a pass in which nothing changed reads almost nothing.
#[derive(Default)]
pub struct Eyes {
    holders: Holders,
    namespaces: namespace::Namespaces,
    last: Option<Last>,
}

/// What the last pass came to, and what it rests on: it holds while none of that has changed.
struct Last {
    /// In the order in which they were listed, which stays the same while they do.
    found: Vec<(Option<u64>, Socket)>,
    inodes: BTreeSet<u64>,
    owners: u64,
    /// The holders, and those they descend from.
    kin: Vec<Arc<Process>>,
    listeners: Vec<Listener>,
}

impl Last {
    fn rests_on(&self, found: &[(Option<u64>, Socket)], owners: u64, listing: &Listing) -> bool {
        // One of which we see little is read anew in each pass, and is the same for all that.
        let is_there = |process: &Arc<Process>| {
            let now = listing.get(process.pid);
            now.is_some_and(|now| std::ptr::eq(now, Arc::as_ptr(process)) || *now == **process)
        };
        self.owners == owners && self.found == found && self.kin.iter().all(is_there)
    }
}

impl Eyes {
    /// All listening sockets with their owners.
    ///
    /// # Errors
    /// If neither the kernel nor `/proc` lists the sockets of the host.
    pub fn look(
        &mut self,
        host: &Host,
        listing: &Arc<Listing>,
        now: Timestamp,
        gaps: &mut Vec<Gap>,
    ) -> io::Result<ListenerFacts> {
        let home = namespace::home(host);
        let ephemeral = proc_net::read_ephemeral(host);
        let mut found: Vec<(Option<u64>, Socket)> =
            list(host, home.is_ours, Wanted::Listening)?.into_iter().map(|socket| (None, socket)).collect();
        let others = self.namespaces.others(host, listing, now, home.number);
        if others.unreadable > 0 && !host.privilege().sees_all_processes {
            gaps.push(Gap {
                gap: "listener-namespace".to_owned(),
                seen: others.read,
                of: others.read + others.unreadable,
                why: "an ordinary user may not see in which network namespace the processes of others are; run as root"
                    .to_owned(),
            });
        }
        found.extend(self.namespaces.listening(host, &others, now));
        gaps.extend(MOST.keep(host, "listener-crowd", &mut found));

        let mut last = self.last.take();
        let inodes = match last.as_mut().filter(|last| last.found == found) {
            Some(last) => std::mem::take(&mut last.inodes),
            None => found.iter().map(|(_, socket)| socket.inode).filter(|inode| *inode != 0).collect(),
        };
        self.holders.find(host, listing, &inodes, now);
        self.drop_closed(host, home.is_ours, ephemeral, &mut found);
        let owners = self.holders.change();
        let (mut listeners, kin) = match last.filter(|last| last.rests_on(&found, owners, listing)) {
            Some(last) => (last.listeners, Some(last.kin)),
            None => (self.attribute(host, listing, &found), kin(listing, &self.holders.all())),
        };
        self.last = kin.map(|kin| Last { found, inodes, owners, kin, listeners: listeners.clone() });

        let mut hidden = 0;
        for listener in listeners.iter_mut().filter(|listener| listener.owners.is_empty()) {
            hidden += 1;
            listener.sought = self.holders.is_sought(listener.inode);
        }
        gaps.extend(self.holders.gap(host, "listener-owner", hidden, listeners.len()));
        let sees_all = host.privilege().sees_all_processes;
        Ok(ListenerFacts { listeners, ephemeral, sees_all, transaction: None })
    }

    /// Says of each socket whose it is, in order, and of each once.
    fn attribute(
        &self,
        host: &Host,
        listing: &Arc<Listing>,
        found: &[(Option<u64>, Socket)],
    ) -> Vec<Listener> {
        let users = host.users();
        let mut people = People::new(host, listing);
        let found: BTreeSet<&(Option<u64>, Socket)> = found.iter().collect();
        let listeners = found.into_iter().map(|(namespace, socket)| {
            let (owners, heirs) = people.owners_and_heirs(&self.holders.of(socket.inode));
            Listener {
                protocol: socket.protocol,
                address: socket.address,
                port: socket.port,
                only_ipv6: socket.only_ipv6,
                user: users.name(socket.uid),
                inode: socket.inode,
                owners,
                heirs,
                namespace: *namespace,
                sought: false,
            }
        });
        listeners.collect()
    }

    /// A client's UDP socket lives for milliseconds. One that nobody holds any more and that is gone when asked
    /// again was no door.
    fn drop_closed(
        &self,
        host: &Host,
        ours: Ours,
        ephemeral: (u16, u16),
        found: &mut Vec<(Option<u64>, Socket)>,
    ) {
        let passing = |(namespace, socket): &(Option<u64>, Socket)| {
            namespace.is_none()
                && socket.protocol.has_no_listen_state()
                && (ephemeral.0..=ephemeral.1).contains(&socket.port)
                && self.holders.of(socket.inode).is_empty()
        };
        if !found.iter().any(passing) {
            return;
        }
        let Ok(again) = list(host, ours, Wanted::Listening) else { return };
        found.retain(|entry| !passing(entry) || again.iter().any(|socket| socket.inode == entry.1.inode));
    }
}

/// These processes and those they descend from; none if the listing does not know all of them yet.
fn kin(listing: &Listing, pids: &BTreeSet<u32>) -> Option<Vec<Arc<Process>>> {
    let mut all = pids.clone();
    all.extend(pids.iter().flat_map(|pid| listing.ancestors(*pid).map(|process| process.pid)));
    let at = |pid: &u32| listing.processes.binary_search_by_key(pid, |process| process.pid).ok();
    all.iter().map(|pid| listing.processes.get(at(pid)?).map(Arc::clone)).collect()
}

/// Whether we are in the network namespace of the host's first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::watch) enum Ours {
    /// Yes.
    Same,
    /// No.
    Other,
}

/// The sockets of the host's own network namespace.
pub(in crate::watch) fn list(host: &Host, ours: Ours, wanted: Wanted) -> io::Result<Vec<Socket>> {
    // The kernel speaks of this machine only, and of the namespace we are in.
    let this_machine = host.path("/proc") == Path::new("/proc");
    match (this_machine, ours) {
        (true, Ours::Same) => sock_diag::read_sockets(wanted)
            .or_else(|_| proc_net::read_sockets(host, "/proc/self/net", wanted)),
        (true, Ours::Other) => proc_net::read_sockets(host, "/proc/1/net", wanted),
        (false, _) => proc_net::read_sockets(host, "/proc/net", wanted),
    }
}

/// The processes that hold sockets, by number.
pub(in crate::watch) struct People<'a> {
    host: &'a Host,
    listing: Arc<Listing>,
    is_fresh: bool,
}

impl<'a> People<'a> {
    /// Looked up in this listing, and in a fresh one if that is too old.
    pub fn new(host: &'a Host, listing: &Arc<Listing>) -> Self {
        Self { host, listing: Arc::clone(listing), is_fresh: false }
    }

    /// Of the processes that hold a socket: those that descend from no other holder, and of the rest one of each
    /// program.
    pub fn owners_and_heirs(&mut self, holders: &BTreeSet<u32>) -> (Vec<Arc<Process>>, Vec<Arc<Process>>) {
        // The listing may be some seconds older than the socket.
        if !self.is_fresh && holders.iter().any(|pid| self.listing.get(*pid).is_none()) {
            self.is_fresh = true;
            if let Ok(listing) = Processes::default().now(self.host) {
                self.listing = listing;
            }
        }
        let roots = |among: &BTreeSet<u32>| -> BTreeSet<u32> {
            let is_root =
                |pid: &&u32| !self.listing.ancestors(**pid).any(|parent| among.contains(&parent.pid));
            among.iter().filter(is_root).copied().collect()
        };
        let owners = roots(holders);
        let mut rest: BTreeSet<u32> = holders.difference(&owners).copied().collect();
        if owners.contains(&1) {
            rest = roots(&rest);
        }
        let owners = self.people(&owners);
        let mut heirs = self.people(&rest);
        heirs.retain(|heir| !owners.iter().any(|owner| same_program(owner, heir)));
        (owners, heirs)
    }

    /// These processes, one of each program.
    fn people(&self, pids: &BTreeSet<u32>) -> Vec<Arc<Process>> {
        let mut people: Vec<Arc<Process>> = Vec::new();
        for pid in pids {
            let Ok(at) = self.listing.processes.binary_search_by_key(pid, |process| process.pid) else {
                continue;
            };
            let Some(process) = self.listing.processes.get(at) else { continue };
            if !people.iter().any(|known| same_program(known, process)) {
                people.push(Arc::clone(process));
            }
        }
        people
    }
}

fn same_program(a: &Process, b: &Process) -> bool {
    (&a.exe, &a.script, &a.user, a.container) == (&b.exe, &b.script, &b.user, b.container)
}
