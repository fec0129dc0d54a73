//! What the benches share: helpers in C, processor time of a program and of a piece of work, and medians.
//!
//! Only ratios of things measured side by side are shown: seconds say more about the machine than about us.

#![allow(dead_code, reason = "not every bench uses all of it")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot measure has nothing better to do than to stop")]

use host_watchdog::finding::Finding;
use host_watchdog::host::Host;
use host_watchdog::learn;
use host_watchdog::pass::{self, At, Memories, Watching};
use host_watchdog::policy::Policy;
use host_watchdog::processes::Processes;
use host_watchdog::processes::events::Starts;
use host_watchdog::snapshot::Snapshot;
use jiff::{SignedDuration, Timestamp};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Where a program is that not every host has; it says so if this one has not.
pub fn installed(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let found = folders.iter().map(|folder| PathBuf::from(folder).join(program)).find(|path| path.exists());
    if found.is_none() {
        println!("{program} is not installed: left out");
    }
    found
}

/// Compiles `benches/NAME.c`.
pub fn helper(name: &str) -> PathBuf {
    let source = format!("{}/benches/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let program =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}-{}", std::process::id()));
    let done =
        command("cc").args(["-O2", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status().unwrap();
    assert!(done.success(), "cc could not compile {name}.c");
    program
}

/// A helper that runs until this is dropped.
pub struct Running {
    child: Child,
    /// The helper itself, which may have left the process that was started.
    pid: u32,
    program: PathBuf,
}

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
        let pid = line.strip_prefix("ready ").and_then(|pid| pid.trim().parse().ok());
        let pid = pid
            .unwrap_or_else(|| panic!("{helper} could not start {count}; raise `ulimit -u` and `ulimit -n`"));
        Self { child, pid, program }
    }

    /// What it has started.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.pid;
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// Where it listens.
    pub fn ports(&self) -> Vec<u16> {
        let listed = command("ss").args(["-Hlntp"]).output().unwrap().stdout;
        let holder = format!("pid={},", self.pid);
        let port = |line: &str| line.split_whitespace().nth(3)?.rsplit(':').next()?.parse().ok();
        let listed = String::from_utf8_lossy(&listed);
        listed.lines().filter(|line| line.contains(&holder)).filter_map(port).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its standard input ends, and so does it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        while Path::new(&format!("/proc/{}/exe", self.pid)).exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = std::fs::remove_file(&self.program);
    }
}

/// A program that is ended when this is dropped.
pub struct Daemon(pub Child);

impl Daemon {
    /// Starts it; what it says is nobody's business.
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A policy in `folder` that allows what is there now, by the program itself.
pub fn learn_into(folder: &Path) {
    let policy = folder.join("policy.toml");
    let learned = command(env!("CARGO_BIN_EXE_watchdog"))
        .args(["snapshot", "--force", "--state-dir"])
        .arg(folder)
        .arg("-o")
        .arg(policy)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(learned.success());
}

/// What its unit tells the service's allocator.
fn memory_settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let unit = include_str!("../../packaging/systemd/host-watchdog.service");
    let settings = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let settings = settings.flat_map(|line| line.split(' ')).filter_map(|setting| setting.split_once('='));
    settings.filter(|(name, _)| name.starts_with("MALLOC_"))
}

/// The service, with the policy, the settings and all it writes in `folder`, as its unit starts it.
pub fn service(folder: &Path) -> Daemon {
    let mut service = command(env!("CARGO_BIN_EXE_watchdog"));
    service.envs(memory_settings());
    let settings = folder.join("watchdog.toml");
    if settings.exists() {
        service.arg("--config").arg(settings);
    }
    Daemon::start(service.arg("run").arg("--state-dir").arg(folder))
}

/// Waits until the service has looked at processes so often.
pub fn wait_for_looks(service: &mut Daemon, folder: &Path, wanted: usize) {
    let (begun, mut looks) = (Instant::now(), BTreeSet::new());
    while looks.len() < wanted {
        assert!(begun.elapsed() < Duration::from_mins(5), "the service does not look");
        assert!(service.0.try_wait().unwrap().is_none(), "the service has ended");
        std::thread::sleep(Duration::from_millis(200));
        let status = command(env!("CARGO_BIN_EXE_watchdog"))
            .args(["status", "--json", "--state-dir"])
            .arg(folder)
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let Ok(status) = serde_json::from_slice::<serde_json::Value>(&status.stdout) else { continue };
        if let Some(looked) = status.pointer("/watches/process/looked").and_then(|looked| looked.as_str()) {
            looks.insert(looked.to_owned());
        }
    }
}

/// The processor time a program takes from its start to its end, with nobody to read what it says. It must have one
/// thread.
pub fn of_program(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Duration {
    of_program_to(program, args, Stdio::null())
}

/// As [`of_program`], for one that says little and would work less if nobody read it, like grep.
pub fn of_program_read(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Duration {
    of_program_to(program, args, Stdio::piped())
}

fn of_program_to(program: impl AsRef<std::ffi::OsStr>, args: &[&str], stdout: Stdio) -> Duration {
    let name = program.as_ref().to_owned();
    let mut child = command(program).args(args).stdin(Stdio::null()).stdout(stdout).spawn().unwrap();
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
    (Duration::try_from(after - before).unwrap(), made)
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

/// One watch, from pass to pass, a minute apart as in the service.
pub struct Passes {
    watches: Vec<Box<dyn Watching>>,
    processes: Processes,
    memory: Memories,
    moment: Timestamp,
}

impl Passes {
    /// The watch of that name, as it is right after a start.
    pub fn of(name: &str) -> Self {
        let watches: Vec<_> = pass::watches().into_iter().filter(|watch| watch.name() == name).collect();
        assert_eq!(watches.len(), 1, "there is no watch {name}");
        let moment = Host::this().now();
        Self { watches, processes: Processes::default(), memory: Memories::default(), moment }
    }

    /// Has the kernel tell what changes from now on, and looks at all once more; false if it does not.
    pub fn listen(&mut self, policy: &Policy) -> bool {
        self.processes.listen(&Arc::new(self.host()), || {}).unwrap();
        let is_told = loop {
            match self.processes.starts().unwrap().in_all() {
                Starts::Untold(why) if why.contains("only just") => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                starts => break matches!(starts, Starts::Told(_)),
            }
        };
        self.next();
        self.look(policy);
        is_told
    }

    /// How many processes the last look read anew.
    pub fn renewed(&self) -> u64 {
        self.processes.now(&self.host()).unwrap().renewed
    }

    /// Lets a minute pass.
    pub fn next(&mut self) {
        self.moment += SignedDuration::from_mins(1);
    }

    /// Reads the processes, as another watch of the same pass does.
    pub fn read_processes(&self) {
        self.processes.now(&self.host()).unwrap();
    }

    /// Looks and compares.
    pub fn look(&mut self, policy: &Policy) -> Vec<Finding> {
        let snapshot = self.snapshot(policy);
        self.check(&snapshot, policy)
    }

    /// Compares.
    pub fn check(&mut self, snapshot: &Snapshot, policy: &Policy) -> Vec<Finding> {
        pass::check_all(&self.watches, snapshot, policy, &mut self.memory)
    }

    /// Looks.
    pub fn snapshot(&mut self, policy: &Policy) -> Snapshot {
        let host = self.host();
        let at = At { host: &host, processes: &self.processes, now: self.moment };
        pass::look_all(&mut self.watches, &at, policy, &mut self.memory)
    }

    fn host(&self) -> Host {
        Host::this().at_moment(self.moment)
    }
}

/// A policy that allows what the watch of that name sees now.
pub fn learned(name: &str) -> Policy {
    let mut passes = Passes::of(name);
    let snapshot = passes.snapshot(&Policy::default());
    let learned = learn::policy(&passes.watches, &snapshot, &learn::How::default()).unwrap();
    Policy::from_text("learned", &learned).unwrap()
}
