//! What the end-to-end tests share: the program under test, and children that end with the test.

#![allow(dead_code, reason = "each test crate uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[cfg(target_os = "linux")]
pub mod beside;
#[cfg(target_os = "linux")]
pub mod eyes;
#[cfg(target_os = "linux")]
pub mod player;
#[cfg(target_os = "linux")]
pub mod world;

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The program under test.
pub fn watchdog(args: &[&str]) -> Output {
    output_of(Command::new(env!("CARGO_BIN_EXE_watchdog")).args(args))
}

/// Runs a program and collects what it says.
#[cfg(target_os = "linux")]
fn output_of(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// Runs a program and collects what it says, by way of files: a pipe would stay open for as long as anything runs that was
/// started meanwhile and inherited it, as Wine starts its desktop.
#[cfg(windows)]
fn output_of(command: &mut Command) -> Output {
    use std::io::{Read, Seek};
    let [mut out, mut err] = [(); 2].map(|()| tempfile::tempfile().expect("a file for what it says"));
    command.stdin(std::process::Stdio::null());
    command.stdout(out.try_clone().expect("a handle")).stderr(err.try_clone().expect("a handle"));
    let status = command.status().expect("the program starts");
    let [stdout, stderr] = [&mut out, &mut err].map(|file| {
        let mut said = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut said)).expect("what it said is there");
        said
    });
    Output { status, stdout, stderr }
}

/// The findings of `watchdog check --json` with this policy.
pub fn check(policy: &Path) -> Vec<Value> {
    let output = watchdog(&["check", "--json", "--policy", policy.to_str().unwrap()]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("findings are text");
    lines.lines().map(|line| serde_json::from_str(line).expect("a finding is one line of JSON")).collect()
}

/// A path as it is written between double quotes, in TOML and in JSON.
pub fn quoted(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}

/// A host where nothing else starts, ends or listens while a test runs: on Linux a world of its own, on Windows the whole host, for
/// one test after the other. None where the caller has nothing left to do.
#[cfg_attr(windows, allow(clippy::unnecessary_wraps, reason = "elsewhere there may be nothing left to do"))]
pub fn alone(test: &str) -> Option<MutexGuard<'static, ()>> {
    static HOST: Mutex<()> = Mutex::new(());
    #[cfg(target_os = "linux")]
    {
        if !world::is_entered(test) {
            return None;
        }
        // To ask a real apt takes longer than all these tests together.
        let status = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/lib/dpkg"]).status();
        assert!(status.expect("mount runs").success());
    }
    assert!(!test.is_empty());
    Some(HOST.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Copies a program to run the copy. In a process of its own: a file that we had open for writing would be held
/// open for a moment by every child that another test starts just then, and could not be run.
#[cfg(target_os = "linux")]
pub fn copy_program(from: &str, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success(), "cannot copy {from} to {}", to.display());
}

/// Compiles a program in C, or with `-shared` a library.
#[cfg(target_os = "linux")]
pub fn compile(source: &str, options: &[&str], to: &Path) {
    let file = to.with_extension("c");
    std::fs::write(&file, source).expect("the source is written");
    let status = Command::new("cc").args(options).arg("-o").args([to, &file]).status().expect("cc runs");
    assert!(status.success(), "cannot compile {}", file.display());
}

/// A child that does not outlive the test.
pub struct Running(pub Child);

impl Running {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Starts `command` at the head of a group of its own: what it starts itself does not outlive the test either.
    #[cfg(target_os = "linux")]
    pub fn leader(command: &mut Command) -> Self {
        Self::start(std::os::unix::process::CommandExt::process_group(command, 0))
    }

    /// As [`Running::leader`], and waits until it is this program that runs, with its arguments.
    #[cfg(target_os = "linux")]
    pub fn program(command: &mut Command, exe: impl AsRef<Path>) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let running = Self::leader(command);
        let real = exe.as_ref().canonicalize().unwrap_or_else(|_| exe.as_ref().to_owned());
        let [link, arguments] = ["exe", "cmdline"].map(|name| format!("/proc/{}/{name}", running.pid()));
        wait_for("the program to run", || {
            // The kernel names the new program a moment before it shows its arguments.
            std::fs::read_link(&link)
                .is_ok_and(|link| link.as_os_str().as_bytes().starts_with(real.as_os_str().as_bytes()))
                && std::fs::read(&arguments).is_ok_and(|arguments| !arguments.is_empty())
        });
        running
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of one that leads no group there is none of its number; that of one that is buried belongs to who is left of its group.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::KILL,
        );
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `ready` says so, at most a minute.
pub fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_mins(1), "waited a minute in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the first thread of a process has ended, and is not buried.
#[cfg(target_os = "linux")]
pub fn wait_for_zombie(pid: u32) {
    let stat = format!("/proc/{pid}/stat");
    wait_for("its end", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")));
}

/// True if a test that needs root, or a program that is not there, must be left out; under CI nothing is.
pub fn left_out(what: &str, is_there: bool) -> bool {
    if is_there {
        return false;
    }
    assert!(std::env::var_os("CI").is_none(), "CI must have {what}");
    eprintln!("LEFT OUT: this test needs {what}");
    true
}

/// True if the tests run as root, or as an administrator of Windows.
pub fn is_root() -> bool {
    host_watchdog::system::is_administrator()
}
