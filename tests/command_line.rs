//! The command line as the contract has it: what is recorded says the same as what is seen, every refusal has its
//! words and its exit code, and nothing is coloured where there is no terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![cfg_attr(target_os = "linux", expect(clippy::disallowed_methods, reason = "tests start real programs"))]

mod support;

use std::path::PathBuf;
use std::process::Output;
use support::{alone, watchdog};
use tempfile::TempDir;
#[cfg(target_os = "linux")]
use {
    serde_json::Value,
    std::collections::BTreeSet,
    std::process::{Command, Stdio},
    support::{Running, copy_program, is_root, left_out},
};

/// A folder for state, settings and policies.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.named(name)
    }

    fn run(&self, args: &[&str]) -> Said {
        Said::of(watchdog(&[args, &["--state-dir", self.0.path().to_str().unwrap()]].concat()))
    }
}

/// What a run of the program said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Refused with exit code 2, nothing on standard output, and these words on standard error.
    fn is_refused(&self, words: &str) {
        assert!(self.err.contains(words), "lacks {words:?}:\n{}", self.err);
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{}", self.err);
    }
}

/// A program that no policy knows, and that runs until the test ends.
#[cfg(target_os = "linux")]
fn evil(place: &Place) -> Running {
    let exe = place.path("evil");
    copy_program("/bin/sleep", &exe);
    Running::start(Command::new(&exe).arg("600"))
}

#[cfg(target_os = "linux")]
/// All names of fields in a value, at any depth, but for those that are made of data: evidence, paths, and names by watch.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                let of_data = ["evidence", "clients", "users", "requests", "took-ms", "watches"];
                let by_path = ["files", "fresh", "modified", "packages"];
                if ![&of_data[..], &by_path].concat().contains(&key.as_str()) {
                    keys(value, found);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[cfg(target_os = "linux")]
fn assert_kebab(value: &Value) {
    let mut found = BTreeSet::new();
    keys(value, &mut found);
    let odd: Vec<&String> = found
        .iter()
        .filter(|key| !key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
        .collect();
    assert!(found.len() > 5 && odd.is_empty(), "{odd:?}");
}

/// On Linux, where nothing else starts or ends between the two looks; of recorded facts on a Windows: `both_systems.rs`.
#[cfg(target_os = "linux")]
#[test]
fn recorded_facts_say_the_same_as_the_host_itself() {
    let Some(_alone) = alone("recorded_facts_say_the_same_as_the_host_itself") else { return };
    let place = Place::new();
    let policy =
        place.write("policy.toml", "schema = 1\n[[process]]\nexe = \"/usr/bin/nothing\"\ncount = \"1..\"\n");
    let _evil = evil(&place);
    let facts = place.run(&["snapshot", "--facts"]);
    assert_eq!(facts.code, Some(0), "{}", facts.err);
    let file = place.write("facts.json", &facts.out);
    let live = place.run(&["check", "--json", "--policy", &policy]);
    let recorded = place.run(&["check", "--json", "--policy", &policy, "--facts", &file]);
    assert_eq!((live.code, recorded.code), (Some(1), Some(1)));
    // Who looks is itself a process, and not twice the same; it and its children are left out of both.
    let findings = |said: &Said| -> Vec<Value> {
        let all = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let about_us = |finding: &Value| finding["subject"].as_str().unwrap().contains("/watchdog");
        all.filter(|finding| !about_us(finding))
            .map(|mut finding| {
                // A share of the processor is of its moment.
                finding["evidence"].as_object_mut().unwrap().retain(|name, _| name != "seen");
                finding
            })
            .collect()
    };
    assert_eq!(findings(&live), findings(&recorded));
    let codes: Vec<String> =
        findings(&recorded).iter().map(|f| f["code"].as_str().unwrap().to_owned()).collect();
    assert!(
        ["unknown-process", "missing-process", "coverage-gap"]
            .iter()
            .all(|code| codes.contains(&(*code).to_owned())),
        "{codes:?}"
    );
    // The same through standard input, and as text.
    let mut child = Command::new(env!("CARGO_BIN_EXE_watchdog"))
        .args(["check", "--policy", &policy, "--facts", "-"])
        .stdin(Stdio::from(std::fs::File::open(&file).unwrap()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("web1: ") && last.contains(" findings. Saw "), "{last}");
    assert_kebab(&serde_json::from_str(&facts.out).unwrap());
}

#[test]
fn facts_with_the_names_of_before_are_still_read() {
    let place = Place::new();
    let policy = place.write("policy.toml", "schema = 1\n");
    let old = r#"{"schema":1,"host":"web1","boot_id":"x","taken":"2026-11-22T12:00:00Z","took_ms":{"process":1.5}}"#;
    let said = place.run(&["check", "--policy", &policy, "--facts", &place.write("old.json", old)]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "web1: nothing differs. Saw .\n"), "{}", said.err);
}

#[test]
fn facts_that_are_none_or_of_another_version_are_refused() {
    let place = Place::new();
    let policy = place.write("policy.toml", "schema = 1\n");
    let check = |facts: &str| place.run(&["check", "--policy", &policy, "--facts", facts]);
    check(&place.named("none.json")).is_refused("cannot read");
    check(&place.write("x.json", "{}")).is_refused("x.json holds no facts");
    let newer = r#"{"schema":99,"host":"web1","boot-id":"x","taken":"2026-11-22T12:00:00Z"}"#;
    check(&place.write("new.json", newer)).is_refused("holds facts of schema 99, and this version reads 1");
}

#[test]
fn a_file_that_is_there_is_replaced_only_if_that_is_asked_for() {
    let Some(_alone) = alone("a_file_that_is_there_is_replaced_only_if_that_is_asked_for") else { return };
    let place = Place::new();
    let file = place.write("policy.toml", "mine");
    place.run(&["snapshot", "-o", &file]).is_refused("is there already and was left alone");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let forced = place.run(&["snapshot", "-o", &file, "--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert!(std::fs::read_to_string(&file).unwrap().contains("schema = 1"));
    let validated = Said::of(watchdog(&["validate", &file]));
    assert_eq!(validated.code, Some(0), "{}", validated.err);
    assert!(validated.out.contains("a valid policy of "), "{}", validated.out);
}

/// On Linux, where a host can be had on which nothing is lacking: what Wine lacks is an alert of its own.
#[cfg(target_os = "linux")]
#[test]
fn an_alert_is_listed_shown_and_told_in_the_status() {
    let Some(_alone) = alone("an_alert_is_listed_shown_and_told_in_the_status") else { return };
    let place = Place::new();
    for command in [&["status"][..], &["alerts"], &["show", "abc"], &["metrics"]] {
        place.run(command).is_refused("nothing has been watched with ");
    }
    assert_eq!(place.run(&["run", "--once"]).code, Some(0));
    let none = place.run(&["alerts"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), "no open alerts\n"));
    assert_eq!(place.run(&["alerts", "--json"]).out, "");
    let _evil = evil(&place);
    assert_eq!(place.run(&["run", "--once"]).code, Some(0));

    let listed = place.run(&["alerts"]);
    let [line] = listed.out.lines().collect::<Vec<_>>()[..] else { panic!("{}", listed.out) };
    let id = line.split("  ").next().unwrap();
    assert!(line.contains("  urgent   unknown process") && line.ends_with("(just now)"), "{line}");

    let alert: Value = serde_json::from_str(&place.run(&["alerts", "--json"]).out).unwrap();
    assert_eq!((alert["id"].as_str(), alert["state"].as_str()), (Some(id), Some("open")));
    assert_kebab(&alert);

    let shown = place.run(&["show", &id[..3].to_uppercase()]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    for words in [
        "URGENT unknown process",
        "[[process]]\n",
        &format!("alert {id}: open\n"),
        "   code        unknown-process\n",
        "   mailed      1 times, last ",
    ] {
        assert!(shown.out.contains(words), "lacks {words:?}:\n{}", shown.out);
    }
    assert_eq!(serde_json::from_str::<Value>(&place.run(&["show", id, "--json"]).out).unwrap(), alert);
    place
        .run(&["show", "zzzzz"])
        .is_refused("there is no alert \"zzzzz\"; `watchdog alerts` lists those that are open");

    let status = place.run(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.err);
    for words in [
        "watching   since ",
        &format!("policy     {} ", place.named("policy.toml")),
        "alerts     1 open\n",
        "outbox     no mail waits\n",
        " ms of processor in the last pass, ",
        "process    looked just now, took ",
    ] {
        assert!(status.out.contains(words), "lacks {words:?}:\n{}", status.out);
    }
    let json: Value = serde_json::from_str(&place.run(&["status", "--json"]).out).unwrap();
    assert_eq!((&json["open-alerts"], &json["counters"]["passes"]), (&Value::from(1), &Value::from(2)));
    assert_eq!(json["findings"]["unknown-process"], 1);
    assert_kebab(&json);
    for said in [&listed, &shown, &status] {
        assert!(!said.out.contains('\u{1b}'), "no colour where there is no terminal:\n{}", said.out);
    }
}

/// Only here is it sure that nobody listens on port 25.
#[cfg(target_os = "linux")]
#[test]
fn what_waits_in_the_outbox_is_delivered_by_hand_and_a_refusal_is_told() {
    let Some(_alone) = alone("what_waits_in_the_outbox_is_delivered_by_hand_and_a_refusal_is_told") else {
        return;
    };
    let place = Place::new();
    let empty = place.run(&["deliver"]);
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), "0 accepted, 0 still waiting\n"));
    // Nobody listens on port 25 of this world.
    let config = place.write("watchdog.toml", "[mail]\nvia = \"smtp\"\nto = [\"root\"]\n");
    place.write("policy.toml", "schema = 1\n");
    let settings = ["--config", &config];
    assert_eq!(place.run(&[&["run", "--once"], &settings[..]].concat()).code, Some(0));
    let refused = place.run(&[&["deliver"], &settings[..]].concat());
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), "0 accepted, 1 still waiting\n"));
    assert!(
        refused.err.contains(" not accepted: ") && refused.err.contains("Connection refused"),
        "{}",
        refused.err
    );
    let status = place.run(&[&["status"], &settings[..]].concat()).out;
    assert!(status.contains("outbox     1 mail waits since "), "{status}");
    let tested = place.run(&[&["mail", "test"], &settings[..]].concat());
    assert_eq!(
        (tested.code, tested.out.as_str()),
        (Some(2), "sending one mail over SMTP to localhost:25 …\n")
    );
    assert!(tested.err.starts_with("not accepted: "), "{}", tested.err);
    let folder = place.write(
        "watchdog.toml",
        &format!("[mail]\nvia = \"folder\"\nfolder.path = \"{}\"\n", place.named("mails")),
    );
    let accepted = place.run(&["deliver", "--config", &folder]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.err);
    assert!(accepted.out.ends_with("1 accepted, 0 still waiting\n"), "{}", accepted.out);
    assert_eq!(std::fs::read_dir(place.path("mails")).unwrap().count(), 1);
}

#[test]
fn a_settings_file_that_is_named_must_be_there_for_every_command() {
    let place = Place::new();
    let none = place.named("none.toml");
    let policy = place.write("policy.toml", "schema = 1\n");
    let commands: &[&[&str]] = &[
        &["snapshot"],
        &["check"],
        &["run", "--once"],
        &["deliver"],
        &["validate"],
        &["validate", &policy],
        &["alerts"],
        &["show", "x"],
        &["status"],
        &["metrics"],
        &["mail", "test"],
    ];
    for command in commands {
        place.run(&[command, &["--config", none.as_str()][..]].concat()).is_refused("none.toml");
    }
    let wrong = place.write("wrong.toml", "polcy = 1\n");
    place.run(&["snapshot", "--config", &wrong]).is_refused("unknown field `polcy`");
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason() {
    let place = Place::new();
    place.run(&["check"]).is_refused("there is no policy ");
    place
        .run(&["check", "--policy", &place.write("policy.toml", "schema = 1\nexe = 1\n")])
        .is_refused("unknown field `exe`");
    place.run(&["validate", &place.named("none")]).is_refused("cannot read ");
    place
        .run(&["validate", &place.write("my-policy.toml", "x = 1\n")])
        .is_refused("a policy begins with `schema = 1`");
    place.run(&["no-such-command"]).is_refused("unrecognized subcommand");
    place.run(&["snapshot", "--force"]).is_refused("--output");
    place.write("watchdog.db", "this is no database, but long enough to be looked at as one");
    place.run(&["alerts"]).is_refused("watchdog.db");
}

/// A test for Windows cannot make a folder of somebody else.
#[cfg(target_os = "linux")]
#[test]
fn a_state_folder_of_another_user_is_refused() {
    let place = Place::new();
    if left_out("root", is_root()) {
        return;
    }
    let shared = place.path("shared");
    std::fs::create_dir(&shared).unwrap();
    std::os::unix::fs::chown(&shared, Some(65534), None).unwrap();
    let said = Said::of(watchdog(&["run", "--once", "--state-dir", shared.to_str().unwrap()]));
    said.is_refused("it belongs to another user");
}
