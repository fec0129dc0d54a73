//! A snapshot of a Windows host means the same everywhere: it is learned from and checked on any system.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test says what is wrong by failing")]

use expect_test::expect;
use host_watchdog::learn::{self, How};
use host_watchdog::pass::{self, Memories};
use host_watchdog::policy::Policy;
use host_watchdog::snapshot::Snapshot;
use serde_json::{Value, json};

/// What a small Windows host shows of itself.
fn windows_host() -> Value {
    let profile = |network: &str| json!({ "network": network, "enabled": true, "inbound": "block", "outbound": "allow" });
    json!({
        "schema": 1, "host": "web1", "boot-id": "boot 7", "taken": "2026-03-01T12:00:00Z",
        "accounts": { "facts": {
            "accounts": [
                { "name": "Administrator", "sid": "S-1-5-21-1-2-3-500", "enabled": true, "password-required": true },
                { "name": "Guest", "sid": "S-1-5-21-1-2-3-501", "enabled": false, "password-required": false },
            ],
            "groups": [{ "group": "Administrators", "sid": "S-1-5-32-544", "name": "Administrators", "members": [
                { "name": "WEB1\\Administrator", "sid": "S-1-5-21-1-2-3-500", "kind": "user" },
            ] }],
        } },
        "autoruns": { "facts": { "autoruns": [
            { "kind": "service", "name": "Spooler", "exe": "C:\\Windows\\System32\\spoolsv.exe",
              "user": "NT AUTHORITY\\SYSTEM", "start": "automatic", "place": "HKLM\\…\\Spooler" },
        ] } },
        "protection": { "facts": {
            "firewall": { "running": true, "profiles": [profile("domain"), profile("private"), profile("public")] },
            "defender": { "installed": true, "running": true, "real-time": true, "signatures": "2026-03-01T06:00:00Z" },
        } },
        "gaps": { "autorun": [{ "gap": "hidden-tasks", "seen": 0, "of": 1, "why": "not to be read" }] },
    })
}

/// The findings in lines.
fn findings(facts: &Value, policy: &str) -> String {
    let snapshot: Snapshot = serde_json::from_value(facts.clone()).unwrap();
    let policy = Policy::from_text("policy.toml", policy).unwrap();
    let found = pass::check_all(&pass::watches(), &snapshot, &policy, &mut Memories::default());
    found.iter().map(|finding| format!("{} {}\n", finding.code, finding.title)).collect()
}

fn learned(facts: &Value) -> String {
    let snapshot: Snapshot = serde_json::from_value(facts.clone()).unwrap();
    learn::policy(&pass::watches(), &snapshot, &How::default()).unwrap()
}

#[test]
fn right_after_learning_nothing_differs_and_then_each_change_is_one_finding() {
    let facts = windows_host();
    let policy = learned(&facts);
    assert_eq!(Policy::from_text("policy.toml", &policy).unwrap().rules(), 5, "{policy}");
    assert_eq!(findings(&facts, &policy), "");

    let mut changed = facts.clone();
    let accounts = &mut changed["accounts"]["facts"];
    let sid = "S-1-5-21-1-2-3-1001";
    let account = json!({ "name": "mallory", "sid": sid, "enabled": true, "password-required": true });
    accounts["accounts"].as_array_mut().unwrap().push(account);
    let member = json!({ "name": "WEB1\\mallory", "sid": sid, "kind": "user" });
    accounts["groups"][0]["members"].as_array_mut().unwrap().push(member);
    let autoruns = &mut changed["autoruns"]["facts"]["autoruns"];
    autoruns[0]["exe"] = json!("C:\\Users\\Public\\spoolsv.exe");
    let entry =
        json!({ "kind": "run", "name": "Tray", "exe": "C:\\tray.exe", "user": "Everyone", "place": "Run" });
    autoruns.as_array_mut().unwrap().push(entry);
    let protection = &mut changed["protection"]["facts"];
    protection["firewall"]["profiles"][2]["enabled"] = json!(false);
    protection["defender"]["signatures"] = json!("2026-02-20T06:00:00Z");
    expect![[r#"
        unknown-account unknown account mallory, in Administrators
        unknown-autorun unknown Run entry Tray starts C:\tray.exe as Everyone
        changed-autorun service Spooler was changed, it now starts C:\Users\Public\spoolsv.exe as NT AUTHORITY\SYSTEM
        firewall-off the firewall is off on public networks
        antivirus-stale the signatures of Microsoft Defender are 9 days old
    "#]]
    .assert_eq(&findings(&changed, &policy));
}

#[test]
fn a_snapshot_without_these_facts_is_not_asked_for_them() {
    let policy = learned(&windows_host());
    let linux = json!({ "schema": 1, "host": "web2", "boot-id": "b", "taken": "2026-03-01T12:00:00Z" });
    assert_eq!(findings(&linux, &policy), "");
}

#[test]
fn a_watch_looks_only_where_there_is_something_of_its_kind() {
    let names: Vec<_> =
        pass::watches().iter().filter(|watch| !watch.looks_here()).map(|watch| watch.name()).collect();
    let elsewhere: &[&str] =
        if cfg!(windows) { &["network", "deception"] } else { &["account", "autorun", "protection"] };
    assert_eq!(names, elsewhere);
}
