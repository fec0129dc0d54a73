//! What the service manager hears of the service.

use super::{Service, State, evil};
use crate::support::{Running, wait_for, watchdog, world};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What systemd is to the service: a socket that is told things.
pub struct Manager {
    socket: UnixDatagram,
    name: String,
    heard: Vec<String>,
}

impl Manager {
    /// At a path, or with `@` in the abstract name space.
    pub fn at(name: &str) -> Self {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).unwrap(),
            None => SocketAddr::from_pathname(name).unwrap(),
        };
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self { socket, name: name.to_owned(), heard: Vec::new() }
    }

    /// Starts the program as a unit with `WatchdogSec=`.
    pub fn start(&self, state: &State, args: &[&str], watchdog_sec: f64) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        command.args(args).args(["--state-dir", state.path().to_str().unwrap()]);
        self.prepare(&mut command, watchdog_sec);
        Service(Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped())))
    }

    pub fn prepare(&self, command: &mut Command, watchdog_sec: f64) {
        command.env("NOTIFY_SOCKET", &self.name);
        command.env("WATCHDOG_USEC", format!("{:.0}", watchdog_sec * 1e6));
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
    }

    /// Waits until it says something that begins so, and returns all of it.
    pub fn hears(&mut self, beginning: &str) -> String {
        let mut found = None;
        wait_for(&format!("{beginning} among {:?}", self.heard), || {
            self.listen();
            found = self.heard.iter().position(|said| said.starts_with(beginning));
            found.is_some()
        });
        let after = self.heard.split_off(found.unwrap());
        self.heard = after[1..].to_vec();
        after[0].clone()
    }

    /// How often it showed itself alive within a time.
    pub fn signs_of_life(&mut self, within: Duration) -> usize {
        self.listen();
        self.heard.clear();
        let started = Instant::now();
        while started.elapsed() < within {
            self.listen();
        }
        self.heard.iter().filter(|said| *said == "WATCHDOG=1").count()
    }
}

#[test]
fn it_tells_systemd_that_it_is_ready_alive_reloading_and_stopping() {
    if !world::is_entered("life::it_tells_systemd_that_it_is_ready_alive_reloading_and_stopping") {
        return;
    }
    let state = State::new();
    state.once();
    let in_state = state.path().join("notify").display().to_string();
    for name in [in_state.as_str(), "@host-watchdog-test"] {
        let mut manager = Manager::at(name);
        let service = manager.start(&state, &["run"], 0.9);
        manager.hears("READY=1");
        let status = manager.hears("STATUS=");
        assert!(status.starts_with("STATUS=watching with policy "), "{status}");
        assert!(status.ends_with(" rules)"), "{status}");
        let signs = manager.signs_of_life(Duration::from_secs(2));
        assert!(signs >= 4, "only {signs} signs of life in two seconds, one is due every 0.3");
        service.signal("-HUP");
        manager.hears("RELOADING=1");
        manager.hears("READY=1");
        service.signal("-TERM");
        manager.hears("STOPPING=1");
        assert_eq!(service.ended().0, Some(0));
    }
}

/// Holds threads of a program, by their names, until this is dropped.
struct Held {
    _holder: Running,
}

impl Held {
    fn hold(pid: u32, names: &str) -> Self {
        const SCRIPT: &str = r#"
import ctypes, os, sys, time
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
pid, names = sys.argv[1], sys.argv[2].split(",")
for tid in os.listdir(f"/proc/{pid}/task"):
    if open(f"/proc/{pid}/task/{tid}/comm").read().strip() in names:
        assert ptrace(0x4206, int(tid), 0, 0) == 0, "SEIZE"
        assert ptrace(0x4207, int(tid), 0, 0) == 0, "INTERRUPT"
        print(tid, flush=True)
print("held", flush=True)
time.sleep(600)
"#;
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, &pid.to_string(), names]).stdout(Stdio::piped());
        let mut held = Running::start(&mut command);
        let mut out = std::io::BufReader::new(held.0.stdout.take().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(std::io::BufRead::read_line(&mut out, &mut line).unwrap() > 0, "python3 failed");
            if line == "held\n" {
                break;
            }
            lines.push(line);
        }
        assert_eq!(lines.len(), names.split(',').count(), "one thread for each of {names}");
        Self { _holder: held }
    }
}

#[test]
fn while_every_watch_hangs_it_shows_no_sign_of_life_and_while_one_answers_it_does() {
    let test = "life::while_every_watch_hangs_it_shows_no_sign_of_life_and_while_one_answers_it_does";
    if !world::is_entered(test) {
        return;
    }
    let state = State::new();
    state.once();
    let mut manager = Manager::at("@host-watchdog-hang");
    let service = manager.start(&state, &["run"], 1.0);
    wait_for("the first pass", || state.passes() > 1);
    let most = Held::hold(
        service.0.pid(),
        "process,listener,unix-listener,connection,network,deception,login,session,resource,request",
    );
    // All are asked at once, and one answers.
    service.signal("-HUP");
    // It does not look at once: whoever has told it to may end first.
    std::thread::sleep(Duration::from_secs(7));
    let signs = manager.signs_of_life(Duration::from_secs(2));
    assert!(signs >= 4, "one watch answers, and still there were only {signs} signs of life");
    let rest = Held::hold(service.0.pid(), "update");
    service.signal("-HUP");
    // It does not look at once: whoever has told it to may end first.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(manager.signs_of_life(Duration::from_secs(2)), 0);
    drop((most, rest));
    manager.hears("WATCHDOG=1");
    service.signal("-TERM");
    assert_eq!(service.ended().0, Some(0));
}

#[test]
fn the_mailer_tells_systemd_too() {
    if !world::is_entered("life::the_mailer_tells_systemd_too") {
        return;
    }
    let state = State::new();
    let mut manager = Manager::at("@host-watchdog-mail");
    let service = manager.start(&state, &["deliver", "--stay"], 0.9);
    manager.hears("READY=1");
    assert_eq!(manager.hears("STATUS="), "STATUS=no mail waits");
    let signs = manager.signs_of_life(Duration::from_secs(2));
    assert!(signs >= 4, "only {signs} signs of life");
    service.signal("-HUP");
    manager.hears("RELOADING=1");
    manager.hears("READY=1");
    service.signal("-TERM");
    manager.hears("STOPPING=1");
    assert_eq!(service.ended().0, Some(0));
    assert!(watchdog(&["status", "--state-dir", "/nonexistent"]).status.code() == Some(2));
}

#[test]
fn whoever_starts_it_or_has_it_reload_is_gone_before_it_looks() {
    if !world::is_entered("life::whoever_starts_it_or_has_it_reload_is_gone_before_it_looks") {
        return;
    }
    let state = State::new();
    state.once();
    let folder = tempfile::TempDir::new().unwrap();
    let mut manager = Manager::at("@host-watchdog-breath");
    // As `systemctl` does, which waits for this word and then ends.
    let starter = evil(folder.path());
    let service = manager.start(&state, &["run"], 60.0);
    manager.hears("READY=1");
    std::thread::sleep(Duration::from_millis(500));
    drop(starter);
    wait_for("the first look", || state.passes() > 1);
    let starter = evil(folder.path());
    let before = state.passes();
    service.signal("-HUP");
    manager.hears("READY=1");
    std::thread::sleep(Duration::from_millis(500));
    drop(starter);
    wait_for("the next look", || state.passes() > before);
    assert_eq!(state.mails(), [""; 0]);
    // One that stays is told of.
    let _stays = evil(folder.path());
    service.signal("-HUP");
    wait_for("its mail", || !state.mails().is_empty());
    service.signal("-TERM");
    assert_eq!(service.ended().0, Some(0));
}
