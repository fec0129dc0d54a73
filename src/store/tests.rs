//! What must hold of the database: after any kill, on a full disk, when it is damaged.

mod kills;

use super::*;
use crate::alert::{About, Limits, Looked, State, digest, step};
use crate::finding::Code;
use crate::watch::Memory;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;

fn minute(minute: i64) -> Timestamp {
    "2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("watchdog.db");
    (folder, path)
}

fn about(blind: Vec<Blind>) -> About {
    About {
        zone: TimeZone::UTC,
        host: "web1".into(),
        policy_digest: "3fa94b0c11d2".into(),
        policy_files: vec!["policy.toml".into()],
        add_to: "policy.toml".into(),
        version: "0.1.0".into(),
        saw: Vec::new(),
        gaps: Vec::new(),
        blind,
        observing: None,
    }
}

fn process(name: &str) -> Finding {
    Finding::new(Code::UnknownProcess, name, format!("unknown process {name}")).with("share", 0.1)
}

fn pass(now: Timestamp, findings: Vec<Finding>) -> Pass {
    Pass { now, host: "web1".into(), looked: vec![Looked { watch: "w".into(), saw: true, findings }] }
}

fn take(store: &mut Store, book: &mut Book, pass: &Pass, memories: &Memories) -> Result<(), StoreError> {
    let composed = digest::compose(step(book, pass, &Limits::default()), &about(store.blind()?));
    store.commit(book, pass, composed, memories)
}

fn remembering(value: u64) -> Memories {
    let mut memory = Memory::default();
    memory.keep(&value);
    Memories(BTreeMap::from([("w.look".to_owned(), memory)]))
}

fn recalled(memories: &Memories) -> u64 {
    memories.0.get("w.look").map(Memory::recall).unwrap_or_default()
}

/// What would be left on the disk if the program were killed now.
fn killed(path: &Path) -> (TempDir, PathBuf) {
    let (after, copy) = folder();
    for suffix in ["", "-wal", "-shm"] {
        let from = format!("{}{suffix}", path.display());
        if Path::new(&from).exists() {
            std::fs::copy(&from, format!("{}{suffix}", copy.display())).unwrap();
        }
    }
    (after, copy)
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_committed_is_there_after_a_kill_and_queued_only_when_said() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = store.book().unwrap();
    take(&mut store, &mut book, &pass(minute(0), vec![process("/tmp/x")]), &remembering(7)).unwrap();

    let (_after, copy) = killed(&path);
    let mut again = Store::open(&copy, minute(1)).unwrap();
    assert_eq!(again.book().unwrap(), book);
    assert_eq!(book.sent, [minute(0)]);
    assert_eq!(recalled(&again.memories()), 7);
    let letters = again.unqueued().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].subject, "web1: unknown process /tmp/x");
    again.queued(&letters[0].message_id).unwrap();
    assert_eq!(again.unqueued().unwrap(), []);
    assert_eq!(again.reader().status().unwrap().counters["digests"], 1);
}

#[test]
fn a_kill_within_the_transaction_undoes_all_of_it() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = Book::default();
    take(&mut store, &mut book, &pass(minute(0), vec![process("/tmp/x")]), &remembering(1)).unwrap();
    let before = book.clone();
    let next = step(&book, &pass(minute(1), vec![process("/tmp/y")]), &Limits::default());
    let tx = store.reader.conn.transaction().unwrap();
    next.changed.iter().for_each(|alert| put_alert(&tx, alert).unwrap());
    tx.execute("DELETE FROM digests", []).unwrap();
    tx.execute_batch("PRAGMA cache_spill = 1; PRAGMA cache_size = 1").unwrap();
    let (_after, copy) = killed(&path);
    let again = Store::open(&copy, minute(1)).unwrap();
    assert_eq!((again.book().unwrap(), again.unqueued().unwrap().len()), (before, 1));
}

#[test]
fn a_full_disk_changes_nothing_and_the_next_pass_tries_again() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = Book::default();
    take(&mut store, &mut book, &pass(minute(0), vec![]), &remembering(1)).unwrap();
    let pages: i64 = store.reader.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.reader.conn.pragma_update(None, "max_page_count", pages).unwrap();
    let many: Vec<Finding> = (0..200).map(|n| process(&format!("/tmp/{n}"))).collect();
    let before = book.clone();
    let error = take(&mut store, &mut book, &pass(minute(1), many.clone()), &remembering(2)).unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(error.to_string().contains("the disk is full; nothing was lost"), "{error}");
    assert_eq!((&book, recalled(&store.memories())), (&before, 1));
    assert_eq!((store.book().unwrap(), store.unqueued().unwrap().len()), (before, 0));

    store.reader.conn.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    take(&mut store, &mut book, &pass(minute(2), many), &remembering(2)).unwrap();
    assert_eq!(
        (book.alerts.len(), store.unqueued().unwrap().len(), recalled(&store.memories())),
        (200, 1, 2)
    );
}

#[test]
#[cfg(unix)]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = folder();
    std::fs::write(folder.path().join("watchdog.db.lock"), "").unwrap();
    let mut store = Store::open(&path, minute(0)).unwrap();
    take(&mut store, &mut Book::default(), &pass(minute(0), vec![]), &remembering(1)).unwrap();
    let modes = |folder: &TempDir| -> Vec<(String, u32)> {
        let mode =
            |name: &String| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        names(folder).into_iter().map(|name| (name.clone(), mode(&name))).collect()
    };
    let wanted = ["watchdog.db", "watchdog.db-shm", "watchdog.db-wal", "watchdog.db.lock"];
    assert_eq!(modes(&folder), wanted.map(|name| (name.to_owned(), 0o600)));
    drop(store);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _store = Store::open(&path, minute(0)).unwrap();
    assert!(modes(&folder).iter().all(|(_, mode)| *mode == 0o600));
}

#[test]
fn a_second_watchdog_is_refused_and_a_reader_is_not() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    take(&mut store, &mut Book::default(), &pass(minute(0), vec![process("/tmp/x")]), &remembering(1))
        .unwrap();
    let error = Store::open(&path, minute(0)).unwrap_err();
    assert!(error.to_string().contains("is in use by another watchdog"), "{error}");
    let open = Reader::open(&path).unwrap().open_alerts().unwrap();
    assert_eq!(open.len(), 1);
    drop(store);
    assert_eq!(Reader::open(&path).unwrap().open_alerts().unwrap(), open);
    Store::open(&path, minute(0)).unwrap();
}

#[test]
fn a_database_of_a_newer_program_is_left_alone() {
    let (folder, path) = folder();
    drop(Store::open(&path, minute(0)).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let wanted = "was written by a newer watchdog (version 99, this program knows 1): install the newer program, or move the file away to begin afresh";
    for error in [Store::open(&path, minute(0)).unwrap_err(), Reader::open(&path).unwrap_err()] {
        assert!(error.to_string().ends_with(wanted), "{error}");
    }
    assert!(names(&folder).iter().all(|name| !name.contains("corrupt")));
}

#[test]
fn a_reader_of_nothing_says_so() {
    let (_folder, path) = folder();
    assert!(matches!(Reader::open(&path).unwrap_err(), StoreError::Io(..)));
    assert!(!path.exists());
}

type Damage = fn(&Path);

/// Damages that can befall a file, each tried on a database with one alert.
#[test]
fn a_damaged_database_is_moved_aside_and_told_until_a_pass_has_reported_it() {
    let damages: [(&str, Damage); 7] = [
        ("not a database", |path| {
            std::fs::write(path, "this is no database, not at all".repeat(100)).unwrap();
        }),
        ("emptied", |path| std::fs::write(path, "").unwrap()),
        ("cut", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("overwritten in the middle", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let from = 4096;
            bytes[from..].fill(0xa5);
            std::fs::write(path, bytes).unwrap();
        }),
        ("a table is missing", |path| {
            Connection::open(path).unwrap().execute_batch("DROP TABLE watches").unwrap();
        }),
        ("an alert is not one", |path| {
            Connection::open(path).unwrap().execute_batch("UPDATE alerts SET alert = '{}'").unwrap();
        }),
        ("of another program", |path| {
            Connection::open(path).unwrap().execute_batch("PRAGMA application_id = 1").unwrap();
        }),
    ];
    for (name, damage) in damages {
        let (folder, path) = folder();
        let mut store = Store::open(&path, minute(0)).unwrap();
        take(&mut store, &mut Book::default(), &pass(minute(0), vec![process("/tmp/x")]), &remembering(1))
            .unwrap();
        assert_eq!(store.notes().unwrap(), []);
        drop(store);
        damage(&path);

        let store = Store::open(&path, minute(1)).unwrap();
        assert_eq!((store.book().unwrap(), recalled(&store.memories())), (Book::default(), 0), "{name}");
        let moved = "watchdog.db.corrupt-20261123T120100Z";
        assert!(names(&folder).contains(&moved.to_owned()), "{name}: {:?}", names(&folder));
        drop(store);

        // Killed before a pass: it is told the next time.
        let mut store = Store::open(&path, minute(2)).unwrap();
        let notes = store.notes().unwrap();
        assert_eq!(notes.len(), 1, "{name}");
        assert!(
            notes[0].title.contains("damaged and has begun afresh") && notes[0].title.ends_with(moved),
            "{name}"
        );
        assert!(notes[0].evidence.contains_key("why"), "{name}: {:?}", notes[0]);
        take(&mut store, &mut Book::default(), &pass(minute(2), notes), &remembering(1)).unwrap();
        assert_eq!(store.notes().unwrap(), [], "{name}");
    }
}

#[test]
fn a_kill_between_moving_aside_and_beginning_afresh_is_told() {
    let (folder, path) = folder();
    std::fs::write(folder.path().join("watchdog.db.corrupt-20261123T120100Z"), "x").unwrap();
    std::fs::write(folder.path().join("watchdog.db.new"), "half").unwrap();
    let store = Store::open(&path, minute(2)).unwrap();
    assert_eq!(store.notes().unwrap().len(), 1);
}

#[test]
fn stops_kills_and_sleeps_are_told_in_the_next_mail_and_then_forgotten() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = Book::default();
    let tolerance = Span::minutes(2);
    assert_eq!(store.begin(minute(0), tolerance).unwrap(), None);
    take(&mut store, &mut book, &pass(minute(5), vec![]), &remembering(1)).unwrap();
    drop(store);

    let mut store = Store::open(&path, minute(50)).unwrap();
    let killed = store.begin(minute(50), tolerance).unwrap().unwrap();
    assert_eq!((killed.from, killed.until), (minute(5), minute(50)));
    assert_eq!(killed.why, "it ended without being stopped: killed, crashed, or the host went down");
    store.stop(minute(60)).unwrap();
    drop(store);

    let mut store = Store::open(&path, minute(61)).unwrap();
    assert_eq!(store.begin(minute(61), tolerance).unwrap(), None);
    store.stop(minute(62)).unwrap();
    drop(store);

    let mut store = Store::open(&path, minute(100)).unwrap();
    let stopped = store.begin(minute(100), tolerance).unwrap().unwrap();
    assert_eq!((stopped.from, stopped.why.as_str()), (minute(62), "it was stopped"));
    let slept = Blind { from: minute(110), until: minute(120), why: "the host slept".into() };
    store.was_blind(&slept).unwrap();
    assert_eq!(store.blind().unwrap(), [killed, stopped, slept]);

    take(&mut store, &mut book, &pass(minute(121), vec![]), &remembering(1)).unwrap();
    assert_eq!(store.blind().unwrap().len(), 3, "no mail, not told");
    take(&mut store, &mut book, &pass(minute(122), vec![process("/tmp/x")]), &remembering(1)).unwrap();
    assert_eq!(store.blind().unwrap(), []);
    let body = &store.unqueued().unwrap()[0].body;
    assert_eq!(body.matches("was not watching from Mon ").count(), 3, "{body}");
    // A clock set back is no absence.
    assert_eq!(store.begin(minute(-500), tolerance).unwrap(), None);
}

#[test]
fn an_alert_is_found_by_the_beginning_of_its_id() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = Book::default();
    let two = vec![process("/tmp/x"), process("/tmp/y")];
    take(&mut store, &mut book, &pass(minute(0), two), &remembering(1)).unwrap();
    for alert in book.alerts.values() {
        let find = |typed: &str| store.reader().find(typed).unwrap();
        assert_eq!(find(&alert.id), std::slice::from_ref(alert));
        assert_eq!(find(&format!(" {} ", alert.id[..4].to_uppercase())), std::slice::from_ref(alert));
        assert_eq!(find(&format!("{}a", alert.id)), []);
    }
    for typed in ["", "%", "_____", "a' OR 1=1", "é", "zzzzzzzz"] {
        assert_eq!(store.reader().find(typed).unwrap(), []);
    }
}

#[test]
fn an_open_alert_is_found_before_one_that_is_over() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = Book::default();
    for (at, seen) in [(0, true), (1, false), (7, false), (20, false), (3000, false), (3001, true)] {
        let findings = if seen { vec![process("/tmp/x")] } else { vec![] };
        take(&mut store, &mut book, &pass(minute(at), findings), &remembering(1)).unwrap();
    }
    assert_eq!(store.book().unwrap(), book);
    let (open, ended) = (store.reader().open_alerts().unwrap(), store.reader().ended_alerts(10).unwrap());
    assert_eq!((open.len(), ended.len()), (1, 1));
    assert_ne!(open[0].id, ended[0].id);
    assert_eq!(ended[0].state, State::Resolved);
    assert_eq!(store.reader().find(&ended[0].id).unwrap(), ended);
}

#[test]
fn what_is_old_is_forgotten_and_what_is_open_never() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = Book::default();
    let day = 1440;
    let passes = [
        (0, vec![process("/tmp/x"), process("/tmp/stays")]),
        (1, vec![process("/tmp/stays")]),
        (7, vec![process("/tmp/stays")]),
        (20, vec![process("/tmp/stays")]),
        (3 * day, vec![process("/tmp/stays")]),
        (89 * day, vec![process("/tmp/stays")]),
    ];
    for (at, findings) in passes {
        take(&mut store, &mut book, &pass(minute(at), findings), &remembering(1)).unwrap();
    }
    assert_eq!(store.reader().ended_alerts(10).unwrap().len(), 1);
    take(&mut store, &mut book, &pass(minute(91 * day), vec![process("/tmp/stays")]), &remembering(1))
        .unwrap();
    assert_eq!(store.reader().ended_alerts(10).unwrap().len(), 0);
    assert_eq!(store.reader().open_alerts().unwrap().len(), 1);
    assert_eq!(store.unqueued().unwrap().len(), 5, "never a mail that is not in the outbox");
}

#[test]
fn status_tells_what_was_last_done() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, minute(0)).unwrap();
    let mut book = Book::default();
    store.begin(minute(0), Span::minutes(2)).unwrap();
    take(&mut store, &mut book, &pass(minute(1), vec![process("/tmp/x")]), &remembering(1)).unwrap();
    let mut failed = pass(minute(2), vec![]);
    failed.looked[0].saw = false;
    take(&mut store, &mut book, &failed, &remembering(1)).unwrap();
    let status = store.reader().status().unwrap();
    assert_eq!(status.run, Some(Run { started: minute(0), last: Some(minute(2)), stopped: None }));
    assert_eq!(status.watches["w"], WatchMark { looked: minute(2), saw: Some(minute(1)) });
    let counters = [("digests", 1), ("findings", 1), ("passes", 2)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(status.counters, BTreeMap::from(counters));
    assert_eq!((status.last_digest, status.unqueued), (Some(minute(1)), 1));
}
