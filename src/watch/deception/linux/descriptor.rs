//! Who holds which sockets and BPF programs. As an old process may load a program too, all are walked every ten minutes, and those
//! that are young in every pass. What is known is verified by one link each.

use super::{bpf, find};
use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::{Listing, Process, living_folder};
use crate::watch::holders::{Holders, Visit};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::readlink;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// So many descriptors of BPF programs are remembered.
const MOST: usize = 8192;

/// Process and descriptor.
type Place = (u32, u32);

/// What is known.
pub struct Descriptors {
    sockets: Holders,
    programs: BTreeMap<Place, String>,
}

impl Default for Descriptors {
    fn default() -> Self {
        Self { sockets: Holders::walking_all_each(AGAIN), programs: BTreeMap::new() }
    }
}

impl Descriptors {
    /// Finds out who holds the sockets of `inodes`, and BPF programs; `young` may load one any moment.
    pub fn find(
        &mut self,
        host: &Host,
        listing: &Listing,
        inodes: &BTreeSet<u64>,
        young: &[u32],
        now: Timestamp,
    ) {
        self.programs.retain(|place, _| link(host, *place).is_some_and(|link| bpf::is_program(&link)));
        let mut visit = Programs { host, young, found: &mut self.programs };
        self.sockets.find_and(host, listing, inodes, now, &mut visit);
    }

    /// True if a holder of this socket may be found still.
    pub fn is_sought(&self, inode: u64) -> bool {
        self.sockets.is_sought(inode)
    }

    /// What to say if of so many sockets so many have no holder.
    pub fn gap(&self, host: &Host, hidden: usize, of: usize) -> Option<Gap> {
        self.sockets.gap(host, "deception-owner", hidden, of)
    }

    /// The processes that hold a socket and do not descend from another that does.
    pub fn holders(&self, inode: u64, listing: &Listing) -> Vec<Arc<Process>> {
        let pids = self.sockets.of(inode);
        let is_heir = |pid: u32| listing.ancestors(pid).any(|parent| pids.contains(&parent.pid));
        pids.iter().filter(|pid| !is_heir(**pid)).filter_map(|pid| find(listing, *pid)).collect()
    }

    /// Which process holds BPF programs of which type.
    pub fn programs(&self) -> impl Iterator<Item = (u32, &str)> {
        self.programs.iter().map(|((pid, _), kind)| (*pid, kind.as_str()))
    }
}

/// Keeps the BPF programs among the files that are walked.
struct Programs<'a> {
    host: &'a Host,
    young: &'a [u32],
    found: &'a mut BTreeMap<Place, String>,
}

impl Visit for Programs<'_> {
    fn also(&self) -> &[u32] {
        self.young
    }

    fn file(&mut self, folder: &str, pid: u32, fd: u32, link: &[u8]) {
        if bpf::is_program(link) && self.found.len() < MOST {
            let info = self.host.read(format!("{folder}/fdinfo/{fd}")).unwrap_or_default();
            if let Some(kind) = bpf::parse_descriptor(&info) {
                self.found.insert((pid, fd), kind);
            }
        }
    }
}

fn link(host: &Host, (pid, fd): Place) -> Option<Vec<u8>> {
    let link_in = |folder: &str| readlink(host.path(format!("{folder}/fd/{fd}")), Vec::new());
    let link = link_in(&format!("/proc/{pid}")).or_else(|_| link_in(&living_folder(host, pid)));
    Some(link.ok()?.into_bytes())
}
