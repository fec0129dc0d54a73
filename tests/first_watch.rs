//! The whole main job, with real parts: from a bare host to a mail in root's mailbox, for each of the five alarms.

// With the servers and mailboxes of Linux; on a Windows: both_systems.rs, and tests/windows/life with the installed service.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "support/mail_server.rs"]
mod mail_server;
mod support;

use mail_parser::Message;
use mail_server::MailServer;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Running, copy_program, wait_for, watchdog, world};
use tempfile::TempDir;

/// A host with a mail server, sshd and nginx, and the watchdog's files on it.
struct Server {
    folder: TempDir,
    mail: MailServer,
    _running: Vec<Running>,
    told: usize,
}

impl Server {
    fn start() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mail = MailServer::start_at(25)?;
        write_syslog_to("/var/log/auth.log");
        let running = vec![start_sshd(folder.path()), start_nginx(folder.path())];
        let settings = format!("state-dir = \"{}\"\n", folder.path().join("state").display());
        std::fs::write(folder.path().join("watchdog.toml"), settings).unwrap();
        Some(Self { folder, mail, _running: running, told: 0 })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn watchdog(&self, args: &[&str]) -> String {
        let config = self.path("watchdog.toml");
        let output = watchdog(&[args, &["--config", config.to_str().unwrap()]].concat());
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        said
    }

    /// One pass; the mails that came of it.
    fn pass(&mut self) -> Vec<Message<'static>> {
        self.watchdog(&["run", "--once"]);
        // The program ends after the server's acceptance; the mailbox follows in a moment.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mails = self.mail.mailbox().split_off(self.told);
        self.told += mails.len();
        mails
    }

    /// One pass of which just one mail comes, with these words in its subject and body; the next brings none.
    fn arrives_once(&mut self, subject: &str, body: &[&str]) {
        self.watchdog(&["run", "--once"]);
        let mails = self.mail.wait_for(self.told + 1).split_off(self.told);
        self.told += 1;
        let [mail] = &mails[..] else { panic!("{} mails", mails.len()) };
        let text = mail.body_text(0).unwrap();
        let found = mail.subject().unwrap();
        assert!(
            found.starts_with("web1: ") && found.contains(subject),
            "{found:?} lacks {subject:?}\n{text}"
        );
        for words in body {
            assert!(text.contains(words), "lacks {words:?}:\n{text}");
        }
        assert_eq!(mail.to().unwrap().first().unwrap().address().unwrap(), "root@web1");
        let again = self.pass();
        assert!(
            again.is_empty(),
            "mailed again: {:?}",
            again.iter().map(Message::subject).collect::<Vec<_>>()
        );
    }

    fn change_policy(&self, from: &str, to: &str) {
        let path = self.path("policy.toml");
        let policy = std::fs::read_to_string(&path).unwrap();
        assert!(policy.contains(from), "no {from} in {policy}");
        std::fs::write(path, policy.replace(from, to)).unwrap();
    }

    /// An SSH session as root that stays for a while.
    fn ssh(&self, options: &[&str]) -> Running {
        let (before, asleep) = (accepted(), sleeping());
        let mut command = Command::new("/usr/bin/ssh");
        command.args(["-F", "none", "-i"]).arg(self.path("id")).args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ]);
        command.args(options).args(["root@127.0.0.1", "sleep 600"]);
        let running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()));
        wait_for("the login", || accepted() > before);
        wait_for("what was to run there", || sleeping() > asleep);
        running
    }

    fn request() {
        let mut stream = TcpStream::connect("127.0.0.1:80").unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
}

/// How many programs run that are called so.
fn sleeping() -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            let exe = std::fs::read_link(process.path().join("exe"));
            exe.is_ok_and(|exe| exe.ends_with("sleep"))
        })
        .count()
}

fn accepted() -> usize {
    std::fs::read_to_string("/var/log/auth.log").unwrap_or_default().matches("Accepted publickey").count()
}

/// A syslog daemon in its smallest form: what programs say to /dev/log, with the time, into a file.
fn write_syslog_to(path: &'static str) {
    let socket = UnixDatagram::bind("/dev/log").unwrap();
    std::fs::write(path, "").unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(length) = socket.recv(&mut buffer) {
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            // "<38>Nov 22 05:00:00 sshd[12]: Accepted …": the host's name is the daemon's to add.
            let line = said.split_once('>').map_or(said.as_str(), |(_, line)| line);
            let line = format!("{} web1 {}\n", &line[..15], line[16..].trim_end_matches(['\0', '\n']));
            std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
        }
    });
}

fn start_sshd(folder: &Path) -> Running {
    let key = |name: &str| {
        let path = folder.join(name);
        let status =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status();
        assert!(status.unwrap().success());
        path
    };
    let (host_key, user_key) = (key("host_key"), key("id"));
    let config = folder.join("sshd_config");
    let text = format!(
        "ListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}.pub\nStrictModes no\nUsePAM no\n\
         PermitRootLogin yes\nPasswordAuthentication yes\nAcceptEnv KEYHOLDER\nPidFile none\nUseDNS no\n",
        host_key.display(),
        user_key.display()
    );
    std::fs::write(&config, text).unwrap();
    let running = Running::start(Command::new("/usr/sbin/sshd").arg("-D").arg("-f").arg(config));
    wait_for("sshd", || TcpStream::connect("127.0.0.1:22").is_ok());
    running
}

fn start_nginx(folder: &Path) -> Running {
    let config = folder.join("nginx.conf");
    let text = "daemon off; worker_processes 1; pid /run/nginx.pid; events {}\n\
        http { access_log /var/log/nginx/access.log; server { listen 127.0.0.1:80; return 200; } }\n";
    std::fs::write(&config, text).unwrap();
    let running = Running::start(Command::new("/usr/sbin/nginx").arg("-c").arg(config).stderr(Stdio::null()));
    wait_for("nginx", || TcpStream::connect("127.0.0.1:80").is_ok());
    running
}

/// Hours of every day that are not these: the present one, the one before and the one after.
fn other_hours() -> String {
    let hour = i32::from(jiff::Zoned::now().hour());
    let (from, until) = ((hour + 2).rem_euclid(24), (hour - 1).rem_euclid(24));
    format!("[\"Mon-Sun {from:02}:00-{until:02}:00\"]")
}

#[test]
fn each_alarm_arrives_as_one_mail_in_roots_mailbox() {
    if !world::is_entered("each_alarm_arrives_as_one_mail_in_roots_mailbox") {
        return;
    }
    let Some(mut server) = Server::start() else { return };
    let holder = server.ssh(&["-o", "SetEnv=KEYHOLDER=alice"]);
    Server::request();

    // A policy is learned from the running host; it is valid, and right after it nothing differs.
    server.watchdog(&["snapshot", "-o", server.path("policy.toml").to_str().unwrap()]);
    server.watchdog(&["validate"]);
    let said = server.watchdog(&["check"]);
    assert!(said.contains("nothing differs"), "{said}");
    assert!(server.watchdog(&["mail", "test"]).contains("250 2.0.0"));
    server.told = server.mail.wait_for(1).len();
    assert_eq!(server.pass().len(), 0);

    // An unknown process.
    let exe = server.path("evil");
    copy_program("/bin/sleep", &exe);
    let evil = Running::start(Command::new(&exe).arg("600"));
    let pid = evil.pid().to_string();
    server.arrives_once("unknown process", &[&pid, "[[process]]", &format!("exe    = {exe:?}")]);

    // A new port.
    let listener = TcpListener::bind("0.0.0.0:4444").unwrap();
    server.arrives_once("4444", &["new-listener", "[[listener]]", "port     = 4444"]);
    drop(listener);

    // A login outside the hours.
    server.change_policy("[\"Mon-Sun 00:00-24:00\"]", &other_hours());
    let off_hours = server.ssh(&["-o", "SetEnv=KEYHOLDER=alice"]);
    server.arrives_once("root", &["off-hours-login", "127.0.0.1", "publickey"]);
    server.change_policy(&other_hours(), "[\"Mon-Sun 00:00-24:00\"]");

    // A session without a KEYHOLDER.
    let nobody = server.ssh(&[]);
    server.arrives_once("KEYHOLDER", &["missing-keyholder", "127.0.0.1", "root"]);

    // A wrong password.
    server.change_policy("failures    = 20", "failures    = 0");
    let askpass = server.path("askpass");
    std::fs::write(&askpass, "#!/bin/sh\necho wrong\n").unwrap();
    std::fs::set_permissions(&askpass, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new("/usr/bin/ssh")
        .args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
        .args(["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "root@127.0.0.1", "true"])
        .env("SSH_ASKPASS", askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    wait_for("the failure in the log", || {
        std::fs::read_to_string("/var/log/auth.log")
            .unwrap()
            .contains("Failed password for root from 127.0.0.1")
    });
    server.arrives_once("failed", &["failed-logins", "127.0.0.1", "root"]);

    // A burst of requests.
    for _ in 0..700 {
        Server::request();
    }
    server.arrives_once("requests", &["request-limit", "/var/log/nginx/access.log", "127.0.0.1"]);
    drop((holder, evil, off_hours, nobody));
}
