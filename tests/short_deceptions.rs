//! What hides or listens in and lives only for some milliseconds, between two looks, played out for real; and what honest
//! programs do for a moment that looks like it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

mod support;

use host_watchdog::host::Host;
use host_watchdog::processes::events::{Starts, Ticket};
use host_watchdog::watch::deception::{Deceit, DeceptionFacts, Kind, Rules, without_allowed};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::beside::{self, Beside};
use support::wait_for;
use tempfile::TempDir;

/// What listens beside the test.
struct Listener(Beside);

impl Listener {
    /// Nothing where the kernel does not tell us.
    fn start() -> Option<Self> {
        Beside::start("listener").map(Self)
    }

    /// What was seen since this was asked before.
    fn ask(&mut self) -> Vec<Deceit> {
        self.0.ask("take")
    }

    /// Plays this until something of it is seen: on a busy host what lives for a moment may be gone first.
    fn seen(&mut self, mut play: impl FnMut(), is_it: impl Fn(&Deceit) -> bool) -> Deceit {
        let mut found = None;
        wait_for("what is played to be seen", || {
            play();
            std::thread::sleep(Duration::from_millis(200));
            found = self.ask().into_iter().find(&is_it);
            found.is_some()
        });
        found.unwrap()
    }
}

#[test]
fn listener() {
    let mut stored = Ticket::default();
    beside::answer(|processes, _| {
        let pool = processes.starts().unwrap();
        let (ticket, deceits, _) = pool.glimpses().take(stored, BTreeSet::new());
        stored = ticket;
        assert!(matches!(pool.in_all(), Starts::Told(_)), "the kernel tells no more");
        deceits
    });
}

fn run(command: &mut Command) {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn is_from(folder: &TempDir) -> impl Fn(&Deceit) -> bool {
    let folder = folder.path().canonicalize().unwrap().display().to_string();
    move |deceit| {
        let process = deceit.process.as_ref();
        process.is_some_and(|process| serde_json::to_string(&process.exe).unwrap().contains(&folder))
    }
}

/// A copy of a program at a path that is this test's own.
fn copied(folder: &TempDir, from: &str) -> std::path::PathBuf {
    let path = folder.path().canonicalize().unwrap().join(from.rsplit('/').next().unwrap());
    support::copy_program(from, &path);
    path
}

#[test]
fn a_false_thread_of_the_kernel_that_lives_for_a_moment_is_seen_however_it_does_it() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let sleep = copied(&folder, "/bin/sleep");
    let play = || run(Command::new(&sleep).arg0("[kworker/0:1]").arg("0.005"));
    // Others run the same program honestly before and after it.
    let honest = || run(Command::new(&sleep).arg("0.005"));
    let found = listener.seen(
        || {
            honest();
            play();
            honest();
        },
        is_from(&folder),
    );
    assert_eq!((found.kind, found.what.as_str()), (Kind::KernelName, "[kworker/0:1]"));
    assert!(found.process.is_some_and(|process| process.args.len() == 2));
    // Others take the name once they run.
    let shell = copied(&folder, "/bin/bash");
    let script = "echo -n kworker/3:7 > /proc/$$/comm; sleep 0.005; :";
    let found = listener.seen(|| run(Command::new(&shell).args(["-c", script])), is_from(&folder));
    assert_eq!((found.kind, found.what.as_str()), (Kind::KernelName, "kworker/3:7"));
    // What is silenced by a rule is judged like what runs.
    let facts = DeceptionFacts { deceits: vec![found], ..DeceptionFacts::default() };
    let left = without_allowed(&facts, &Rules::default(), Host::this().now());
    assert_eq!(left.deceits.len(), 1);
}

#[test]
fn a_shell_on_a_connection_that_lives_for_a_moment_is_seen_with_the_other_end() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let shell = copied(&folder, "/bin/bash");
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = intruder.local_addr().unwrap();
    let play = || {
        let connection = TcpStream::connect(address).unwrap();
        let (mut other, _) = intruder.accept().unwrap();
        let output = OwnedFd::from(connection.try_clone().unwrap());
        let mut command = Command::new(&shell);
        let mut running = command.stdin(OwnedFd::from(connection)).stdout(output).spawn().unwrap();
        other.write_all(b"sleep 0.01; exit\n").unwrap();
        assert!(running.wait().unwrap().success());
    };
    let found = listener.seen(play, is_from(&folder));
    assert_eq!((found.kind, found.what.as_str()), (Kind::SocketShell, "127.0.0.1"));
    let how = found.note.unwrap();
    assert!(how.ends_with(&format!("to {address}")), "{how}");
}

#[test]
fn what_honest_programs_do_for_a_moment_is_silent() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let (sleep, shell) = (copied(&folder, "/bin/sleep"), copied(&folder, "/bin/bash"));
    for _ in 0..5 {
        // As servers call themselves and their children, and a login its shell.
        for name in ["-bash", "nginx: worker process", "postgres: main: [local] idle", "sshd: root [priv]"] {
            run(Command::new(&sleep).arg0(name).arg("0.005"));
        }
        run(Command::new(&sleep).arg0("[worker] of it").arg("0.005"));
        run(Command::new(&shell).args(["-c", "exec -a '(sd-executor)' sleep 0.005"]));
        run(Command::new(&shell).args(["-c", "echo -n 'cleanup' > /proc/$$/comm; sleep 0.005; :"]));
        run(Command::new(&sleep).arg("0.005").env_clear());
        // As sshd runs a command without a terminal.
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(&shell);
        command.args(["-c", "sleep 0.005; exit"]).stdin(OwnedFd::from(theirs));
        assert!(command.status().unwrap().success());
        // As inetd runs a script on a connection, and this a shell of its own.
        let script = folder.path().join("agent");
        std::fs::write(&script, format!("{} -c 'sleep 0.005; exit'\nexit\n", shell.display())).unwrap();
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        let (connection, _) = door.accept().unwrap();
        let mut command = Command::new(&shell);
        assert!(command.arg(&script).stdin(OwnedFd::from(connection)).status().unwrap().success());
    }
    // That the listener was awake is told by what is not honest.
    let is_own = is_from(&folder);
    let mut all = Vec::new();
    wait_for("what is not honest", || {
        run(Command::new(&sleep).arg0("[kswapd0]").arg("0.005"));
        std::thread::sleep(Duration::from_millis(200));
        all.extend(listener.ask().into_iter().filter(|deceit| is_own(deceit)));
        all.iter().any(|deceit| deceit.what.as_str() == "[kswapd0]")
    });
    all.retain(|deceit| deceit.what.as_str() != "[kswapd0]");
    assert_eq!(all, []);
}
