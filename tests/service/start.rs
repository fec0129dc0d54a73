//! The start, when something is not as it should be: the service never just ends.

use super::State;
use super::life::Manager;
use crate::support::{wait_for, world};
use std::process::Command;

const WRONG: &str = "schema = 1\n[[process]]\nexee = \"/usr/bin/x\"\nwhy = \"a typo\"\n";

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn with_a_wrong_policy_and_none_from_before_it_mails_that_nobody_watches_and_begins_when_it_is_right() {
    let test = "start::with_a_wrong_policy_and_none_from_before_it_mails_that_nobody_watches_and_begins_when_it_is_right";
    if !world::is_entered(test) {
        return;
    }
    let state = State::new();
    let policy = state.path().join("policy.toml");
    std::fs::write(&policy, WRONG).unwrap();
    let mut manager = Manager::at("@host-watchdog-wrong");
    let service = manager.start(&state, &["run"], 60.0);
    manager.hears("READY=1");
    assert!(manager.hears("STATUS=").starts_with("STATUS=NOT WATCHING: "));
    wait_for("the mail", || !state.mails().is_empty());
    let mail = state.mails()[0].clone();
    assert!(mail.contains("NOBODY IS WATCHING"), "{mail}");
    assert!(
        mail.contains("3 | exee =3D \"/usr/bin/x\"") || mail.contains("3 | exee = \"/usr/bin/x\""),
        "{mail}"
    );
    assert!(mail.contains("  | ^^^^"), "{mail}");
    let status: serde_json::Value = serde_json::from_slice(&state.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["watches"]["process"], serde_json::Value::Null, "nobody has looked: {status}");
    std::fs::write(&policy, "schema = 1\n").unwrap();
    service.signal("-HUP");
    manager.hears("STATUS=watching with policy ");
    wait_for("an alert", || {
        String::from_utf8_lossy(&state.run(&["alerts"]).stdout).contains("unknown process")
    });
    service.signal("-TERM");
    let (code, said) = service.ended();
    assert_eq!(code, Some(0));
    assert!(said.contains("NOBODY IS WATCHING"), "{said}");
}

#[test]
fn with_a_wrong_policy_it_watches_with_the_one_from_before() {
    if !world::is_entered("start::with_a_wrong_policy_it_watches_with_the_one_from_before") {
        return;
    }
    let state = State::new();
    // What is in force is kept, with what it includes.
    state.once();
    let policy = state.path().join("policy.toml");
    std::fs::write(state.path().join("more.toml"), "schema = 1\n").unwrap();
    let good = std::fs::read_to_string(&policy).unwrap();
    let including = good.replacen("schema = 1", "schema = 1\ninclude = [\"more.toml\", \"openssh\"]", 1);
    assert_ne!(good, including);
    std::fs::write(&policy, &including).unwrap();
    state.once();
    for wrong in [Some(WRONG), None] {
        match wrong {
            Some(wrong) => std::fs::write(&policy, wrong).unwrap(),
            None => std::fs::remove_file(&policy).unwrap(),
        }
        let before = state.passes();
        let mut manager = Manager::at("@host-watchdog-before");
        let service = manager.start(&state, &["run"], 60.0);
        manager.hears("STATUS=watching with the policy from before");
        wait_for("a pass", || state.passes() > before + 1);
        service.signal("-TERM");
        assert_eq!(service.ended().0, Some(0));
        let alerts = String::from_utf8(state.run(&["alerts"]).stdout).unwrap();
        // Nothing of what the policy from before allows is an alert.
        assert_eq!(alerts.lines().count(), 1, "{alerts}");
        assert!(alerts.contains("are wrong; the ones before stay in force"), "{alerts}");
        assert!(!policy.exists() || wrong.is_some(), "what is gone is not learned anew");
    }
}

#[test]
fn with_wrong_settings_it_goes_on_with_those_from_before() {
    if !world::is_entered("start::with_wrong_settings_it_goes_on_with_those_from_before") {
        return;
    }
    let state = State::new();
    let (settings, mails) = (state.path().join("watchdog.toml"), state.path().join("here"));
    let good = format!("[mail]\nvia = \"folder\"\n[mail.folder]\npath = \"{}\"\n", mails.display());
    std::fs::write(&settings, &good).unwrap();
    std::fs::write(state.path().join("policy.toml"), "schema = 1\n").unwrap();
    let config = ["--config", settings.to_str().unwrap()];
    let once = state.run(&[&["run", "--once"], &config[..]].concat());
    assert!(once.status.success(), "{}", String::from_utf8_lossy(&once.stderr));
    std::fs::remove_dir_all(&mails).unwrap();
    std::fs::write(&settings, good.replace("folder]", "foolder]")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _evil = super::evil(folder.path());
    let mut manager = Manager::at("@host-watchdog-settings");
    let service = manager.start(&state, &[&["run"], &config[..]].concat(), 60.0);
    manager.hears("STATUS=watching with the policy from before: the settings or the policy are wrong");
    wait_for("the mail on the old way", || std::fs::read_dir(&mails).is_ok_and(|mails| mails.count() > 0));
    service.signal("-TERM");
    assert_eq!(service.ended().0, Some(0));
}

#[test]
fn a_pipe_in_place_of_the_policy_or_the_settings_holds_nobody_up() {
    if !world::is_entered("start::a_pipe_in_place_of_the_policy_or_the_settings_holds_nobody_up") {
        return;
    }
    let state = State::new();
    let pipe = state.path().join("policy.toml");
    sh(&format!("mkfifo {}", pipe.display()));
    for args in [vec!["check"], vec!["validate"], vec!["validate", "--config", pipe.to_str().unwrap()]] {
        let output = state.run(&args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("not a file"), "{args:?}: {said}");
    }
}

#[test]
fn a_full_disk_at_the_start_is_waited_for_and_said() {
    if !world::is_entered("start::a_full_disk_at_the_start_is_waited_for_and_said") {
        return;
    }
    disk_at_start(
        "mount -t tmpfs -o size=1m,mode=700 tmpfs D; head -c 2m /dev/zero > D/ballast || true",
        "rm D/ballast",
        "the disk is full",
    );
}

#[test]
fn a_disk_that_is_full_only_for_a_database_that_is_there_is_waited_for_too() {
    if !world::is_entered("start::a_disk_that_is_full_only_for_a_database_that_is_there_is_waited_for_too") {
        return;
    }
    let state = State::new();
    sh(&format!(
        "mount -t tmpfs -o size=2m,mode=700 tmpfs {0}; echo schema = 1 > {0}/policy.toml",
        state.path().display()
    ));
    state.run(&["run", "--once"]);
    let fill = "rm -f D/*-shm D/*-wal; head -c 4m /dev/zero > D/ballast || true";
    full(&state, fill, "rm D/ballast", "the disk is full");
}

#[test]
fn a_read_only_disk_at_the_start_is_waited_for_and_said() {
    if !world::is_entered("start::a_read_only_disk_at_the_start_is_waited_for_and_said") {
        return;
    }
    disk_at_start(
        "mount -t tmpfs -o size=4m,mode=700 tmpfs D; echo schema = 1 > D/policy.toml; mount -o remount,ro D",
        "mount -o remount,rw D",
        "read-only",
    );
}

fn disk_at_start(spoil: &str, repair: &str, words: &str) {
    full(&State::new(), spoil, repair, words);
}

/// `D` in the scripts is the state folder.
fn full(state: &State, spoil: &str, repair: &str, words: &str) {
    let script = |script: &str| {
        sh(&script.replace("D/", "$D/").replace(" D", " $D").replace("$D", state.path().to_str().unwrap()));
    };
    script(spoil);
    let mut manager = Manager::at("@host-watchdog-disk");
    let service = manager.start(state, &["run"], 0.9);
    manager.hears("READY=1");
    let status = manager.hears("STATUS=");
    assert!(status.starts_with("STATUS=NOT WATCHING: ") && status.contains(words), "{status}");
    let signs = manager.signs_of_life(std::time::Duration::from_secs(1));
    assert!(signs >= 2, "{signs} signs of life while it waits");
    script(repair);
    service.signal("-HUP");
    manager.hears("STATUS=watching with policy ");
    wait_for("a pass", || state.passes() > 0);
    service.signal("-TERM");
    let (code, said) = service.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(words), "{said}");
}
