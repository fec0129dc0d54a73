//! The outbox when its writer is killed at any moment, and when the disk is full.

use super::{letter, outbox, route};
use host_watchdog::mail::{Enqueued, Outbox, compose};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// This test program, to run one of its tests in a process of its own.
fn this_test(name: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap().display().to_string();
    [&program, "--exact", name, "--nocapture", "--ignored"].map(ToOwned::to_owned).to_vec()
}

fn message(number: usize) -> host_watchdog::mail::Message {
    let letter = letter(number, "s", &"é and more\n".repeat(number * 7 % 3000));
    compose(&letter, route("").envelope())
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
    let (folder, outbox) = outbox();
    let mut promised = BTreeSet::new();
    let mut kills_that_hit = 0;
    for round in 0..25_usize {
        let command = this_test("disk::writer");
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env("WRITER_FOLDER", folder.path().join("outbox"))
            .env("WRITER_FIRST", (round * 100_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A different moment each round.
        std::thread::sleep(Duration::from_micros(20_000 + (round as u64 * 7_919) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut told = String::new();
        child.stdout.unwrap().read_to_string(&mut told).unwrap();
        // A line without its dot was cut; it promises nothing.
        let numbers = told.lines().filter_map(|line| line.split("wrote ").nth(1)?.strip_suffix('.'));
        let before = promised.len();
        promised.extend(numbers.map(|number| number.parse::<usize>().unwrap()));
        kills_that_hit += usize::from(promised.len() > before);
        // Whoever opens it next clears away what was half done.
        Outbox::open(folder.path().join("outbox")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("outbox/tmp")).unwrap().count(), 0);
    }
    assert!(kills_that_hit > 5, "the writer was killed before it wrote anything: {kills_that_hit}");
    let waiting: BTreeSet<usize> = outbox
        .waiting()
        .unwrap()
        .iter()
        .map(|mail| {
            mail.name.trim_start_matches("digest-").trim_end_matches("@web1.example.org").parse().unwrap()
        })
        .collect();
    let lost: Vec<_> = promised.difference(&waiting).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    // One more per kill may be there whole, whose writer did not live to say so.
    assert!(waiting.len() <= promised.len() + 25);
    for number in waiting {
        let file = folder.path().join(format!("outbox/queue/digest-{number}@web1.example.org.eml"));
        assert!(std::fs::read(file).unwrap() == message(number).bytes, "mail {number} is not whole");
    }
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
