//! The `sendmail` program, and the file of the password: what the rights and the programs of Linux have to do with mail.

use super::fake::{Act, Fake};
use super::faults::round;
use super::{enqueue, host, letter, noon, outbox, route};
use host_watchdog::mail::{Permanence, Route, Scope, send_test};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_password_that_others_can_read_is_not_used() {
    let fake = Fake::start(&[Act::Accept]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let route =
        route(&format!("{}user = \"u\"\npassword-file = \"{}\"\n", fake.settings("20s"), file.display()));
    let fails = || send_test(&route, &host(), noon()).unwrap_err().reason;
    assert!(fails().contains("No such file"));
    std::fs::write(&file, "secret\n").unwrap();
    for (mode, usable) in
        [(0o644, false), (0o604, false), (0o660, false), (0o600, true), (0o400, true), (0o440, true)]
    {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        // The fake server knows no accounts: to get as far as asking it means that the file was read.
        let asked = fails().contains("authentication mechanism");
        assert_eq!(asked, usable, "{mode:o}: {}", fails());
    }
    std::fs::write(&file, "\n").unwrap();
    assert!(fails().contains("its first line is empty"));
}

/// A program that stands for `sendmail`.
fn script(folder: &std::path::Path, text: &str) -> Route {
    let path = folder.join("sendmail");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let toml =
        "to = [\"root\", \"ops@example.org\"]\nvia = \"sendmail\"\ndeadline = \"2s\"\n[sendmail]\nprogram = ";
    route(&format!("{toml}\"{}\"\n", path.display()))
}

#[test]
fn the_sendmail_program_is_given_plain_names_and_local_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display().to_string();
    let route = script(folder.path(), &format!("printf '%s\\n' \"$@\" > {at}/args; cat > {at}/mail"));
    let (_folder, outbox) = outbox();
    let bytes = enqueue(&outbox, &route, &letter(1, "s", ".\nb\n"));
    assert_eq!(
        round(&outbox, &route, 0),
        format!("digest-1@web1.example.org took: {at}/sendmail took it (exit status 0)\n0 put off, 0 wait")
    );
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("args"), "-i\n-f\nwatchdog@web1.example.org\n--\nroot\nops@example.org\n");
    assert_eq!(read("mail"), String::from_utf8(bytes).unwrap().replace("\r\n", "\n"));
}

#[test]
fn a_sendmail_program_that_fails_or_hangs_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    for (text, scope, permanence, says) in [
        (
            "echo 'no \x1b[1mspace' >&2; exit 75",
            Scope::Route,
            Permanence::Temporary,
            "exit status: 75: no \\x1b[1mspace",
        ),
        ("echo unknown user; exit 67", Scope::Mail, Permanence::Permanent, "exit status: 67: unknown user"),
        ("exit 64", Scope::Route, Permanence::Permanent, "exit status: 64"),
        ("kill -9 $$", Scope::Route, Permanence::Temporary, "signal: 9"),
        ("sleep 60", Scope::Route, Permanence::Temporary, "did not end within 2 s"),
    ] {
        let failure = send_test(&script(folder.path(), text), &host(), noon()).unwrap_err();
        assert_eq!((failure.scope, failure.permanence), (scope, permanence), "{text}");
        assert!(failure.reason.contains(says), "{text}: {}", failure.reason);
    }
    std::fs::remove_file(folder.path().join("sendmail")).unwrap();
    let gone = format!("via = \"sendmail\"\n[sendmail]\nprogram = \"{}/sendmail\"", folder.path().display());
    assert!(send_test(&route(&gone), &host(), noon()).unwrap_err().reason.contains("No such file"));
}

#[test]
fn what_opensmtpds_program_keeps_for_its_stopped_server_is_not_given_to_it_again() {
    let (folder, (_kept, outbox)) = (tempfile::tempdir().unwrap(), outbox());
    let at = folder.path().display().to_string();
    let route = script(folder.path(), "cat > \"$0.mail\"; exit 75");
    // On Debian `sendmail` is a link to it.
    let rename = |to: &str| {
        std::fs::rename(folder.path().join("sendmail"), folder.path().join(to)).unwrap();
        std::os::unix::fs::symlink(to, folder.path().join("sendmail")).unwrap();
    };
    rename("smtpctl");
    enqueue(&outbox, &route, &letter(1, "s", "b\n"));
    assert_eq!(
        round(&outbox, &route, 0),
        format!(
            "digest-1@web1.example.org took: {at}/sendmail took it, to keep until OpenSMTPD runs (exit status 75)\n\
             0 put off, 0 wait"
        )
    );
    // Elsewhere, or with a word of complaint, the number says that nobody has the mail.
    for (name, text) in [("smtpctl", "echo 'queue full' >&2; exit 75"), ("exim4", "exit 75")] {
        std::fs::remove_file(folder.path().join("sendmail")).unwrap();
        let route = script(folder.path(), text);
        rename(name);
        let failure = send_test(&route, &host(), noon()).unwrap_err();
        assert_eq!((failure.scope, failure.permanence), (Scope::Route, Permanence::Temporary), "{name}");
    }
}
