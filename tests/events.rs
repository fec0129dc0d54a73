//! What starts between two looks: real processes that live for a moment, judged like any other, or counted.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "support/mail_server.rs"]
mod mail_server;
mod support;

use host_watchdog::host::Host;
use host_watchdog::processes::events::{Counts, Ended, Starts, Taken, Ticket, Unread};
use host_watchdog::processes::parse::parse_starts;
use host_watchdog::processes::{Executable, Listing, Process, Processes};
use host_watchdog::text::Text;
use mail_server::MailServer;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Running, copy_program, is_root, left_out, wait_for, watchdog, world};
use tempfile::TempDir;

/// Set in a process that listens for a test.
const LISTENS: &str = "HOST_WATCHDOG_TEST_LISTENS";

/// A process beside the test that listens: what the test starts would be its own otherwise, and left out.
struct Listener {
    child: Running,
    answers: BufReader<ChildStdout>,
}

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
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "listener", "--nocapture"]).env(LISTENS, "1");
        let mut child = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let answers = BufReader::new(child.0.stdout.take().unwrap());
        let mut listener = Self { child, answers };
        let tells = matches!(listener.answer().starts, Starts::Told(_));
        (!left_out("root, the host's namespaces and the process connector", tells)).then_some(listener)
    }

    fn answer(&mut self) -> Answer {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the listener has ended");
            // The words of the test program come between.
            if let Some(at) = line.find("{\"starts\"") {
                return serde_json::from_str(&line[at..]).unwrap();
            }
        }
    }

    fn ask(&mut self, word: &str) -> Answer {
        writeln!(self.child.0.stdin.as_ref().unwrap(), "{word}").unwrap();
        self.answer()
    }

    /// What was seen since the last time, which is stored.
    fn take(&mut self) -> Answer {
        self.ask("take")
    }

    /// What was seen since the last time, of which nothing was stored.
    fn take_again(&mut self) -> Answer {
        self.ask("take again")
    }
}

#[test]
fn listener() {
    if std::env::var_os(LISTENS).is_none() {
        return;
    }
    let processes = Processes::default();
    processes.listen(&Arc::new(Host::this()), || {}).unwrap();
    let pool = processes.starts().unwrap();
    let is_answered = |starts: Starts| !matches!(starts, Starts::Untold(why) if why.contains("only just"));
    wait_for("the kernel's answer", || is_answered(pool.in_all()));
    let nothing = Arc::new(Listing::new(Host::this().now(), Vec::<Process>::new()));
    let (mut given, mut stored) = (Ticket::default(), Ticket::default());
    for word in std::iter::once(Ok("take".to_owned())).chain(std::io::stdin().lines()) {
        let word = word.unwrap();
        if word == "take" {
            stored = given;
        }
        let listing =
            if word == "look" { processes.now(&Host::this()).unwrap() } else { Arc::clone(&nothing) };
        let kernel = std::fs::read("/proc/stat").unwrap();
        let Taken { ticket, starts, living, ended, earlier, unread, .. } =
            pool.take(stored, parse_starts(&kernel), &listing, |_| false);
        given = ticket;
        let living: Vec<&Process> = living.iter().map(AsRef::as_ref).collect();
        println!(
            "{}",
            serde_json::json!({
                "starts": starts, "living": living, "ended": ended, "earlier": earlier, "unread": unread
            })
        );
    }
}

#[test]
fn a_script_that_takes_the_place_of_another_is_told_as_what_was_started_for_as_long_as_it_runs() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    // Where it was started nobody can tell from its arguments any more.
    std::fs::write(folder.join("ldd"), "cd /usr/bin; read line\n").unwrap();
    let mut command = Command::new("/bin/sh");
    command.arg("ldd").current_dir(&folder).stdin(Stdio::piped());
    let shell = Running::start(&mut command);
    let pid = shell.pid();
    let cwd = format!("/proc/{pid}/cwd");
    wait_for("the script", || std::fs::read_link(&cwd).is_ok_and(|folder| folder == Path::new("/usr/bin")));
    // What was told is read a moment later.
    std::thread::sleep(Duration::from_millis(300));
    let told = |listener: &mut Listener| {
        let earlier = listener.ask("look").earlier.into_iter().filter(|was| was.process.pid == pid);
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

/// A program that does nothing, at a path of its own.
fn brief(folder: &TempDir) -> PathBuf {
    let path = folder.path().canonicalize().unwrap().join("brief");
    copy_program("/bin/true", &path);
    path
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

#[test]
fn the_ancestors_of_one_that_ended_are_known_with_those_that_have_ended_too() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let exe = brief(&folder);
    let middle = folder.path().canonicalize().unwrap().join("middle");
    copy_program("/bin/sh", &middle);
    let mut found = None;
    wait_for("one that is seen", || {
        // The one in the middle ends soon, and leaves a child to another parent.
        let script = format!("(sleep 0.5; cd /var; {} x; :) & sleep 0.1; exit 0", exe.display());
        let mut command = Command::new(&middle);
        assert!(command.args(["-c", &script]).stdin(Stdio::null()).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(900));
        let answer = listener.take();
        // On a busy machine each of them may be too short to be read, and after a loss nobody's parents are known; that is said,
        // and another is started.
        found = answer.of(&exe).next().filter(|_| answer.counts().lost == 0).cloned();
        let is_read = |found: &Ended| !found.origin.ancestors.iter().any(|a| a.what == "(not seen)");
        found.as_ref().is_some_and(|found| found.origin.folder.is_some() && is_read(found))
    });
    let found = found.unwrap();
    let ancestors: Vec<(String, bool)> =
        found.origin.ancestors.iter().map(|a| (a.what.to_string(), a.ended)).collect();
    let middle = middle.display().to_string();
    assert_eq!(ancestors[..2], [(middle.clone(), false), (middle, true)], "{:?}", found.origin);
    assert_eq!(found.origin.ancestors.last().unwrap().pid, 1, "{:?}", found.origin);
    assert_eq!(found.origin.folder, Some(Text::from("/var")));
    assert_eq!(found.process.args, [Text::new(exe.as_os_str().as_bytes()), Text::from("x")]);
    assert!(found.until.is_some(), "its end was seen");
}

#[test]
fn of_one_that_ended_it_is_told_who_had_logged_in_from_where_and_at_which_terminal() {
    let Some(mut listener) = Listener::start() else { return };
    let folder = TempDir::new().unwrap();
    let exe = brief(&folder);
    // What sshd starts has the address in its environment, and is asked for it by that name alone.
    let sshd = folder.path().canonicalize().unwrap().join("sshd");
    copy_program("/bin/sh", &sshd);
    let script = format!(
        "echo 0 > /proc/self/loginuid; SSH_CONNECTION='192.0.2.7 50000 192.0.2.1 22' \
         script -qec '{} x' /dev/null; cat /proc/self/loginuid",
        exe.display()
    );
    let mut login = None;
    let mut found = None;
    wait_for("one that is seen", || {
        let mut command = Command::new(&sshd);
        let output = command.args(["-c", &script]).stdin(Stdio::null()).output().unwrap();
        // Not every kernel remembers who has logged in.
        login = output.stdout.ends_with(b"0").then(|| Text::from("root"));
        std::thread::sleep(Duration::from_millis(200));
        let answer = listener.take();
        found = answer.of(&exe).next().filter(|_| answer.counts().lost == 0).cloned();
        found.is_some()
    });
    let origin = found.unwrap().origin;
    assert_eq!(origin.from, Some(Text::from("192.0.2.7")), "{origin:?}");
    assert_eq!(origin.login, login, "{origin:?}");
    assert!(origin.terminal.as_ref().is_some_and(|terminal| terminal.starts_with("pts/")), "{origin:?}");
}

/// Deeper than any path that a test's neighbours run, and than what the policy below allows.
fn deep(folder: &Path) -> PathBuf {
    let path = folder.join("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15");
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A state folder whose policy allows whatever does not lie that deep, and whose mails go to this server.
fn state(server: &MailServer) -> TempDir {
    let state = TempDir::new().unwrap();
    let mut policy = "schema = 1\n".to_owned();
    let paths =
        (1..15).map(|depth| "/*".repeat(depth)).chain(["memfd:*".to_owned(), "(unreadable)".to_owned()]);
    for path in paths {
        for script in ["", "script = \"*\"\n"] {
            for container in [true, false] {
                policy += &format!(
                    "[[process]]\nexe = \"{path}\"\n{script}deleted = true\ncontainer = {container}\nwhy = \"a test\"\n"
                );
            }
        }
    }
    std::fs::write(state.path().join("policy.toml"), policy).unwrap();
    let settings = format!(
        "state-dir = \"{0}\"\npolicy = \"{0}/policy.toml\"\n\n[mail]\nto = [\"root@test.invalid\"]\n\n[mail.smtp]\n\
         host = \"127.0.0.1\"\nport = {1}\nsecurity = \"none\"\n",
        state.path().display(),
        server.smtp_port
    );
    std::fs::write(state.path().join("watchdog.toml"), settings).unwrap();
    state
}

fn status(state: &TempDir) -> serde_json::Value {
    let output = watchdog(&["status", "--json", "--state-dir", state.path().to_str().unwrap()]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[test]
fn an_unknown_program_that_lives_for_a_moment_is_mailed_within_seconds() {
    if Listener::start().is_none() {
        return;
    }
    let Some(server) = MailServer::start() else { return };
    let state = state(&server);
    let config = state.path().join("watchdog.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
    command.args(["run", "--config", config.to_str().unwrap()]).stdout(Stdio::null()).stderr(Stdio::null());
    let _service = Running::start(&mut command);
    wait_for("the first pass", || status(&state)["starts"]["told"].is_object());
    let folder = TempDir::new().unwrap();
    let exe = deep(&folder.path().canonicalize().unwrap()).join("evil");
    copy_program("/bin/sleep", &exe);
    let about = || {
        let mails = server.raw_mailbox().into_iter().map(|mail| String::from_utf8_lossy(&mail).into_owned());
        // Lines are wrapped; its name stands in the subject.
        mails.into_iter().find(|mail| mail.contains("evil"))
    };
    assert_eq!(about(), None);
    let started = Instant::now();
    assert!(Command::new(&exe).arg("0.05").current_dir("/var").status().unwrap().success());
    let mut mail = None;
    wait_for("the mail", || {
        mail = about();
        mail.is_some()
    });
    let took = started.elapsed();
    println!("from its start to the mailbox: {took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    let mail = mail.unwrap();
    assert!(mail.contains("(it has ended)"), "{mail}");
    assert!(mail.contains("ancestors") && mail.contains("/var"), "{mail}");
    // Once is enough: the next look does not find it again, and does not tell of it again.
    let alerts = watchdog(&["alerts", "--state-dir", state.path().to_str().unwrap()]);
    let alerts = String::from_utf8(alerts.stdout).unwrap();
    assert_eq!(alerts.lines().filter(|line| line.contains("evil")).count(), 1, "{alerts}");
}

#[test]
fn in_namespaces_of_its_own_it_polls_and_says_so_and_that_is_no_alarm() {
    if !world::is_entered("in_namespaces_of_its_own_it_polls_and_says_so_and_that_is_no_alarm") {
        return;
    }
    let status_of = |state: &TempDir| {
        let output = watchdog(&["status", "--state-dir", state.path().to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap()
    };
    let state = TempDir::new().unwrap();
    Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/lib/dpkg"]).status().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
    command.args(["run", "--state-dir", state.path().to_str().unwrap()]);
    let _service = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let says = "starts     starts of processes are not told, so only what runs at a look is seen: \
                the process connector cannot be asked: not in a network namespace of its own";
    wait_for("the word", || status_of(&state).contains(says));
    let doctor = watchdog(&["doctor", "--no-mail", "--state-dir", state.path().to_str().unwrap()]);
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("only what runs at a look is seen"), "{doctor}");
    let alerts = watchdog(&["alerts", "--state-dir", state.path().to_str().unwrap()]);
    let alerts = String::from_utf8(alerts.stdout).unwrap();
    assert!(!alerts.contains("starts"), "{alerts}");
}

#[test]
fn in_a_namespace_of_processes_the_kernel_says_nothing_and_that_is_noticed() {
    const INSIDE: &str = "HOST_WATCHDOG_TEST_SILENCE";
    const TEST: &str = "in_a_namespace_of_processes_the_kernel_says_nothing_and_that_is_noticed";
    if std::env::var_os(INSIDE).is_some() {
        let processes = Processes::default();
        processes.listen(&Arc::new(Host::this()), || {}).unwrap();
        wait_for("the word", || {
            let starts = processes.starts().unwrap().in_all();
            matches!(starts, Starts::Untold(why) if why.contains("does not answer") || why.contains("refuses"))
        });
        return;
    }
    if left_out("root and unshare", is_root()) {
        return;
    }
    let output = Command::new("/usr/bin/unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
