//! Whether the service and the mailer run, and what came of a test mail.

use super::*;

#[test]
fn a_service_that_ended_or_was_stopped_is_not_taken_for_one_that_runs() {
    let mut fixture = Fixture::new(WELL);
    let setup = fixture.setup("");
    let mut lines = |known: Known| {
        fixture.stored = Stored::Known(Box::new(known));
        let lines = fixture.lines(Ok(&setup));
        lines.lines().find(|line| line.contains(" service: ")).unwrap().to_owned()
    };
    assert_eq!(
        lines(known("")),
        "fault service: nobody is watching: the service ended without being stopped; its last pass was 1 minute ago"
    );
    let mut stopped = known("");
    stopped.status.run = Some(Run { started: ago(900), last: Some(ago(6)), stopped: Some(ago(5)) });
    assert_eq!(lines(stopped), "fault service: nobody is watching: the service was stopped 5 minutes ago");
    // Its number is another process's by now.
    fixture.process(PID, "/usr/bin/watchdog run", ALL_RIGHTS);
    let mut other = known("");
    other.view.start = 1;
    fixture.stored = Stored::Known(Box::new(other));
    assert!(fixture.lines(Ok(&setup)).contains("the service ended without being stopped"));
}

#[test]
fn a_mailer_of_another_state_folder_is_none_of_ours() {
    let fixture = Fixture::new(&[]);
    let state = fixture.folder.path().join("state");
    let own = own();
    std::fs::create_dir(&state).unwrap();
    let found = || pids(&super::mail::mailers(&fixture.host, &state).known);
    fixture.process(1, "/usr/bin/watchdog deliver --stay --state-dir /elsewhere", &own);
    fixture.process(2, "/usr/bin/watchdog run", &own);
    assert_eq!(found(), Vec::<u32>::new());
    fixture.process(3, &format!("/usr/bin/watchdog run --state-dir={}", state.display()), &own);
    fixture.process(4, "/usr/bin/watchdog deliver --stay", &own);
    fixture.write("/proc/4/environ", format!("A=b\0STATE_DIRECTORY={}\0", state.display()).as_bytes());
    assert_eq!(found(), [4, 3], "the one that does nothing else comes first");
    fixture.setup("");
    assert_eq!(found(), [4, 2, 3], "now the settings name the folder for all");
}

#[test]
fn what_only_has_the_arguments_of_a_mailer_is_none_and_nothing_it_names_is_read() {
    let fixture = Fixture::new(&[("/usr/bin/perl", "")]);
    let state = fixture.folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let pipe = fixture.folder.path().join("pipe");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, 0o600.into(), 0).unwrap();
    let args = format!("/usr/bin/watchdog deliver --stay --state-dir {}", state.display());
    let exe = |pid: u32, target: &str| {
        let exe = fixture.host.path(format!("/proc/{pid}/exe"));
        std::fs::remove_file(&exe).unwrap();
        std::os::unix::fs::symlink(target, exe).unwrap();
    };
    // Of a user who has nothing to do with mail here, of another program, of our own that was replaced since.
    fixture.process(1, &args, "Uid:\t4242\t4242\t4242\t4242\n");
    fixture.process(2, &args, &own());
    exe(2, fixture.host.path("/usr/bin/perl").to_str().unwrap());
    fixture.process(3, &args, &own());
    exe(3, &format!("{} (deleted)", std::env::current_exe().unwrap().display()));
    // One that names a pipe as its settings, with and without the right to be believed.
    let args = format!("/usr/bin/watchdog deliver --stay --config {}", pipe.display());
    fixture.process(4, &args, "Uid:\t4242\t4242\t4242\t4242\n");
    fixture.process(5, &args, &own());
    let (host, folder) = (fixture.host.clone(), state.clone());
    let (done, waited) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(super::mail::mailers(&host, &folder)));
    let mailers = waited.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!((pids(&mailers.known), mailers.unclear), (vec![3], vec![]));
}

fn pids(mailers: &[super::mailer::Mailer]) -> Vec<u32> {
    mailers.iter().map(|mailer| mailer.pid).collect()
}

/// What becomes of a test mail, while somebody delivers what is in the outbox over the route of these settings.
fn tried(settings: &str) -> Outcome {
    let fixture = Fixture::new(&[("/etc/hostname", "web1")]);
    let setup = fixture.setup(settings);
    let outbox = Outbox::open(setup.state_dir.join("outbox")).unwrap();
    let route = Route::new(&setup.mail_settings(), &fixture.host.name());
    let case = Case {
        host: &fixture.host,
        setup: Ok(&setup),
        stored: &Stored::Nothing,
        ask: &ask,
        room: &system::room,
    };
    std::thread::scope(|scope| {
        let deliver = || {
            let mailer = Outbox::at(outbox.folder());
            while mailer.waiting().unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            deliver_due(&mailer, &route, now()).unwrap();
        };
        scope.spawn(deliver);
        through(&outbox, &case, &route, Duration::from_secs(30))
    })
}

#[test]
fn a_test_mail_is_waited_for_until_it_was_taken_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("[mail]\nvia = \"folder\"\nfolder.path = \"{}\"\n", folder.path().display());
    let Outcome::Accepted(replies) = tried(&settings) else { panic!("it was not accepted") };
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].0.as_str(), std::fs::read_dir(folder.path()).unwrap().count()), ("root", 1));
    // Nobody listens on port 1.
    let Outcome::Refused(why) = tried("[mail]\nsmtp.host = \"127.0.0.1\"\nsmtp.port = 1\n") else {
        panic!("it was taken");
    };
    assert!(why.contains("Connection refused"), "{why}");
}

#[test]
fn a_test_mail_that_nobody_takes_is_said_to_lie_there() {
    let fixture = Fixture::new(&[]);
    let setup = fixture.setup("");
    let outbox = Outbox::open(setup.state_dir.join("outbox")).unwrap();
    let route = Route::new(&setup.mail_settings(), &fixture.host.name());
    let case = Case {
        host: &fixture.host,
        setup: Ok(&setup),
        stored: &Stored::Nothing,
        ask: &ask,
        room: &system::room,
    };
    assert_eq!(through(&outbox, &case, &route, Duration::from_millis(1)), Outcome::Untried);
    let nowhere = Outbox::at(fixture.folder.path().join("none"));
    assert!(matches!(through(&nowhere, &case, &route, Duration::from_millis(1)), Outcome::Failed(_)));
}

#[test]
fn what_came_of_the_test_mail_is_said_as_it_is() {
    let fixture = Fixture::new(&[]);
    let setup = fixture.setup("");
    let route = Route::new(&setup.mail_settings(), &fixture.host.name());
    let accepted = Outcome::Accepted(vec![(
        "root".to_owned(),
        Text::new(format!("250 2.0.0 Ok: queued as 4F, {KEPT}\nX")),
    )]);
    let kept = Outcome::Accepted(vec![(
        "root".to_owned(),
        Text::new(format!("/usr/sbin/sendmail took it, {KEPT} (75)")),
    )]);
    let refused = Outcome::Refused("localhost:25: Connection refused".to_owned());
    let mut lines = String::new();
    for outcome in [accepted, kept, refused, Outcome::Untried] {
        let check = super::mail_test::judge(&setup, &route, "the mailer (process 7)", &outcome);
        lines += &format!("{} {}\n", check.verdict.as_str(), check.says);
        check.remedy.iter().for_each(|line| lines += &format!("    {line}\n"));
    }
    let lines = lines.replace(fixture.folder.path().to_str().unwrap(), "FOLDER");
    expect![[r#"
        ok a test mail was accepted by the server (over SMTP to localhost:25, or /usr/sbin/sendmail, sent by the mailer (process 7)) for root: 250 2.0.0 Ok: queued as 4F, to keep until OpenSMTPD runs\x0aX. Look whether it arrives
        fault a test mail was taken (over SMTP to localhost:25, or /usr/sbin/sendmail, sent by the mailer (process 7)), to keep until OpenSMTPD runs: nobody gets it before that
            systemctl start opensmtpd
        fault a test mail was NOT accepted (over SMTP to localhost:25, or /usr/sbin/sendmail, sent by the mailer (process 7)): localhost:25: Connection refused
            install a mail server on this host: apt install postfix (or exim4, opensmtpd, dma)
            or name one in FOLDER/root/etc/host-watchdog/watchdog.toml: [mail.smtp] host = "mail.example.org"
            then try again: watchdog doctor
        fault a test mail lies in the outbox, and was not tried in time by the mailer (process 7)
            see what the mailer does: journalctl -u host-watchdog-mail
            systemctl restart host-watchdog-mail
    "#]].assert_eq(&lines);
}
