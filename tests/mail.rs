//! Mail, end to end: no mail is lost, none is doubled, and it arrives as it was written; with a real mail server,
//! with servers that misbehave, and with a program that is killed.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and waits for them")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "mail/disk.rs"]
mod disk;
#[path = "mail/fake.rs"]
mod fake;
#[path = "mail/faults.rs"]
mod faults;
// What follows needs the sendmail, the mail servers or the signals of Linux. TLS: Wine refuses the verifier.
#[cfg(target_os = "linux")]
#[path = "mail/handover.rs"]
mod handover;
#[cfg(target_os = "linux")]
#[path = "support/mail_server.rs"]
mod mail_server;
#[cfg(target_os = "linux")]
#[path = "mail/programs.rs"]
mod programs;
#[cfg(target_os = "linux")]
#[path = "mail/real.rs"]
mod real;
#[cfg(target_os = "linux")]
#[path = "mail/secure.rs"]
mod secure;
#[cfg(target_os = "linux")]
#[path = "mail/stay.rs"]
mod stay;

use host_watchdog::finding::Severity;
use host_watchdog::mail::{Letter, Outbox, Route, Settings, compose};
use host_watchdog::text::Text;
use jiff::Timestamp;

/// The settings as a user writes them, below `[mail]`.
fn settings(toml: &str) -> Settings {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}\n{error}"))
}

fn host() -> Text {
    Text::from("web1.example.org")
}

fn route(toml: &str) -> Route {
    Route::new(&settings(toml), &host())
}

fn letter(number: usize, subject: &str, body: &str) -> Letter {
    Letter {
        message_id: format!("<digest-{number}@web1.example.org>"),
        subject: subject.to_owned(),
        body: body.to_owned(),
        date: noon(),
        references: Vec::new(),
        priority: Severity::Notice,
    }
}

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    noon() + jiff::SignedDuration::from_secs(seconds)
}

/// An empty outbox in a folder of its own.
fn outbox() -> (tempfile::TempDir, Outbox) {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::open(folder.path().join("outbox")).unwrap();
    (folder, outbox)
}

fn enqueue(outbox: &Outbox, route: &Route, letter: &Letter) -> Vec<u8> {
    let message = compose(letter, route.envelope());
    outbox.enqueue(&message).unwrap();
    message.bytes
}

/// This test program, to run one of its tests in a process of its own.
fn this_test(name: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap().display().to_string();
    [&program, "--exact", name, "--nocapture", "--ignored"].map(ToOwned::to_owned).to_vec()
}
