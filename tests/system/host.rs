//! A booted Debian as a test sees it: what is run in it, what lies in its mailboxes, when its watchdog looks.

use crate::support::left_out;
use host_watchdog::schedule;
use host_watchdog::store::{self, Reader, Status};
use jiff::Timestamp;
use mail_parser::mailbox::mbox::MessageIterator;
use mail_parser::{Message, MessageParser};
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The watchdog looks once a minute, some seconds after it, and what it has to say is mailed at once.
pub const PROMISED: Duration = Duration::from_secs(70);

/// A booted Debian; it ends when this is dropped.
pub struct Host {
    name: String,
    root: PathBuf,
    /// The second of the minute in which the watchdog looks, once it is installed.
    looks_at: Cell<Option<i64>>,
    /// How many mails there were when they were last counted, by mailbox.
    seen: RefCell<std::collections::HashMap<String, usize>>,
}

fn bed(suite: &str) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/system/bed"));
    command.env("BED_SUITE", suite).stdin(Stdio::null());
    command
}

/// What was said, for a failure.
fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    out + &String::from_utf8_lossy(&output.stderr)
}

/// The package, newest of all that were built.
pub fn package() -> Option<PathBuf> {
    let entries = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian")).ok()?;
    let debs = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_str()?;
        let is_ours = name.starts_with("host-watchdog_") && name.ends_with("_amd64.deb");
        is_ours.then(|| path.metadata().ok()?.modified().ok()).flatten().map(|built| (built, path))
    });
    debs.max().map(|(_, path)| path)
}

fn has(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].iter().any(|folder| Path::new(folder).join(program).exists())
}

/// False, with the reason said, where no Debian can be booted or there is no package; on CI that is a failure.
pub fn can_boot() -> bool {
    !left_out("root", crate::support::is_root())
        && !left_out("mmdebstrap and systemd-nspawn", has("mmdebstrap") && has("systemd-nspawn"))
        && !left_out("the package, which scripts/test-booted builds", package().is_some())
}

impl Host {
    /// A Debian 12. `None`, with the reason said, where there can be none; on CI that is a failure.
    pub fn boot(name: &str) -> Option<Self> {
        Self::boot_suite("bookworm", name)
    }

    /// A Debian of this suite.
    pub fn boot_suite(suite: &str, name: &str) -> Option<Self> {
        if !can_boot() {
            return None;
        }
        // Two runs of the tests at once do not share beds.
        let name = format!("{name}-{}", std::process::id());
        let me = std::process::id().to_string();
        let output = bed(suite).args(["boot", &name, "--while", &me]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let output = bed(suite).args(["root", &name]).output().unwrap();
        let root = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        Some(Self { name, root, looks_at: Cell::new(None), seen: RefCell::default() })
    }

    /// Installs the package with apt, which answers the package's question with `observe`; what apt said.
    pub fn install(&self, observe: &str) -> String {
        self.push(&package().unwrap(), "/root/host-watchdog.deb");
        let said = self.run(&format!(
            "echo 'host-watchdog host-watchdog/observe select {observe}' | debconf-set-selections
             DEBIAN_FRONTEND=noninteractive apt-get -q -y install /root/host-watchdog.deb 2>&1"
        ));
        let machine_id = std::fs::read_to_string(self.path("/etc/machine-id")).unwrap();
        self.looks_at.set(Some(schedule::offset(machine_id.trim()).as_secs()));
        said
    }

    /// Runs a script of the shell as root, in a unit of its own; fails if it fails. What it printed.
    ///
    /// Once the watchdog is installed it waits for a moment in which it does not look: the script is something that
    /// no policy allows. One that lasts longer than some seconds is seen all the same.
    pub fn run(&self, script: &str) -> String {
        let output = self.try_run(script);
        assert!(output.status.success(), "{script}\n{}\n{}", output.status, said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// As [`Host::run`], and its failure is an answer too.
    pub fn try_run(&self, script: &str) -> Output {
        self.wait_until_nobody_looks();
        self.run_seen(script)
    }

    /// As [`Host::try_run`], at once, whoever looks.
    pub fn run_seen(&self, script: &str) -> Output {
        bed("bookworm").args(["exec", &self.name, "bash", "-ec", script]).output().unwrap()
    }

    fn wait_until_nobody_looks(&self) {
        let Some(looks_at) = self.looks_at.get() else { return };
        loop {
            let second = (Timestamp::now().as_second() - looks_at).rem_euclid(60);
            // A look takes some seconds, one that asks apt too.
            if (8..52).contains(&second) {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Runs a program of this machine on the network that the bed is on, where the bed is 198.51.100.2.
    pub fn client(&self, program: &[&str]) -> Child {
        bed("bookworm").args(["client", &self.name]).args(program).spawn().unwrap()
    }

    /// Copies a file into it.
    pub fn push(&self, from: &Path, to: &str) {
        self.copy(&["push", &self.name, from.to_str().unwrap(), to]);
    }

    /// Writes a file in it.
    pub fn write(&self, to: &str, text: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        self.run(&format!("mkdir -p \"$(dirname {to})\""));
        self.push(file.path(), to);
        self.run(&format!("chmod 644 {to}"));
    }

    fn copy(&self, args: &[&str]) {
        self.wait_until_nobody_looks();
        let output = bed("bookworm").args(args).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }

    /// Where a file of it lies for us.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file in it, read from the outside: nothing runs inside for that.
    pub fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path(path)).unwrap_or_default()
    }

    /// The one process of it with this executable and first argument, as this machine numbers it.
    pub fn pid_of(&self, exe: &str, argument: &str) -> u32 {
        let leader = bed("bookworm").args(["leader", &self.name]).output().unwrap();
        let leader = String::from_utf8(leader.stdout).unwrap();
        let world = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let ours = world(leader.trim()).expect("systemd of the bed");
        let is_it = |pid: &u32| {
            let pid = pid.to_string();
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            world(&pid).as_ref() == Some(&ours)
                && std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == Path::new(exe))
                && arguments.split(|byte| *byte == 0).nth(1) == Some(argument.as_bytes())
        };
        let all = std::fs::read_dir("/proc").unwrap();
        let pids = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        let found: Vec<u32> = pids.filter(is_it).collect();
        assert_eq!(found.len(), 1, "{exe} {argument}: {found:?}");
        found[0]
    }

    /// The names in a folder, read from the outside.
    pub fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(path)) else {
            return Vec::new();
        };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Everything in this user's mailbox, in the order it came: whichever form the mail server has set up.
    pub fn mails_of(&self, user: &str) -> Vec<Message<'static>> {
        let mbox = self.read(&format!("/var/mail/{user}"));
        let raw = MessageIterator::new(mbox.as_slice()).map(|raw| raw.expect("a mailbox").unwrap_contents());
        let folder = format!("/home/{user}/Maildir/new");
        let mut files = self.list(&folder);
        files.sort_by_key(|name| {
            self.path(&format!("{folder}/{name}")).metadata().unwrap().modified().unwrap()
        });
        let files = files.iter().map(|name| self.read(&format!("{folder}/{name}")));
        raw.chain(files)
            .map(|raw| MessageParser::default().parse(&raw).expect("a mail").into_owned())
            .collect()
    }

    /// Everything in root's mailbox.
    pub fn mails(&self) -> Vec<Message<'static>> {
        self.mails_of("root")
    }

    /// Waits for one more mail in this mailbox than when last asked, and for no second one beside it.
    pub fn next_mail_of(&self, user: &str, within: Duration) -> Message<'static> {
        let before = self.seen.borrow().get(user).copied().unwrap_or(0);
        self.wait_for(&format!("mail {} to {user}", before + 1), within, || {
            self.mails_of(user).len() > before
        });
        // One that is too many would be under way now.
        std::thread::sleep(Duration::from_secs(2));
        let mails = self.mails_of(user);
        assert_eq!(mails.len(), before + 1, "{:?}", subjects(&mails[before..]));
        self.seen.borrow_mut().insert(user.to_owned(), mails.len());
        mails[before].clone()
    }

    /// Waits for one more mail to root.
    pub fn next_mail(&self, within: Duration) -> Message<'static> {
        self.next_mail_of("root", within)
    }

    /// Waits until `ready` says so.
    pub fn wait_for(&self, what: &str, within: Duration, mut ready: impl FnMut() -> bool) {
        let started = Instant::now();
        while !ready() {
            assert!(started.elapsed() < within, "waited {within:?} in vain for {what}\n{}", self.journal());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the service has noted, read from the outside: a command inside would be something that runs there.
    pub fn noted(&self) -> Option<Status> {
        let file = self.path("/var/lib/host-watchdog").join(store::FILE);
        Reader::open(&file).and_then(|reader| reader.status()).ok()
    }

    /// Waits until the service has looked at the processes this many more times.
    pub fn wait_for_passes(&self, more: u32) {
        let looked = || -> Option<Timestamp> { self.noted()?.watches.get("process").map(|mark| mark.looked) };
        for _ in 0..more {
            let before = looked();
            self.wait_for("a pass", Duration::from_secs(90), || looked() > before);
        }
        // What it has to say is on its way then.
        std::thread::sleep(Duration::from_secs(4));
    }

    /// Makes the service read its settings and its policy anew, which it does with a look at everything. From the
    /// outside: a `systemctl` inside would be seen by it.
    pub fn reload(&self) {
        let pid = self.pid_of("/usr/bin/watchdog", "run").to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        std::thread::sleep(Duration::from_secs(9));
    }

    /// The journal of the watchdog's units, from the outside.
    pub fn journal(&self) -> String {
        self.journal_of("host-watchdog*")
    }

    /// The journal of one unit.
    pub fn journal_of(&self, unit: &str) -> String {
        let output = Command::new("journalctl")
            .arg("--directory")
            .arg(self.path("/var/log/journal"))
            .args(["--no-pager", "-q", "-o", "short-iso", "-n", "120", "-u", unit])
            .output();
        output.map_or_else(|error| error.to_string(), |output| said(&output))
    }

    /// Boots it anew, with all its files.
    pub fn reboot(&self) {
        self.copy(&["reboot", &self.name]);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}:\n{}", self.name, self.journal());
            for mail in self.mails() {
                eprintln!("{}\n{}", subject(&mail), text(&mail));
            }
        }
        let _ = bed("bookworm").args(["stop", &self.name]).output();
    }
}

/// The subject of a mail.
pub fn subject(mail: &Message) -> String {
    mail.subject().unwrap_or_default().to_owned()
}

/// The text of a mail.
pub fn text(mail: &Message) -> String {
    mail.body_text(0).unwrap_or_default().into_owned()
}

/// The subjects of mails.
pub fn subjects(mails: &[Message]) -> Vec<String> {
    mails.iter().map(subject).collect()
}
