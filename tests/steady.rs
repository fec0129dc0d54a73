//! What changes about known processes between two looks, told by the kernel: only that is read, and all of it is seen.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use host_watchdog::host::Host;
use host_watchdog::processes::{Executable, Process};
use jiff::SignedDuration;
use support::beside::{self, Beside};
use support::player::Player;
use support::wait_for;

/// What looks beside the test.
struct Watcher(Beside);

#[derive(serde::Serialize, serde::Deserialize)]
struct Answer {
    renewed: u64,
    all: u64,
    seen: Option<Process>,
}

impl Answer {
    fn is_of_all(&self) -> bool {
        self.renewed >= self.all
    }
}

impl Watcher {
    /// Nothing where the kernel does not tell us.
    fn start() -> Option<Self> {
        let mut watcher = Self(Beside::start("watcher")?);
        watcher.look(1);
        Some(watcher)
    }

    /// Looks, and answers with what was seen of this process.
    fn look(&mut self, pid: u32) -> Answer {
        self.0.ask(&pid.to_string())
    }
}

#[test]
fn watcher() {
    let mut moment = Host::this().now();
    beside::answer(|processes, pid| {
        moment += SignedDuration::from_secs(6);
        let listing = processes.now(&Host::this().at_moment(moment)).unwrap();
        let seen = listing.get(pid.parse().unwrap()).cloned();
        Answer { renewed: listing.renewed, all: listing.processes.len() as u64, seen }
    });
}

/// A Python that does what it is told, and says what came of it.
fn puppet() -> Player {
    let script = "import sys, os, ctypes\nprint('ready')\nfor line in sys.stdin: print(eval(line))";
    Player::ready(&mut Player::python(script))
}

/// Plays until no other test on the host kept the kernel from being believed: what is seen must be true each time.
fn play(mut once: impl FnMut(&mut Watcher) -> Answer) {
    let Some(mut watcher) = Watcher::start() else { return };
    for _ in 0..50 {
        let answer = once(&mut watcher);
        if !answer.is_of_all() {
            return;
        }
    }
    panic!("each look was one at all processes");
}

#[test]
fn a_new_name_a_new_user_and_a_new_program_of_a_known_process_are_seen_at_the_next_look() {
    play(|watcher| {
        let mut puppet = puppet();
        let pid = puppet.pid();
        let before = watcher.look(pid).seen.unwrap();
        assert_eq!((before.uid, before.name.as_str()), (0, "python3"));
        puppet.ask("open('/proc/self/comm', 'w').write('renamed')");
        assert_eq!(watcher.look(pid).seen.unwrap().name, "renamed");
        puppet.ask("os.setresuid(65534, 65534, 65534)");
        let seen = watcher.look(pid).seen.unwrap();
        assert_eq!((seen.uid, seen.user.as_str()), (65534, "nobody"));
        puppet.say("os.execv('/bin/sleep', ['sleep', '60'])");
        wait_for("the other program", || {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|link| link.ends_with("sleep"))
                && std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"))
        });
        let answer = watcher.look(pid);
        let seen = answer.seen.as_ref().unwrap();
        assert_eq!((&seen.exe, seen.start), (&Executable::Path("/usr/bin/sleep".into()), before.start));
        assert_eq!(seen.args, ["sleep", "60"]);
        answer
    });
}

#[test]
fn a_child_of_a_process_that_ended_has_its_new_parent_at_the_next_look() {
    play(|watcher| {
        let mut puppet = puppet();
        let child = puppet.ask("os.spawnv(os.P_NOWAIT, '/bin/sleep', ['sleep', '60'])");
        let child: u32 = child.parse().unwrap();
        assert_eq!(watcher.look(child).seen.unwrap().parent, puppet.pid());
        // Dead and not buried: it is still listed.
        puppet.kill_unburied();
        let answer = watcher.look(child);
        assert_ne!(answer.seen.as_ref().unwrap().parent, puppet.pid());
        answer
    });
}

#[test]
fn after_more_was_told_than_could_be_heard_all_are_read() {
    let Some(mut watcher) = Watcher::start() else { return };
    let mut puppet = puppet();
    let pid = puppet.pid();
    wait_for("a look at few", || !watcher.look(pid).is_of_all());
    let id = rustix::process::Pid::from_raw(i32::try_from(watcher.0.pid()).unwrap()).unwrap();
    let signal = |signal| rustix::process::kill_process(id, signal).unwrap();
    signal(rustix::process::Signal::STOP);
    // Far more than may wait for it, and the last one is lost with them.
    let storm = "[call(15, b'storm') for i in range(100000)] and call(15, b'after')";
    puppet.ask(&format!("(lambda call: {storm})(ctypes.CDLL(None).prctl)"));
    signal(rustix::process::Signal::CONT);
    let answer = watcher.look(pid);
    assert!(answer.is_of_all(), "{} of {} were read", answer.renewed, answer.all);
    assert_eq!(answer.seen.unwrap().name, "after");
    wait_for("trust", || !watcher.look(pid).is_of_all());
}
