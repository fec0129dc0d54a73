#![cfg(unix)]

use super::*;
use crate::mail::route::{Failure, Scope};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;

fn outbox() -> (tempfile::TempDir, Outbox) {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path().join("outbox")).unwrap();
    (folder, outbox)
}

fn message(id: &str) -> Message {
    Message { id: id.to_owned(), bytes: format!("Message-ID: {id}\r\n\r\n").into_bytes() }
}

fn files(outbox: &Outbox, part: &str) -> Vec<String> {
    let entries = fs::read_dir(outbox.folder().join(part)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn state(attempts: u32, reason: &str, permanence: Permanence, next_try: &str) -> State {
    let failure = Failure { scope: Scope::Mail, permanence, reason: reason.to_owned() };
    State { attempts, next_try: Some(next_try.parse().unwrap()), failure: Some(failure), ..State::default() }
}

#[test]
fn a_mail_put_in_lies_in_the_queue_and_only_we_can_read_it() {
    let (_folder, outbox) = outbox();
    assert_eq!(outbox.enqueue(&message("<a@b>")).unwrap(), Enqueued::New);
    assert_eq!((files(&outbox, "queue"), files(&outbox, "tmp")), (vec!["a@b.eml".to_owned()], Vec::new()));
    assert_eq!(outbox.message("a@b", Place::Queue).unwrap(), message("<a@b>").bytes);
    let mode = |path: &str| fs::metadata(outbox.folder().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!([".", "tmp", "queue", "handover", "sent"].map(mode), [0o700; 5]);
    assert_eq!(mode("queue/a@b.eml"), 0o600);
}

#[test]
fn a_mail_that_does_not_get_into_the_queue_is_told_and_gone() {
    let (_folder, outbox) = outbox();
    fs::remove_dir(outbox.folder().join("queue")).unwrap();
    assert_eq!(outbox.enqueue(&message("<a@b>")).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(files(&outbox, "tmp"), [""; 0]);
}

#[test]
fn the_same_mail_is_one_mail_before_and_after_it_was_sent() {
    let (_folder, outbox) = outbox();
    outbox.enqueue(&message("<a@b>")).unwrap();
    assert_eq!(outbox.enqueue(&message("<a@b>")).unwrap(), Enqueued::Known);
    outbox.note("a@b", state(1, "no", Permanence::Temporary, "2026-11-22T12:00:00Z"));
    outbox.settle("a@b", Place::Queue, &State::default()).unwrap();
    assert_eq!(outbox.enqueue(&message("<a@b>")).unwrap(), Enqueued::Known);
    assert_eq!(
        (files(&outbox, "queue"), files(&outbox, "sent")),
        (vec![], vec!["a@b.eml".into(), "a@b.state".into()])
    );
}

#[test]
fn every_id_has_a_file_name_of_its_own() {
    let long = format!("<{}@b>", "x".repeat(500));
    let longer = format!("<{}@b>", "x".repeat(501));
    let ids = [
        "<a@b>",
        "<a/b@c>",
        "<a_b@c>",
        "<../../etc/passwd>",
        "<.x@y>",
        "<-x@y>",
        "",
        "<>",
        "<<>>",
        "a@b",
        &long,
        &longer,
    ];
    let mut names: Vec<_> = ids.iter().map(|id| file_name(id)).collect();
    assert_eq!(names[0], "a@b");
    assert!(names.iter().all(|name| !name.contains('/') && !name.starts_with('.') && name.len() < 200));
    assert!(names.iter().all(|name| disk::is_name(name)));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), ids.len());
}

#[test]
fn what_an_interrupted_writer_left_is_cleared_away_but_not_what_is_being_written() {
    let (_folder, outbox) = outbox();
    fs::write(outbox.folder().join("tmp/half.eml"), "Mess").unwrap();
    let lock = disk::try_lock(&outbox.folder().join("tmp")).unwrap().unwrap();
    Outbox::open(outbox.folder()).unwrap();
    assert_eq!(files(&outbox, "tmp"), ["half.eml"]);
    drop(lock);
    Outbox::open(outbox.folder()).unwrap();
    assert_eq!(files(&outbox, "tmp"), [""; 0]);
    assert_eq!(outbox.waiting().unwrap(), []);
}

#[test]
fn what_is_cleared_is_the_folder_that_was_locked_not_one_that_a_link_in_its_place_leads_to() {
    let (folder, outbox) = outbox();
    let (tmp, away, precious) =
        (outbox.folder().join("tmp"), outbox.folder().join("away"), folder.path().join("precious"));
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("watchdog.db"), "all we know").unwrap();
    fs::write(tmp.join("half.eml"), "Mess").unwrap();
    let lock = disk::try_lock(&tmp).unwrap().unwrap();
    fs::rename(&tmp, &away).unwrap();
    std::os::unix::fs::symlink(&precious, &tmp).unwrap();
    disk::clear(&lock).unwrap();
    assert!(precious.join("watchdog.db").exists());
    assert_eq!(files(&outbox, "away"), [""; 0]);
}

#[test]
fn a_mail_laid_aside_is_known_and_counted_and_comes_back_or_is_sent() {
    let (_folder, outbox) = outbox();
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    outbox.enqueue(&message("<a@b>")).unwrap();
    outbox.hand_over("a@b", State::default(), now).unwrap();
    assert_eq!(outbox.enqueue(&message("<a@b>")).unwrap(), Enqueued::Known);
    assert_eq!(outbox.handed_over().unwrap(), ["a@b"]);
    let status = outbox.status().unwrap();
    assert_eq!((status.waiting, status.handed_over), (1, 1));
    assert_eq!(outbox.state("a@b").handed_over, Some(now));
    outbox.take_back("a@b", outbox.state("a@b")).unwrap();
    let status = outbox.status().unwrap();
    assert_eq!((status.waiting, status.handed_over), (1, 0));
    assert_eq!(outbox.state("a@b").handed_over, None);
    outbox.hand_over("a@b", State::default(), now).unwrap();
    outbox.settle("a@b", Place::Handover, &State::default()).unwrap();
    assert_eq!(files(&outbox, "sent"), ["a@b.eml", "a@b.state"]);
    assert_eq!((files(&outbox, "queue"), files(&outbox, "handover")), (vec![], vec![]));
}

#[test]
fn a_link_or_a_pipe_in_place_of_a_mail_or_its_state_is_not_read() {
    let (folder, outbox) = outbox();
    fs::write(folder.path().join("secret"), r#"{"attempts":7,"next_try":null,"accepted":[]}"#).unwrap();
    for file in ["queue/a.eml", "queue/a.state"] {
        std::os::unix::fs::symlink(folder.path().join("secret"), outbox.folder().join(file)).unwrap();
    }
    assert!(outbox.message("a", Place::Queue).is_err());
    assert_eq!(outbox.state("a"), State::default());
    let pipe = outbox.folder().join("queue/b.eml");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(outbox.message("b", Place::Queue).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn one_at_a_time_delivers() {
    let (_folder, outbox) = outbox();
    let first = outbox.deliverer().unwrap();
    assert!(first.is_some() && outbox.deliverer().unwrap().is_none());
    drop(first);
    assert!(outbox.deliverer().unwrap().is_some());
}

#[test]
fn a_lock_that_was_given_back_is_free_though_a_child_has_a_copy_of_its_file() {
    let (_folder, outbox) = outbox();
    let lock = outbox.deliverer().unwrap().unwrap();
    // The copy shares the lock, as that of a child between fork and exec does.
    let copy = lock.0.try_clone().unwrap();
    drop(lock);
    assert!(outbox.deliverer().unwrap().is_some());
    drop(copy);
}

#[test]
fn the_state_of_the_tries_survives_a_restart() {
    let (_folder, outbox) = outbox();
    outbox.enqueue(&message("<a@b>")).unwrap();
    let noted = state(3, "550 no", Permanence::Permanent, "2026-11-22T12:00:00Z");
    outbox.note("a@b", noted.clone());
    let again = Outbox::open(outbox.folder()).unwrap();
    assert_eq!(again.state("a@b"), noted);
    fs::write(outbox.folder().join("queue/a@b.state"), "{").unwrap();
    assert_eq!(again.state("a@b"), State::default());
}

#[test]
fn of_states_no_more_is_read_than_we_can_have_written() {
    let (_folder, outbox) = outbox();
    let noted =
        serde_json::to_string(&state(3, "550 no", Permanence::Permanent, "2026-11-22T12:00:00Z")).unwrap();
    let write = |name: &str, size: usize| {
        fs::write(outbox.path("queue", name, "eml"), "x").unwrap();
        fs::write(outbox.path("queue", name, "state"), format!("{noted}{}", " ".repeat(size - noted.len())))
            .unwrap();
    };
    write("large", 1024 * 1024 + 1);
    assert_eq!(outbox.state("large"), State::default());
    assert_eq!(outbox.status().unwrap().refused, 0);
    fs::remove_file(outbox.path("queue", "large", "eml")).unwrap();
    for number in 0..100 {
        write(&format!("full-{number}"), 1024 * 1024);
    }
    let status = outbox.status().unwrap();
    assert_eq!((status.waiting, status.refused), (100, 65));
}

#[test]
fn of_a_folder_that_is_overfilled_the_first_names_count() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100_010 {
        File::create(folder.path().join(format!("{number}.eml"))).unwrap();
    }
    assert_eq!(disk::mails(folder.path()).unwrap().len(), 100_000);
}

#[test]
fn nothing_that_another_wrote_into_the_outbox_reaches_a_terminal_as_it_is() {
    let (_folder, outbox) = outbox();
    for name in ["a@b", "\u{1b}]0;owned\u{7}", "a b", "-rf", ".hidden", ""] {
        fs::write(outbox.folder().join("queue").join(format!("{name}.eml")), "x").unwrap();
    }
    let failure = r#"{"scope":"mail","permanence":"temporary","reason":"\u001b[2J\u009bno\u202e"}"#;
    let accepted = r#"[{"to":"\u001b[31mroot","reply":"\u001b[1m250","at":"2026-11-22T12:00:00Z"}]"#;
    let bytes = format!(r#"{{"attempts":1,"next_try":null,"failure":{failure},"accepted":{accepted}}}"#);
    fs::write(outbox.path("queue", "a@b", "state"), bytes).unwrap();
    let waiting = outbox.waiting().unwrap();
    assert_eq!(waiting.iter().map(|mail| mail.name.as_str()).collect::<Vec<_>>(), ["a@b"]);
    assert_eq!(outbox.status().unwrap().last_error.as_deref(), Some("\\x1b[2J\\u{9b}no\\u{202e}"));
    assert_eq!(outbox.state("a@b").accepted[0].to, "\\x1b[31mroot");
    // What is long is cut once, and is then the same each time it is read.
    let long = Failure::new(Scope::Mail, Permanence::Temporary, &"x".repeat(9999));
    let again: Failure = serde_json::from_str(&serde_json::to_string(&long).unwrap()).unwrap();
    assert_eq!((again.reason.len(), &again), (503, &long));
}

#[test]
fn a_state_that_cannot_be_written_is_remembered() {
    let (_folder, outbox) = outbox();
    outbox.enqueue(&message("<a@b>")).unwrap();
    fs::remove_dir(outbox.folder().join("tmp")).unwrap();
    let noted = state(1, "no", Permanence::Temporary, "2026-11-22T12:00:00Z");
    outbox.note("a@b", noted.clone());
    assert_eq!(outbox.state("a@b"), noted);
    assert_eq!(outbox.waiting().unwrap()[0].attempts, 1);
}

#[test]
fn the_status_says_how_many_wait_since_when_and_why() {
    let (_folder, outbox) = outbox();
    assert_eq!(outbox.status().unwrap(), OutboxStatus::default());
    for (id, age) in [("<a@b>", 100), ("<b@b>", 300), ("<c@b>", 200)] {
        outbox.enqueue(&message(id)).unwrap();
        let path = outbox.path("queue", &file_name(id), "eml");
        let then = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    outbox.note("b@b", state(3, "550 no", Permanence::Permanent, "2026-11-22T13:00:00Z"));
    outbox.note("a@b", state(1, "451 later", Permanence::Temporary, "2026-11-22T12:00:00Z"));
    let order: Vec<_> = outbox.waiting().unwrap().into_iter().map(|mail| mail.name).collect();
    assert_eq!(order, ["c@b", "a@b", "b@b"]);
    let status = outbox.status().unwrap();
    assert_eq!(
        status,
        OutboxStatus {
            waiting: 3,
            refused: 1,
            handed_over: 0,
            oldest: Some(Timestamp::from_second(1_000_000 - 300).unwrap()),
            next_try: None,
            last_error: Some("550 no".to_owned()),
        }
    );
    outbox.note("c@b", state(1, "x", Permanence::Temporary, "2026-11-22T12:30:00Z"));
    assert_eq!(outbox.status().unwrap().next_try, Some("2026-11-22T12:00:00Z".parse().unwrap()));
    assert_eq!(Outbox::at("/nonexistent/outbox").status().unwrap(), OutboxStatus::default());
}

#[test]
fn what_was_sent_is_kept_for_a_time() {
    let (_folder, outbox) = outbox();
    let outbox = outbox.keeping(Keep { days: 2, mails: 2 });
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    for (id, days) in [("<a@b>", 3), ("<b@b>", 1), ("<c@b>", 0), ("<d@b>", 1)] {
        outbox.enqueue(&message(id)).unwrap();
        outbox.settle(&file_name(id), Place::Queue, &State::default()).unwrap();
        let then =
            std::time::SystemTime::from(now) - Duration::from_secs(days * 86_400 + u64::from(id == "<b@b>"));
        let path = outbox.path("sent", &file_name(id), "eml");
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    outbox.prune(now).unwrap();
    assert_eq!(files(&outbox, "sent"), ["c@b.eml", "c@b.state", "d@b.eml", "d@b.state"]);
}
