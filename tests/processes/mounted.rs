//! Files that are mounted over others: what runs from there does not pass for what lies below.

use super::support::player::Player;
use super::support::{Running, copy_program, is_root, left_out, wait_for};
use super::{path_of, seen, sleeper};
use host_watchdog::processes::Executable;
use host_watchdog::text::Text;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

#[test]
fn a_file_mounted_over_an_allowed_one_does_not_pass_for_it() {
    if left_out("root and unshare", is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"evil");
    let mut command = Command::new("/usr/bin/unshare");
    let script = format!("mount --bind {} /usr/bin/yes && exec /usr/bin/yes 60", exe.display());
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", &script]);
    let running = Running::program(&mut command, "/usr/bin/yes");
    let process = seen(running.pid());
    assert_eq!((process.exe, process.container), (Executable::Path("/usr/bin/yes".into()), true));
}

#[test]
fn a_script_mounted_over_an_allowed_one_does_not_pass_for_it() {
    if left_out("root and unshare", is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (allowed, evil) = (folder.path().join("allowed.sh"), folder.path().join("evil.sh"));
    std::fs::write(&allowed, "true\n").unwrap();
    std::fs::write(&evil, "read line\n").unwrap();
    let mut command = Command::new("/usr/bin/unshare");
    let script = format!("mount --bind {} {1} && exec /bin/bash {1}", evil.display(), allowed.display());
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", &script]).stdin(Stdio::piped());
    let running = Running::program(&mut command, "/usr/bin/bash");
    let process = seen(running.pid());
    assert_eq!(process.script.unwrap(), Text::new(allowed.as_os_str().as_bytes()));
    assert!(process.container);
}

#[test]
fn a_file_that_not_even_root_may_look_at_does_not_pass_for_the_one_it_lies_over() {
    if left_out("root and unshare", is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (exe, script) =
        (sleeper(&folder, b"allowed"), folder.path().canonicalize().unwrap().join("allowed.sh"));
    copy_program("/bin/true", &exe);
    std::fs::write(&script, "true\n").unwrap();
    let evil = folder.path().join("evil.sh");
    std::fs::write(&evil, "read line\n").unwrap();
    let fuse = folder.path().join("fuse.py");
    std::fs::write(&fuse, include_str!("private_file.py")).unwrap();
    for (served, over, run, runs) in [
        (Path::new("/bin/sleep"), &exe, format!("{} 600", exe.display()), exe.as_path()),
        (&evil, &script, format!("/bin/bash {}", script.display()), Path::new("/usr/bin/bash")),
    ] {
        let [fuse, served, over] = [&fuse, served, over].map(|path| path.display().to_string());
        let serve = format!(
            "exec 9<&0; python3 {fuse} {served} {over} </dev/null & read word; [ \"$word\" = go ] && \
             exec setpriv --reuid 65534 --regid 65534 --clear-groups {run} <&9"
        );
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["-m", "--propagation", "private", "/bin/sh", "-c", &serve]);
        let mut player = Player::start(&mut command);
        if player.line() != "ready" {
            eprintln!("LEFT OUT: this test needs FUSE");
            return;
        }
        player.say("go");
        let link = format!("/proc/{}/exe", player.pid());
        wait_for("the program", || std::fs::read_link(&link).is_ok_and(|link| link == runs));
        let process = seen(player.pid());
        assert_eq!((process.exe, process.container), (path_of(runs), true));
    }
}

#[test]
fn a_script_in_a_folder_that_is_mounted_nowhere_any_more_does_not_pass_for_another() {
    if left_out("root and unshare", is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("place");
    let script = format!(
        "mkdir {0} && mount -t tmpfs none {0} && mkdir -p {0}/usr/bin && cd {0}/usr/bin \
         && echo 'import time; time.sleep(600)' >ldd && umount -l {0} && exec /usr/bin/python3 ldd",
        place.display()
    );
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", &script]);
    let running = Running::program(&mut command, "/usr/bin/python3");
    // As if it were the host's own.
    assert_eq!(std::fs::read_link(format!("/proc/{}/cwd", running.pid())).unwrap(), Path::new("/usr/bin"));
    let script = seen(running.pid()).script.unwrap();
    assert!(script.starts_with("(unclear) ldd"), "{script}");
}

#[test]
fn a_file_that_is_called_like_the_null_device_is_not_taken_for_it() {
    if left_out("root and unshare", is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let mut command = Command::new("/usr/bin/unshare");
    let script = "mount -t tmpfs none /dev && echo 'import time; time.sleep(60)' > /dev/null \\
        && exec /usr/bin/python3 < /dev/null";
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", script]);
    let running = Running::program(&mut command, "/usr/bin/python3");
    assert_eq!(seen(running.pid()).script.unwrap(), "(standard input)");
    let running = Running::program(
        Command::new("/usr/bin/python3").args(["-c", "import time; time.sleep(60)"]).stdin(Stdio::null()),
        "/usr/bin/python3",
    );
    assert_eq!(seen(running.pid()).script.unwrap(), "-c import time; time.sleep(60)");
}
