//! Which processes hold which sockets.
//!
//! Only a walk over the open files of processes tells, and that is the dear part. So it is remembered: each holder
//! is verified by reading one link, new processes are asked what they hold, and all are walked only when a socket
//! appears that none of those holds, and once an hour, as a socket can be handed to an old process. Of a process that
//! holds hundreds and has opened and closed nothing, some are verified in each pass, in turn.

use crate::host::Host;
use crate::processes::{Executable, Listing, living_folder};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Dir, Mode, OFlags, fstat, open, readlinkat_raw};
use rustix::path::DecInt;
use std::collections::{BTreeSet, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A socket that nobody holds (it is the kernel's, or of a hidden process) is searched for so many times.
const SEARCHES: u8 = 3;

/// So many links of one process are read in any case; of more only while its number of open files changes.
const LINKS: usize = 64;

/// Who holds what.
#[derive(Default)]
pub struct Owners {
    known: HashMap<u64, Known>,
    inodes: BTreeSet<u64>,
    /// All that is known, by process; empty if it has to be put together anew.
    links: Vec<Link>,
    /// How many files each process had open that holds many sockets, and which of its links were read last.
    open: HashMap<u32, (i64, usize)>,
    /// Grows whenever something is known that was not, or no longer.
    change: u64,
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

    /// The processes found to hold any.
    pub fn all_holders(&self) -> BTreeSet<u32> {
        self.known.values().flat_map(|known| &known.holders).map(|(pid, _)| *pid).collect()
    }

    /// Finds out who holds the sockets of `inodes`.
    pub fn find(&mut self, host: &Host, listing: &Listing, inodes: &BTreeSet<u64>, now: Timestamp) {
        let is_same = self.inodes == *inodes;
        if !is_same {
            self.known.retain(|inode, _| inodes.contains(inode));
            self.changed();
        }
        self.verify(host);
        if !is_same {
            for inode in inodes {
                self.known.entry(*inode).or_default();
            }
            self.inodes.clone_from(inodes);
        }
        if self.all_walked.is_none_or(|then| now.duration_since(then).abs() >= AGAIN) {
            self.all_walked = Some(now);
            self.walk_all(host);
        } else {
            self.walk(host, &self.newcomers(listing));
            if self.is_any_unknown() {
                let holders = self.known.values().flat_map(|known| &known.holders);
                let usual: BTreeSet<u32> = holders.map(|(pid, _)| *pid).collect();
                self.walk(host, &usual.into_iter().collect::<Vec<u32>>());
            }
            if self.is_any_unknown() {
                self.walk_all(host);
            }
        }
        let asked = listing.processes.iter().filter(|process| process.exe != Executable::Kernel);
        self.asked = asked.map(|process| (process.pid, process.start)).collect();
    }

    /// A number that stays the same while all holders stay the same.
    pub fn change(&self) -> u64 {
        self.change
    }

    fn changed(&mut self) {
        self.change += 1;
        self.links.clear();
    }

    /// Forgets who does not hold any more what it held: one look each, and each process is opened once.
    fn verify(&mut self, host: &Host) {
        if self.links.is_empty() {
            let links = self.known.iter().flat_map(|(inode, known)| {
                known.holders.iter().map(|(pid, fd)| Link { pid: *pid, fd: *fd, inode: *inode })
            });
            self.links = links.collect();
            self.links.sort_unstable();
            self.open.retain(|pid, _| self.links.binary_search_by_key(pid, |link| link.pid).is_ok());
        }
        let mut gone: Vec<Link> = Vec::new();
        let links = std::mem::take(&mut self.links);
        for all in links.chunk_by(|a, b| a.pid == b.pid) {
            let Some(pid) = all.first().map(|link| link.pid) else { continue };
            let own = open_files(host, &format!("/proc/{pid}"));
            let turn = if all.len() > LINKS { self.turn(pid, own.as_ref()) } else { None };
            let asked = turn
                .map_or(all, |turn| all.chunks(LINKS).nth(turn % all.len().div_ceil(LINKS)).unwrap_or(all));
            // One whose first thread has ended shows nothing in its own folder.
            let mut living = None;
            for link in asked {
                let mut is_in_living = || {
                    let living = living.get_or_insert_with(|| open_files(host, &living_folder(host, pid)));
                    link.is_in(living.as_ref())
                };
                if !link.is_in(own.as_ref()) && !is_in_living() {
                    gone.push(*link);
                }
            }
        }
        self.links = links;
        for link in &gone {
            if let Some(known) = self.known.get_mut(&link.inode) {
                known.holders.remove(&(link.pid, link.fd));
            }
        }
        if !gone.is_empty() {
            self.changed();
        }
    }

    /// Which part of its many links to read; none: all of them, as it has opened or closed something since, or the
    /// kernel does not tell (before Linux 6.2).
    fn turn(&mut self, pid: u32, files: Option<&OwnedFd>) -> Option<usize> {
        let count = files.and_then(|files| fstat(files).ok()).map_or(0, |stat| stat.st_size);
        let (before, turn) = self.open.insert(pid, (count, 0)).unwrap_or_default();
        if count == 0 || count != before {
            return None;
        }
        self.open.insert(pid, (count, turn + 1));
        Some(turn)
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
        for pid in pids {
            if self.walk_folder(host, *pid, &format!("/proc/{pid}")) == 0 {
                // One whose first thread has ended shows nothing there, while the others hold all of it.
                let living = living_folder(host, *pid);
                if living != format!("/proc/{pid}") {
                    self.walk_folder(host, *pid, &living);
                }
            }
        }
    }

    /// How many files are open there.
    fn walk_folder(&mut self, host: &Host, pid: u32, folder: &str) -> usize {
        // Gone, or not for us to see: the watch says how many owners it could not see.
        let Some(folder) = open_files(host, folder) else { return 0 };
        let Ok(entries) = Dir::read_from(&folder) else { return 0 };
        let (mut count, mut changed) = (0, false);
        for entry in entries.filter_map(Result::ok) {
            let Some(fd) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            count += 1;
            if let Some(known) = read_socket(&folder, fd).and_then(|inode| self.known.get_mut(&inode)) {
                changed |= known.holders.insert((pid, fd));
            }
        }
        if changed {
            self.changed();
        }
        count
    }
}

/// A descriptor of a process that held a socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    pid: u32,
    fd: u32,
    inode: u64,
}

impl Link {
    fn is_in(&self, files: Option<&OwnedFd>) -> bool {
        files.and_then(|files| read_socket(files, self.fd)) == Some(self.inode)
    }
}

/// The folder of the open files of a process.
fn open_files(host: &Host, folder: &str) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(host.path(format!("{folder}/fd")), flags, Mode::empty()).ok()
}

/// The number of the socket that a descriptor is; none if it is closed or something else. What is no socket may have a
/// link of any length, of which the beginning is enough.
fn read_socket(files: &OwnedFd, fd: u32) -> Option<u64> {
    let mut link = [MaybeUninit::uninit(); 48];
    let (link, _) = readlinkat_raw(files, DecInt::new(fd), &mut link).ok()?;
    parse_socket(link)
}

/// The number in `socket:[4711]`.
fn parse_socket(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link).ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::Process;
    use std::os::unix::fs::symlink;

    /// A `/proc` of our own, in which processes hold what the test says.
    struct Fixture {
        root: tempfile::TempDir,
        owners: Owners,
        pids: BTreeSet<u32>,
        minute: i64,
    }

    impl Fixture {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            Self { root, owners: Owners::default(), pids: BTreeSet::new(), minute: 0 }
        }

        fn opens(&mut self, pid: u32, fd: u32, inode: u64) {
            let folder = self.root.path().join(format!("proc/{pid}/fd"));
            std::fs::create_dir_all(&folder).unwrap();
            symlink(format!("socket:[{inode}]"), folder.join(fd.to_string())).unwrap();
            self.pids.insert(pid);
        }

        fn closes(&self, pid: u32, fd: u32) {
            std::fs::remove_file(self.root.path().join(format!("proc/{pid}/fd/{fd}"))).unwrap();
        }

        /// A pass after so many minutes: who holds each of these sockets.
        fn pass(&mut self, minutes: i64, inodes: &[u64]) -> Vec<Vec<u32>> {
            self.minute += minutes;
            let now = Timestamp::from_second(self.minute * 60).unwrap();
            let process = |pid: &u32| Process {
                pid: *pid,
                start: 1,
                since: now,
                parent: 0,
                exe: Executable::Path("/bin/x".into()),
                script: None,
                name: "x".into(),
                args: Vec::new(),
                uid: 0,
                user: "root".into(),
                unit: None,
                container: false,
                files: None,
            };
            let listing = Listing::new(now, self.pids.iter().map(process));
            self.owners.find(&Host::at(self.root.path()), &listing, &inodes.iter().copied().collect(), now);
            inodes.iter().map(|inode| self.owners.holders(*inode).into_iter().collect()).collect()
        }
    }

    #[test]
    fn holders_are_found_and_forgotten_when_they_close() {
        let mut host = Fixture::new();
        host.opens(10, 3, 4711);
        host.opens(11, 3, 4711);
        host.opens(12, 7, 4712);
        assert_eq!(host.pass(0, &[4711, 4712]), [vec![10, 11], vec![12]]);
        host.closes(10, 3);
        assert_eq!(host.pass(1, &[4711, 4712]), [vec![11], vec![12]]);
        assert_eq!(host.pass(1, &[4712]), [[12]]);
    }

    #[test]
    fn of_a_process_with_hundreds_of_sockets_all_are_verified_in_turn() {
        let mut host = Fixture::new();
        let inodes: Vec<u64> = (1000..1200).collect();
        for (fd, inode) in (3..).zip(&inodes) {
            host.opens(10, fd, *inode);
            host.opens(11, fd, *inode);
        }
        assert!(host.pass(0, &inodes).iter().all(|holders| *holders == [10, 11]));
        host.pass(1, &inodes);
        for (fd, at) in [(3, 0), (103, 100), (202, 199)] {
            host.closes(10, fd);
            // Another file keeps their number the same.
            host.opens(10, fd + 1000, 1);
            let passes = inodes.len().div_ceil(LINKS);
            let held = (0..passes).map(|_| host.pass(1, &inodes)).last().unwrap();
            assert_eq!(held[at], [11], "{at}");
        }
        assert_eq!(host.pass(1, &inodes).iter().filter(|holders| **holders == [10, 11]).count(), 197);
    }

    #[test]
    fn a_new_process_is_asked_what_it_holds() {
        let mut host = Fixture::new();
        host.opens(10, 3, 4711);
        assert_eq!(host.pass(0, &[4711]), [[10]]);
        host.opens(11, 3, 4711);
        assert_eq!(host.pass(1, &[4711]), [[10, 11]]);
    }

    #[test]
    fn a_new_socket_of_an_old_process_is_searched_for() {
        let mut host = Fixture::new();
        host.opens(10, 3, 4711);
        host.opens(11, 3, 1);
        assert_eq!(host.pass(0, &[4711]), [[10]]);
        host.opens(11, 4, 4712);
        host.opens(10, 4, 4713);
        assert_eq!(host.pass(1, &[4711, 4712, 4713]), [[10], [11], [10]]);
    }

    #[test]
    fn a_known_socket_handed_to_an_old_process_is_found_within_the_hour() {
        let mut host = Fixture::new();
        host.opens(10, 3, 4711);
        host.opens(11, 3, 1);
        assert_eq!(host.pass(0, &[4711]), [[10]]);
        host.opens(11, 4, 4711);
        // Nothing new appeared: nothing but the known link is read.
        assert_eq!(host.pass(1, &[4711]), [[10]]);
        assert_eq!(host.pass(60, &[4711]), [vec![10, 11]]);
    }

    #[test]
    fn a_socket_of_nobody_is_not_searched_for_in_every_pass() {
        let mut host = Fixture::new();
        host.opens(10, 3, 1);
        for _ in 0..SEARCHES {
            assert_eq!(host.pass(1, &[4711]), [Vec::<u32>::new()]);
        }
        host.opens(10, 4, 4711);
        assert_eq!(host.pass(1, &[4711]), [Vec::<u32>::new()]);
        assert_eq!(host.pass(60, &[4711]), [[10]]);
    }

    #[test]
    fn the_number_of_a_socket() {
        assert_eq!(parse_socket(b"socket:[4711]"), Some(4711));
        for link in [&b"pipe:[4711]"[..], b"socket:[x]", b"/tmp/socket:[1]", b"socket:[4711] ", b"\xff"] {
            assert_eq!(parse_socket(link), None);
        }
    }
}
