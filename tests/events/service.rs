//! The service, told of what starts or not: it mails within seconds, or polls and says so.

use super::Listener;
use super::mail_server::MailServer;
use super::support::{Running, copy_program, is_root, left_out, wait_for, watchdog, world};
use host_watchdog::host::Host;
use host_watchdog::processes::Processes;
use host_watchdog::processes::events::Starts;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

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
    if !world::is_entered("service::in_namespaces_of_its_own_it_polls_and_says_so_and_that_is_no_alarm") {
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
    const TEST: &str = "service::in_a_namespace_of_processes_the_kernel_says_nothing_and_that_is_noticed";
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
