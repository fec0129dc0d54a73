//! `watchdog deliver --stay`: mail goes as it comes, and none is cut off at the end.

use super::fake::{Act, Fake};
use super::{enqueue, letter, outbox, route};
use host_watchdog::mail::Outbox;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Mailer {
    child: Child,
    folder: tempfile::TempDir,
    outbox: Outbox,
}

impl Mailer {
    fn start(settings: &str) -> Self {
        let (folder, outbox) = outbox();
        let config = folder.path().join("watchdog.toml");
        write(&config, settings);
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        command.args(["deliver", "--stay", "--config"]).arg(&config).arg("--state-dir").arg(folder.path());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        Self { child, folder, outbox }
    }

    fn put_in(&self, number: usize) {
        enqueue(&self.outbox, &route(""), &letter(number, "s", "b\n"));
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

/// Settings as the program reads them, from those of the route alone.
fn write(config: &Path, route: &str) {
    std::fs::write(config, format!("[mail]\n{}", route.replace("[smtp]", "[mail.smtp]"))).unwrap();
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

#[test]
fn each_mail_goes_as_soon_as_it_comes() {
    let fake = Fake::start(&[Act::Accept]);
    let mailer = Mailer::start(&fake.settings("5s"));
    for number in 1..=3 {
        mailer.put_in(number);
        let took = wait_until("the mail", || fake.taken().len() == number);
        // The first one waits for the program to start.
        assert!(number == 1 || took < Duration::from_secs(2), "{took:?}");
        wait_until("the record", || mailer.outbox.status().unwrap().waiting == 0);
    }
    mailer.signal("-TERM");
    let (code, said) = mailer.ended();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("was accepted: 250 2.0.0").count(), 3, "{said}");
}

#[test]
fn told_to_stop_it_waits_for_the_mail_that_is_under_way_and_begins_no_other() {
    let fake = Fake::start(&[Act::AnswerLate(2000)]);
    let mailer = Mailer::start(&fake.settings("20s"));
    mailer.put_in(1);
    wait_until("the connection", || fake.connections() == 1);
    mailer.put_in(2);
    mailer.signal("-TERM");
    let (outbox, folder) = (Outbox::at(mailer.outbox.folder()), mailer.folder.path().to_owned());
    let mut mailer = mailer;
    assert_eq!(mailer.child.wait().unwrap().code(), Some(0));
    assert!(folder.exists());
    assert_eq!((fake.taken().len(), fake.connections()), (1, 1));
    assert_eq!(outbox.status().unwrap().waiting, 1, "the first has left the queue, the second waits in it");
}

#[test]
fn wrong_settings_are_not_taken_and_right_ones_are() {
    let (first, second) = (Fake::start(&[Act::Accept]), Fake::start(&[Act::Accept]));
    let mailer = Mailer::start(&first.settings("5s"));
    mailer.put_in(1);
    wait_until("the first mail", || first.taken().len() == 1);
    let config = mailer.folder.path().join("watchdog.toml");
    write(&config, "tto = [\"root\"]\n");
    mailer.signal("-HUP");
    mailer.put_in(2);
    wait_until("the second mail", || first.taken().len() == 2);
    write(&config, &second.settings("5s"));
    mailer.signal("-HUP");
    std::thread::sleep(Duration::from_millis(300));
    mailer.put_in(3);
    wait_until("the third mail", || second.taken().len() == 1);
    mailer.signal("-TERM");
    let (code, said) = mailer.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("the new settings are wrong, the old stay in force"), "{said}");
    assert!(said.contains("unknown field `tto`"), "{said}");
    assert!(said.contains("settings read anew"), "{said}");
    assert_eq!(first.taken().len(), 2);
}

#[test]
fn started_with_wrong_settings_it_delivers_with_those_from_before() {
    let fake = Fake::start(&[Act::Accept]);
    let mailer = Mailer::start(&fake.settings("5s"));
    mailer.put_in(1);
    wait_until("the first mail", || fake.taken().len() == 1);
    mailer.signal("-TERM");
    let config = mailer.folder.path().join("watchdog.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
    command.args(["deliver", "--stay", "--config"]).arg(&config).arg("--state-dir").arg(mailer.folder.path());
    write(&config, "tto = [\"root\"]\n");
    mailer.put_in(2);
    let mut second = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the second mail", || fake.taken().len() == 2);
    second.kill().unwrap();
    second.wait().unwrap();
    let mut said = String::new();
    second.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("until they are right, those from before hold"), "{said}");
    assert_eq!(mailer.ended().0, Some(0));
}
