//! A real mail server for tests: `OpenSMTPD`, started on loopback, that delivers everyone's mail to one mailbox.
//!
//! It runs in a mount namespace of its own, so it neither finds nor leaves anything of the host's mail system, and
//! any number of them run side by side. Use it with `#[path = "support/mail_server.rs"] mod mail_server;`.

#![allow(dead_code, reason = "each test program uses another part of it")]
#![allow(missing_docs, reason = "a test's helper")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "it starts programs and waits for them")]

use mail_parser::{Message, MessageParser};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The number of the user that owns the mailbox.
const NOBODY: u32 = 65534;

/// A port that nobody listens on, nor will: not one of those that the system gives to connections and to listeners
/// that do not care.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test programs that run side by side begin far from each other.
        let step = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 101;
        let port = u16::try_from(12_000 + step % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running server; it ends when this is dropped.
pub struct MailServer {
    /// Where it listens, on 127.0.0.1.
    pub smtp_port: u16,
    folder: tempfile::TempDir,
    child: Child,
}

impl MailServer {
    /// Starts a server. `None`, with the reason printed, where it cannot run; on CI that is a failure.
    pub fn start() -> Option<Self> {
        Self::start_at(free_port())
    }

    /// As [`MailServer::start`], on this port.
    pub fn start_at(smtp_port: u16) -> Option<Self> {
        if let Err(reason) = can_run() {
            assert!(std::env::var_os("CI").is_none(), "no mail server: {reason}");
            eprintln!("skipped: no mail server: {reason}");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("mail-server-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(at("home")).unwrap();
        chown(at("home"), Some(NOBODY), Some(NOBODY)).unwrap();
        fs::write(at("smtpd.conf"), configuration(folder.path(), smtp_port)).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        // The folders that the server has built in are fresh ones, which nobody else sees.
        let script =
            "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/spool && exec smtpd -d -v -f \"$0\"";
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script])
            .arg(at("smtpd.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self { smtp_port, folder, child };
        server.wait_until_it_answers();
        Some(server)
    }

    fn wait_until_it_answers(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.smtp_port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            let waited = started.elapsed() > Duration::from_secs(30);
            assert!(ended.is_none() && !waited, "the mail server does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything in the mailbox, in the order it came.
    pub fn mailbox(&self) -> Vec<Message<'static>> {
        self.raw_mailbox()
            .iter()
            .map(|raw| MessageParser::default().parse(raw).expect("a mail").into_owned())
            .collect()
    }

    /// Everything in the mailbox as it lies there.
    pub fn raw_mailbox(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = fs::read_dir(self.folder.path().join("home/Maildir/new")) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
            .collect();
        files.sort();
        files.into_iter().map(|(_, path)| fs::read(path).unwrap()).collect()
    }

    /// Waits until the mailbox holds `count` mails, and fails if it holds more or it takes too long.
    pub fn wait_for(&self, count: usize) -> Vec<Message<'static>> {
        let started = Instant::now();
        while self.raw_mailbox().len() < count {
            assert!(started.elapsed() < Duration::from_secs(30), "no mail came:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        // One that is too many would be under way now.
        std::thread::sleep(Duration::from_millis(300));
        let mails = self.mailbox();
        assert_eq!(mails.len(), count, "too many mails:\n{}", self.log());
        mails
    }

    /// A program that hands mail to this server as `/usr/sbin/sendmail` does to the host's.
    pub fn sendmail(&self) -> PathBuf {
        let path = self.folder.path().join("sendmail");
        let script = format!("#!/bin/sh\nexec nsenter -t {} -m /usr/sbin/sendmail \"$@\"\n", self.child.id());
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Runs a command line where the server's own folders are, as `/usr/sbin/sendmail` needs.
    pub fn beside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.child.id().to_string(), "-m"]);
        command
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn can_run() -> Result<(), &'static str> {
    if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) != 0) {
        return Err("not root");
    }
    for (program, reason) in
        [("/usr/sbin/smtpd", "opensmtpd is not installed"), ("/usr/bin/unshare", "unshare is not installed")]
    {
        if !Path::new(program).exists() {
            return Err(reason);
        }
    }
    let status = Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).status();
    if status.is_ok_and(|status| status.success()) { Ok(()) } else { Err("no mount namespace of our own") }
}

fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    // root can have no mailbox of its own on this server, so everyone's mail goes to one account without a user.
    format!(
        "table everyone {{ \"@\" = admin }}\n\
         table owners {{ admin = \"{NOBODY}:{NOBODY}:{folder}/home\" }}\n\
         listen on 127.0.0.1 port {port} hostname mail.test\n\
         action deliver maildir \"{folder}/home/Maildir\" virtual <everyone> userbase <owners>\n\
         match from any for domain \"refused.test\" reject\n\
         match from any for any action deliver\n"
    )
}
