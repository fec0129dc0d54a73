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

/// A loopback interface, a name, logs, state and devices of its own.
fn prepare() {
    let script = "set -e
        ip link set lo up
        hostname web1
        mount -t tmpfs -o mode=755 tmpfs /run
        mount -t tmpfs -o mode=755 tmpfs /var/log
        mkdir -p /run/sshd /run/dev/pts /run/dev/shm /var/log/nginx /var/log/apache2
        cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx /run/dev/
        mount -t devpts -o newinstance,ptmxmode=0666 devpts /run/dev/pts
        ln -sf pts/ptmx /run/dev/ptmx
        mount --bind /run/dev /dev";
    let output = Command::new("sh").args(["-c", script]).output().expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
