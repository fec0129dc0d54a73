//! A world of its own for a test: only its processes, sockets and mounts exist in it, so that what the program
//! finds there is what the test did, and nothing else.

use std::process::Command;

/// Set inside, to the name of the test.
const INSIDE: &str = "HOST_WATCHDOG_TEST_WORLD";

/// True inside such a world. Outside, runs this same test in one and asserts that it passed; then false: the
/// caller has nothing left to do. Also false, with a word, where there is no root to make one.
pub fn is_entered(test: &str) -> bool {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        prepare();
        return true;
    }
    let has_unshare = std::path::Path::new("/usr/bin/unshare").exists();
    if super::left_out("root and unshare", super::is_root() && has_unshare) {
        return false;
    }
    let output = Command::new("/usr/bin/unshare")
        .args(["--pid", "--net", "--mount", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"])
        .arg("--propagation=private")
        .arg(std::env::current_exe().expect("the test knows its own file"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .output()
        .expect("unshare runs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "the test did not run in its world: {said}");
    false
}

/// A loopback interface, a name, and logs of its own.
fn prepare() {
    for command in [
        "ip link set lo up",
        "hostname web1",
        "mount -t tmpfs -o mode=755 tmpfs /var/log",
        "mount -t tmpfs -o mode=755 tmpfs /run",
        "mkdir /run/sshd /var/log/nginx /var/log/apache2",
    ] {
        let mut words = command.split(' ');
        let status = Command::new(words.next().unwrap()).args(words).status().expect("the command is there");
        assert!(status.success(), "{command}");
    }
}
