//! The way through the `sendmail` program: by this host's own mail system whichever it is, and out of a sandbox in
//! which that program cannot work.

use super::fake::{Act, Fake};
use super::mail_server::free_port;
use super::{after, enqueue, host, letter, noon, outbox, settings};
use host_watchdog::mail::{Outbox, Route, Sandbox, deliver_all, deliver_due, deliver_handed_over};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A `sendmail` that keeps what it is given beside it, after doing `first`.
fn program(folder: &Path, first: &str) -> PathBuf {
    let path = folder.join("sendmail");
    let script = format!("#!/bin/sh\n{first}\necho \"$@\" >> \"$0.args\"\ncat > \"$0.mail\"\n");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn local(port: u16, program: &Path) -> Route {
    let toml = format!("via = \"local\"\n[local]\nport = {port}\nprogram = \"{}\"\n", program.display());
    Route::new(&settings(&toml), &host())
}

fn names(outbox: &Outbox, part: &str) -> Vec<String> {
    let entries = std::fs::read_dir(outbox.folder().join(part)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const EML: &str = "digest-1@web1.example.org.eml";
const STATE: &str = "digest-1@web1.example.org.state";

#[test]
fn mail_goes_by_smtp_where_somebody_listens_and_else_by_the_program() {
    let (folder, outbox) = outbox();
    let program = program(folder.path(), "");
    let fake = Fake::start(&[Act::Accept]);
    let route = local(fake.port, &program);
    enqueue(&outbox, &route, &letter(1, "one", "b\n"));
    let report = deliver_due(&outbox, &route, noon()).unwrap();
    assert_eq!(&*report.delivered[0].reply, "250 2.0.0 thank you 2.0.0 queued as FAKE1");
    assert!(!program.with_extension("mail").exists());
    let route = local(free_port(), &program);
    let bytes = enqueue(&outbox, &route, &letter(2, "two", "b\n"));
    let report = deliver_due(&outbox, &route, noon()).unwrap();
    assert_eq!(&*report.delivered[0].reply, format!("{} took it (exit status 0)", program.display()));
    let taken = std::fs::read_to_string(program.with_extension("mail")).unwrap();
    assert_eq!(taken.replace('\n', "\r\n").as_bytes(), bytes);
    assert_eq!(fake.taken().len(), 1);
}

#[test]
fn a_server_that_listens_and_refuses_is_not_gone_round() {
    let (folder, outbox) = outbox();
    let program = program(folder.path(), "");
    for act in [Act::Greet("554 no"), Act::AnswerMessage("451 later"), Act::CloseInMessage] {
        let fake = Fake::start(&[act]);
        let route = local(fake.port, &program);
        enqueue(&outbox, &route, &letter(1, "one", "b\n"));
        let report = deliver_all(&outbox, &route, noon()).unwrap();
        assert_eq!((report.delivered.len(), report.failed.len()), (0, 1), "{report:?}");
    }
    assert!(!program.with_extension("mail").exists(), "the mail could have come twice");
}

#[test]
fn a_host_without_any_mail_system_is_told_what_to_do() {
    let (folder, outbox) = outbox();
    let port = free_port();
    let route = local(port, &folder.path().join("none"));
    enqueue(&outbox, &route, &letter(1, "one", "b\n"));
    let report = deliver_due(&outbox, &route, noon()).unwrap();
    let reason = &report.failed[0].failure.reason;
    assert!(reason.starts_with(&format!("localhost:{port}: ")), "{reason}");
    let advice = "install a mail server, or name one in [mail.smtp] of the settings";
    assert!(reason.ends_with(&format!("there is no {}/none: {advice}", folder.path().display())), "{reason}");
    assert_eq!(outbox.status().unwrap().waiting, 1);
}

#[test]
fn in_a_sandbox_it_is_laid_aside_for_somebody_who_may_run_the_program() {
    let (folder, outbox) = outbox();
    let program = program(folder.path(), "");
    for via in ["local", "sendmail"] {
        let toml = format!(
            "via = \"{via}\"\n[local]\nport = {}\nprogram = \"{1}\"\n[sendmail]\nprogram = \"{1}\"\n",
            free_port(),
            program.display()
        );
        let free = Route::new(&settings(&toml), &host());
        let route = Route::new(&settings(&toml), &host()).within(Sandbox::NoNewPrivileges);
        let number = via.len();
        enqueue(&outbox, &route, &letter(number, "one", "b\n"));
        let report = deliver_due(&outbox, &route, noon()).unwrap();
        assert_eq!((report.handed_over.len(), report.waiting, report.delivered.len()), (1, 1, 0));
        assert!(!program.with_extension("mail").exists(), "it was run in the sandbox");
        assert_eq!(names(&outbox, "handover").len(), 1);
        // Until somebody comes it is left alone.
        assert_eq!(deliver_due(&outbox, &route, after(300)).unwrap().handed_over.len(), 0);
        let report = deliver_handed_over(&outbox, &free, noon).unwrap();
        assert_eq!((report.delivered.len(), report.waiting), (1, 0), "{report:?}");
        assert!(program.with_extension("mail").exists());
        assert_eq!((names(&outbox, "handover"), names(&outbox, "queue")), (vec![], vec![]));
        std::fs::remove_file(program.with_extension("mail")).unwrap();
    }
    assert_eq!(names(&outbox, "sent").len(), 4);
}

#[test]
fn what_the_program_refuses_goes_back_and_is_tried_again_after_growing_pauses() {
    let (folder, outbox) = outbox();
    let program = program(folder.path(), "echo no room >&2; exit 75");
    let port = free_port();
    let route = local(port, &program).within(Sandbox::NoNewPrivileges);
    enqueue(&outbox, &route, &letter(1, "one", "b\n"));
    let mut second = 0;
    for (attempts, pause) in [(1, 60), (2, 120), (3, 300)] {
        assert_eq!(deliver_due(&outbox, &route, after(second)).unwrap().handed_over.len(), 1);
        let report = deliver_handed_over(&outbox, &local(port, &program), || after(second)).unwrap();
        assert_eq!(report.failed[0].attempts, attempts);
        let reason = &report.failed[0].failure.reason;
        assert!(reason.ends_with("exit status: 75: no room"), "{reason}");
        assert_eq!(names(&outbox, "queue"), [EML, STATE]);
        assert_eq!(deliver_due(&outbox, &route, after(second + pause - 1)).unwrap().handed_over.len(), 0);
        second += pause;
    }
    let status = outbox.status().unwrap();
    assert_eq!((status.waiting, status.handed_over), (1, 0));
    // The administrator makes room, and a hand-made delivery takes it all.
    std::fs::write(&program, "#!/bin/sh\ncat > /dev/null\n").unwrap();
    assert_eq!(deliver_all(&outbox, &local(port, &program), after(second)).unwrap().waiting, 0);
}

#[test]
fn a_program_that_hangs_is_ended_and_the_mail_goes_back() {
    let (folder, outbox) = outbox();
    let program = program(folder.path(), "exec sleep 100");
    let toml =
        format!("via = \"sendmail\"\ndeadline = \"1s\"\n[sendmail]\nprogram = \"{}\"\n", program.display());
    let route = Route::new(&settings(&toml), &host());
    enqueue(&outbox, &route, &letter(1, "one", "b\n"));
    let sandboxed = Route::new(&settings(&toml), &host()).within(Sandbox::NoNewPrivileges);
    deliver_due(&outbox, &sandboxed, noon()).unwrap();
    let report = deliver_handed_over(&outbox, &route, noon).unwrap();
    assert!(report.failed[0].failure.reason.contains("did not end within 1 s"), "{report:?}");
    assert_eq!(names(&outbox, "queue"), [EML, STATE]);
}

#[test]
fn what_nobody_fetches_goes_back_and_says_which_unit_to_look_at() {
    let (folder, outbox) = outbox();
    let program = program(folder.path(), "");
    let route = local(free_port(), &program).within(Sandbox::NoNewPrivileges);
    enqueue(&outbox, &route, &letter(1, "one", "b\n"));
    let report = deliver_due(&outbox, &route, noon()).unwrap();
    assert_eq!(report.next_try, Some(after(600)));
    deliver_due(&outbox, &route, after(599)).unwrap();
    assert_eq!(outbox.status().unwrap().handed_over, 1);
    deliver_due(&outbox, &route, after(600)).unwrap();
    let status = outbox.status().unwrap();
    assert_eq!((status.waiting, status.handed_over), (1, 0));
    let error = status.last_error.unwrap();
    assert!(error.contains("is host-watchdog-sendmail.path running?"), "{error}");
}

#[test]
fn what_waits_for_a_program_that_is_no_longer_the_way_goes_the_new_one() {
    let (folder, outbox) = outbox();
    let program = program(folder.path(), "");
    let route = local(free_port(), &program).within(Sandbox::NoNewPrivileges);
    enqueue(&outbox, &route, &letter(1, "one", "b\n"));
    deliver_due(&outbox, &route, noon()).unwrap();
    let fake = Fake::start(&[Act::Accept]);
    let smtp = Route::new(&settings(&fake.settings("5s")), &host());
    let report = deliver_handed_over(&outbox, &smtp, noon).unwrap();
    assert!(report.failed[0].failure.reason.contains("mail now goes another way, by SMTP"), "{report:?}");
    assert_eq!(deliver_due(&outbox, &smtp, after(60)).unwrap().delivered.len(), 1);
    assert!(!program.with_extension("mail").exists());
}

#[test]
fn killed_while_it_gives_a_mail_to_the_program_it_gives_it_again() {
    let (folder, outbox) = outbox();
    let marker = folder.path().join("begun");
    // The first time it hangs, for longer than anybody lives.
    let first = format!("if mkdir {}; then exec sleep 1000; fi", marker.display());
    let program = program(folder.path(), &first);
    let state = folder.path();
    let config = state.join("watchdog.toml");
    let toml = format!("[mail]\nvia = \"sendmail\"\n[mail.sendmail]\nprogram = \"{}\"\n", program.display());
    std::fs::write(&config, &toml).unwrap();
    let route = local(free_port(), &program).within(Sandbox::NoNewPrivileges);
    enqueue(&outbox, &route, &letter(1, "one", "b\n"));
    deliver_due(&outbox, &route, noon()).unwrap();
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        command.args(["deliver", "--handed-over", "--config"]).arg(&config).arg("--state-dir").arg(state);
        command
    };
    let mut child = command().stdout(Stdio::null()).spawn().unwrap();
    while !marker.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(&outbox, "handover"), [EML]);
    assert_eq!(outbox.status().unwrap().waiting, 1);
    let output = command().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        (names(&outbox, "handover"), names(&outbox, "sent")),
        (vec![], vec![EML.into(), STATE.into()])
    );
    assert!(program.with_extension("mail").exists());
}
