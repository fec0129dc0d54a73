//! Whenever the program is killed, each mail is sent once.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Without waiting for the disk: a kill is not a power failure.
fn fast(path: &Path, now: Timestamp) -> Store {
    let store = Store::open(path, now).unwrap();
    store.reader.conn.pragma_update(None, "synchronous", "off").unwrap();
    store
}

/// When the program is killed in a pass.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kill {
    Not,
    BeforeCommit,
    BeforeOutbox,
    BeforeQueued,
    After,
}

fn any_kill() -> impl Strategy<Value = Kill> {
    prop_oneof![
        5 => Just(Kill::Not),
        1 => Just(Kill::BeforeCommit),
        1 => Just(Kill::BeforeOutbox),
        1 => Just(Kill::BeforeQueued),
        1 => Just(Kill::After),
    ]
}

/// What people were told of an alert, from the mails themselves.
#[derive(Debug, Default)]
struct Heard {
    opened: usize,
    again: usize,
    ended: usize,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// States come and go, logins happen one after the other and are read from where the memory stands; the
    /// program is killed at random moments. The mails in the outbox tell each opening once and each end once, and
    /// no login is counted twice or forgotten.
    #[test]
    fn no_kill_loses_or_doubles_a_mail(
        plan in prop::collection::vec((1i64..400, 0usize..8, 0u64..2, any_kill()), 1..40),
    ) {
        let (mut home, mut path) = folder();
        let mut outbox: BTreeMap<String, Letter> = BTreeMap::new();
        let mut store = fast(&path, minute(0));
        let mut book = store.book().unwrap();
        let mut now = 0;
        let mut logins = 0;
        let mut counted = 0;
        let quiet = (0..45).map(|_| (120, 0, 0, Kill::Not));
        for (wait, states, more, kill) in plan.into_iter().chain(quiet) {
            now += wait;
            logins += more;
            let read = recalled(&store.memories());
            let mut findings: Vec<Finding> = (0..3)
                .filter(|bit| states & (1 << bit) != 0)
                .map(|bit| process(&format!("/tmp/{bit}")))
                .collect();
            if logins > read {
                counted += u64::from(kill != Kill::BeforeCommit);
                findings.push(Finding::new(Code::OffHoursLogin, "bob", "login of bob").with("read", logins - read));
            }
            if kill != Kill::BeforeCommit {
                take(&mut store, &mut book, &pass(minute(now), findings), &remembering(logins)).unwrap();
            }
            if matches!(kill, Kill::Not | Kill::BeforeQueued | Kill::After) {
                for letter in store.unqueued().unwrap() {
                    outbox.entry(letter.message_id.clone()).or_insert_with(|| letter.clone());
                    if kill != Kill::BeforeQueued {
                        store.queued(&letter.message_id).unwrap();
                    }
                }
            }
            if kill != Kill::Not {
                let (after, copy) = killed(&path);
                (home, path) = (after, copy);
                store = fast(&path, minute(now));
                book = store.book().unwrap();
            }
        }
        drop(home);
        prop_assert_eq!(store.unqueued().unwrap(), []);

        let mut heard: BTreeMap<String, Heard> = BTreeMap::new();
        for letter in outbox.values() {
            let mut part = "";
            let mut id = String::new();
            for line in letter.body.lines() {
                part = if line.starts_with("NEW (") { "new" } else if line.starts_with("ENDED (") { "ended" }
                    else if line.starts_with("STILL OPEN (") { "still" } else if line == "COVERAGE" { "" } else { part };
                if let Some((_, found)) = line.split_once(", id ").filter(|_| !part.is_empty()) {
                    id = found.to_owned();
                    heard.entry(id.clone()).or_default();
                }
                if let Some(heard) = heard.get_mut(&id).filter(|_| !part.is_empty()) {
                    heard.opened += usize::from(part == "new" && line.starts_with("   first seen"));
                    heard.again += usize::from(line.starts_with("   is back after its end"));
                    heard.ended += usize::from(line.contains("no longer seen") || line.contains("has not happened again"));
                }
            }
        }
        let ended = store.reader().ended_alerts(1000).unwrap();
        prop_assert_eq!(store.reader().open_alerts().unwrap(), []);
        prop_assert_eq!(ended.iter().map(|alert| &alert.id).collect::<BTreeSet<_>>(), heard.keys().collect());
        for alert in &ended {
            let told = &heard[&alert.id];
            prop_assert_eq!(told.opened, 1, "{:?}", alert);
            if alert.code() == Code::UnknownProcess {
                prop_assert_eq!(told.ended, 1 + told.again, "{:?}", alert);
            } else {
                prop_assert!(told.ended >= 1);
            }
        }
        prop_assert_eq!(recalled(&store.memories()), logins);
        let logins = ended.iter().filter(|alert| alert.code() == Code::OffHoursLogin);
        prop_assert_eq!(logins.map(|alert| alert.times).sum::<u64>(), counted);
    }
}
