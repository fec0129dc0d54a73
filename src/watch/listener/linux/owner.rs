//! Which processes hold which sockets.
//!
//! Only a walk over the open files of processes tells, and that is the dear part. So it is remembered: each holder
//! is verified by reading one link, new processes are asked what they hold, and all are walked only when a socket
//! appears that none of those holds, and once an hour, as a socket can be handed to an old process.

use crate::host::Host;
use crate::processes::{Executable, Listing, living_folder};
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
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(folder) = open(host.path(format!("{folder}/fd")), flags, Mode::empty()) else { return 0 };
        let Ok(entries) = Dir::read_from(&folder) else { return 0 };
        let (mut count, mut link) = (0, Vec::new());
        for entry in entries.filter_map(Result::ok) {
            let Some(fd) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            count += 1;
            let Ok(target) = readlinkat(&folder, entry.file_name(), std::mem::take(&mut link)) else {
                continue;
            };
            if let Some(known) = parse_socket(target.as_bytes()).and_then(|inode| self.known.get_mut(&inode))
            {
                known.holders.insert((pid, fd));
            }
            link = target.into_bytes();
        }
        count
    }
}

fn still_holds(host: &Host, pid: u32, fd: u32, inode: u64) -> bool {
    let link_in = |folder: &str| readlink(host.path(format!("{folder}/fd/{fd}")), Vec::new());
    let link = link_in(&format!("/proc/{pid}")).or_else(|_| link_in(&living_folder(host, pid)));
    link.is_ok_and(|link| parse_socket(link.as_bytes()) == Some(inode))
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
