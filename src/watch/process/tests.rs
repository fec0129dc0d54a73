//! Facts and policies side by side: what is found, in whole.

use super::*;
use crate::policy::Policy;
use crate::processes::origin::Ancestor;
use expect_test::{Expect, expect};

mod commands;
mod ended;
mod files;
mod ladder;
mod learned;
mod modified;
mod upgrades;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

/// The content of a file.
const SHA256: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn process(pid: u32, exe: &str, user: &str) -> Process {
    Process {
        pid,
        start: u64::from(pid),
        since: Timestamp::constant(1_794_999_000, 0),
        parent: 1,
        exe: Executable::Path(exe.into()),
        script: None,
        name: exe.rsplit('/').next().unwrap().into(),
        args: vec![exe.into()],
        uid: 0,
        user: user.into(),
        unit: None,
        container: false,
        files: None,
    }
}

fn facts(processes: Vec<Process>) -> ProcessFacts {
    ProcessFacts {
        processes: processes.into_iter().map(Arc::new).collect(),
        sees_all: true,
        ..Default::default()
    }
}

/// One that started and ended since the last pass, so many times.
fn ended(process: Process, times: u64) -> Ended {
    let ancestor = |pid, what: &str, ended| Ancestor {
        pid,
        what: what.into(),
        user: "alice".into(),
        ended,
        typed: false,
    };
    let origin = Origin {
        ancestors: vec![
            ancestor(912, "/usr/bin/bash", true),
            ancestor(900, "/usr/sbin/sshd", false),
            ancestor(1, "/usr/lib/systemd/systemd", false),
        ],
        login: Some("alice".into()),
        session: Some("3".into()),
        from: Some("192.0.2.7".into()),
        terminal: Some("pts/0".into()),
        folder: Some("/tmp".into()),
        group: Some("session-3.scope".into()),
    };
    Ended { process: Arc::new(process), origin: Arc::new(origin), times, until: Some(NOW) }
}

/// A rule that wants so many of a program.
fn counted(exe: &str, count: &str) -> String {
    format!("[[process]]\nexe = \"{exe}\"\ncount = \"{count}\"\n")
}

fn findings(facts: &ProcessFacts, policy: &str) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
    check::check(facts, &policy.process, NOW, &mut Memory::default())
}

/// The findings as a person reads them: code, title, the nearest rule.
fn says(facts: &ProcessFacts, policy: &str, expected: &Expect) {
    let mut out = String::new();
    for finding in findings(facts, policy) {
        out += &format!("{} {}: {}\n", finding.severity.as_str(), finding.code, finding.title);
        if let Some(nearest) = finding.nearest {
            out += &format!("  {}: {}\n", nearest.rule, nearest.why_not);
        }
    }
    expected.assert_eq(&out);
}

#[test]
fn with_an_empty_policy_every_program_is_unknown_and_no_kernel_thread() {
    let mut kernel = process(2, "", "root");
    kernel.exe = Executable::Kernel;
    let facts =
        facts(vec![kernel, process(10, "/usr/sbin/nginx", "root"), process(11, "/usr/sbin/nginx", "root")]);
    says(
        &facts,
        "",
        &expect![[r#"
        urgent unknown-process: unknown process /usr/sbin/nginx run by root, 2 times
    "#]],
    );
}

#[test]
fn the_nearest_rule_says_why_it_does_not_allow() {
    let mut script = process(12, "/usr/bin/python3.11", "alice");
    script.script = Some("/home/alice/x.py".into());
    let facts = facts(vec![process(10, "/usr/sbin/nginx", "alice"), script]);
    let policy = r#"
        [[process]]
        exe   = "/usr/sbin/nginx"
        users = ["root", "www-data"]
        unit  = "nginx.service"

        [[process]]
        exe    = "/usr/bin/python3*"
        script = "/usr/bin/unattended-upgrade"
    "#;
    says(
        &facts,
        policy,
        &expect![[r#"
        urgent unknown-process: unknown process /usr/bin/python3.11 running /home/alice/x.py run by alice
          process /usr/bin/python3* (policy.toml:8): it is for the script /usr/bin/unattended-upgrade
        urgent unknown-process: unknown process /usr/sbin/nginx run by alice
          process /usr/sbin/nginx (policy.toml:3): user alice is not one of root, www-data; it runs in no service, not in nginx.service
    "#]],
    );
}

#[test]
fn an_interpreter_without_a_script_in_the_rule_may_run_none() {
    let mut shell = process(10, "/usr/bin/bash", "root");
    let allowed = "[[process]]\nexe = \"/usr/bin/bash\"";
    assert_eq!(findings(&facts(vec![shell.clone()]), allowed), []);
    shell.script = Some("-c id".into());
    says(
        &facts(vec![shell]),
        allowed,
        &expect![[r#"
        urgent unknown-process: unknown process /usr/bin/bash running -c id run by root
          process /usr/bin/bash (policy.toml:2): it allows no script
    "#]],
    );
}

#[test]
fn deleted_files_memory_and_containers_are_named_as_such_and_not_covered_by_the_path() {
    let mut deleted = process(10, "", "root");
    deleted.exe = Executable::Deleted("/usr/sbin/nginx".into());
    let mut memory = process(11, "", "root");
    memory.exe = Executable::Memory("x".into());
    let mut container = process(12, "/usr/sbin/nginx", "root");
    container.container = true;
    let facts = facts(vec![deleted, memory, container]);
    says(
        &facts,
        "[[process]]\nexe = \"/usr/sbin/nginx\"",
        &expect![[r#"
        urgent unknown-process: unknown process /usr/sbin/nginx (not the host's file: a container, or mounted over) run by root
          process /usr/sbin/nginx (policy.toml:2): the file that runs is not the host's file of that path
        urgent unknown-process: unknown process /usr/sbin/nginx (a deleted or replaced file) run by root
          process /usr/sbin/nginx (policy.toml:2): it does not allow a deleted or replaced file
        urgent unknown-process: unknown process memfd:x (memory, no file) run by root
    "#]],
    );
}

#[test]
fn a_process_that_root_cannot_read_is_hiding_and_to_an_ordinary_user_it_is_a_gap() {
    let mut hidden = process(10, "", "root");
    hidden.exe = Executable::Unreadable("permission denied".into());
    let mut facts = facts(vec![hidden]);
    says(
        &facts,
        "",
        &expect![[r#"
        urgent unreadable-process: a process of root hides what it runs
    "#]],
    );
    facts.sees_all = false;
    assert_eq!(findings(&facts, ""), []);
}

#[test]
fn a_required_process_that_does_not_run_is_missed() {
    let policy = &counted("/usr/sbin/nginx", "2..3");
    let nginx = |pid| process(pid, "/usr/sbin/nginx", "root");
    says(
        &facts(vec![]),
        policy,
        &expect![[r#"
        urgent missing-process: /usr/sbin/nginx does not run
    "#]],
    );
    says(
        &facts(vec![nginx(1)]),
        policy,
        &expect![[r#"
        urgent missing-process: only 1 of /usr/sbin/nginx run, not 2
    "#]],
    );
    says(&facts(vec![nginx(1), nginx(2)]), policy, &expect![""]);
    says(
        &facts((1..5).map(nginx).collect()),
        policy,
        &expect![[r#"
        warning missing-process: 4 of /usr/sbin/nginx run, more than 3
    "#]],
    );
}

#[test]
fn a_rule_that_can_never_match_is_refused_with_a_caret() {
    let error = Policy::from_text("policy.toml", "schema = 1\n[[process]]\nexe = \"nginx\"\n").unwrap_err();
    expect![[r#"
        policy.toml:3:7: "nginx" is not an executable: write a whole path, memfd:NAME or (unreadable)
          |
        3 | exe = "nginx"
          |       ^^^^^^^"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn an_expired_rule_allows_nothing_and_says_so() {
    let policy = "[[process]]\nexe = \"/usr/bin/rsync\"\nexpires = 2026-01-31";
    says(
        &facts(vec![process(10, "/usr/bin/rsync", "root")]),
        policy,
        &expect![[r#"
        urgent unknown-process: unknown process /usr/bin/rsync run by root
          process /usr/bin/rsync (policy.toml:2): the rule expired on 2026-01-31
    "#]],
    );
}

#[test]
fn the_whole_finding_is_what_json_prints() {
    let mut process = process(4711, "/tmp/x", "alice");
    process.args = vec!["/tmp/x".into(), Text::new(b"--evil\n\x1b[2J<b>\xff")];
    process.unit = Some("cron.service".into());
    let finding = findings(&facts(vec![process]), "").pop().unwrap();
    expect![[r#"
        {
          "code": "unknown-process",
          "severity": "urgent",
          "subject": "exe=/tmp/x user=alice",
          "title": "unknown process /tmp/x run by alice",
          "evidence": {
            "executable": "/tmp/x",
            "user": "alice",
            "processes": 1,
            "pid": [
              4711
            ],
            "arguments": "/tmp/x --evil\\x0a\\x1b[2J<b>\\xff",
            "calls itself": "x",
            "started": "2026-11-18T10:50:00Z",
            "unit": "cron.service"
          },
          "suggest": "[[process]]\nexe   = \"/tmp/x\"\nusers = [\"alice\"]\nwhy   = \"…\"\n"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&finding).unwrap());
}
