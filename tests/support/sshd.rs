//! A real OpenSSH server for tests, with accounts and a system log of its own. Only inside a world of its own
//! (see `world.rs`): it puts accounts over `/etc/passwd`, and a `/dev` with a `/dev/log`.

#![allow(dead_code, reason = "each test crate uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "tests start real programs")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The password of alice and root: `right horse`.
const HASH: &str =
    "$6$watchdogtest$RfGYwSqdPTNH5BMzyoKcZ602mvUx1CEBHsSYjL1nGBGiT1qRtizQp9tk0zdmJLJODPIuVgNn6inQgXK4bOgBQ1";
const PORT: u16 = 2222;

/// Where the system log goes.
pub const LOG: &str = "/var/log/auth.log";

/// A running server with the account alice; it ends when this is dropped.
pub struct Sshd {
    folder: tempfile::TempDir,
    server: Child,
    journal: Option<Child>,
    /// False: messages to the system log are taken and thrown away.
    pub logging: Arc<AtomicBool>,
}

/// What takes the messages to the system log.
#[derive(PartialEq, Eq)]
enum Logger {
    /// We, and write them to [`LOG`].
    File,
    /// A real journal.
    Journal,
}

impl Sshd {
    /// Starts it, with a log file.
    pub fn start() -> Self {
        Self::start_with(&Logger::File)
    }

    /// Starts it, with a journal and no log file.
    pub fn start_with_journal() -> Self {
        Self::start_with(&Logger::Journal)
    }

    fn start_with(logger: &Logger) -> Self {
        let folder = tempfile::Builder::new().prefix("sshd").tempdir_in("/run").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        prepare(folder.path());
        let logging = Arc::new(AtomicBool::new(true));
        let journal = (*logger == Logger::Journal).then(start_journal);
        if journal.is_none() {
            fs::write(LOG, "").unwrap();
            receive(&logging);
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "key", "other"] {
            must(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", &at(key)]);
        }
        let keys = [fs::read(at("key.pub")).unwrap(), fs::read(at("other.pub")).unwrap()].concat();
        fs::write(at("authorized"), keys).unwrap();
        let config = format!(
            "Port {PORT}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\n\
             StrictModes no\nUsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nAcceptEnv KEYHOLDER\nSubsystem sftp internal-sftp\nPrintMotd no\n",
            at("host"),
            at("authorized")
        );
        fs::write(at("config"), config).unwrap();
        let server = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f", &at("config")])
            .stdin(Stdio::null())
            .spawn()
            .expect("sshd starts");
        soon("sshd listens", || TcpStream::connect(("127.0.0.1", PORT)).is_ok());
        Self { folder, server, journal, logging }
    }

    /// The fingerprint of the client's key `key` or `other`.
    pub fn fingerprint(&self, key: &str) -> String {
        let output = Command::new("ssh-keygen").args(["-l", "-f"]).arg(self.folder.path().join(key)).output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }

    /// A client, with options and a command of the caller's to follow.
    pub fn client(&self, program: &str, key: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .args([
                "-F",
                "none",
                "-q",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args(["-o", "IdentitiesOnly=yes", "-i"])
            .arg(self.folder.path().join(key))
            .args(["-o", &format!("Port={PORT}")]);
        command
    }

    /// A session of `account` that lasts until it is dropped; `options` come before the host.
    pub fn session(&self, account: &str, key: &str, keyholder: Option<&str>, options: &[&str]) -> Session {
        let mut command = self.client("ssh", key);
        command.arg("-oSendEnv=KEYHOLDER").envs(keyholder.map(|keyholder| ("KEYHOLDER", keyholder)));
        // It says when it runs, and then waits for its input to end.
        command.args(options).arg(format!("{account}@127.0.0.1")).arg("echo ready; cat; exit 0");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client starts");
        let mut said = [0; 5];
        let begun = child.stdout.as_mut().unwrap().read_exact(&mut said);
        assert!(begun.is_ok(), "no session: {}", fs::read_to_string(LOG).unwrap_or_default());
        assert_eq!(&said, b"ready");
        Session(child)
    }

    /// A file transfer that lasts until it is dropped.
    pub fn transfer(&self, account: &str) -> Session {
        let mut command = self.client("sftp", "key");
        command.arg(format!("{account}@127.0.0.1"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"pwd\n").unwrap();
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(b"working directory") {
            child.stdout.as_mut().unwrap().read_exact(&mut byte).expect("the transfer begins");
            said.push(byte[0]);
        }
        Session(child)
    }

    /// Tries to log in with a password; true if that succeeded.
    pub fn password(&self, account: &str, password: &str) -> bool {
        let helper = self.folder.path().join("askpass");
        fs::write(&helper, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = self.client("ssh", "key");
        let status = command
            .env("SSH_ASKPASS", helper)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .args(["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "-l", account])
            .args(["127.0.0.1", "true"])
            .stdin(Stdio::null())
            .status();
        status.unwrap().success()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        if let Some(journal) = &mut self.journal {
            let _ = journal.kill();
            let _ = journal.wait();
        }
    }
}

/// A client that is connected.
pub struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        // The end of its input ends what runs at the other side too.
        drop(self.0.stdin.take());
        let ended = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            matches!(self.0.try_wait(), Ok(Some(_)))
        });
        if !ended {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// Accounts, record files, and a `/dev` in which a `/dev/log` can be made without touching that of the machine.
fn prepare(folder: &Path) {
    let home = folder.join("home");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(4711), Some(4711)).unwrap();
    put_over("/etc/passwd", folder, |text| {
        // The start files of the machine's own root are not what is tested.
        let others = text.lines().filter(|line| !line.starts_with("root:")).map(|line| format!("{line}\n"));
        let ours =
            ["root:x:0:0", "alice:x:4711:4711"].map(|own| format!("{own}::{}:/bin/sh\n", home.display()));
        ours.into_iter().chain(others).collect()
    });
    put_over("/etc/group", folder, |text| format!("{text}alice:x:4711:\n"));
    put_over("/etc/shadow", folder, |text| {
        let others = text.lines().filter(|line| !line.starts_with("root:")).map(|line| format!("{line}\n"));
        let ours = ["root", "alice"].map(|name| format!("{name}:{HASH}:20000:0:99999:7:::\n"));
        ours.into_iter().chain(others).collect()
    });
    for file in ["/var/log/wtmp", "/var/log/btmp", "/run/utmp"] {
        fs::write(file, "").unwrap();
    }
    let dev = folder.join("dev");
    fs::create_dir(&dev).unwrap();
    let at = |name: &str| dev.join(name).display().to_string();
    must(&["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", &dev.display().to_string()]);
    for device in ["null", "zero", "full", "random", "urandom", "tty"] {
        fs::write(at(device), "").unwrap();
        must(&["mount", "--bind", &format!("/dev/{device}"), &at(device)]);
    }
    for directory in ["pts", "shm"] {
        fs::create_dir(at(directory)).unwrap();
    }
    must(&["mount", "-t", "devpts", "-o", "newinstance,ptmxmode=666,mode=620,gid=5", "devpts", &at("pts")]);
    std::os::unix::fs::symlink("pts/ptmx", at("ptmx")).unwrap();
    must(&["mount", "--move", &dev.display().to_string(), "/dev"]);
}

fn put_over(path: &str, folder: &Path, change: impl Fn(&str) -> String) {
    let copy: PathBuf = folder.join(Path::new(path).file_name().unwrap());
    fs::write(&copy, change(&fs::read_to_string(path).unwrap())).unwrap();
    fs::set_permissions(&copy, fs::metadata(path).unwrap().permissions()).unwrap();
    must(&["mount", "--bind", &copy.display().to_string(), path]);
}

fn start_journal() -> Child {
    fs::create_dir_all("/run/systemd/journal").unwrap();
    fs::create_dir_all("/run/log/journal").unwrap();
    let journal = Command::new("/lib/systemd/systemd-journald").stdin(Stdio::null()).spawn();
    std::os::unix::fs::symlink("/run/systemd/journal/dev-log", "/dev/log").unwrap();
    soon("the journal listens", || Path::new("/dev/log").exists());
    journal.unwrap()
}

/// Begins a new file of the journal and removes the ones before.
pub fn forget_journal(sshd: &Sshd) {
    let files = || {
        fs::read_dir("/run/log/journal")
            .unwrap()
            .flatten()
            .flat_map(|m| fs::read_dir(m.path()).unwrap().flatten())
    };
    must(&["kill", "-USR2", &sshd.journal.as_ref().unwrap().id().to_string()]);
    soon("the journal has rotated", || files().count() > 1);
    for file in files().filter(|file| file.file_name() != "system.journal") {
        fs::remove_file(file.path()).unwrap();
    }
}

/// Writes what comes to `/dev/log` as a logging service does: with the host's name, control characters escaped.
fn receive(logging: &Arc<AtomicBool>) {
    let socket = UnixDatagram::bind("/dev/log").unwrap();
    fs::set_permissions("/dev/log", fs::Permissions::from_mode(0o666)).unwrap();
    let logging = Arc::clone(logging);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = socket.recv(&mut buffer) {
            // `<38>Nov 22 04:29:54 sshd[123]: …`
            let Some(start) = buffer[..length].iter().position(|b| *b == b'>').map(|at| at + 1) else {
                continue;
            };
            let message = &buffer[start..length];
            if !logging.load(Ordering::SeqCst) || message.len() < 16 {
                continue;
            }
            let mut line = [&message[..15], b" web1"].concat();
            for byte in message[15..].iter().filter(|b| **b != 0) {
                match byte {
                    0..0x20 | 0x7f => line.extend(format!("#{byte:03o}").bytes()),
                    _ => line.push(*byte),
                }
            }
            line.push(b'\n');
            let mut file = fs::OpenOptions::new().create(true).append(true).open(LOG).unwrap();
            file.write_all(&line).unwrap();
        }
    });
}

fn must(command: &[&str]) {
    let output = Command::new(command[0]).args(&command[1..]).output().expect("the command is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Waits until something holds, at most half a minute.
pub fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
