//! Where one that has ended came from: its ancestors, and who had logged in.

use super::support::{copy_program, wait_for};
use super::{Listener, brief};
use host_watchdog::processes::events::Ended;
use host_watchdog::text::Text;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

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
