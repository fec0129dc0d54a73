//! Which processes hold which sockets.
//!
//! Only a walk over the open files of processes tells, and that is the dear part. So it is remembered: each holder
//! is verified by reading one link, new processes are asked what they hold, and all are walked only when a socket
//! appears that none of those holds, and once in a while, as a socket can be handed to an old process. Of a process that
//! holds hundreds and has opened and closed nothing, some are verified in each pass, in turn.
//!
//! Anybody may open a million files in each of a thousand processes. So one pass walks only so many, and the next one goes on
//! from there; meanwhile it is said that not all was seen. Half of what a pass may walk is for going on, so that nobody who
//! keeps coming anew can hold that up, and who has many files open is walked after the others. A socket whose holder is not found for
//! all that counts as one that nobody holds.

mod files;
mod round;
mod visit;

use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::{Executable, Listing, living_folder};
pub(super) use files::parse_socket;
use files::{Folder, Link};
use jiff::{SignedDuration, Timestamp};
use round::Round;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use visit::Nothing;
pub use visit::Visit;

/// All processes are walked after so long in any case.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A socket that nobody holds (it is the kernel's, or of a hidden process) is searched for so many times.
const SEARCHES: u8 = 3;

/// For so many passes in a row not all may be walked that should be, until sockets without a holder count as nobody's: two million open
/// files.
const PATIENCE: u8 = 10;

/// So many links of one process are read in any case; of more only while its number of open files changes.
const LINKS: usize = 64;

/// After so many open files no other process is walked in a pass: some second of one processor.
const MOST: usize = 250_000;

/// So many holders are kept; of more, the first of each socket.
const KEPT: usize = 250_000;

/// Who holds what.
pub struct Holders {
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
    again: SignedDuration,
    /// Those that are still to be walked.
    round: Round,
    /// For so many passes in a row a socket had no holder and not all were walked.
    behind: u8,
    /// True if walking all takes longer than the time after which they should be walked again.
    is_late: bool,
    /// So many open files may still be walked in this pass.
    left: usize,
    most: usize,
    /// How many holders are known, and whether there were more than are kept.
    count: usize,
    kept: usize,
    is_crowded: bool,
    /// True if the processes could not even be listed.
    is_blind: bool,
}

#[derive(Default)]
struct Known {
    /// Processes, each with one of its descriptors.
    holders: BTreeMap<u32, u32>,
    searches: u8,
}

impl Default for Holders {
    fn default() -> Self {
        Self::walking_all_each(AGAIN)
    }
}

impl Holders {
    /// Nothing is known yet. All processes are walked after so long.
    #[must_use]
    pub fn walking_all_each(again: SignedDuration) -> Self {
        Self {
            known: HashMap::new(),
            inodes: BTreeSet::new(),
            links: Vec::new(),
            open: HashMap::new(),
            change: 0,
            asked: Vec::new(),
            all_walked: None,
            again,
            round: Round::default(),
            behind: 0,
            is_late: false,
            left: 0,
            most: MOST,
            count: 0,
            kept: KEPT,
            is_crowded: false,
            is_blind: false,
        }
    }

    /// The processes found to hold a socket.
    pub fn of(&self, inode: u64) -> BTreeSet<u32> {
        self.known.get(&inode).map(|known| known.holders.keys().copied().collect()).unwrap_or_default()
    }

    /// The processes found to hold any.
    pub fn all(&self) -> BTreeSet<u32> {
        self.known.values().flat_map(|known| known.holders.keys().copied()).collect()
    }

    /// A number that stays the same while all holders stay the same.
    pub fn change(&self) -> u64 {
        self.change
    }

    /// True if a socket has no holder yet, and not all processes were asked.
    pub fn is_behind(&self) -> bool {
        (self.is_blind || !self.round.is_over()) && self.is_any_unknown()
    }

    /// True if this socket has no holder yet, and one may be found still.
    pub fn is_sought(&self, inode: u64) -> bool {
        // If all were walked once, it is nobody's that can be seen.
        let is_new = |known: &Known| known.holders.is_empty() && known.searches == 0;
        self.is_any_sought() && self.known.get(&inode).is_some_and(is_new)
    }

    /// True if there is such a socket.
    pub fn is_any_sought(&self) -> bool {
        (1..=PATIENCE).contains(&self.behind)
    }

    /// What to say if of so many sockets so many have no holder; nothing if that is the truth about them.
    pub fn gap(&self, host: &Host, gap: &str, hidden: usize, of: usize) -> Option<Gap> {
        const TOO_MANY: &str = "more files are open on this host than are looked through in one pass for what they are; the next one goes on";
        const LATE: &str = "so many of the processes were looked through within the time for all: more files are open on this host than are looked through in one pass; the next one goes on";
        const CROWDED: &str = "more processes share sockets on this host than are kept: of some sockets not all who hold them are known";
        let (seen, of, why) = if self.is_late {
            let (walked, of) = self.round.progress();
            (walked, of, LATE)
        } else if self.is_crowded {
            (of.saturating_sub(hidden), of, CROWDED)
        } else if hidden > 0 && self.is_behind() {
            (of.saturating_sub(hidden), of, TOO_MANY)
        } else if hidden == 0 || host.privilege().sees_all_processes {
            return None;
        } else {
            let why = "an ordinary user may not see which process of another user has a socket; run as root";
            (of.saturating_sub(hidden), of, why)
        };
        Some(Gap { gap: gap.to_owned(), seen: seen as u64, of: of as u64, why: why.to_owned() })
    }

    /// Finds out who holds the sockets of `inodes`.
    pub fn find(&mut self, host: &Host, listing: &Listing, inodes: &BTreeSet<u64>, now: Timestamp) {
        self.find_and(host, listing, inodes, now, &mut Nothing);
    }

    /// The same, and shows all files that are walked to `visit`.
    pub fn find_and(
        &mut self,
        host: &Host,
        listing: &Listing,
        inodes: &BTreeSet<u64>,
        now: Timestamp,
        visit: &mut impl Visit,
    ) {
        let is_same = self.inodes == *inodes;
        if !is_same {
            self.known.retain(|inode, _| inodes.contains(inode));
            self.changed();
        }
        let lost = self.verify(host);
        if !is_same {
            for inode in inodes {
                self.known.entry(*inode).or_default();
            }
            self.inodes.clone_from(inodes);
        }
        self.left = self.most / 2;
        let is_due = self.all_walked.is_none_or(|then| now.duration_since(then).abs() >= self.again);
        self.is_late = is_due && self.round.is_of_all();
        if is_due && !self.round.is_of_all() && self.begin_all(host) {
            self.all_walked = Some(now);
        } else {
            // Who closed one descriptor of a socket may have another.
            let first = lost.into_iter().chain(self.newcomers(listing)).collect();
            let passed_over = self.walk(host, first, visit);
            self.round.add(passed_over, listing.processes.len());
            let also = visit.also().to_vec();
            let passed_over = self.walk(host, also, visit);
            self.round.add(passed_over, listing.processes.len());
            if self.is_any_unknown() {
                self.walk(host, self.all().into_iter().collect(), visit);
            }
            if self.is_any_unknown() && !self.round.is_of_all() {
                self.begin_all(host);
            }
        }
        self.left += self.most / 2;
        self.go_on(host, visit);
        self.behind = if self.is_behind() { self.behind.saturating_add(1) } else { 0 };
        let asked = listing.processes.iter().filter(|process| process.exe != Executable::Kernel);
        self.asked = asked.map(|process| (process.pid, process.start)).collect();
    }

    fn changed(&mut self) {
        self.change += 1;
        self.links.clear();
    }

    /// Forgets who does not hold any more what it held, and returns them: one look each, and each process is opened once.
    fn verify(&mut self, host: &Host) -> BTreeSet<u32> {
        if self.links.is_empty() {
            let links = self.known.iter().flat_map(|(inode, known)| {
                known.holders.iter().map(|(pid, fd)| Link { pid: *pid, fd: *fd, inode: *inode })
            });
            self.links = links.collect();
            self.links.sort_unstable();
            self.count = self.links.len();
            self.open.retain(|pid, _| self.links.binary_search_by_key(pid, |link| link.pid).is_ok());
        }
        let mut gone: Vec<Link> = Vec::new();
        let links = std::mem::take(&mut self.links);
        for all in links.chunk_by(|a, b| a.pid == b.pid) {
            let Some(pid) = all.first().map(|link| link.pid) else { continue };
            let own = Folder::open(host, &format!("/proc/{pid}"));
            let turn = if all.len() > LINKS { self.turn(pid, own.as_ref()) } else { None };
            let asked = turn
                .map_or(all, |turn| all.chunks(LINKS).nth(turn % all.len().div_ceil(LINKS)).unwrap_or(all));
            // One whose first thread has ended shows nothing in its own folder.
            let mut living = None;
            for link in asked {
                let mut is_in_living = || {
                    let living = living.get_or_insert_with(|| Folder::open(host, &living_folder(host, pid)));
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
                known.holders.remove(&link.pid);
                if known.holders.is_empty() {
                    // It was handed to somebody, whoever that is.
                    known.searches = 0;
                }
            }
        }
        if !gone.is_empty() {
            self.changed();
        }
        gone.into_iter().map(|link| link.pid).collect()
    }

    /// Which part of its many links to read; none: all of them, as it has opened or closed something since, or the
    /// kernel does not tell (before Linux 6.2).
    fn turn(&mut self, pid: u32, files: Option<&Folder>) -> Option<usize> {
        let count = files.map_or(0, Folder::count);
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

    /// From now on all processes are walked, as fast as may be; false if they could not be listed.
    fn begin_all(&mut self, host: &Host) -> bool {
        // The listing may be some seconds old: whoever just came may hold what just came.
        let entries = std::fs::read_dir(host.path("/proc"));
        self.is_blind = entries.is_err();
        self.is_crowded = false;
        let Ok(entries) = entries else { return false };
        let number =
            |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
        self.round.begin(entries.filter_map(number).collect());
        true
    }

    fn go_on(&mut self, host: &Host, visit: &mut impl Visit) {
        while self.left > 0
            && let Some((pid, most)) = self.round.next()
        {
            self.walk_one(host, pid, most, visit);
        }
        if self.round.has_ended() {
            for known in self.known.values_mut().filter(|known| known.holders.is_empty()) {
                known.searches = known.searches.saturating_add(1);
            }
        }
    }

    /// Walks these, and returns those for which nothing was left.
    fn walk(&mut self, host: &Host, mut pids: Vec<u32>, visit: &mut impl Visit) -> Vec<u32> {
        let mut walked = 0;
        for pid in &pids {
            if self.left == 0 {
                break;
            }
            self.walk_one(host, *pid, self.round.few, visit);
            walked += 1;
        }
        pids.split_off(walked)
    }

    /// Looks through so many files of a process. If it has more, all of them are when it is their turn.
    fn walk_one(&mut self, host: &Host, pid: u32, most: usize, visit: &mut impl Visit) {
        let mut count = self.walk_folder(host, pid, &format!("/proc/{pid}"), most, visit);
        if count == 0 {
            // One whose first thread has ended shows nothing there, while the others hold all of it.
            let living = living_folder(host, pid);
            if living != format!("/proc/{pid}") {
                count = self.walk_folder(host, pid, &living, most, visit);
            }
        }
        if count >= most {
            self.round.add_large(pid);
        }
    }

    /// How many files are open there, as far as they were looked through.
    fn walk_folder(
        &mut self,
        host: &Host,
        pid: u32,
        path: &str,
        most: usize,
        visit: &mut impl Visit,
    ) -> usize {
        // Gone, or not for us to see: the watch says how many owners it could not see.
        let Some(folder) = Folder::open(host, path) else { return 0 };
        let mut changed = false;
        let (known, kept) = (&mut self.known, self.kept);
        let (holders, is_crowded) = (&mut self.count, &mut self.is_crowded);
        let count = folder.walk(most, |fd, link| match parse_socket(link) {
            Some(inode) => {
                let Some(known) = known.get_mut(&inode) else { return };
                if known.holders.contains_key(&pid) {
                    return;
                }
                if *holders >= kept && !known.holders.is_empty() {
                    *is_crowded = true;
                    return;
                }
                known.holders.insert(pid, fd);
                *holders += 1;
                changed = true;
            }
            None => visit.file(path, pid, fd, link),
        });
        self.left = self.left.saturating_sub(count);
        if changed {
            self.changed();
        }
        count
    }
}

#[cfg(test)]
mod tests;
