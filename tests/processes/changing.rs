//! Known processes that become something else, or end, between two looks or in one.

use super::support::{Running, is_root, left_out, wait_for};
use super::{compiled, path_of, sleeper};
use host_watchdog::host::Host;
use host_watchdog::processes::{Executable, Processes};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

#[test]
fn another_program_in_the_same_process_is_noticed() {
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"second");
    let mut command = Command::new("/bin/bash");
    command.arg("-c").arg(format!("read line; exec {} 60", exe.display())).stdin(Stdio::piped());
    let mut running = Running::program(&mut command, "/usr/bin/bash");
    let processes = Processes::default();
    let at =
        |seconds: i64| Host::this().at_moment(jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap());
    let exe_of = |seconds| processes.now(&at(seconds)).unwrap().get(running.0.id()).unwrap().exe.clone();
    assert_eq!(exe_of(0), Executable::Path("/usr/bin/bash".into()));
    running.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let link = format!("/proc/{}/exe", running.pid());
    wait_for("the second program", || std::fs::read_link(&link).is_ok_and(|link| link == exe));
    assert_eq!(processes.now(&at(60)).unwrap().get(running.pid()).unwrap().exe, path_of(&exe));
}

#[test]
fn a_known_process_that_becomes_another_user_is_noticed_even_if_it_may_not_be_traced() {
    if left_out("root and python3", is_root() && Path::new("/usr/bin/python3").exists()) {
        return;
    }
    let mut command = Command::new("/usr/bin/python3");
    // Who changes users may not be traced any more, and root owns its files then.
    command.args(["-c", "import os; input(); os.setresuid(0, 12345, 0); input()"]).stdin(Stdio::piped());
    let mut running = Running::program(&mut command, "/usr/bin/python3");
    let pid = running.pid();
    let processes = Processes::default();
    let at =
        |seconds: i64| Host::this().at_moment(jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap());
    let user_of = |seconds| {
        let process = processes.now(&at(seconds)).unwrap().get(pid).unwrap().clone();
        (process.uid, process.user.to_string())
    };
    assert_eq!(user_of(0), (0, "root".to_owned()));
    let mut input = running.0.stdin.take().unwrap();
    input.write_all(b"\n").unwrap();
    let status = format!("/proc/{pid}/status");
    wait_for("another user", || {
        std::fs::read_to_string(&status).is_ok_and(|status| status.contains("Uid:\t0\t12345\t0"))
    });
    assert_eq!(user_of(60), (12345, "12345".to_owned()));
}

#[test]
fn a_program_that_starts_a_set_uid_one_and_is_started_by_it_is_never_seen_as_its_user() {
    if left_out("root", is_root()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let open = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    open(folder.path(), 0o755);
    // Each rests for a millisecond, and then starts the other; only the one of root has its user, for that time.
    let source = |other: &str| {
        format!(
            "#include <unistd.h>\n\
             int main(void) {{ usleep(1000); if (setuid(getuid())) return 1;\n\
             return execl(\"{0}/{other}\", \"{other}\", (char *)0); }}\n",
            folder.path().display()
        )
    };
    let lifted = compiled(&folder, "lifted", &source("plain"));
    let plain = compiled(&folder, "plain", &source("lifted"));
    open(&lifted, 0o4755);
    let running = Running::start(Command::new(&plain).uid(65534));
    let link = format!("/proc/{}/exe", running.pid());
    wait_for("the set-uid program", || std::fs::read_link(&link).is_ok_and(|link| link == lifted));
    let listings = (0..300).map(|_| Processes::default().now(&Host::this()).unwrap());
    let seen: Vec<(Executable, u32)> = listings
        .filter_map(|listing| listing.get(running.pid()).map(|process| (process.exe.clone(), process.uid)))
        .collect();
    assert!(seen.contains(&(path_of(&lifted), 0)), "it is root's at times");
    let wrong = seen.iter().filter(|seen| **seen == (path_of(&plain), 0)).count();
    assert!(wrong <= 1, "{wrong} of {} looks took the one for the other", seen.len());
}

#[test]
fn a_process_that_ends_while_it_is_looked_at_hides_nothing() {
    // It has much memory to give back: for some time it has let go of its program and is not dead yet.
    let processes = Processes::default();
    for _ in 0..5 {
        let mut command = Command::new("/usr/bin/perl");
        command.args(["-MPOSIX", "-e", "my $x = 'x' x 4e8; POSIX::_exit(0)"]);
        let mut ending = Running::start(&mut command);
        while ending.0.try_wait().unwrap().is_none() {
            let listing = processes.now(&Host::this()).expect("/proc can be read");
            let seen = listing.get(ending.pid()).map(|process| &process.exe);
            assert!(!matches!(seen, Some(Executable::Unreadable(_))), "{seen:?}");
        }
    }
}
