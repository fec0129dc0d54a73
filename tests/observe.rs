//! Observing, as it is run: what is new becomes a rule and a line in a mail, what is odd alarms as ever, and when the
//! time is over everything else is a finding.

// In a world of its own, as only Linux has them; on a Windows: tests/windows/life.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{Running, copy_program, wait_for, watchdog, world};
use tempfile::TempDir;

/// A host without packages, with a place for programs where only root may write, and the watchdog's files.
struct Site(TempDir);

impl Site {
    fn new(observe: &str) -> Self {
        for folder in ["/var/lib/dpkg", "/opt"] {
            let options = ["-t", "tmpfs", "-o", "mode=755", "tmpfs", folder];
            assert!(Command::new("mount").args(options).status().unwrap().success());
        }
        let site = Self(TempDir::new().unwrap());
        site.settings(&format!("observe = \"{observe}\"\n"));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn settings(&self, first: &str) {
        let text = format!(
            "{first}state-dir = \"{0}/state\"\n[mail]\nvia = \"folder\"\n[mail.folder]\npath = \"{0}/mails\"\n",
            self.0.path().display()
        );
        std::fs::write(self.path("watchdog.toml"), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        watchdog(&[args, &["--config", self.path("watchdog.toml").to_str().unwrap()]].concat())
    }

    /// What the program says when it is run with success.
    fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        said
    }

    /// One pass; the mails that came of it.
    fn pass(&self) -> Vec<Mail> {
        let before = self.mail_files();
        self.says(&["run", "--once"]);
        self.mail_files().difference(&before).map(|path| Mail::read(path)).collect()
    }

    /// Of one second, they have no order.
    fn mail_files(&self) -> BTreeSet<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path("mails")) else { return BTreeSet::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn mails(&self) -> Vec<Mail> {
        self.mail_files().iter().map(|path| Mail::read(path)).collect()
    }

    fn observed(&self) -> String {
        std::fs::read_to_string(self.path("state/observed.toml")).unwrap()
    }
}

struct Mail {
    subject: String,
    body: String,
}

impl Mail {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mail = mail_parser::MessageParser::default().parse(&bytes).unwrap();
        Self { subject: mail.subject().unwrap().to_owned(), body: mail.body_text(0).unwrap().into_owned() }
    }
}

fn sleeper(exe: &str) -> Running {
    if !Path::new(exe).exists() {
        copy_program("/bin/sleep", Path::new(exe));
    }
    Running::start(Command::new(exe).arg("600").stdin(Stdio::null()))
}

/// A program that listens on port 4444, from a place where only root may write; this test's own may be anywhere.
fn listener() -> Running {
    copy_program("/usr/bin/perl", Path::new("/opt/listener"));
    let script =
        "use IO::Socket; $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1:4444', Listen => 1); sleep 600";
    let running = Running::start(Command::new("/opt/listener").args(["-e", script]).stdin(Stdio::null()));
    wait_for("the socket", || std::net::TcpStream::connect("127.0.0.1:4444").is_ok());
    running
}

#[test]
fn what_is_new_is_learned_and_told_until_the_time_is_over() {
    if !world::is_entered("what_is_new_is_learned_and_told_until_the_time_is_over") {
        return;
    }
    let site = Site::new("1h");
    let first = site.pass();
    assert_eq!(first.len(), 1, "{:?}", first.iter().map(|mail| &mail.subject).collect::<Vec<_>>());
    assert!(first[0].subject.starts_with("web1: observing until "), "{}", first[0].subject);
    assert!(first[0].body.contains("LEARNED SO FAR (0)"), "{}", first[0].body);
    let policy = std::fs::read_to_string(site.path("policy.toml")).unwrap();
    assert!(policy.contains(&format!("include = [{:?}]", site.path("state/observed.toml"))), "{policy}");
    assert!(site.says(&["status"]).contains("observing  until "));

    // What is new is learned, a process and a socket; a second look finds nothing to learn any more.
    let app = sleeper("/opt/app");
    let socket = listener();
    assert_eq!(site.pass().len(), 0, "what is learned is told once a day");
    let observed = site.observed();
    for words in
        ["exe   = \"/opt/app\"\nusers = [\"root\"]\n", "port     = 4444\n", "by    = \"watchdog observe 20"]
    {
        assert!(observed.contains(words), "{words:?} is not in {observed}");
    }
    assert_eq!(observed.matches("[[").count(), 3, "{observed}");
    assert!(site.says(&["check"]).contains("nothing differs"));
    assert!(site.pass().is_empty());
    assert_eq!(site.observed(), observed);
    let status: serde_json::Value = serde_json::from_str(&site.says(&["status", "--json"])).unwrap();
    assert_eq!(status["observing"]["learned"], 3);

    // What comes from a place where anybody may write is reported all the same, and the mail says that it is observed.
    let evil = sleeper("/tmp/evil");
    let mails = site.pass();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject.contains("unknown process /tmp/evil"), "{}", mails[0].subject);
    let body = &mails[0].body;
    assert!(body.contains("not learned") && body.contains("a place where anybody may put a file"), "{body}");
    assert!(body.contains("\nobserving until "), "{body}");
    drop(evil);

    // A rule that a person takes out is not learned again.
    std::fs::write(site.path("state/observed.toml"), observed.replace("/opt/app", "/opt/other")).unwrap();
    let mails = site.pass();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject.contains("unknown process /opt/app"), "{}", mails[0].body);
    assert!(mails[0].body.contains("it was learned before"), "{}", mails[0].body);
    drop(app);

    // Without the setting it is over at once, and all that was learned is told.
    site.settings("");
    let late = sleeper("/opt/late");
    let mails = site.pass();
    assert_eq!(mails.len(), 2, "{:?}", mails.iter().map(|mail| &mail.subject).collect::<Vec<_>>());
    let over = mails.iter().find(|mail| mail.subject.contains("observing is over")).unwrap();
    assert!(over.subject.contains("4 rules learned"), "{}", over.subject);
    assert!(over.body.contains("It was ended before its time by the settings."), "{}", over.body);
    assert!(over.body.contains(" process /opt/app, as root\r\n"), "{}", over.body);
    assert!(over.body.contains("tcp port 4444 on loopback, opened by /opt/listener"), "{}", over.body);
    let found = mails.iter().find(|mail| mail.subject.contains("unknown process /opt/late")).unwrap();
    assert!(!found.body.contains("observing until"), "{}", found.body);
    assert!(!site.says(&["status"]).contains("observing "));

    // It never begins again.
    site.settings("observe = \"1h\"\n");
    let later = sleeper("/opt/later");
    assert!(site.pass()[0].subject.contains("unknown process /opt/later"));
    drop((socket, late, later));
}

#[test]
fn a_running_service_learns_without_a_gap_and_stops_learning_by_itself() {
    if !world::is_entered("a_running_service_learns_without_a_gap_and_stops_learning_by_itself") {
        return;
    }
    let site = Site::new("20s");
    // Before anybody looks: what copies them is a process too.
    for exe in ["/opt/one", "/opt/two", "/opt/three"] {
        copy_program("/bin/sleep", Path::new(exe));
    }
    // Every look is asked for by a reload, as the schedule's minute is too long to wait for.
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
    command.args(["run", "--config", site.path("watchdog.toml").to_str().unwrap()]);
    let service = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let pid = rustix::process::Pid::from_raw(service.pid().cast_signed()).unwrap();
    let reload = || rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    wait_for("the first mail", || site.mails().len() == 1);
    let apps = [sleeper("/opt/one"), sleeper("/opt/two")];
    wait_for("both to be learned", || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        reload();
        let observed = site.observed();
        observed.contains("/opt/one") && observed.contains("/opt/two")
    });
    let digest = |site: &Site| {
        let status: serde_json::Value = serde_json::from_str(&site.says(&["status", "--json"])).unwrap();
        status["policy-digest"].as_str().unwrap().to_owned()
    };
    let digest = digest(&site);
    wait_for("the last mail", || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        reload();
        site.mails().len() == 2
    });
    let mails = site.mails();
    let over = mails.iter().find(|mail| mail.subject.contains("observing is over")).unwrap();
    assert!(over.subject.contains("observing is over, 2 rules learned"), "{}", over.subject);
    assert!(over.body.contains(&format!("\npolicy {}", &digest[..12])), "{}", over.body);
    let three = sleeper("/opt/three");
    wait_for("the finding", || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        reload();
        site.mails().len() == 3
    });
    let mails = site.mails();
    let subjects: Vec<&String> = mails.iter().map(|mail| &mail.subject).collect();
    assert!(subjects.iter().any(|subject| subject.contains("unknown process /opt/three")), "{subjects:?}");
    assert!(!site.observed().contains("/opt/three"));
    drop((apps, three));
}

#[test]
fn what_cannot_be_learned_alarms_at_once() {
    if !world::is_entered("what_cannot_be_learned_alarms_at_once") {
        return;
    }
    // A policy that does not include what is learned.
    let site = Site::new("1h");
    site.says(&["snapshot", "-o", site.path("policy.toml").to_str().unwrap()]);
    let app = sleeper("/opt/app");
    let mails = site.pass();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].body.contains("unknown process /opt/app"), "{}", mails[0].body);
    assert!(mails[0].body.contains("the settings say observe, but the policy"), "{}", mails[0].body);
    assert!(!mails[0].body.contains("observing until"), "{}", mails[0].body);

    // It is learned as soon as the policy does include it.
    let policy = std::fs::read_to_string(site.path("policy.toml")).unwrap();
    let included = policy.replace("schema = 1\n", "schema = 1\ninclude = [\"state/observed.toml\"]\n");
    std::fs::write(site.path("policy.toml"), included).unwrap();
    assert!(site.pass()[0].subject.contains("observing until"));
    let before = site.observed();
    assert!(before.contains("/opt/app"), "{before}");

    // A file that cannot be replaced.
    let file = site.path("state/observed.toml");
    assert!(Command::new("mount").arg("--bind").args([&file, &file]).status().unwrap().success());
    let two = sleeper("/opt/two");
    let mails = site.pass();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].subject.contains("unknown process /opt/two"), "{}", mails[0].subject);
    assert!(mails[0].body.contains("observed.toml: cannot be written: "), "{}", mails[0].body);
    assert_eq!(site.observed(), before);
    drop((app, two));
}

#[test]
fn a_host_that_was_watched_before_is_not_observed() {
    if !world::is_entered("a_host_that_was_watched_before_is_not_observed") {
        return;
    }
    let site = Site::new("none");
    assert_eq!(site.pass().len(), 0);
    site.settings("observe = \"7d\"\n");
    let output = site.run(&["run", "--once"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("does nothing: it begins with the first start"), "{said}");
    let app = sleeper("/opt/app");
    let mails = site.pass();
    assert!(mails[0].subject.contains("unknown process /opt/app"), "{}", mails[0].body);
    drop(app);
}

#[test]
fn a_policy_with_what_is_ready_made_holds_on_this_very_host() {
    if !world::is_entered("a_policy_with_what_is_ready_made_holds_on_this_very_host") {
        return;
    }
    if support::left_out("dpkg", Path::new("/usr/bin/dpkg-deb").exists()) {
        return;
    }
    let site = Site(TempDir::new().unwrap());
    site.settings("observe = \"7d\"\n");
    let policy = site.path("policy.toml");
    // Something of a Debian base, as its package brought it, that waits for its input; and something else.
    let mut command = Command::new("/usr/bin/dpkg-deb");
    command.args(["--contents", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let running = [Running::start(&mut command), sleeper("/tmp/own")];
    assert!(site.says(&["snapshot"]).contains("/usr/bin/dpkg-deb"));
    site.says(&["snapshot", "--ready-made", "-o", policy.to_str().unwrap()]);
    let text = std::fs::read_to_string(&policy).unwrap();
    let include = text.lines().find(|line| line.starts_with("include = ")).unwrap();
    assert!(include.contains("\"debian-base\""), "{include}");
    assert!(include.ends_with(&format!(", {:?}]", site.path("state/observed.toml"))), "{include}");
    assert!(text.contains("exe    = \"/tmp/own\"") && !text.contains("/usr/bin/dpkg-deb"), "{text}");
    assert!(site.says(&["check"]).contains("nothing differs"));
    assert!(site.says(&["validate"]).contains("a valid policy"));
    drop(running);
}

#[test]
fn a_pipe_in_place_of_a_policy_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("policy.toml");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for args in [&["validate"][..], &["check", "--policy"]] {
        let output = watchdog(&[args, &[pipe.to_str().unwrap()]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("policy.toml: it is a pipe, a socket or a device, not a file"), "{said}");
    }
}
