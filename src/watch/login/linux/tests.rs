use super::*;
use crate::processes::Processes;
use crate::watch::Memory;
use crate::watch::login::records::record;
use expect_test::{Expect, expect};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

/// 2026-11-22T12:00:00Z, a Sunday.
const NOON: i64 = 1_795_348_800;

struct Fixture {
    folder: tempfile::TempDir,
    memory: Memory,
    now: Timestamp,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in ["etc", "var/log", "var/lib/wtmpdb"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs::write(folder.path().join("etc/timezone"), "Europe/London\n").unwrap();
        Self { folder, memory: Memory::default(), now: Timestamp::from_second(NOON).unwrap() }
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn append(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let file = fs::OpenOptions::new().create(true).append(true).open(self.file(path));
        file.unwrap().write_all(bytes.as_ref()).unwrap();
    }

    /// Lines of sshd within the hour before noon: minute and second, process, message.
    fn log(&self, lines: &[(&str, u32, &str)]) {
        for (at, pid, message) in lines {
            self.append("/var/log/auth.log", format!("Nov 22 11:{at} web1 sshd[{pid}]: {message}\n"));
        }
    }

    fn look(&mut self) -> (Seen<LoginFacts>, Vec<Gap>) {
        let host = Host::at(self.folder.path()).at_moment(self.now);
        let mut gaps = Vec::new();
        // What is remembered goes through the store.
        let stored = serde_json::to_string(&self.memory).unwrap();
        self.memory = serde_json::from_str(&stored).unwrap();
        let seen = collect(&mut Look {
            host: &host,
            processes: &Processes::default(),
            rules: &Rules::default(),
            now: self.now,
            memory: &mut self.memory,
            gaps: &mut gaps,
        });
        (seen, gaps)
    }

    fn facts(&mut self) -> LoginFacts {
        match self.look().0 {
            Seen::Facts(facts) => facts,
            other => panic!("{other:?}"),
        }
    }

    /// Logins and failures, one a line.
    fn told(&mut self) -> Vec<String> {
        let facts = self.facts();
        let login = |l: &super::super::Login| {
            let terminal = l.terminal.as_deref().unwrap_or("-");
            format!("{} from {} by {} at {} on {terminal} ({})", l.user, l.from, l.method, l.at, l.told_by)
        };
        let failure = |f: &super::super::Failures| {
            let no_account = if f.no_account { " (no account)" } else { "" };
            format!("failed ×{}: {}{no_account} from {} by {}", f.count, f.user, f.from, f.method)
        };
        facts.logins.iter().map(login).chain(facts.failures.iter().map(failure)).collect()
    }

    fn tells(&mut self, expected: &Expect) {
        expected.assert_eq(&self.told().join("\n"));
    }
}

const ACCEPTED: &str = "Accepted publickey for alice from 10.8.0.2 port 5 ssh2: ED25519 SHA256:abc";

fn pts(pid: i32, user: &str, address: [u8; 4], at: i64) -> Vec<u8> {
    record(7, pid, "pts/0", user, "host.example", address, at)
}

#[test]
fn log_and_records_are_put_together_and_nothing_comes_twice() {
    let mut host = Fixture::new();
    host.log(&[
        ("01:00", 10, ACCEPTED),
        ("02:00", 20, "Failed password for root from 192.0.2.1 port 5 ssh2"),
        ("02:05", 20, "message repeated 2 times: [ Failed password for root from 192.0.2.1 port 5 ssh2]"),
        ("03:00", 30, "Failed none for invalid user admin from 192.0.2.2 port 5 ssh2"),
        ("03:01", 30, "Connection closed by invalid user admin 192.0.2.2 port 5 [preauth]"),
    ]);
    host.append("/var/log/auth.log", "Nov 22 11:04:00 web1 login[40]: pam_unix(login:session): session opened for user root(uid=0) by LOGIN(uid=0)\n");
    host.append("/var/log/auth.log", "Nov 22 11:04:00 web1 sudo: pam_unix(sudo:session): session opened for user root(uid=0) by alice(uid=1000)\n");
    let hour = NOON - 3600;
    host.append(
        "/var/log/wtmp",
        [pts(10, "alice", [10, 8, 0, 2], hour + 61), record(7, 40, "tty1", "root", "", [0; 4], hour + 240)]
            .concat(),
    );
    let failed = |line: &str| record(6, 20, line, "root", "", [0; 4], hour + 120);
    host.append("/var/log/btmp", [failed("ssh:notty"), failed("ssh:notty"), failed("tty1")].concat());
    host.tells(&expect![[r"
        alice from 10.8.0.2 by publickey at 2026-11-22T11:01:00Z on pts/0 (/var/log/auth.log)
        root from console by console at 2026-11-22T11:04:00Z on tty1 (/var/log/auth.log)
        failed ×3: root from 192.0.2.1 by password
        failed ×1: root from console by console
        failed ×1: admin (no account) from 192.0.2.2 by unfinished"]]);
    assert_eq!(host.told(), [""; 0]);
    let facts = host.facts();
    assert_eq!(
        (facts.unlogged.len(), facts.sources.len(), facts.time_zone.as_deref()),
        (0, 3, Some("Europe/London"))
    );
}

#[test]
fn a_pass_that_is_not_stored_is_told_again_and_a_stored_one_is_not_over_rotation() {
    let mut host = Fixture::new();
    host.log(&[("01:00", 10, ACCEPTED)]);
    assert_eq!(host.told().len(), 1);
    host.log(&[("02:00", 11, &ACCEPTED.replace("alice", "bob"))]);
    // Killed before it was stored: the memory is that of before.
    let before = host.memory.clone();
    assert!(host.told()[0].starts_with("bob"));
    host.memory = before;
    fs::rename(host.file("/var/log/auth.log"), host.file("/var/log/auth.log.1")).unwrap();
    assert!(host.told()[0].starts_with("bob"));
    host.log(&[("03:00", 12, &ACCEPTED.replace("alice", "carol"))]);
    assert!(host.told()[0].starts_with("carol"));
    assert_eq!(host.told(), [""; 0]);
}

#[test]
fn at_first_seven_days_are_read_back() {
    let mut host = Fixture::new();
    let line = |day: &str, user: &str| {
        format!("Nov {day} 11:00:00 web1 sshd[1]: {}\n", ACCEPTED.replace("alice", user))
    };
    host.append("/var/log/auth.log.1", line("14", "old") + &line("16", "alice"));
    host.append("/var/log/auth.log", line("21", "bob"));
    let users: Vec<String> = host.facts().logins.iter().map(|login| login.user.to_string()).collect();
    assert_eq!(users, ["alice", "bob"]);
}

#[test]
fn a_log_that_was_cut_is_a_gap_and_what_is_left_of_it_is_not_told_again() {
    let mut host = Fixture::new();
    host.log(&[("01:00", 10, ACCEPTED), ("02:00", 11, &ACCEPTED.replace("alice", "evil"))]);
    assert_eq!(host.told().len(), 2);
    fs::remove_file(host.file("/var/log/auth.log")).unwrap();
    host.log(&[("01:00", 10, ACCEPTED), ("03:00", 12, &ACCEPTED.replace("alice", "bob"))]);
    let (seen, gaps) = host.look();
    let Seen::Facts(facts) = seen else { panic!("no facts") };
    assert_eq!(facts.logins.iter().map(|l| l.user.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(gaps.iter().map(|gap| gap.gap.as_str()).collect::<Vec<_>>(), ["login-log-cut"]);
}

#[test]
fn keys_that_are_tried_before_a_login_are_no_failures_and_without_one_they_are_one() {
    let mut host = Fixture::new();
    let key = |user: &str| format!("Failed publickey for {user} from 10.8.0.2 port 5 ssh2: RSA SHA256:abc");
    host.log(&[
        ("01:00", 10, &key("alice")),
        ("01:01", 10, &key("alice")),
        ("01:02", 10, ACCEPTED),
        ("02:00", 20, &key("root")),
        ("02:01", 20, &key("root")),
        ("02:02", 20, "error: maximum authentication attempts exceeded for root from 10.8.0.2 port 5 ssh2 [preauth]"),
        ("02:02", 20, "Disconnecting authenticating user root 10.8.0.2 port 5: Too many authentication failures [preauth]"),
        ("03:00", 30, "Connection closed by authenticating user bob 10.8.0.2 port 5 [preauth]"),
        ("04:00", 40, "error: PAM: Authentication failure for bob from 10.8.0.2"),
        ("04:00", 40, "Failed keyboard-interactive/pam for bob from 10.8.0.2 port 5 ssh2"),
        ("04:02", 40, "error: PAM: Authentication failure for bob from 10.8.0.2"),
        ("04:03", 40, "Connection closed by authenticating user bob 10.8.0.2 port 5 [preauth]"),
        ("05:00", 50, "Failed none for invalid user x from 10.8.0.2 port 5 ssh2"),
        ("07:00", 50, "fatal: Timeout before authentication for 10.8.0.2 port 5"),
    ]);
    host.tells(&expect![[r"
        alice from 10.8.0.2 by publickey at 2026-11-22T11:01:02Z on - (/var/log/auth.log)
        failed ×1: root from 10.8.0.2 by publickey
        failed ×1: bob from 10.8.0.2 by unfinished
        failed ×2: bob from 10.8.0.2 by keyboard-interactive
        failed ×1: x (no account) from 10.8.0.2 by unfinished"]]);
}

#[test]
fn a_connection_is_counted_once_though_a_pass_ends_in_its_midst() {
    let mut host = Fixture::new();
    host.log(&[("01:00", 10, "Failed password for root from 192.0.2.1 port 5 ssh2")]);
    assert_eq!(host.told().len(), 1);
    host.log(&[("01:05", 10, "Connection closed by authenticating user root 192.0.2.1 port 5 [preauth]")]);
    assert_eq!(host.told(), [""; 0]);
    // Much later another connection has the same number.
    host.log(&[("41:05", 10, "Connection closed by authenticating user root 192.0.2.1 port 5 [preauth]")]);
    assert_eq!(host.told().len(), 1);
}

#[test]
fn a_login_that_only_a_record_tells_of_is_told_and_held_against_the_log() {
    let mut host = Fixture::new();
    host.log(&[("01:00", 10, ACCEPTED)]);
    host.append("/var/log/wtmp", pts(99, "root", [192, 0, 2, 9], NOON - 1800));
    let facts = host.facts();
    let silent = &facts.unlogged[0];
    assert_eq!(
        (silent.user.as_str(), silent.from.as_deref(), silent.pid),
        ("root", Some("192.0.2.9"), Some(99))
    );
    assert_eq!((facts.logins[1].user.as_str(), facts.logins[1].method.as_str()), ("root", "unknown"));
    // It stays until the log speaks again.
    assert_eq!(host.facts().unlogged.len(), 1);
    host.log(&[("45:00", 11, ACCEPTED)]);
    assert_eq!(host.facts().unlogged, []);
}

#[test]
fn a_record_waits_some_seconds_for_the_line_that_knows_more() {
    let mut host = Fixture::new();
    host.log(&[("01:00", 10, ACCEPTED)]);
    host.facts();
    host.append("/var/log/wtmp", pts(11, "bob", [10, 8, 0, 3], NOON - 1));
    assert_eq!(host.told(), [""; 0]);
    host.log(&[("59:58", 11, "Accepted password for bob from 10.8.0.3 port 5 ssh2")]);
    host.now += SignedDuration::from_secs(60);
    host.tells(&expect![
        "bob from 10.8.0.3 by password at 2026-11-22T11:59:58Z on pts/0 (/var/log/auth.log)"
    ]);
    assert_eq!(host.facts().unlogged, []);
}

#[test]
fn a_further_terminal_of_a_connection_is_no_login() {
    let mut host = Fixture::new();
    host.log(&[("01:00", 10, ACCEPTED)]);
    host.facts();
    host.append("/var/log/wtmp", pts(10, "alice", [10, 8, 0, 2], NOON - 600));
    assert_eq!(host.told(), [""; 0]);
}

#[test]
fn a_connection_that_the_log_does_not_tell_of_is_held_against_it() {
    let now = Timestamp::from_second(NOON).unwrap();
    let since = now - SignedDuration::from_secs(600);
    let log = Text::from("/var/log/auth.log");
    let mut gather = Gather::new(Open::default(), now);
    let accepted = |user: &str| {
        Message::Accepted(Accepted {
            user: user.into(),
            from: "10.8.0.2".into(),
            method: "password".into(),
            key: None,
        })
    };
    gather.message(since + SignedDuration::from_secs(9), Some(10), 1, accepted("alice"), &log);
    gather.message(since - SignedDuration::from_hours(9), Some(11), 1, accepted("alice"), &log);
    for pid in [10, 11, 12, 12] {
        gather.connection(pid, &"alice".into(), since + SignedDuration::from_secs(10), &log);
    }
    let silent: Vec<Option<u32>> = gather.finish().0.unlogged.iter().map(|unlogged| unlogged.pid).collect();
    assert_eq!(silent, [Some(11), Some(12)]);
}

#[test]
fn with_records_alone_logins_are_seen_and_the_blindness_is_told() {
    let mut host = Fixture::new();
    let failed = |at| record(6, 20, "ssh:notty", "x\x1b", "", [192, 0, 2, 1], at);
    host.append("/var/log/wtmp", pts(10, "alice", [10, 8, 0, 2], NOON - 5));
    host.append("/var/log/btmp", [failed(NOON - 9), failed(NOON - 9), failed(NOON - 5)].concat());
    let gaps = host.look().1;
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].gap == "login-source" && (gaps[0].seen, gaps[0].of) == (2, 3), "{gaps:?}");
    assert!(gaps[0].why.contains("no log of sshd"));
    host.memory = Memory::default();
    host.tells(&expect![[r"
        alice from 10.8.0.2 by unknown at 2026-11-22T11:59:55Z on pts/0 (/var/log/wtmp)
        failed ×2: x\x1b from 192.0.2.1 by unknown"]]);
}

#[test]
fn wtmpdb_is_read_where_there_is_one() {
    let mut host = Fixture::new();
    host.append("/var/log/auth.log", "");
    let db = rusqlite::Connection::open(host.file(WTMPDB)).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER, Logout INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT);
         INSERT INTO wtmp VALUES (1, 3, 'root', {}, NULL, 'tty1', '', 'login');",
        (NOON - 60) * 1_000_000
    ))
    .unwrap();
    assert_eq!(
        host.told(),
        ["root from console by console at 2026-11-22T11:59:00Z on tty1 (/var/lib/wtmpdb/wtmp.db)"]
    );
    assert_eq!(host.told(), [""; 0]);
}

#[test]
fn no_source_at_all_is_no_data_and_a_broken_one_a_gap() {
    let mut host = Fixture::new();
    assert!(matches!(host.look().0, Seen::NoData(_)));
    fs::create_dir(host.file("/var/log/auth.log")).unwrap();
    host.append(
        "/var/log/wtmp",
        [&record(7, 1, "tty1", "root", "", [0; 4], NOON - 60)[..], b"torn"].concat(),
    );
    let (seen, gaps) = host.look();
    assert_eq!(seen.facts().unwrap().logins.len(), 1);
    assert!(
        gaps[0].gap == "login-source" && gaps[0].why.contains("/var/log/auth.log cannot be read"),
        "{gaps:?}"
    );
}

#[test]
fn absurd_records_are_counted_as_a_gap() {
    let mut host = Fixture::new();
    host.append("/var/log/auth.log", "");
    host.append(
        "/var/log/wtmp",
        [record(7, 1, "tty1", "root", "", [0; 4], 1), record(77, 1, "", "", "", [0; 4], 1)].concat(),
    );
    let gaps = host.look().1;
    assert_eq!((gaps[0].gap.as_str(), gaps[0].seen, gaps[0].of), ("login-records", 0, 2));
}

#[test]
fn hostile_lines_are_read_without_harm() {
    let mut host = Fixture::new();
    let name = "x".repeat(100_000);
    host.log(&[(
        "01:00",
        10,
        &format!("Failed password for invalid user {name} from 192.0.2.1 port 5 ssh2"),
    )]);
    host.append("/var/log/auth.log", b"Nov 22 11:02:00 web1 sshd[11]: Failed password for invalid user \x1b[2J\xff#012Nov 22 11:02:00 web1 sshd[12]: Accepted password for root from 9.9.9.9 port 1 ssh2 from 192.0.2.1 port 5 ssh2\n");
    host.append("/var/log/auth.log", "y".repeat(2_000_000) + "\n\n\0\nNov 22\n");
    host.log(&[("03:00", 10, ACCEPTED)]);
    let facts = host.facts();
    assert_eq!(facts.logins.len(), 1);
    assert!(facts.failures.iter().all(|failure| failure.from == "192.0.2.1" && failure.user.len() < 300));
    assert_eq!(facts.failures.len(), 2);
}

#[test]
fn a_flood_of_failures_is_bounded_and_counted_to_the_last() {
    let mut host = Fixture::new();
    let lines = (0..45_000).map(|n| {
        let (minute, pid) = (n / 1000, n % 30_000);
        format!(
            "Nov 22 11:{minute:02}:00 web1 sshd[{pid}]: Failed password for u{n} from 192.0.2.1 port 5 ssh2\n"
        )
    });
    host.append("/var/log/auth.log", lines.collect::<Vec<_>>().concat());
    let facts = host.facts();
    let listed: u64 = facts.failures.iter().map(|failure| failure.count).sum();
    let counted: u64 = facts.failed_in.iter().map(|minute| minute.count).sum();
    assert_eq!((facts.failures.len(), listed + facts.unlisted, counted), (20_000, 45_000, 45_000));
    assert!(serde_json::to_string(&host.memory).unwrap().len() < 100_000);
}

#[test]
fn the_zone_of_the_host_is_told_by_link_or_file() {
    let host = Fixture::new();
    let zone = |host: &Fixture| time_zone(&Host::at(host.folder.path())).0;
    assert_eq!(zone(&host).unwrap(), "Europe/London");
    std::os::unix::fs::symlink("/usr/share/zoneinfo/Asia/Tokyo", host.file("/etc/localtime")).unwrap();
    assert_eq!(zone(&host).unwrap(), "Asia/Tokyo");
    fs::remove_file(host.file("/etc/localtime")).unwrap();
    fs::remove_file(host.file("/etc/timezone")).unwrap();
    assert_eq!(zone(&host).unwrap(), "UTC");
    fs::copy("/usr/share/zoneinfo/Asia/Tokyo", host.file("/etc/localtime")).unwrap();
    let (name, zone) = time_zone(&Host::at(host.folder.path()));
    assert_eq!((name, zone.to_offset(Timestamp::UNIX_EPOCH).seconds()), (None, 9 * 3600));
}
