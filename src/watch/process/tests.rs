//! Facts and policies side by side: what is found, in whole.

use super::*;
use crate::policy::Policy;
use crate::processes::origin::Ancestor;
use crate::processes::{Files, Version};
use crate::rule::to_toml;
use expect_test::{Expect, expect};

mod commands;
mod ladder;
mod upgrades;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

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
    let policy = r#"
        [[process]]
        exe   = "/usr/sbin/nginx"
        count = "2..3"
    "#;
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
fn a_rule_for_a_package_wants_the_file_as_the_package_brought_it() {
    let policy = "[[process]]\nexe = \"/usr/sbin/nginx\"\npackage = \"nginx-core\"";
    let mut facts = facts(vec![process(10, "/usr/sbin/nginx", "root")]);
    says(
        &facts,
        policy,
        &expect![[r#"
        urgent unknown-process: unknown process /usr/sbin/nginx run by root
          process /usr/sbin/nginx (policy.toml:2): the file belongs to no package, not to nginx-core
    "#]],
    );
    let mut package = |state| {
        facts.packages.insert("/usr/sbin/nginx".into(), Package { name: "nginx-core".into(), state });
        findings(&facts, policy).pop().map(|finding| finding.nearest.unwrap().why_not)
    };
    assert_eq!(package(State::Modified).unwrap(), "the file is not as nginx-core brought it");
    assert_eq!(package(State::Unmodified), None);
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

#[test]
fn what_one_was_when_it_started_is_judged_as_well_if_it_shows_itself_otherwise() {
    let policy = r#"
        [[process]]
        exe   = "/usr/bin/python3.11"
        count = "1"
    "#;
    let shows = process(40, "/usr/bin/python3.11", "alice");
    let mut facts = facts(vec![shows.clone()]);
    assert_eq!(findings(&facts, policy), []);
    let was = Process { script: Some("(standard input)".into()), ..shows };
    facts.earlier = vec![Ended { until: None, ..ended(was, 1) }];
    says(
        &facts,
        policy,
        &expect![[r#"
        urgent unknown-process: unknown process /usr/bin/python3.11 running (standard input) run by alice (it runs on, and shows itself otherwise)
          process /usr/bin/python3.11 (policy.toml:3): it allows no script
    "#]],
    );
    let found = findings(&facts, policy);
    assert_eq!(found[0].evidence["shows itself as"], "/usr/bin/python3.11 (40), script none");
    let allowed = format!("{policy}\n{}", found[0].suggest.clone().unwrap());
    assert_eq!(findings(&facts, &allowed), [], "and it is counted once");
    // What it shows now needs no rule of its own; another process does.
    let only = found[0].suggest.clone().unwrap();
    assert_eq!(findings(&facts, &only), []);
    assert_eq!(findings(&facts, "").len(), 1);
    facts.processes.push(Arc::new(process(41, "/usr/bin/python3.11", "alice")));
    assert_eq!(findings(&facts, &only).len(), 1);
}

#[test]
fn what_has_ended_is_judged_like_what_runs_and_says_where_it_came_from() {
    let mut facts = facts(vec![process(1, "/sbin/init", "root")]);
    facts.ended =
        vec![ended(process(4711, "/tmp/x", "alice"), 312), ended(process(20, "/usr/bin/id", "alice"), 1)];
    let policy = "[[process]]\nexe = \"/sbin/init\"\n[[process]]\nexe = \"/usr/bin/*\"\n";
    let found = findings(&facts, policy);
    assert_eq!(found.len(), 1);
    expect![[r#"
        {
          "executable": "/tmp/x",
          "user": "alice",
          "processes": 312,
          "pid": [
            4711
          ],
          "arguments": "/tmp/x",
          "calls itself": "x",
          "started": "2026-11-18T10:50:00Z",
          "ended": "2026-11-18T11:06:40Z",
          "parent": "/usr/bin/bash (912)",
          "ancestors": "bash 912 (ended), sshd 900, systemd 1",
          "login user": "alice",
          "session": "3",
          "from": "192.0.2.7",
          "terminal": "pts/0",
          "folder": "/tmp",
          "group": "session-3.scope"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&found[0].evidence).unwrap());
    assert_eq!(found[0].title, "unknown process /tmp/x run by alice, 312 times (all have ended)");
    assert_eq!(findings(&facts, &format!("{policy}{}", found[0].suggest.as_ref().unwrap())), []);
    let learned = learn::learn(&facts, "test", crate::rule::today(NOW));
    assert_eq!(findings(&facts, &learned), []);
    let again: ProcessFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(again, facts);
}

#[test]
fn what_has_ended_is_not_counted_among_those_that_must_run() {
    let mut facts = facts(Vec::new());
    facts.ended = vec![ended(process(20, "/usr/sbin/cron", "root"), 9)];
    let found = findings(&facts, "[[process]]\nexe = \"/usr/sbin/cron\"\ncount = \"1..\"\n");
    let titles: Vec<&str> = found.iter().map(|finding| finding.title.as_str()).collect();
    assert_eq!(titles, ["/usr/sbin/cron does not run"]);
}

#[test]
fn any_package_is_enough_if_the_rule_says_so_but_not_a_file_of_none() {
    let mut facts = facts(vec![process(1, "/usr/bin/ls", "root"), process(2, "/usr/bin/own", "root")]);
    facts
        .packages
        .insert("/usr/bin/ls".into(), Package { name: "coreutils".into(), state: State::Unmodified });
    let policy = "[[process]]\nexe = \"/usr/bin/*\"\npackage = \"*\"\nusers = [\"root\"]\n";
    says(
        &facts,
        policy,
        &expect![[r#"
            urgent unknown-process: unknown process /usr/bin/own run by root
              process /usr/bin/* (policy.toml:2): the file belongs to no package
        "#]],
    );
    let state = State::Modified;
    facts.packages.insert("/usr/bin/own".into(), Package { name: "own".into(), state });
    says(
        &facts,
        policy,
        &expect![[r#"
            urgent unknown-process: unknown process /usr/bin/own run by root
              process /usr/bin/* (policy.toml:2): the file is not as own brought it
        "#]],
    );
}

/// One of everything there is.
fn zoo() -> ProcessFacts {
    let mut processes: Vec<Process> = (0..12).map(|pid| process(pid, "/usr/bin/bash", "alice")).collect();
    processes[1].script = Some(Text::new("/srv/a*b\n.sh"));
    processes[2].script = Some("-c id; \"x\" '''".into());
    processes[3].exe = Executable::Deleted("/usr/bin/old".into());
    processes[4].exe = Executable::Memory("x*".into());
    processes[5].container = true;
    processes[6].exe = Executable::Unreadable("permission denied".into());
    processes[7].exe = Executable::Path(Text::new(b"/tmp/\xff\\ \"*"));
    processes[8].user = "bob".into();
    processes[9].exe = Executable::Path("/usr/sbin/nginx".into());
    processes[10].exe = Executable::Path("/usr/sbin/sshd".into());
    processes[11].exe = Executable::Kernel;
    let mut facts = facts(processes);
    for (path, state) in [("/usr/sbin/nginx", State::Unmodified), ("/usr/sbin/sshd", State::Modified)] {
        facts.packages.insert(path.into(), Package { name: "p".into(), state });
    }
    facts
}

#[test]
fn what_is_learned_allows_just_what_was_there() {
    let learned = learn::learn(&zoo(), "test", crate::rule::today(NOW));
    assert_eq!(findings(&zoo(), &learned), []);
    let mut other = process(1, "/usr/bin/bash", "alice");
    other.script = Some("/srv/aXb\n.sh".into());
    assert_eq!(findings(&facts(vec![other]), &learned).len(), 1);
}

#[test]
fn each_suggested_rule_allows_what_it_was_suggested_for() {
    let found = findings(&zoo(), "");
    assert_eq!(found.len(), 11);
    let rules: String = found.into_iter().filter_map(|finding| finding.suggest).collect();
    assert_eq!(findings(&zoo(), &rules), []);
}

#[test]
fn a_rule_is_written_as_it_is_read() {
    let text = "[[process]]\nexe   = \"/x\"\nusers = [\"a\", \"b\"]\ncount = \"1..\"\nwhy   = \"it's so\"\n";
    let policy = Policy::from_text("p", &format!("schema = 1\n{text}")).unwrap();
    assert_eq!(to_toml("[[process]]", &policy.process.process[0].rule), text);
}

#[test]
fn a_rule_may_want_a_content_and_a_digest_that_no_file_can_have_is_a_typo() {
    let content = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let policy = format!("[[process]]\nexe = \"/opt/x\"\nsha256 = \"{}\"", content.to_uppercase());
    let mut facts = facts(vec![process(10, "/opt/x", "root")]);
    let mut with = |sha256: Option<&str>| {
        let known = file::FileFacts { sha256: sha256.map(Text::from), ..Default::default() };
        facts.files.insert("/opt/x".into(), known);
        findings(&facts, &policy).pop().map(|finding| finding.nearest.unwrap().why_not)
    };
    assert_eq!(with(Some(content)), None);
    assert_eq!(with(Some("00")).unwrap(), "the file has another content, sha256 00");
    assert_eq!(with(None).unwrap(), "the content of what runs is not known");
    let unread = file::FileFacts { unread: true, ..Default::default() };
    facts.files.insert("/opt/x".into(), unread);
    let found = findings(&facts, &policy).pop().unwrap();
    assert_eq!(found.evidence["sha256"], "not computed yet: there was too much to read in one pass");
    let error =
        Policy::from_text("p", "schema = 1\n[[process]]\nexe = \"/x\"\nsha256 = \"12\"\n").unwrap_err();
    expect![[r#"
        p:4:10: "12" is not a SHA-256: write its 64 hexadecimal digits
          |
        4 | sha256 = "12"
          |          ^^^^"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn a_content_counts_only_for_those_that_ran_the_file_that_had_it() {
    let content = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let policy = format!("[[process]]\nexe = \"/opt/x\"\nsha256 = \"{content}\"");
    let version = |inode| Version { device: 1, inode, changed: 5 };
    let run = |pid, inode| {
        let files = Some(Files { exe: Some(version(inode)), script: None });
        ended(Process { files, ..process(pid, "/opt/x", "root") }, 1)
    };
    let contents = vec![file::Content { version: version(10), sha256: content.into() }];
    let known = file::FileFacts { sha256: Some(content.into()), contents, ..Default::default() };
    let mut facts = ProcessFacts { ended: vec![run(10, 10)], ..facts(vec![]) };
    facts.files.insert("/opt/x".into(), known);
    assert_eq!(findings(&facts, &policy), []);
    // Another file ran there for a moment, and the good one lies there again.
    facts.ended.push(run(11, 12));
    let found = findings(&facts, &policy);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].evidence["pid"], serde_json::json!([11]));
    assert_eq!(found[0].evidence["sha256"], "not known: the file was changed or replaced since");
    assert_eq!(found[0].nearest.as_ref().unwrap().why_not, "the content of what runs is not known");
    assert!(!found[0].suggest.as_ref().unwrap().contains(content));
    // What it was is remembered, whatever lies there now.
    let evil = file::Content { version: version(12), sha256: "00".into() };
    facts.files.get_mut("/opt/x").unwrap().contents.push(evil);
    let found = findings(&facts, &policy);
    assert_eq!(found[0].nearest.as_ref().unwrap().why_not, "the file has another content, sha256 00");
}

#[test]
fn what_is_odd_about_a_file_is_said_and_where_everybody_may_put_one_its_content_is_the_rule() {
    let mut facts = facts(vec![process(10, "/tmp/x", "root")]);
    let oddities = [
        file::Oddity::SetId,
        file::Oddity::Replaceable,
        file::Oddity::Temporary,
        file::Oddity::FromTheFuture,
    ];
    let sha256 = Some("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae".into());
    facts
        .files
        .insert("/tmp/x".into(), file::FileFacts { sha256, oddities: oddities.into(), ..Default::default() });
    let found = findings(&facts, "").pop().unwrap();
    expect![[r#"
        [
          "set-user-id or set-group-id",
          "everybody may put another file in its place",
          "on a temporary file system",
          "changed later than now"
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&found.evidence["odd"]).unwrap());
    let suggested = found.suggest.unwrap();
    assert!(suggested.contains("sha256 = \"2c26"), "{suggested}");
    assert_eq!(findings(&facts, &suggested), []);
    assert_eq!(findings(&facts, &learn::learn(&facts, "test", crate::rule::today(NOW))), []);
    facts.files.get_mut("/tmp/x").unwrap().sha256 = Some("00".into());
    assert_eq!(findings(&facts, &suggested).len(), 1);
}
