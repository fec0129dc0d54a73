//! What starts between two looks: real processes that live for a moment, judged like any other, or counted.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "support/mail_server.rs"]
mod mail_server;
#[path = "events/origin.rs"]
mod origin;
#[path = "events/service.rs"]
mod service;
mod support;

use host_watchdog::host::Host;
use host_watchdog::processes::events::{Counts, Ended, Starts, Taken, Ticket, Unread};
use host_watchdog::processes::parse::parse_starts;
use host_watchdog::processes::{Executable, Listing, Process};
use host_watchdog::text::Text;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::beside::{self, Beside};
use support::{Running, copy_program, wait_for};
use tempfile::TempDir;

/// What listens beside the test.
struct Listener(Beside);

/// What was seen since the last time that was stored.
#[derive(serde::Deserialize)]
struct Answer {
    starts: Starts,
    living: Vec<Process>,
    ended: Vec<Ended>,
    earlier: Vec<Ended>,
    unread: Vec<Unread>,
}

impl Answer {
    fn counts(&self) -> Counts {
        let Starts::Told(counts) = &self.starts else { panic!("{:?}", self.starts) };
        *counts
    }

    fn of<'a>(&'a self, exe: &'a Path) -> impl Iterator<Item = &'a Ended> {
        let exe = Executable::Path(Text::new(exe.as_os_str().as_bytes()));
        self.ended.iter().filter(move |ended| ended.process.exe == exe)
    }

    fn times(&self, exe: &Path) -> u64 {
        let path = Executable::Path(Text::new(exe.as_os_str().as_bytes()));
        let living = self.living.iter().filter(|process| process.exe == path).count();
        self.of(exe).map(|ended| ended.times).sum::<u64>() + living as u64
    }
}

impl Listener {
    /// Nothing where the kernel does not tell us.
    fn start() -> Option<Self> {
        let mut listener = Self(Beside::start("listener")?);
        listener.take();
        Some(listener)
    }

    /// What was seen since the last time, which is stored.
    fn take(&mut self) -> Answer {
        self.0.ask("take")
    }

    /// What was seen since the last time, of which nothing was stored.
    fn take_again(&mut self) -> Answer {
        self.0.ask("take again")
    }

    /// As [`Listener::take_again`], in the light of all that runs.
    fn look(&mut self) -> Answer {
        self.0.ask("look")
    }
}

#[test]
fn listener() {
    let nothing = Arc::new(Listing::new(Host::this().now(), Vec::<Process>::new()));
    let (mut given, mut stored) = (Ticket::default(), Ticket::default());
    beside::answer(|processes, word| {
        if word == "take" {
            stored = given;
        }
        let listing =
            if word == "look" { processes.now(&Host::this()).unwrap() } else { Arc::clone(&nothing) };
        let kernel = std::fs::read("/proc/stat").unwrap();
        let pool = processes.starts().unwrap();
        let Taken { ticket, starts, living, ended, earlier, unread, .. } =
            pool.take(stored, parse_starts(&kernel), &listing, |_| false);
        given = ticket;
        let living: Vec<&Process> = living.iter().map(AsRef::as_ref).collect();
        serde_json::json!({
            "starts": starts, "living": living, "ended": ended, "earlier": earlier, "unread": unread
        })
    });
}

/// A program that does nothing, at a path of its own.
fn brief(folder: &TempDir) -> PathBuf {
    let path = folder.path().canonicalize().unwrap().join("brief");
    copy_program("/bin/true", &path);
    path
}

#[test]
fn a_script_that_takes_the_place_of_another_is_told_as_what_was_started_for_as_long_as_it_runs() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    // Where it was started nobody can tell from its arguments any more.
    std::fs::write(folder.join("ldd"), "read line; cd /usr/bin; read line\n").unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg("ldd").current_dir(&folder).stdin(Stdio::piped());
    let shell = Running::start(&mut command);
    let pid = shell.pid();
    wait_for("its start to be told", || {
        listener.take_again().living.iter().any(|process| process.pid == pid && process.script.is_some())
    });
    writeln!(shell.0.stdin.as_ref().unwrap(), "go").unwrap();
    let cwd = format!("/proc/{pid}/cwd");
    wait_for("the script", || std::fs::read_link(&cwd).is_ok_and(|folder| folder == Path::new("/usr/bin")));
    let told = |listener: &mut Listener| {
        let earlier = listener.look().earlier.into_iter().filter(|was| was.process.pid == pid);
        earlier.filter_map(|was| was.process.script.clone()).collect::<Vec<_>>()
    };
    let script = Text::new(folder.join("ldd").as_os_str().as_bytes());
    assert_eq!(told(&mut listener), std::slice::from_ref(&script));
    assert_eq!(told(&mut listener), std::slice::from_ref(&script), "it still runs");
    listener.take();
    drop(shell);
    wait_for("its end", || told(&mut listener).is_empty());
}

#[test]
fn a_file_that_was_there_for_a_moment_is_another_thing_than_the_one_that_lies_there_again() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let [tool, kept, evil] = ["tool", "kept", "evil"].map(|name| folder.join(name));
    copy_program("/bin/sleep", &tool);
    copy_program("/bin/sleep", &evil);
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    let [good, bad] = [inode(&tool), inode(&evil)];
    let run = || assert!(Command::new(&tool).arg("0.3").status().unwrap().success());
    let mut seen = std::collections::BTreeSet::new();
    wait_for("both of them", || {
        run();
        std::fs::rename(&tool, &kept).unwrap();
        std::fs::rename(&evil, &tool).unwrap();
        run();
        std::fs::rename(&tool, &evil).unwrap();
        std::fs::rename(&kept, &tool).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let answer = listener.take();
        seen.extend(answer.of(&tool).filter_map(|ended| Some(ended.process.files?.exe?.inode)));
        seen.len() > 1
    });
    assert_eq!(seen, [good, bad].into());
}

#[test]
fn thousands_that_live_for_a_millisecond_are_all_judged_or_the_lost_counted() {
    const ALL: u64 = 3000;
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let exe = brief(&folder);
    // A shell that does nothing else, so that they come as fast as they can.
    let script = format!("i=0; while [ $i -lt {ALL} ]; do {} a b; i=$((i+1)); done", exe.display());
    let started = Instant::now();
    let mut shell = Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap();
    assert!(shell.wait().unwrap().success());
    let took = started.elapsed();
    let (mut judged, mut gone, mut counts) = (0, 0, Counts::default());
    wait_for("the last of them", || {
        let answer = listener.take();
        judged += answer.times(&exe);
        let by_shell = answer.unread.iter().filter(|unread| unread.by.pid == shell.id());
        gone += by_shell.map(|unread| unread.times).sum::<u64>();
        counts = counts.plus(answer.counts());
        judged + counts.unread + counts.lost >= ALL
    });
    let Counts { started, seen, unread, lost, .. } = counts;
    println!(
        "{ALL} in {took:?}: {judged} judged, {gone} gone; {seen} of {started} starts seen, {unread} unread, {lost} lost"
    );
    assert!(judged > 0 && seen + lost >= ALL);
    // None is told of twice, and none is missing but for what the kernel says is lost.
    if lost == 0 {
        assert_eq!(judged + gone, ALL);
    } else {
        assert!(judged + gone <= ALL && judged + unread + lost >= ALL);
    }
}

#[test]
fn what_was_not_stored_is_told_again_and_what_was_stored_is_not() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let exe = brief(&folder);
    // One may end before it is read: then it is counted, and another is started.
    wait_for("one that is seen", || {
        assert!(Command::new(&exe).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(100));
        listener.take().times(&exe) == 1
    });
    assert_eq!(listener.take_again().times(&exe), 1, "the pass was not stored");
    assert_eq!(listener.take_again().times(&exe), 1, "nor was this one");
    assert_eq!(listener.take().times(&exe), 0, "the pass was stored");
}
