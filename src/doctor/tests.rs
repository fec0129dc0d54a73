mod running;

use super::mail_test::{Outcome, through};
use super::stored::{Known, Stored};
use super::*;
use crate::alert::{self, Book, Looked, Pass};
use crate::coverage::Gap;
use crate::finding::{Code, Finding};
use crate::mail::{KEPT, Outbox, OutboxStatus, Route, deliver_due};
use crate::observe::Record;
use crate::store::{Run, Status, WatchMark};
use crate::system::{self, Room};
use crate::telemetry::View;
use crate::text::Text;
use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// A host in a folder, with the settings and the state of a watchdog on it.
struct Fixture {
    folder: tempfile::TempDir,
    host: Host,
    stored: Stored,
    /// What programs answer, by their name.
    answers: Vec<(&'static str, &'static str)>,
    room: Room,
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// The service's process.
const PID: u32 = 4711;

impl Fixture {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::at(folder.path().join("root")).at_moment(now());
        let room = Room { free: 9 << 30, files: Some(1_000_000), read_only: false };
        let fixture = Self { folder, host, stored: Stored::Nothing, answers: Vec::new(), room };
        for (path, text) in files {
            fixture.write(path, text.as_bytes());
        }
        fixture
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.host.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The settings, which name the policy of this host and a state folder outside of it.
    fn setup(&self, settings: &str) -> Setup {
        let text = format!("state-dir = \"{}\"\n{settings}", self.folder.path().join("state").display());
        self.write("/etc/host-watchdog/watchdog.toml", text.as_bytes());
        Setup::load(Some(&self.host.path("/etc/host-watchdog/watchdog.toml")), None).unwrap()
    }

    fn process(&self, pid: u32, cmdline: &str, status: &str) {
        let stat = format!("{pid} (watchdog) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 900 0 0");
        self.write(&format!("/proc/{pid}/stat"), stat.as_bytes());
        self.write(&format!("/proc/{pid}/status"), status.as_bytes());
        self.write(&format!("/proc/{pid}/cmdline"), cmdline.replace(' ', "\0").as_bytes());
        let exe = self.host.path(format!("/proc/{pid}/exe"));
        let _ = std::fs::remove_file(&exe);
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), exe).unwrap();
        let mounts = "22 1 0:21 / /proc rw - proc proc rw,hidepid=invisible\n";
        self.write(&format!("/proc/{pid}/mountinfo"), mounts.as_bytes());
    }

    fn lines(&self, setup: Result<&Setup, &str>) -> String {
        let ask = |program: &str, _: &[&str]| {
            let answer = self.answers.iter().find(|(name, _)| *name == program);
            let (_, stdout) = answer.ok_or(io::ErrorKind::NotFound)?;
            let stdout = stdout.as_bytes().to_vec();
            Ok(Output { status: ExitStatus::from_raw(0), stdout, stderr: Vec::new(), cut: false })
        };
        let room = |_: &Path| Ok(self.room);
        let case = Case { host: &self.host, setup, stored: &self.stored, ask: &ask, room: &room };
        let mut lines = String::new();
        examine(&case, |check| {
            lines += &format!("{} {}: {}\n", check.verdict.as_str(), check.check, check.says);
            check.remedy.iter().for_each(|line| lines += &format!("    {line}\n"));
        });
        let lines = lines.replace(self.folder.path().to_str().unwrap(), "FOLDER");
        lines.replace(env!("CARGO_PKG_VERSION"), "VERSION")
    }
}

fn known(digest: &str) -> Known {
    let mark = |watch: &str, looked, saw| (watch.to_owned(), WatchMark { looked, saw });
    Known {
        status: Status {
            run: Some(Run { started: ago(900), last: Some(ago(1)), stopped: None }),
            watches: [mark("process", ago(1), Some(ago(1))), mark("service", ago(1), Some(ago(1)))].into(),
            counters: [("passes".to_owned(), 900)].into(),
            findings: BTreeMap::new(),
            last_digest: None,
            unqueued: 0,
        },
        view: View {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: PID,
            start: 900,
            policy_digest: digest.to_owned(),
            ..View::default()
        },
        observing: None,
        open: Vec::new(),
        outbox: Ok(OutboxStatus::default()),
    }
}

const POLICY: &str = "schema = 1\n\n[[requests]]\nlog = \"/var/log/nginx/access.log\"\n\n\
                      [[coverage]]\ngap = \"time-zone\"\nwhy = \"no zone here\"\n";

fn digest(setup: &Setup) -> String {
    crate::policy::Policy::load(&setup.policy).unwrap().digest
}

fn assert_lines(fixture: &Fixture, setup: Result<&Setup, &str>, expected: &Expect) {
    expected.assert_eq(&fixture.lines(setup));
}

const WELL: &[(&str, &str)] = &[
    ("/etc/host-watchdog/policy.toml", POLICY),
    ("/etc/hostname", "web1"),
    ("/etc/timezone", "Europe/London\n"),
    ("/etc/aliases", "root: alice@example.org\n"),
    ("/etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n"),
    ("/run/systemd/system/x", ""),
    ("/usr/bin/journalctl", ""),
    (
        "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease",
        "Date: Sun, 22 Nov 2026 06:00:00 UTC\n",
    ),
    ("/var/lib/dpkg/status", ""),
    ("/var/log/journal/1234/system.journal", ""),
    ("/var/log/wtmp", ""),
    ("/var/log/btmp", ""),
    ("/var/log/nginx/access.log", ""),
    ("/proc/net/connector", "Name            ID\ncn_proc         1:1\n"),
];

const ALL_RIGHTS: &str = "Uid:\t998\t998\t998\t998\nCapEff:\t0000000000080004\n";

#[test]
fn a_host_that_lacks_nothing_gets_no_remedy() {
    let mut fixture = Fixture::new(WELL);
    fixture.answers = vec![("timedatectl", "yes\n")];
    let setup = fixture.setup("");
    fixture.process(PID, "/usr/bin/watchdog run --no-deliver", ALL_RIGHTS);
    let config = fixture.host.path("/etc/host-watchdog/watchdog.toml");
    fixture.process(4712, &format!("/usr/bin/watchdog deliver --stay --config {}", config.display()), &own());
    fixture.stored = Stored::Known(Box::new(known(&digest(&setup))));
    assert_lines(
        &fixture,
        Ok(&setup),
        &expect![[r#"
            ok settings: FOLDER/root/etc/host-watchdog/watchdog.toml is valid
            ok policy: FOLDER/root/etc/host-watchdog/policy.toml is valid: 2 rules, digest c4a93ad1c4d6
            ok service: the service runs (process 4711), its last pass was 1 minute ago
            ok mailer: mails are sent by the mailer (process 4712)
            ok capabilities: the service may see every process and read every file
            ok proc: /proc hides other users' processes (hidepid=invisible), but not from the service
            ok watches: every watch sees
            ok coverage: the service could see all it looked at
            ok auth-log: logins are read from the journal; there is no log file in use
            ok journal: the journal outlives a reboot
            ok login-records: logins are recorded in wtmp, failed ones in btmp
            ok web-logs: the web logs of the policy are there
            note events: no service has said yet whether it sees what starts between two looks; the kernel offers to tell it (process connector)
            ok clock: the clock is synchronised
            ok time-zone: hours in the policy are those of Europe/London, unless it names another zone
            ok package-lists: the package lists are fresh, up to date as of 2026-11-22
            ok disk: FOLDER/state has 9216 MB free
            ok outbox: no mail waits
            note root-mail: /etc/aliases sends the mail of root to alice@example.org: somebody should read it there
        "#]],
    );
}

#[test]
fn an_ill_host_gets_a_remedy_for_each_thing() {
    let mut fixture = Fixture::new(&[
        ("/etc/host-watchdog/policy.toml", POLICY),
        ("/etc/hostname", "web1"),
        ("/etc/localtime", "no name"),
        (
            "/etc/apt/sources.list",
            "deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian-security bookworm-security main\n",
        ),
        ("/run/systemd/system/x", ""),
        ("/usr/sbin/exim4", ""),
        (
            "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease",
            "Date: Sun, 01 Nov 2026 06:00:00 UTC\n",
        ),
        ("/var/lib/dpkg/status", ""),
        ("/run/log/journal/1234/system.journal", ""),
        ("/var/log/apache2/access.log", ""),
    ]);
    fixture.answers =
        vec![("timedatectl", "n/a\n"), ("chronyc", "Reference ID : 0\nLeap status     : Not synchronised\n")];
    fixture.room = Room { free: 50 << 20, files: None, read_only: false };
    let setup = fixture.setup("observe = \"7d\"\n");
    fixture.process(
        PID,
        "/usr/bin/watchdog run --no-deliver",
        "Uid:\t998\t998\t998\t998\nCapEff:\t0000000000000000\n",
    );
    let mut known = known("an older digest");
    known.status.run = Some(Run { started: ago(900), last: Some(ago(20)), stopped: None });
    known.status.watches.insert("login".to_owned(), WatchMark { looked: ago(20), saw: None });
    known.status.unqueued = 1;
    let gap = |gap: &str, why: &str| Gap { gap: gap.to_owned(), seen: 2, of: 3, why: why.to_owned() };
    known.view.gaps =
        [("login".to_owned(), vec![gap("login-source", "no log\u{1b}[2J"), gap("time-zone", "no name")])]
            .into();
    let looked = Looked {
        watch: "process".to_owned(),
        saw: true,
        findings: vec![Finding::new(Code::CoverageGap, "hangs login", "the login watch hangs")],
    };
    let pass = Pass { now: ago(20), host: "web1".to_owned(), looked: vec![looked] };
    known.open = alert::step(&Book::default(), &pass, &alert::Limits::default()).changed;
    known.observing = Some(Record::begin(ago(900), crate::rule::Span::days(7)));
    known.open[0].id = "abcde".to_owned();
    known.outbox = Ok(OutboxStatus {
        waiting: 2,
        oldest: Some(ago(120)),
        last_error: Some("localhost:25: Connection refused".to_owned()),
        ..OutboxStatus::default()
    });
    fixture.stored = Stored::Known(Box::new(known));
    assert_lines(
        &fixture,
        Ok(&setup),
        &expect![[r#"
            ok settings: FOLDER/root/etc/host-watchdog/watchdog.toml is valid
            warning policy: FOLDER/root/etc/host-watchdog/policy.toml was changed and is not in force: it is c4a93ad1c4d6, the service watches with an older dig
                systemctl reload host-watchdog
            fault service: the service runs (process 4711) and makes no passes: its last pass was 20 minutes ago
                see why: journalctl -u host-watchdog
                systemctl restart host-watchdog
            note observing: until 2026-11-28 21:00:00 UTC unknown processes and listeners are learned and make no alarm; 0 rules so far, in FOLDER/state/observed.toml
            fault mailer: nobody sends the mails: the service leaves them to a mailer, and none runs
                systemctl enable --now host-watchdog-mail
            fault capabilities: the service lacks CAP_SYS_PTRACE, and so does not see what other users' processes run, listen on and carry in their environment
                take back what was changed in the unit: systemctl revert host-watchdog && systemctl restart host-watchdog
                or, in a unit of your own: [Service] AmbientCapabilities=CAP_SYS_PTRACE
            fault capabilities: the service lacks CAP_DAC_READ_SEARCH, and so does not see logs and files that others may not read
                take back what was changed in the unit: systemctl revert host-watchdog && systemctl restart host-watchdog
                or, in a unit of your own: [Service] AmbientCapabilities=CAP_DAC_READ_SEARCH
            fault proc: /proc hides other users' processes from the service (hidepid=invisible)
                give the service CAP_SYS_PTRACE, as the packaged unit does, or: mount -o remount,hidepid=0 /proc
            warning watches: the login watch never saw anything; it looked 20 minutes ago
                see why: the lines below, and watchdog alerts
            warning coverage: the login watch sees 2 of 3 (login-source): no log\x1b[2J
                cure what it says
                or accept it in the policy: [[coverage]] gap = "login-source" why = "…"
            note coverage: the login watch sees 2 of 3 (time-zone): no name; the policy accepts this
            warning coverage: the login watch hangs
                watchdog show abcde
            ok auth-log: logins are read from the journal; there is no log file in use
            fault journal: there is a journal, but not the program that reads it: journalctl
                apt install systemd
            warning login-records: there is no record of logins (wtmp or wtmpdb): logins at the console are not seen, and a log that keeps silent is not noticed
                touch /var/log/wtmp, or on Debian 13: apt install wtmpdb libpam-wtmpdb
            warning web-logs: the policy names the web log /var/log/nginx/access.log, and it is not there
                start the web server, or correct `log` in [[requests]]
            note web-logs: web logs that no rule names are not watched: /var/log/apache2/access.log
            note events: no service has said yet whether it sees what starts between two looks; the kernel does not offer to tell it here (no process connector, as in most containers)
            warning clock: the clock is not synchronised: hours of logins, ages of updates and times in mails may be wrong
                apt install systemd-timesyncd && timedatectl set-ntp true
            warning time-zone: the host's time zone has no name, so hours in the policy are taken as UTC unless it names a zone
                timedatectl set-timezone Europe/London (or yours)
            warning package-lists: never fetched, so no update of theirs is seen: deb.debian.org/debian-security bookworm-security
                apt-get update
            warning package-lists: the package lists are 21 days old: newer security updates are not seen
                apt-get update
                to have it done daily: systemctl enable --now apt-daily.timer
            warning disk: the file system of FOLDER/state is nearly full (50 MB free)
                see what fills it: du -xh --max-depth=3 $(findmnt -n -o TARGET -T FOLDER/state) | sort -h | tail
            fault outbox: the outbox could not take what is written: 1 mail
                see why: journalctl -u host-watchdog
            fault outbox: 2 mails wait in the outbox, the oldest since 2 hours ago; the last try: localhost:25: Connection refused
                cure what it says, then: watchdog deliver
            warning root-mail: no alias says who reads root's mail, and exim never delivers to root itself: it lies in /var/mail/mail, or comes back
                echo 'root: you@example.org' >> /etc/aliases && newaliases
                or name an address in FOLDER/root/etc/host-watchdog/watchdog.toml: [mail] to = ["you@example.org"]
        "#]],
    );
}

#[test]
fn a_host_on_which_nothing_was_ever_set_up_is_told_how_to_begin() {
    let fixture = Fixture::new(&[("/etc/hostname", "web1"), ("/proc/self/status", "CapEff:\t0\n")]);
    let setup = fixture.setup("");
    assert_lines(
        &fixture,
        Ok(&setup),
        &expect![[r#"
            ok settings: FOLDER/root/etc/host-watchdog/watchdog.toml is valid
            warning policy: there is no policy FOLDER/root/etc/host-watchdog/policy.toml; the service learns one when it starts
                watchdog snapshot -o FOLDER/root/etc/host-watchdog/policy.toml
            fault service: the watchdog has never watched with FOLDER/state
                watchdog run
            warning capabilities: this program (no service runs) lacks CAP_SYS_PTRACE, and so does not see what other users' processes run, listen on and carry in their environment
                sudo watchdog doctor
            warning capabilities: this program (no service runs) lacks CAP_DAC_READ_SEARCH, and so does not see logs and files that others may not read
                sudo watchdog doctor
            unknown proc: how /proc is mounted for this program (no service runs) cannot be read
            fault auth-log: there is neither a log of logins nor a journal, so SSH logins and failures are not seen
                apt install rsyslog
            note journal: there is no journal
            warning login-records: there is no record of logins (wtmp or wtmpdb): logins at the console are not seen, and a log that keeps silent is not noticed
                touch /var/log/wtmp, or on Debian 13: apt install wtmpdb libpam-wtmpdb
            note events: no service has said yet whether it sees what starts between two looks; the kernel does not offer to tell it here (no process connector, as in most containers)
            unknown clock: nobody here can say whether the clock is right (neither timedatectl nor chronyc answers)
                apt install systemd-timesyncd, or chrony
            ok time-zone: hours in the policy are those of UTC, unless it names another zone
            note package-lists: this host has no packages of dpkg, so no updates are watched
            ok disk: FOLDER/state has 9216 MB free
            warning root-mail: no alias says who reads the mail of root: it stays on this host, in /var/mail/root
                echo 'root: you@example.org' >> /etc/aliases && newaliases
                or name an address in FOLDER/root/etc/host-watchdog/watchdog.toml: [mail] to = ["you@example.org"]
        "#]],
    );
}

#[test]
fn with_wrong_settings_it_says_so_and_still_looks_at_the_rest() {
    let fixture = Fixture::new(&[("/run/systemd/container", "")]);
    assert_lines(
        &fixture,
        Err("the settings are wrong: line 1\n  | caret"),
        &expect![[r#"
            fault settings: the settings are wrong, and what hangs on them was not checked: line 1
                see line and column with: watchdog validate
            unknown capabilities: the capabilities of this program (no service runs) cannot be read
            unknown proc: how /proc is mounted for this program (no service runs) cannot be read
            fault auth-log: there is neither a log of logins nor a journal, so SSH logins and failures are not seen
                apt install rsyslog
            note journal: there is no journal
            warning login-records: there is no record of logins (wtmp or wtmpdb): logins at the console are not seen, and a log that keeps silent is not noticed
                touch /var/log/wtmp, or on Debian 13: apt install wtmpdb libpam-wtmpdb
            note events: no service has said yet whether it sees what starts between two looks; the kernel does not offer to tell it here (no process connector, as in most containers)
            note clock: this is a container: its clock is that of the host it runs on, look there
            ok time-zone: hours in the policy are those of UTC, unless it names another zone
            note package-lists: this host has no packages of dpkg, so no updates are watched
        "#]],
    );
}

/// The status of a process of the user who owns the state folder.
fn own() -> String {
    let user = rustix::process::geteuid().as_raw();
    format!("Uid:\t{user}\t{user}\t{user}\t{user}\n")
}

#[test]
fn a_check_that_breaks_is_a_line_and_takes_no_other_with_it() {
    let fixture = Fixture::new(WELL);
    let setup = fixture.setup("");
    let ask = |_: &str, _: &[&str]| -> io::Result<Output> { panic!("a fault") };
    let case = Case {
        host: &fixture.host,
        setup: Ok(&setup),
        stored: &Stored::Nothing,
        ask: &ask,
        room: &system::room,
    };
    let mut found = Vec::new();
    examine(&case, |check| found.push((check.check, check.verdict)));
    assert!(found.contains(&("clock", Verdict::Unknown)), "{found:?}");
    assert!(found.contains(&("time-zone", Verdict::Ok)), "{found:?}");
}
