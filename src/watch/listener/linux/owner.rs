//! Which processes hold which sockets.
//!
//! Only a walk over the open files of processes tells, and that is the dear part. So it is remembered: each holder
//! is verified by reading one link, new processes are asked what they hold, and all are walked only when a socket
//! appears that none of those holds, and once an hour, as a socket can be handed to an old process.

use crate::host::Host;
use crate::processes::{Executable, Listing};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Dir, Mode, OFlags, open, readlink, readlinkat};
use std::collections::{BTreeSet, HashMap};

const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A socket that nobody holds (it is the kernel's, or of a hidden process) is searched for so many times.
const SEARCHES: u8 = 3;

/// Who holds what.
#[derive(Default)]
pub struct Owners {
    known: HashMap<u64, Known>,
    /// The processes whose files were read, by number, with their start.
    asked: Vec<(u32, u64)>,
    all_walked: Option<Timestamp>,
}

#[derive(Default)]
struct Known {
    /// Process and descriptor.
    holders: BTreeSet<(u32, u32)>,
    searches: u8,
}

impl Owners {
    /// The processes found to hold a socket.
    pub fn holders(&self, inode: u64) -> BTreeSet<u32> {
        self.known
            .get(&inode)
            .map(|known| known.holders.iter().map(|(pid, _)| *pid).collect())
            .unwrap_or_default()
    }

    /// Finds out who holds the sockets of `inodes`.
    pub fn find(&mut self, host: &Host, listing: &Listing, inodes: &BTreeSet<u64>, now: Timestamp) {
        self.known.retain(|inode, _| inodes.contains(inode));
        for (inode, known) in &mut self.known {
            known.holders.retain(|(pid, fd)| still_holds(host, *pid, *fd, *inode));
        }
        for inode in inodes {
            self.known.entry(*inode).or_default();
        }
        if self.all_walked.is_none_or(|then| now.duration_since(then).abs() >= AGAIN) {
            self.all_walked = Some(now);
            self.walk_all(host);
        } else {
            self.walk(host, &self.newcomers(listing));
            let usual: BTreeSet<u32> =
                self.known.values().flat_map(|known| known.holders.iter().map(|(pid, _)| *pid)).collect();
            if self.is_any_unknown() {
                self.walk(host, &usual.into_iter().collect::<Vec<u32>>());
            }
            if self.is_any_unknown() {
                self.walk_all(host);
            }
        }
        let asked = listing.processes.iter().filter(|process| process.exe != Executable::Kernel);
        self.asked = asked.map(|process| (process.pid, process.start)).collect();
    }

    fn is_any_unknown(&self) -> bool {
        self.known.values().any(|known| known.holders.is_empty() && known.searches < SEARCHES)
    }

    fn newcomers(&self, listing: &Listing) -> Vec<u32> {
        let is_new = |pid: u32, start: u64| self.asked.binary_search(&(pid, start)).is_err();
        let programs = listing.processes.iter().filter(|process| process.exe != Executable::Kernel);
        programs.filter(|process| is_new(process.pid, process.start)).map(|process| process.pid).collect()
    }

    fn walk_all(&mut self, host: &Host) {
        // The listing may be some seconds old: whoever just came may hold what just came.
        let Ok(entries) = std::fs::read_dir(host.path("/proc")) else { return };
        let number =
            |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
        let pids: Vec<u32> = entries.filter_map(number).collect();
        self.walk(host, &pids);
        for known in self.known.values_mut().filter(|known| known.holders.is_empty()) {
            known.searches = known.searches.saturating_add(1);
        }
    }

    fn walk(&mut self, host: &Host, pids: &[u32]) {
        let mut link = Vec::new();
        for pid in pids {
            // Gone, or not for us to see: the watch says how many owners it could not see.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(folder) = open(host.path(format!("/proc/{pid}/fd")), flags, Mode::empty()) else {
                continue;
            };
            let Ok(entries) = Dir::read_from(&folder) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let Some(fd) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                let Ok(target) = readlinkat(&folder, entry.file_name(), std::mem::take(&mut link)) else {
                    continue;
                };
                if let Some(known) =
                    parse_socket(target.as_bytes()).and_then(|inode| self.known.get_mut(&inode))
                {
                    known.holders.insert((*pid, fd));
                }
                link = target.into_bytes();
            }
        }
    }
}

fn still_holds(host: &Host, pid: u32, fd: u32, inode: u64) -> bool {
    let link = readlink(host.path(format!("/proc/{pid}/fd/{fd}")), Vec::new());
    link.is_ok_and(|link| parse_socket(link.as_bytes()) == Some(inode))
}

/// The number in `socket:[4711]`.
fn parse_socket(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link).ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_socket() {
        assert_eq!(parse_socket(b"socket:[4711]"), Some(4711));
        for link in [&b"pipe:[4711]"[..], b"socket:[x]", b"/tmp/socket:[1]", b"socket:[4711] ", b"\xff"] {
            assert_eq!(parse_socket(link), None);
        }
    }
}
