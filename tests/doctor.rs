//! `watchdog doctor` as a person runs it: each lack a line with its remedy, a mail that really goes the way of the
//! alerts, and an exit code that a script can trust.

// With mail servers and a world of their own, as only Linux has them; what it says on a Windows: both_systems.rs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "support/mail_server.rs"]
mod mail_server;
mod support;

use mail_server::MailServer;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use support::{Running, wait_for, watchdog, world};
use tempfile::TempDir;

struct State(TempDir);

impl State {
    fn new(mail: &str) -> Self {
        let status = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/lib/dpkg"]).status().unwrap();
        assert!(status.success());
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let settings = format!("state-dir = \"{}/state\"\n[mail]\n{mail}\n", folder.path().display());
        std::fs::write(folder.path().join("watchdog.toml"), settings).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        watchdog(&[args, &["--config", self.path("watchdog.toml").to_str().unwrap()]].concat())
    }

    /// The exit code, and the checks as JSON.
    fn doctor(&self, args: &[&str]) -> (i32, Vec<Value>) {
        let output = self.run(&[&["doctor", "--json"], args].concat());
        let lines = String::from_utf8(output.stdout).unwrap();
        let checks = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code().unwrap(), checks)
    }

    fn service(&self) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        command.args(["run", "--config"]).arg(self.path("watchdog.toml"));
        let service = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        wait_for("the first pass", || {
            let status: Value =
                serde_json::from_slice(&self.run(&["status", "--json"]).stdout).unwrap_or_default();
            status["counters"]["passes"].as_u64().is_some_and(|passes| passes > 0)
        });
        service
    }
}

fn of<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    checks
        .iter()
        .find(|check| check["check"] == name)
        .unwrap_or_else(|| panic!("no check {name} in {checks:#?}"))
}

#[test]
fn it_sees_that_the_service_runs_and_what_the_service_itself_cannot_see() {
    if !world::is_entered("it_sees_that_the_service_runs_and_what_the_service_itself_cannot_see") {
        return;
    }
    let state = State::new("via = \"folder\"\nfolder.path = \"/run/mails\"");
    let (code, checks) = state.doctor(&["--no-mail"]);
    assert_eq!(code, 1);
    assert_eq!(of(&checks, "service")["verdict"], "fault");
    assert!(checks.iter().all(|check| check["check"] != "mail"), "no mail was asked for");
    let service = state.service();
    let (code, checks) = state.doctor(&["--no-mail"]);
    assert_eq!(code, 1, "there is no log of logins in this world");
    let says = of(&checks, "service")["says"].as_str().unwrap();
    assert!(says.starts_with(&format!("the service runs (process {})", service.pid())), "{says}");
    assert_eq!(of(&checks, "capabilities")["says"], "the service may see every process and read every file");
    assert_eq!(of(&checks, "policy")["verdict"], "ok");
    // Written down by the service: it found no packages here.
    let gap = checks.iter().find(|check| check["says"].as_str().unwrap().contains("(no-update)"));
    assert_eq!(gap.unwrap_or_else(|| panic!("{checks:#?}"))["check"], "coverage");
    drop(service);
    let (_, checks) = state.doctor(&["--no-mail"]);
    let says = of(&checks, "service")["says"].as_str().unwrap();
    assert!(says.starts_with("nobody is watching: the service ended without being stopped"), "{says}");
}

#[test]
fn without_a_mailer_the_mail_goes_at_once_and_the_server_is_quoted() {
    if !world::is_entered("without_a_mailer_the_mail_goes_at_once_and_the_server_is_quoted") {
        return;
    }
    let Some(server) = MailServer::start_at(25) else { return };
    let state = State::new("to = [\"root\"]");
    let (code, checks) = state.doctor(&[]);
    let mail = of(&checks, "mail");
    let says = mail["says"].as_str().unwrap();
    assert_eq!(mail["verdict"], "ok", "{says}");
    assert!(
        says.contains("accepted by the server (over SMTP to localhost:25") && says.contains("for root: 2"),
        "{says}"
    );
    assert!(!says.contains("delivered"), "nobody knows that: {says}");
    assert_eq!(server.wait_for(1)[0].subject().unwrap(), "web1: a test of the watchdog's mail");
    assert_eq!(code, 1, "the service does not run");
}

#[test]
fn with_a_mailer_the_mail_goes_through_the_outbox_and_the_server_is_quoted() {
    if !world::is_entered("with_a_mailer_the_mail_goes_through_the_outbox_and_the_server_is_quoted") {
        return;
    }
    let Some(server) = MailServer::start_at(25) else { return };
    let state = State::new("to = [\"root\"]");
    assert!(state.run(&["run", "--once"]).status.success());
    let config = state.path("watchdog.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
    command.args(["deliver", "--stay", "--config"]).arg(&config);
    let mailer = Running::start(command.stdin(Stdio::null()).stderr(Stdio::null()));
    wait_for("the mailer to be that", || {
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", mailer.pid())).unwrap_or_default();
        cmdline.windows(6).any(|word| word == b"--stay")
    });
    let (_, checks) = state.doctor(&[]);
    let mail = of(&checks, "mail");
    let says = mail["says"].as_str().unwrap();
    assert_eq!(mail["verdict"], "ok", "{says}");
    assert!(says.contains(&format!("sent by the mailer (process {})", mailer.pid())), "{says}");
    assert!(says.contains("for root: 2"), "{says}");
    server.wait_for(1);
    assert_eq!(std::fs::read_dir(state.path("state/outbox/queue")).unwrap().count(), 0);
}

#[test]
fn where_no_mail_server_listens_it_says_so_and_what_to_install() {
    if !world::is_entered("where_no_mail_server_listens_it_says_so_and_what_to_install") {
        return;
    }
    let state = State::new("to = [\"root\"]\nlocal.program = \"/nowhere/sendmail\"");
    let output = state.run(&["doctor"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let at = said.find("fault    mail  ").unwrap_or_else(|| panic!("{said}"));
    let (line, remedy) = said[at..].split_once('\n').unwrap();
    assert!(line.contains("NOT accepted") && line.contains("Connection refused"), "{line}");
    assert!(line.contains("there is no /nowhere/sendmail"), "{line}");
    assert!(remedy.trim_start().starts_with("→ install a mail server on this host: apt install"), "{remedy}");
    assert!(!said.contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn wrong_settings_are_a_line_and_no_end() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("watchdog.toml");
    std::fs::write(&file, "polcy = \"x\"\n").unwrap();
    let output = watchdog(&["doctor", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("fault    settings       the settings are wrong"), "{said}");
    assert!(said.contains("time-zone"), "the rest is checked all the same: {said}");
}
