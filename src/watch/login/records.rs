//! Records of logins that are no text: wtmp and btmp (of fixed length, as glibc writes them) and wtmpdb (`SQLite`,
//! on Debian 13).

use super::source::{CONSOLE, of_bytes};
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

/// A login or a failed one, as a record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The account, or the name that was tried.
    pub user: Text,
    /// The address or name it came from; none: not over the network.
    pub from: Option<Text>,
    /// The terminal, like `pts/0` or `tty1`; of SSH without one, `ssh:notty` or `ssh`.
    pub line: Text,
    /// The process that wrote it.
    pub pid: Option<u32>,
    /// When.
    pub at: Timestamp,
}

/// What a file of records holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// The logins among them.
    pub records: Vec<Record>,
    /// How many could not be understood.
    pub torn: u64,
}

/// Where the fields lie: glibc keeps 32-bit times on x86-64 and 64-bit ones on aarch64.
struct Layout {
    length: usize,
    time: usize,
    microseconds: usize,
    address: usize,
}

#[cfg(not(target_arch = "aarch64"))]
const LAYOUT: Layout = Layout { length: 384, time: 340, microseconds: 344, address: 348 };
#[cfg(target_arch = "aarch64")]
const LAYOUT: Layout = Layout { length: 400, time: 344, microseconds: 352, address: 360 };

/// The length of a record of wtmp and btmp, in bytes.
pub const LENGTH: usize = LAYOUT.length;

const LOGIN: i16 = 6;
const USER: i16 = 7;
const LAST_TYPE: i16 = 9;

/// The logins in wtmp: records of users at a terminal of the machine or of the network, not those that terminal
/// programs inside a session make.
#[must_use]
pub fn parse_wtmp(bytes: &[u8], now: Timestamp) -> Records {
    let mut found = parse(bytes, now, |kind| kind == USER);
    found.records.retain(is_login);
    found
}

/// The failed logins in btmp. sshd can write one failure twice: such a pair counts once.
#[must_use]
pub fn parse_btmp(bytes: &[u8], now: Timestamp) -> Records {
    let mut found = parse(bytes, now, |kind| kind == LOGIN || kind == USER);
    found.records.dedup_by(|a, b| {
        let apart = a.at.duration_since(b.at).abs();
        (&a.user, &a.from, &a.line, a.pid) == (&b.user, &b.from, &b.line, b.pid)
            && apart <= SignedDuration::from_secs(1)
    });
    found
}

/// The moment of the first record that has a believable one.
#[must_use]
pub fn first_time(bytes: &[u8], now: Timestamp) -> Option<Timestamp> {
    bytes.chunks_exact(LENGTH).find_map(|record| time(record, now))
}

fn parse(bytes: &[u8], now: Timestamp, wanted: impl Fn(i16) -> bool) -> Records {
    let mut found = Records::default();
    let chunks = bytes.chunks_exact(LENGTH);
    found.torn += u64::from(!chunks.remainder().is_empty());
    for record in chunks {
        let kind = i16::from_ne_bytes(field(record, 0));
        if !(0..=LAST_TYPE).contains(&kind) {
            found.torn += 1;
        } else if wanted(kind) {
            match parse_record(record, now) {
                Some(record) => found.records.push(record),
                None => found.torn += 1,
            }
        }
    }
    found
}

fn parse_record(record: &[u8], now: Timestamp) -> Option<Record> {
    let text = |from: usize, length: usize| {
        let field = record.get(from..from + length).unwrap_or_default();
        field.split(|b| *b == 0).next().unwrap_or_default()
    };
    let (line, user, host) = (text(8, 32), text(44, 32), text(76, 256));
    let address: [u8; 16] = field(record, LAYOUT.address);
    let from = match address {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => (!host.is_empty()).then(|| of_bytes(host)),
        [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => {
            Some(Text::new(Ipv4Addr::new(a, b, c, d).to_string()))
        }
        all => Some(of_bytes(Ipv6Addr::from(all).to_string().as_bytes())),
    };
    let pid = u32::try_from(i32::from_ne_bytes(field(record, 4))).ok().filter(|pid| *pid > 0);
    Some(Record { user: Text::new(user), from, line: Text::new(line), pid, at: time(record, now)? })
}

/// The time of a record, if it can be true: after 1980, not after tomorrow.
fn time(record: &[u8], now: Timestamp) -> Option<Timestamp> {
    let (seconds, micros) = if LAYOUT.length == 400 {
        let micros = i64::from_ne_bytes(field(record, LAYOUT.microseconds));
        (i64::from_ne_bytes(field(record, LAYOUT.time)), i32::try_from(micros).ok()?)
    } else {
        let seconds = u32::from_ne_bytes(field(record, LAYOUT.time));
        (i64::from(seconds), i32::from_ne_bytes(field(record, LAYOUT.microseconds)))
    };
    let micros = if (0..1_000_000).contains(&micros) { micros } else { 0 };
    let at = Timestamp::new(seconds, micros * 1000).ok()?;
    let believable = at.as_second() > 315_532_800 && at <= now + SignedDuration::from_hours(24);
    believable.then_some(at)
}

fn field<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    record.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

/// Terminal programs (screen, tmux, xterm) and mosh write records too, for sessions of people who are in already.
fn is_login(record: &Record) -> bool {
    let line = record.line.as_str();
    match record.from.as_deref() {
        Some(from) if !from.starts_with(':') => !from.starts_with("tmux(") && !from.contains(" via mosh"),
        _ => line.starts_with("tty") || line.starts_with(':') || line.starts_with("hvc") || line == CONSOLE,
    }
}

/// Services that record what is no login to the host.
const NOT_LOGINS: [&str; 9] =
    ["su", "su-l", "sudo", "sudo-i", "runuser", "runuser-l", "cron", "crond", "systemd-user"];

/// The logins in wtmpdb with a number above `after` and not before `since`, and the highest number there.
///
/// # Errors
/// If it cannot be opened or is no such database.
pub fn read_wtmpdb(
    path: &Path,
    after: i64,
    since: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<(Records, i64)> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(Duration::from_secs(2))?;
    let highest: Option<i64> = db.query_row("SELECT max(ID) FROM wtmp", [], |row| row.get(0))?;
    let highest = highest.unwrap_or(0);
    // Numbers that go back mean a new database.
    let after = if highest < after { 0 } else { after };
    let mut query = db.prepare(
        "SELECT User, Login, TTY, RemoteHost, Service FROM wtmp
         WHERE Type = 3 AND ID > ?1 AND ID <= ?2 AND Login >= ?3 ORDER BY ID DESC LIMIT 20000",
    )?;
    let mut rows = query.query((after, highest, since.as_microsecond()))?;
    let mut found = Records::default();
    while let Some(row) = rows.next()? {
        let text = |column| match row.get_ref(column) {
            Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.to_vec(),
            _ => Vec::new(),
        };
        let at = match row.get_ref(1)? {
            ValueRef::Integer(micros) => Timestamp::from_microsecond(micros).ok(),
            _ => None,
        };
        let Some(at) = at.filter(|at| *at <= now + SignedDuration::from_hours(24)) else {
            found.torn += 1;
            continue;
        };
        if NOT_LOGINS.iter().any(|service| service.as_bytes() == text(4)) {
            continue;
        }
        let host = text(3);
        let from = (!host.is_empty()).then(|| of_bytes(&host));
        let record =
            Record { user: Text::cut(&text(0), 128), from, line: Text::cut(&text(2), 64), pid: None, at };
        if is_login(&record) {
            found.records.push(record);
        }
    }
    found.records.reverse();
    Ok((found, highest))
}

/// A record of wtmp or btmp, for tests.
#[cfg(test)]
pub(super) fn record(
    kind: i16,
    pid: i32,
    line: &str,
    user: &str,
    host: &str,
    address: [u8; 4],
    second: i64,
) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &kind.to_ne_bytes());
    put(4, &pid.to_ne_bytes());
    put(8, line.as_bytes());
    put(44, user.as_bytes());
    put(76, host.as_bytes());
    put(LAYOUT.time, &u32::try_from(second).unwrap().to_ne_bytes());
    put(LAYOUT.address, &address);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: i64 = 1_795_348_800;

    fn now() -> Timestamp {
        Timestamp::from_second(NOON).unwrap()
    }

    fn shown(found: &Records) -> Vec<String> {
        let from = |record: &Record| record.from.as_deref().unwrap_or("-").to_owned();
        found.records.iter().map(|r| format!("{} {} {} {:?}", r.user, from(r), r.line, r.pid)).collect()
    }

    #[test]
    fn logins_are_found_and_what_terminal_programs_record_is_not() {
        let bytes = [
            record(2, 0, "~", "reboot", "6.1.0", [0; 4], NOON - 100),
            record(6, 40, "tty1", "LOGIN", "", [0; 4], NOON - 90),
            record(7, 41, "tty1", "root", "", [0; 4], NOON - 80),
            record(7, 42, "pts/0", "alice", "10.8.0.2", [10, 8, 0, 2], NOON - 70),
            record(7, 43, "pts/1", "alice", ":pts/0:S.0", [0; 4], NOON - 60),
            record(7, 44, "pts/2", "alice", "tmux(77).%0", [0; 4], NOON - 50),
            record(7, 45, "pts/3", "alice", "10.8.0.2 via mosh [9]", [0; 4], NOON - 40),
            record(7, 46, ":0", "bob", ":0", [0; 4], NOON - 30),
            record(8, 42, "pts/0", "", "", [0; 4], NOON - 20),
        ]
        .concat();
        let found = parse_wtmp(&bytes, now());
        assert_eq!(
            shown(&found),
            ["root - tty1 Some(41)", "alice 10.8.0.2 pts/0 Some(42)", "bob :0 :0 Some(46)"]
        );
        assert_eq!(found.torn, 0);
    }

    #[test]
    fn torn_records_and_absurd_times_are_counted_and_stop_nothing() {
        let mut bytes = [
            record(7, 1, "tty1", "root", "", [0; 4], 0),
            record(7, 1, "tty1", "root", "", [0; 4], NOON + 1_000_000),
            record(77, 1, "tty1", "root", "", [0; 4], NOON),
            record(7, 2, "tty2", "bob", "", [0; 4], NOON),
            record(7, 1, "tty1", "root", "", [0; 4], NOON),
        ]
        .concat();
        bytes.truncate(bytes.len() - 100);
        let found = parse_wtmp(&bytes, now());
        assert_eq!((shown(&found), found.torn), (vec!["bob - tty2 Some(2)".to_owned()], 4));
    }

    #[test]
    fn a_failed_login_that_btmp_holds_twice_counts_once() {
        let fail = |pid, second| record(6, pid, "ssh:notty", "x", "192.0.2.1", [192, 0, 2, 1], second);
        let bytes = [fail(7, NOON - 9), fail(7, NOON - 9), fail(7, NOON - 5), fail(8, NOON - 5)].concat();
        assert_eq!(parse_btmp(&bytes, now()).records.len(), 3);
    }

    #[test]
    fn names_in_records_are_made_harmless() {
        let mut bytes = record(6, 7, "ssh:notty", "a\x1b[2Jb\n", "h", [0; 4], NOON);
        bytes[44 + 7] = 0xff;
        assert_eq!(parse_btmp(&bytes, now()).records[0].user, "a\\x1b[2Jb\\x0a\\xff");
    }

    fn wtmpdb(path: &Path, rows: &[(i64, i64, &str, i64, &str, &str, &str)]) {
        let db = Connection::open(path).unwrap();
        db.execute_batch(
            "CREATE TABLE wtmp(ID INTEGER PRIMARY KEY, Type INTEGER, User TEXT NOT NULL, Login INTEGER,
             Logout INTEGER, TTY TEXT, RemoteHost TEXT, Service TEXT)",
        )
        .unwrap();
        for (id, kind, user, at, tty, host, service) in rows {
            let row = (id, kind, user, at * 1_000_000, tty, host, service);
            let insert = "INSERT INTO wtmp VALUES (?1, ?2, ?3, ?4, NULL, ?5, ?6, ?7)";
            db.execute(insert, row).unwrap();
        }
    }

    #[test]
    fn wtmpdb_is_read_from_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wtmp.db");
        wtmpdb(
            &path,
            &[
                (1, 1, "reboot", NOON - 500, "~", "6.12", ""),
                (2, 3, "old", NOON - 400, "ssh", "10.0.0.1", "sshd"),
                (3, 3, "alice", NOON - 300, "ssh", "10.8.0.2", "sshd"),
                (4, 3, "root", NOON - 200, "tty1", "", "login"),
                (5, 3, "root", NOON - 100, "pts/0", "", "su-l"),
                (6, 3, "bob", NOON + 999_999, "tty1", "", "login"),
            ],
        );
        let since = Timestamp::from_second(NOON - 350).unwrap();
        let (found, highest) = read_wtmpdb(&path, 0, since, now()).unwrap();
        assert_eq!(shown(&found), ["alice 10.8.0.2 ssh None", "root - tty1 None"]);
        assert_eq!((found.torn, highest), (1, 6));
        assert_eq!(read_wtmpdb(&path, 3, since, now()).unwrap().0.records.len(), 1);
        assert_eq!(read_wtmpdb(&path, 6, since, now()).unwrap().0.records.len(), 0);
        assert_eq!(read_wtmpdb(&path, 99, since, now()).unwrap().0.records.len(), 2, "a new database");
        std::fs::write(&path, "no database at all, but long enough to look at it twice").unwrap();
        assert!(read_wtmpdb(&path, 0, since, now()).is_err());
        assert!(read_wtmpdb(&folder.path().join("none"), 0, since, now()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_records_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..1200), kind in 6i16..8) {
            let _ = parse_wtmp(&bytes, now());
            let mut bytes = bytes;
            if let Some(head) = bytes.get_mut(..2) { head.copy_from_slice(&kind.to_ne_bytes()) }
            let _ = parse_btmp(&bytes, now());
            let _ = first_time(&bytes, now());
        }
    }
}
