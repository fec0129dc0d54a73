//! What the benches share: helpers in C, processor time of a program and of a piece of work, and medians.
//!
//! Only ratios of things measured side by side are shown: seconds say more about the machine than about us.

#![allow(dead_code, reason = "not every bench uses all of it")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot measure has nothing better to do than to stop")]

use host_watchdog::pass::{self, Watching};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// True if run by `cargo bench`; `cargo test --all-targets` runs benches too, and must not take minutes over it.
pub fn wanted() -> bool {
    let wanted = std::env::args().any(|arg| arg == "--bench");
    if !wanted {
        println!("measures only under `cargo bench`");
    }
    wanted
}

/// Starts a program.
#[expect(clippy::disallowed_methods, reason = "a bench measures other programs")]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

/// Compiles `benches/NAME.c`.
pub fn helper(name: &str) -> PathBuf {
    let source = format!("{}/benches/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}-{}", std::process::id()));
    let done = command("cc").args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status().unwrap();
    assert!(done.success(), "cc could not compile {name}.c");
    program
}

/// A helper that runs until this is dropped.
pub struct Running(Child, PathBuf);

impl Running {
    /// Starts it and waits until it says that it is ready.
    pub fn start(helper: &str, count: usize) -> Self {
        let program = self::helper(helper);
        let mut child = command(&program)
            .arg(count.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{helper} could not start {count}; raise `ulimit -u` and `ulimit -n`");
        Self(child, program)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_file(&self.1);
    }
}

/// The processor time a program takes from its start to its end. It must have one thread.
pub fn of_program(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Duration {
    let name = program.as_ref().to_owned();
    let mut child = command(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    // It is dead and not yet buried: the kernel still has its figures, in nanoseconds.
    let pid = rustix::process::Pid::from_child(&child);
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let figures = std::fs::read_to_string(format!("/proc/{}/schedstat", child.id())).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{} ended with {status}", name.display());
    Duration::from_nanos(figures.split(' ').next().unwrap().parse().unwrap())
}

/// The processor time that `work` takes in this process, and what it makes.
pub fn of_work<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = clock_gettime(ClockId::ProcessCPUTime);
    let made = work();
    let after = clock_gettime(ClockId::ProcessCPUTime);
    ((Duration::try_from(after).unwrap() - Duration::try_from(before).unwrap()), made)
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `a` in parts of `b`.
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

/// The watch of that name, as it is right after a start.
pub fn watch(name: &str) -> Box<dyn Watching> {
    pass::watches().into_iter().find(|watch| watch.name() == name).unwrap()
}
