//! The outbox when its writer is killed at any moment, and when the disk is full.

use super::{letter, route, this_test};
use host_watchdog::mail::{Enqueued, Message, Outbox, compose};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A mail so long that a kill often comes in the midst of writing it.
fn message(number: usize) -> Message {
    let id = format!("<digest-{number}@web1.example.org>");
    let line = format!("mail {number}\r\n").into_bytes();
    Message { id, bytes: line.repeat(number * 7919 % 60_000 + 1) }
}

#[test]
#[ignore = "the writer that the next test kills"]
fn writer() {
    let Some(folder) = std::env::var_os("WRITER_FOLDER") else { return };
    let first: usize = std::env::var("WRITER_FIRST").unwrap().parse().unwrap();
    let outbox = Outbox::open(folder).unwrap();
    for number in first.. {
        // Each twice, as one that did not see its success would.
        let message = message(number);
        assert_eq!(outbox.enqueue(&message).unwrap(), Enqueued::New);
        writeln!(std::io::stdout(), "wrote {number}.").unwrap();
        assert_eq!(outbox.enqueue(&message).unwrap(), Enqueued::Known);
    }
}

#[test]
fn a_writer_killed_at_any_moment_loses_halves_and_doubles_nothing() {
    // In memory, where a mail takes the time of writing it and not that of waiting for a disk.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(place).unwrap();
    let outbox = Outbox::open(folder.path().join("outbox")).unwrap();
    // Where folders cannot be locked, a file of this name stands in them for that.
    let is_lock = |entry: &std::fs::DirEntry| cfg!(windows) && entry.file_name() == "lock";
    let part = |part: &str| {
        let entries = std::fs::read_dir(outbox.folder().join(part)).unwrap();
        entries.map(|entry| entry.unwrap()).filter(|entry| !is_lock(entry))
    };
    let (mut mails, mut halves) = (0, 0);
    for round in 0..40_usize {
        let command = this_test("disk::writer");
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env("WRITER_FOLDER", outbox.folder())
            .env("WRITER_FIRST", (round * 100_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        // It has begun; a different moment after that each round.
        let mut first = String::new();
        while !first.contains("wrote ") {
            assert!(told.read_line(&mut first).unwrap() > 0, "the writer writes nothing");
        }
        std::thread::sleep(Duration::from_micros((round as u64 * 7_919) % 20_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        told.read_to_string(&mut rest).unwrap();
        // A line without its dot was cut; it promises nothing.
        let told = first + &rest;
        let promised: BTreeSet<usize> = told
            .lines()
            .filter_map(|line| line.split("wrote ").nth(1)?.strip_suffix('.')?.parse().ok())
            .collect();
        halves += part("tmp").count();
        // Whoever opens it next clears away what was half done.
        Outbox::open(outbox.folder()).unwrap();
        assert_eq!(part("tmp").count(), 0);
        let mut waiting = BTreeSet::new();
        for mail in outbox.waiting().unwrap() {
            let number = mail.name.trim_start_matches("digest-").split('@').next().unwrap().parse().unwrap();
            let file = outbox.folder().join("queue").join(format!("{}.eml", mail.name));
            assert!(std::fs::read(&file).unwrap() == message(number).bytes, "mail {number} is not whole");
            std::fs::remove_file(file).unwrap();
            waiting.insert(number);
        }
        let lost: Vec<_> = promised.difference(&waiting).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        // One may be there whole whose writer did not live to say so.
        assert!(waiting.len() <= promised.len() + 1);
        mails += waiting.len();
    }
    assert!(halves > 0 && mails > 40, "no kill hit a mail that was being written: {halves} of {mails}");
}

#[test]
#[ignore = "what the next test does on a tiny disk"]
fn writer_on_a_tiny_disk() {
    let Some(folder) = std::env::var_os("TINY_FOLDER") else { return };
    let folder = Path::new(&folder).join("outbox");
    let outbox = Outbox::open(&folder).unwrap();
    let mut written = 0;
    let error = loop {
        let letter = letter(written, "s", &"a line of text\n".repeat(1000));
        match outbox.enqueue(&compose(&letter, route("").envelope())) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(written > 2);
    assert_eq!(outbox.status().unwrap().waiting, written);
    assert_eq!(std::fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
    // What is there can leave, and makes room, though not even the tries can be noted meanwhile.
    let fake =
        super::fake::Fake::start(&[super::fake::Act::AnswerMessage("451 no"), super::fake::Act::Accept]);
    let route = route(&fake.settings("20s"));
    std::fs::write(folder.join("sent/fill"), vec![0; 1 << 20]).unwrap_err();
    let report = host_watchdog::mail::deliver_due(&outbox, &route, super::noon()).unwrap();
    assert_eq!((report.delivered.len(), report.failed.len()), (written - 1, 1), "{report:?}");
    let again = host_watchdog::mail::deliver_due(&outbox, &route, super::after(59)).unwrap();
    assert_eq!((again.delivered.len(), again.failed.len()), (0, 0), "the pause was forgotten");
    host_watchdog::mail::deliver_due(&outbox, &route, super::after(60)).unwrap();
    assert_eq!(outbox.status().unwrap().waiting, 0);
    println!("the tiny disk was filled and emptied");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_no_half_mail() {
    let folder = tempfile::tempdir().unwrap();
    // Mounted where only the child sees it.
    let script = "mount -t tmpfs -o size=256k tmpfs \"$TINY_FOLDER\" && exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .args(this_test("disk::writer_on_a_tiny_disk"))
        .env("TINY_FOLDER", folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("unshare failed") && std::env::var_os("CI").is_none() {
        eprintln!("skipped: no mount namespace of our own: {complaint}");
        return;
    }
    assert!(output.status.success() && told.contains("was filled and emptied"), "{told}\n{complaint}");
}
