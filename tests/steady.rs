//! What changes about known processes between two looks, told by the kernel: only that is read, and all of it is seen.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

mod support;

use host_watchdog::host::Host;
use host_watchdog::processes::events::Starts;
use host_watchdog::processes::{Executable, Process, Processes};
use jiff::SignedDuration;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use support::{Running, left_out, wait_for};

/// Set in a process that looks for a test.
const LOOKS: &str = "HOST_WATCHDOG_TEST_LOOKS";

/// A process beside the test that looks: one that the test can stop.
struct Watcher {
    child: Running,
    stdin: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(serde::Deserialize)]
struct Answer {
    told: bool,
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
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "watcher", "--nocapture"]).env(LOOKS, "1");
        let mut child = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let answers = BufReader::new(child.0.stdout.take().unwrap());
        let stdin = child.0.stdin.take().unwrap();
        let mut watcher = Self { child, stdin, answers };
        let is_told = watcher.look(1).told;
        (!left_out("root, the host's namespaces and the process connector", is_told)).then_some(watcher)
    }

    /// Looks, and answers with what was seen of this process.
    fn look(&mut self, pid: u32) -> Answer {
        writeln!(self.stdin, "{pid}").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the watcher has ended");
            // The words of the test program come between.
            if let Some(at) = line.find("{\"told\"") {
                return serde_json::from_str(&line[at..]).unwrap();
            }
        }
    }
}

#[test]
fn watcher() {
    if std::env::var_os(LOOKS).is_none() {
        return;
    }
    let processes = Processes::default();
    processes.listen(&Arc::new(Host::this()), || {}).unwrap();
    let pool = processes.starts().unwrap();
    let is_answered = |starts: Starts| !matches!(starts, Starts::Untold(why) if why.contains("only just"));
    wait_for("the kernel's answer", || is_answered(pool.in_all()));
    let mut moment = Host::this().now();
    for pid in std::io::stdin().lines() {
        moment += SignedDuration::from_secs(6);
        let listing = processes.now(&Host::this().at_moment(moment)).unwrap();
        let seen = listing.get(pid.unwrap().parse().unwrap());
        let told = matches!(pool.in_all(), Starts::Told(_));
        let (renewed, all) = (listing.renewed, listing.processes.len());
        println!("{}", serde_json::json!({ "told": told, "renewed": renewed, "all": all, "seen": seen }));
    }
}

/// A Python that does what it is told.
struct Puppet {
    running: Running,
    stdin: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Puppet {
    fn start() -> Self {
        let text =
            "import sys, os, ctypes\nfor line in sys.stdin:\n    exec(line)\n    print('done', flush=True)\n";
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(&mut command);
        let stdin = running.0.stdin.take().unwrap();
        let answers = BufReader::new(running.0.stdout.take().unwrap());
        let mut puppet = Self { running, stdin, answers };
        puppet.run("pass");
        puppet
    }

    fn run(&mut self, line: &str) -> String {
        self.say(line);
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
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
        let mut puppet = Puppet::start();
        let pid = puppet.running.pid();
        let before = watcher.look(pid).seen.unwrap();
        assert_eq!((before.uid, before.name.as_str()), (0, "python3"));
        puppet.run("open('/proc/self/comm', 'w').write('renamed')");
        assert_eq!(watcher.look(pid).seen.unwrap().name, "renamed");
        puppet.run("os.setresuid(65534, 65534, 65534)");
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
        let mut puppet = Puppet::start();
        let child = puppet.run("print(os.spawnv(os.P_NOWAIT, '/bin/sleep', ['sleep', '60']))");
        let child: u32 = child.trim().parse().unwrap();
        assert_eq!(watcher.look(child).seen.unwrap().parent, puppet.running.pid());
        // Dead and not buried: it is still listed.
        puppet.running.0.kill().unwrap();
        let stat = format!("/proc/{}/stat", puppet.running.pid());
        wait_for("its end", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")));
        let answer = watcher.look(child);
        let parent = answer.seen.as_ref().map(|seen| seen.parent);
        let pid = rustix::process::Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_ne!(parent.unwrap(), puppet.running.pid());
        answer
    });
}

#[test]
fn after_more_was_told_than_could_be_heard_all_are_read() {
    let Some(mut watcher) = Watcher::start() else { return };
    let mut puppet = Puppet::start();
    let pid = puppet.running.pid();
    wait_for("a look at few", || !watcher.look(pid).is_of_all());
    let id = rustix::process::Pid::from_child(&watcher.child.0);
    let signal = |signal| rustix::process::kill_process(id, signal).unwrap();
    signal(rustix::process::Signal::STOP);
    // Far more than may wait for it, and the last one is lost with them.
    puppet
        .run("c = ctypes.CDLL(None); n = c.prctl; [n(15, b'storm') for i in range(100000)]; n(15, b'after')");
    signal(rustix::process::Signal::CONT);
    let answer = watcher.look(pid);
    assert!(answer.is_of_all(), "{} of {} were read", answer.renewed, answer.all);
    assert_eq!(answer.seen.unwrap().name, "after");
    wait_for("trust", || !watcher.look(pid).is_of_all());
}
