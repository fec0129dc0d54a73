//! Files that are mounted over others: what runs from there does not pass for what lies below.

use super::support::{Running, is_root, left_out};
use super::{seen, sleeper};
use host_watchdog::processes::Executable;
use host_watchdog::text::Text;
use std::os::unix::ffi::OsStrExt;
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
