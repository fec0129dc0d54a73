//! The service as it is run: it learns, watches, says a thing once, stops cleanly, reloads, and survives kills.

// Signals, users and sandboxes of Linux; the service of Windows: tests/windows/life.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "service/life.rs"]
mod life;
#[path = "support/mail_server.rs"]
mod mail_server;
#[path = "service/start.rs"]
mod start;
mod support;
#[path = "service/two_users.rs"]
mod two_users;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use support::{Running, copy_program, wait_for, watchdog, world};
use tempfile::TempDir;

/// A state folder, and the program run in it.
struct State(TempDir);

impl State {
    /// In a world without packages: to ask a real apt at every start takes longer than all these tests together.
    fn new() -> Self {
        let status = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/lib/dpkg"]).status().unwrap();
        assert!(status.success());
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        watchdog(&[args, &["--state-dir", self.path().to_str().unwrap()]].concat())
    }

    /// One pass; what it printed on the terminal.
    fn once(&self) -> String {
        let output = self.run(&["run", "--once"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn start(&self) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        command.args(["run", "--state-dir", self.path().to_str().unwrap()]);
        Service(Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped())))
    }

    fn mails(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path().join("mails")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    fn passes(&self) -> u64 {
        let output = self.run(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["counters"]["passes"].as_u64().unwrap_or(0)
    }
}

struct Service(Running);

impl Service {
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; its exit code, and what it said on standard error.
    fn ended(mut self) -> (Option<i32>, String) {
        let child: &mut Child = &mut self.0.0;
        let code = child.wait().unwrap().code();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

fn evil(folder: &Path) -> Running {
    let exe = folder.join("evil");
    copy_program("/bin/sleep", &exe);
    Running::start(Command::new(&exe).arg("600"))
}

#[test]
fn with_nothing_prepared_it_learns_says_so_and_finds_nothing() {
    if !world::is_entered("with_nothing_prepared_it_learns_says_so_and_finds_nothing") {
        return;
    }
    let state = State::new();
    let policy = state.path().join("policy.toml");
    let said = state.once();
    assert!(
        said.starts_with("There was no policy yet, so one was learned from what is here now ("),
        "{said}"
    );
    assert!(said.contains(policy.to_str().unwrap()), "{said}");
    assert_eq!(state.mails(), [""; 0]);
    assert!(state.run(&["validate", policy.to_str().unwrap()]).status.success());
    let check = state.run(&["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
    assert_eq!(state.once(), "", "a policy that is there is not learned again");
}

#[test]
fn a_finding_is_mailed_once_and_one_pass_without_it_is_not_its_end() {
    if !world::is_entered("a_finding_is_mailed_once_and_one_pass_without_it_is_not_its_end") {
        return;
    }
    let state = State::new();
    state.once();
    let folder = TempDir::new().unwrap();
    let evil = evil(folder.path());
    let said = state.once();
    assert!(said.contains("web1: unknown process"), "{said}");
    let mails = state.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("\r\nSubject: web1: unknown process"), "{}", mails[0]);
    assert_eq!(state.once(), "");
    assert_eq!(state.once(), "");
    let alerts = state.run(&["alerts"]);
    assert!(String::from_utf8_lossy(&alerts.stdout).contains("evil"));
    drop(evil);
    assert_eq!(state.once(), "", "one pass without it is not yet its end");
    assert_eq!(state.mails().len(), 1);
}

#[test]
fn it_stops_cleanly_when_told_and_reports_no_gap_after() {
    if !world::is_entered("it_stops_cleanly_when_told_and_reports_no_gap_after") {
        return;
    }
    let state = State::new();
    let service = state.start();
    wait_for("the first pass", || state.passes() > 0);
    service.signal("-TERM");
    let (code, said) = service.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stopped"), "{said}");
    assert_eq!(state.once(), "");
}

#[test]
fn a_wrong_policy_is_refused_on_reload_and_the_old_one_stays_in_force() {
    if !world::is_entered("a_wrong_policy_is_refused_on_reload_and_the_old_one_stays_in_force") {
        return;
    }
    let state = State::new();
    let service = state.start();
    wait_for("the first pass", || state.passes() > 0);
    let policy = state.path().join("policy.toml");
    let good = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, good.replacen("exe ", "exee ", 1)).unwrap();
    let before = state.passes();
    service.signal("-HUP");
    // The reload itself is told to the alerts at the next turn; the pass that follows still knows the old rules.
    wait_for("the alert", || {
        let alerts = state.run(&["alerts"]).stdout;
        String::from_utf8_lossy(&alerts).contains("the policy on disk are wrong")
    });
    assert!(state.passes() > before);
    let alerts = String::from_utf8(state.run(&["alerts"]).stdout).unwrap();
    assert_eq!(alerts.lines().count(), 1, "{alerts}");
    std::fs::write(&policy, good).unwrap();
    service.signal("-HUP");
    wait_for("two more passes", || state.passes() > before + 1);
    service.signal("-TERM");
    let (code, said) = service.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("unknown field `exee`"), "{said}");
    assert!(said.contains("the old stay in force"), "{said}");
    assert!(said.contains("read anew"), "{said}");
}

#[test]
fn two_watchdogs_never_share_a_state_folder() {
    if !world::is_entered("two_watchdogs_never_share_a_state_folder") {
        return;
    }
    let state = State::new();
    let service = state.start();
    wait_for("the first pass", || state.passes() > 0);
    let second = state.run(&["run", "--once"]);
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another watchdog"));
    drop(service);
}

#[test]
fn killed_at_any_moment_it_loses_no_alert_and_mails_none_twice() {
    if !world::is_entered("killed_at_any_moment_it_loses_no_alert_and_mails_none_twice") {
        return;
    }
    let state = State::new();
    state.once();
    let folder = TempDir::new().unwrap();
    let _evil = evil(folder.path());
    for pause in [0_u64, 1, 2, 5, 10, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 400, 600] {
        let service = state.start();
        std::thread::sleep(std::time::Duration::from_millis(pause));
        service.signal("-KILL");
        let _ = service.ended();
    }
    state.once();
    state.once();
    let mails = state.mails();
    let about: Vec<&String> = mails.iter().filter(|mail| mail.contains("evil")).collect();
    assert_eq!(about.len(), 1, "{mails:#?}");
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_program_in_a_panic() {
    if !world::is_entered("a_reader_that_goes_away_does_not_end_the_program_in_a_panic") {
        return;
    }
    let state = State::new();
    std::fs::write(state.path().join("policy.toml"), "schema = 1\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
    command.args(["check", "--state-dir", state.path().to_str().unwrap()]).stderr(Stdio::piped());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_state_folder_named_relatively_keeps_the_mails_in_it() {
    if !world::is_entered("a_state_folder_named_relatively_keeps_the_mails_in_it") {
        return;
    }
    let state = State::new();
    std::fs::create_dir(state.path().join("s")).unwrap();
    std::fs::write(state.path().join("s/policy.toml"), "schema = 1\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
    command.args(["run", "--once", "--state-dir", "s"]).current_dir(state.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(state.path().join("s/mails")).unwrap().count(), 1);
}
