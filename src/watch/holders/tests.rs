//! A `/proc` of our own, and who is found to hold what there.

use super::files::parse_socket;
use super::*;
use crate::processes::Process;
use std::os::unix::fs::symlink;

/// A `/proc` of our own, in which processes hold what the test says.
struct Fixture {
    root: tempfile::TempDir,
    holders: Holders,
    pids: BTreeSet<u32>,
    minute: i64,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root, holders: Holders::default(), pids: BTreeSet::new(), minute: 0 }
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
        self.holders.find(&Host::at(self.root.path()), &listing, &inodes.iter().copied().collect(), now);
        inodes.iter().map(|inode| self.holders.of(*inode).into_iter().collect()).collect()
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
fn one_pass_walks_only_so_many_files_and_the_next_one_goes_on_until_all_are_seen() {
    let mut host = Fixture::new();
    host.holders.most = 100;
    for pid in 10..20 {
        for fd in 0..60 {
            host.opens(pid, fd, 1);
        }
    }
    host.opens(15, 99, 4711);
    let root = Host::at(host.root.path());
    let mut passes = Vec::new();
    while !host.pass(1, &[4711])[0].contains(&15) {
        assert!(host.holders.is_behind() && host.holders.is_sought(4711));
        let gap = host.holders.gap(&root, "owner", 1, 1).unwrap();
        passes.push((gap.gap, gap.seen, gap.of, gap.why.contains("goes on")));
    }
    // Two processes a pass, in whatever order the folder lists them.
    assert!((1..5).contains(&passes.len()), "{passes:?}");
    assert!(passes.iter().all(|pass| *pass == ("owner".to_owned(), 0, 1, true)), "{passes:?}");
    // Nobody waits to be told of any more, though not all were walked.
    assert!(!host.holders.is_behind());
}

#[test]
fn who_has_many_files_open_is_walked_after_the_others_and_no_socket_is_sought_for_ever() {
    let mut host = Fixture::new();
    (host.holders.most, host.holders.round.few) = (100, 10);
    // The folder may list them in any order.
    for pid in 10..40 {
        for fd in 0..60 {
            host.opens(pid, fd, 1);
        }
    }
    for pid in 40..44 {
        host.opens(pid, 3, u64::from(pid));
    }
    host.opens(39, 99, 4711);
    let inodes = [40, 41, 42, 43, 4711, 9];
    let root = Host::at(host.root.path());
    let (mut found, mut sought) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let held = host.pass(1, &inodes);
        found.push(held.iter().filter(|holders| !holders.is_empty()).count());
        sought.push(host.holders.is_sought(9));
        if held[4].is_empty() || sought.len() <= usize::from(PATIENCE) {
            assert!(host.holders.gap(&root, "owner", 1, 6).is_some(), "it is said all the time");
        }
    }
    // Thirty times ten files, then those of one or two whole ones in each pass.
    assert!(found[3] >= 4, "{found:?}");
    assert_eq!(found[39], 5, "{found:?}");
    assert_eq!(sought, [[true; 10].as_slice(), &[false; 30]].concat());
}

#[test]
fn it_is_said_if_walking_all_takes_longer_than_it_should() {
    let mut host = Fixture::new();
    host.holders = Holders::walking_all_each(SignedDuration::from_mins(3));
    host.holders.most = 10;
    for pid in 10..20 {
        for fd in 0..10 {
            host.opens(pid, fd, 1);
        }
    }
    let root = Host::at(host.root.path());
    let mut gaps = Vec::new();
    for _ in 0..11 {
        host.pass(1, &[]);
        gaps.push(host.holders.gap(&root, "owner", 0, 0).map(|gap| (gap.seen, gap.of)));
    }
    let late = [4, 5, 6, 7, 8, 9, 10].map(|seen| Some((seen, 10)));
    assert_eq!(gaps, [&[None; 3][..], &late, &[None]].concat());
}

#[test]
fn who_comes_while_nothing_is_left_is_walked_in_the_next_pass() {
    let mut host = Fixture::new();
    host.holders.most = 10;
    host.opens(10, 3, 4711);
    assert_eq!(host.pass(0, &[4711]), [[10]]);
    for pid in 11..14 {
        for fd in 0..10 {
            host.opens(pid, fd, 1);
        }
        host.opens(pid, 20, 4711);
    }
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(host.pass(1, &[4711])[0].len());
    }
    assert_eq!(held, [3, 4, 4]);
}

#[test]
fn one_that_holds_more_files_than_a_pass_walks_does_not_hold_up_those_behind_it() {
    let mut host = Fixture::new();
    host.holders.most = 10;
    for fd in 0..30 {
        host.opens(10, fd, 4711);
        host.opens(11, fd, 1);
    }
    // Who holds 4711 is looked through again in each pass while nobody holds 9.
    while host.pass(1, &[4711, 9])[0] != [10] {}
    for pid in 12..20 {
        for fd in 0..5 {
            host.opens(pid, fd, 1);
        }
    }
    host.pass(1, &[4711, 9]);
    host.opens(19, 7, 4712);
    let passes = (0..30).take_while(|_| host.pass(1, &[4711, 4712, 9])[1] != [19]).count();
    assert!(passes < 30, "{passes}");
}

#[test]
fn one_descriptor_of_a_holder_is_remembered_and_another_found_when_it_closes() {
    let mut host = Fixture::new();
    for fd in 3..200 {
        host.opens(10, fd, 4711);
    }
    assert_eq!(host.pass(0, &[4711]), [[10]]);
    assert_eq!(host.holders.count, 1);
    let remembered = host.holders.known[&4711].holders[&10];
    host.closes(10, remembered);
    assert_eq!(host.pass(1, &[4711]), [[10]]);
}

#[test]
fn a_socket_that_was_handed_on_is_searched_for_at_once_however_often() {
    let mut host = Fixture::new();
    host.opens(10, 3, 4711);
    host.opens(11, 3, 1);
    assert_eq!(host.pass(0, &[4711]), [[10]]);
    for (from, to, fd) in [(10, 11, 4), (11, 10, 5), (10, 11, 6), (11, 10, 7), (10, 11, 8)] {
        host.opens(to, fd, 4711);
        host.closes(from, fd - 1);
        assert_eq!(host.pass(1, &[4711]), [[to]]);
    }
}

#[test]
fn of_more_holders_than_are_kept_each_socket_has_one_and_it_is_said() {
    let mut host = Fixture::new();
    host.holders.kept = 3;
    let root = Host::at(host.root.path());
    for pid in 10..13 {
        host.opens(pid, 3, 4711);
    }
    assert_eq!(host.pass(0, &[4711]), [[10, 11, 12]]);
    assert_eq!(host.holders.gap(&root, "owner", 0, 1), None);
    for pid in 13..20 {
        host.opens(pid, 3, 4711);
        host.opens(pid, 4, 4712);
    }
    let held = host.pass(1, &[4711, 4712]);
    assert_eq!((held[0].len(), held[1].len()), (3, 1));
    let gap = host.holders.gap(&root, "owner", 0, 2).unwrap();
    assert!(gap.why.starts_with("more processes share sockets"), "{gap:?}");
}

#[test]
fn the_number_of_a_socket() {
    assert_eq!(parse_socket(b"socket:[4711]"), Some(4711));
    for link in [&b"pipe:[4711]"[..], b"socket:[x]", b"/tmp/socket:[1]", b"socket:[4711] ", b"\xff"] {
        assert_eq!(parse_socket(link), None);
    }
}
