//! Who holds which sockets and BPF programs: only a walk over the open files of processes tells. As that is dear, new
//! processes are walked in every pass, and all of them when a socket appears that nobody is known to hold, and every ten
//! minutes, as an old process may load a program too. What is known is verified by one link each.

use super::{bpf, find};
use crate::host::Host;
use crate::processes::{Executable, Listing, Process, living_folder};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Dir, Mode, OFlags, open, readlink, readlinkat};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

const AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// A socket that nobody holds is searched for so many times.
const SEARCHES: u8 = 3;

/// So many descriptors of BPF programs are remembered.
const MOST: usize = 8192;

/// Process and descriptor.
type Place = (u32, u32);

/// What is known.
#[derive(Default)]
pub struct Descriptors {
    sockets: HashMap<u64, Holders>,
    programs: BTreeMap<Place, String>,
    walked: Option<Timestamp>,
}

#[derive(Default)]
struct Holders {
    places: BTreeSet<Place>,
    searches: u8,
}

impl Descriptors {
    /// Finds out who holds the sockets of `inodes`, and BPF programs.
    pub fn find(
        &mut self,
        host: &Host,
        listing: &Listing,
        inodes: &BTreeSet<u64>,
        new: &[u32],
        now: Timestamp,
    ) {
        self.sockets.retain(|inode, _| inodes.contains(inode));
        for (inode, holders) in &mut self.sockets {
            let is_it = |link: &[u8]| parse_socket(link) == Some(*inode);
            holders.places.retain(|place| link(host, *place).is_some_and(|link| is_it(&link)));
        }
        self.programs.retain(|place, _| link(host, *place).is_some_and(|link| bpf::is_program(&link)));
        for inode in inodes {
            self.sockets.entry(*inode).or_default();
        }
        let is_due = self.walked.is_none_or(|then| now.duration_since(then).abs() >= AGAIN);
        if !is_due {
            for pid in new {
                self.walk(host, *pid);
            }
        }
        let is_unknown = |holders: &Holders| holders.places.is_empty() && holders.searches < SEARCHES;
        if is_due || self.sockets.values().any(is_unknown) {
            self.walked = Some(now);
            let programs = listing.processes.iter().filter(|process| process.exe != Executable::Kernel);
            programs.for_each(|process| self.walk(host, process.pid));
            for holders in self.sockets.values_mut().filter(|holders| holders.places.is_empty()) {
                holders.searches = holders.searches.saturating_add(1);
            }
        }
    }

    /// The processes that hold a socket and do not descend from another that does.
    pub fn holders(&self, inode: u64, listing: &Listing) -> Vec<Arc<Process>> {
        let Some(holders) = self.sockets.get(&inode) else { return Vec::new() };
        let pids: BTreeSet<u32> = holders.places.iter().map(|(pid, _)| *pid).collect();
        let is_heir = |pid: u32| listing.ancestors(pid).any(|parent| pids.contains(&parent.pid));
        pids.iter().filter(|pid| !is_heir(**pid)).filter_map(|pid| find(listing, *pid)).collect()
    }

    /// Which process holds BPF programs of which type.
    pub fn programs(&self) -> impl Iterator<Item = (u32, &str)> {
        self.programs.iter().map(|((pid, _), kind)| (*pid, kind.as_str()))
    }

    fn walk(&mut self, host: &Host, pid: u32) {
        let folder = living_folder(host, pid);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(descriptors) = open(host.path(format!("{folder}/fd")), flags, Mode::empty()) else { return };
        let Ok(entries) = Dir::read_from(&descriptors) else { return };
        for entry in entries.filter_map(Result::ok) {
            let Some(fd) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(link) = readlinkat(&descriptors, entry.file_name(), Vec::new()) else { continue };
            if let Some(holders) =
                parse_socket(link.as_bytes()).and_then(|inode| self.sockets.get_mut(&inode))
            {
                holders.places.insert((pid, fd));
            } else if bpf::is_program(link.as_bytes()) && self.programs.len() < MOST {
                let info = host.read(format!("{folder}/fdinfo/{fd}")).unwrap_or_default();
                if let Some(kind) = bpf::parse_descriptor(&info) {
                    self.programs.insert((pid, fd), kind);
                }
            }
        }
    }
}

fn link(host: &Host, (pid, fd): Place) -> Option<Vec<u8>> {
    let link_in = |folder: &str| readlink(host.path(format!("{folder}/fd/{fd}")), Vec::new());
    let link = link_in(&format!("/proc/{pid}")).or_else(|_| link_in(&living_folder(host, pid)));
    Some(link.ok()?.into_bytes())
}

/// The number in `socket:[4711]`.
fn parse_socket(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link).ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
