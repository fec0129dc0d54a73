//! No alert is lost and none is doubled: a real process is killed at any moment, again and again.
//!
//! The test starts itself as the process to kill. That process makes passes, each of which finds something new,
//! stores it, and puts the mails into an outbox folder, as the service does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use host_watchdog::alert::{About, Limits, Looked, Pass, digest, step};
use host_watchdog::finding::{Code, Finding};
use host_watchdog::pass::Memories;
use host_watchdog::store::Store;
use host_watchdog::watch::Memory;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

const FOLDER: &str = "ALERT_LIFE_FOLDER";

fn moment(number: u64) -> Timestamp {
    let start: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(i64::try_from(number).unwrap() * 10)
}

fn name(number: u64) -> String {
    format!("/tmp/found-{number:06}")
}

fn about() -> About {
    About {
        zone: TimeZone::UTC,
        host: "web1".into(),
        policy_digest: "3fa94b0c11d2".into(),
        policy_files: vec!["policy.toml".into()],
        add_to: "policy.toml".into(),
        version: "0".into(),
        saw: Vec::new(),
        gaps: Vec::new(),
        blind: Vec::new(),
        observing: None,
    }
}

fn position(memories: &Memories) -> u64 {
    memories.0.get("w.look").map(Memory::recall).unwrap_or_default()
}

/// The outbox takes a message id once: a file with its name.
fn deliver(store: &mut Store, folder: &Path) {
    for letter in store.unqueued().unwrap() {
        let file = folder.join("outbox").join(letter.message_id.trim_matches(['<', '>']));
        if !file.exists() {
            let half = folder.join("half");
            std::fs::write(&half, &letter.body).unwrap();
            std::fs::rename(half, file).unwrap();
        }
        store.queued(&letter.message_id).unwrap();
    }
}

/// Pass number n sees the processes n - 2, n - 1 and n: each appears, and is over two passes later.
fn passes(folder: &Path, up_to: u64) {
    let mut store = Store::open(&folder.join("watchdog.db"), moment(0)).unwrap();
    let mut book = store.book().unwrap();
    deliver(&mut store, folder);
    loop {
        let number = position(&store.memories()) + 1;
        if number > up_to {
            return;
        }
        let found =
            (number.saturating_sub(2)..=number).map(|n| Finding::new(Code::NewListener, name(n), name(n)));
        let looked = Looked { watch: "w".into(), saw: true, findings: found.collect() };
        let pass = Pass { now: moment(number), host: "web1".into(), looked: vec![looked] };
        let mut memory = Memory::default();
        memory.keep(&number);
        let memories = Memories(BTreeMap::from([("w.look".to_owned(), memory)]));
        let composed = digest::compose(step(&book, &pass, &Limits::default()), &about());
        store.commit(&mut book, &pass, composed, &memories).unwrap();
        deliver(&mut store, folder);
    }
}

/// Not a test of its own: what the other one starts.
#[test]
fn the_process_to_kill() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        passes(Path::new(&folder), u64::MAX);
    }
}

#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
fn victim(folder: &Path) -> Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_to_kill"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_kill_at_any_moment_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("outbox")).unwrap();
    // Where programs start slowly some more are killed, each later than the one before, until there is something to look at.
    let is_enough = |round: u64| {
        let store = || Store::open(&folder.path().join("watchdog.db"), moment(0)).unwrap();
        round >= 25 && (round >= 100 || position(&store().memories()) > 3)
    };
    let mut round = 0;
    while !is_enough(round) {
        round += 1;
        let mut victim = victim(folder.path());
        std::thread::sleep(Duration::from_micros(20_000 + round * 7_919));
        // Without a chance to do anything more; if it had ended by itself, it did not do its work.
        victim.kill().unwrap();
        let status = victim.wait().unwrap();
        let killed = if cfg!(windows) { Some(1) } else { None };
        assert_eq!(status.code(), killed, "it was not killed: {status}");
    }
    let store = Store::open(&folder.path().join("watchdog.db"), moment(0)).unwrap();
    let reached = position(&store.memories());
    assert_eq!(store.notes().unwrap(), []);
    drop(store);
    assert!(reached > 3, "the killed ones came to pass {reached} only");
    passes(folder.path(), reached + 5);

    let mut opened: BTreeMap<String, u32> = BTreeMap::new();
    let mut ended = opened.clone();
    for mail in std::fs::read_dir(folder.path().join("outbox")).unwrap() {
        let body = std::fs::read_to_string(mail.unwrap().path()).unwrap();
        let mut part = "";
        for line in body.lines() {
            part = [("NEW (", "new"), ("ENDED (", "ended"), ("STILL", "still"), ("COVERAGE", "")]
                .into_iter()
                .find_map(|(begins, part)| line.starts_with(begins).then_some(part))
                .unwrap_or(part);
            if let Some((_, found)) =
                line.split_once(". ").filter(|(_, found)| found.starts_with("/tmp/found-"))
            {
                match part {
                    "new" => *opened.entry(found.to_owned()).or_default() += 1,
                    "ended" => *ended.entry(found.to_owned()).or_default() += 1,
                    _ => {}
                }
            }
        }
    }
    let all: Vec<(String, u32)> = (0..=reached + 5).map(|number| (name(number), 1)).collect();
    assert_eq!(opened.into_iter().collect::<Vec<_>>(), all);
    // Number n is seen last in pass n + 2, missed in n + 3 and n + 4, and its end is told when that has waited.
    assert_eq!(ended.into_iter().collect::<Vec<_>>(), all[..usize::try_from(reached + 2).unwrap()]);
}
