//! What a transaction explains of processes, what it holds back, and what it does not.

use super::*;
use crate::transaction::{Change, Phase, Transaction};

pub const POLICY: &str = r#"
    [[process]]
    exe     = "/usr/sbin/nginx"
    package = "nginx"
"#;

fn transaction(phase: Phase) -> Transaction {
    let changes = match phase {
        Phase::Ended(_) => vec![
            Change {
                name: "nginx".into(),
                arch: "amd64".into(),
                from: Some("1.22".into()),
                to: Some("1.23".into()),
            },
            Change { name: "htop".into(), arch: "amd64".into(), from: None, to: Some("3.2".into()) },
        ],
        _ => Vec::new(),
    };
    Transaction { since: NOW, phase, changes, unverified: 0, fresh: BTreeMap::new() }
}

pub fn owned(mut facts: ProcessFacts, files: &[(&str, &str, State)]) -> ProcessFacts {
    for (path, name, state) in files {
        facts.packages.insert((*path).into(), Package { name: (*name).into(), state: *state });
    }
    facts
}

/// A pass: severity, code and title of what was found.
pub fn pass(facts: &ProcessFacts, policy: &str, memory: &mut Memory) -> Vec<String> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
    let found = check::check(facts, &policy.process, NOW, memory);
    found
        .iter()
        .map(|finding| format!("{} {}: {}", finding.severity.as_str(), finding.code, finding.title))
        .collect()
}

fn old_nginx() -> ProcessFacts {
    let mut old = process(10, "", "root");
    old.exe = Executable::Deleted("/usr/sbin/nginx".into());
    old.unit = Some("nginx.service".into());
    owned(facts(vec![old]), &[("/usr/sbin/nginx", "nginx", State::Unmodified)])
}

#[test]
fn a_program_that_an_upgrade_replaced_needs_a_restart_and_another_in_its_place_does_not_pass_for_it() {
    let mut facts = old_nginx();
    assert_eq!(
        pass(&facts, POLICY, &mut Memory::default()),
        ["urgent unknown-process: unknown process /usr/sbin/nginx (a deleted or replaced file) run by root"],
        "what runs is not what the package had brought"
    );
    facts.replaced.insert(10, "nginx".into());
    let restart = "notice needs-restart: /usr/sbin/nginx runs on as it was before nginx was upgraded, and needs a restart";
    assert_eq!(pass(&facts, POLICY, &mut Memory::default()), [restart]);
    // Another process of the same name, whose program is not the package's.
    let mut evil = Process::clone(&facts.processes[0]);
    evil.pid = 11;
    facts.processes.push(Arc::new(evil));
    assert_eq!(
        pass(&facts, POLICY, &mut Memory::default()),
        [
            "urgent unknown-process: unknown process /usr/sbin/nginx (a deleted or replaced file) run by root",
            restart
        ]
    );
    // What lies there now is nobody's.
    facts.processes.pop();
    facts.packages.clear();
    assert_eq!(pass(&facts, POLICY, &mut Memory::default()).len(), 1);
    assert!(pass(&facts, POLICY, &mut Memory::default())[0].starts_with("urgent unknown-process"));
}

#[test]
fn the_rule_suggested_for_one_that_needs_a_restart_silences_just_that() {
    let mut facts = old_nginx();
    facts.replaced.insert(10, "nginx".into());
    let policy = Policy::from_text("p", &format!("schema = 1\n{POLICY}")).unwrap();
    let found = check::check(&facts, &policy.process, NOW, &mut Memory::default());
    let suggested = found[0].suggest.clone().unwrap();
    expect![[r#"
        [[process]]
        exe     = "/usr/sbin/nginx"
        package = "nginx"
        deleted = true
        why     = "…"
    "#]]
    .assert_eq(&suggested);
    assert_eq!(pass(&facts, &format!("{POLICY}\n{suggested}"), &mut Memory::default()), [""; 0]);
    facts.replaced.clear();
    assert_eq!(pass(&facts, &format!("{POLICY}\n{suggested}"), &mut Memory::default()).len(), 1);
}

#[test]
fn what_a_transaction_may_explain_waits_for_its_end_and_is_told_then_if_it_did_not() {
    let mut memory = Memory::default();
    let mut new = owned(
        facts(vec![process(10, "/usr/sbin/nginx", "root")]),
        &[("/usr/sbin/nginx", "nginx", State::Modified)],
    );
    let mut under_way = transaction(Phase::UnderWay);
    under_way.fresh.insert("/usr/sbin/nginx".into(), Some("nginx".into()));
    new.transaction = Some(under_way.clone());
    assert_eq!(pass(&new, POLICY, &mut memory), [""; 0]);
    // It has ended before the transaction did, and its file is not the package's: it is told all the same.
    let mut gone = owned(facts(vec![]), &[("/usr/sbin/nginx", "nginx", State::Modified)]);
    gone.transaction = Some(transaction(Phase::Slow));
    let mut explained = memory.clone();
    assert_eq!(
        pass(&gone, POLICY, &mut memory),
        ["urgent unknown-process: unknown process /usr/sbin/nginx run by root (it has ended)"]
    );
    assert_eq!(pass(&gone, POLICY, &mut memory), [""; 0], "once");
    // Or the package vouches for it.
    let mut gone = owned(facts(vec![]), &[("/usr/sbin/nginx", "nginx", State::Unmodified)]);
    gone.transaction = Some(transaction(Phase::Ended(NOW)));
    assert_eq!(
        pass(&gone, POLICY, &mut explained),
        [
            "notice packages-changed: what changed is explained by nginx 1.22 → 1.23, htop 3.2 (new) (2 packages)"
        ]
    );
    assert_eq!(pass(&gone, POLICY, &mut explained), [""; 0], "once");
}

#[test]
fn what_no_package_brings_and_what_was_told_before_is_not_held_back() {
    let mut evil = facts(vec![process(10, "/tmp/x", "root"), process(11, "/usr/bin/nc", "root")]);
    evil.transaction = Some(transaction(Phase::UnderWay));
    let told = [
        "urgent unknown-process: unknown process /tmp/x run by root",
        "urgent unknown-process: unknown process /usr/bin/nc run by root",
    ];
    assert_eq!(pass(&evil, "", &mut Memory::default()), told);
    let mut memory = Memory::default();
    evil.transaction = None;
    assert_eq!(pass(&evil, "", &mut memory), told);
    let mut under_way = transaction(Phase::UnderWay);
    under_way.fresh.insert("/usr/bin/nc".into(), None);
    evil.transaction = Some(under_way);
    assert_eq!(pass(&evil, "", &mut memory), told);
    assert_eq!(pass(&evil, "", &mut Memory::default()), told[..1]);
}

#[test]
fn a_missing_process_waits_too_but_not_for_ever() {
    let required = format!("{POLICY}\ncount = \"1\"");
    let mut none = facts(vec![]);
    for (phase, count) in [(Phase::UnderWay, 0), (Phase::Slow, 1), (Phase::Stuck, 1)] {
        none.transaction = Some(transaction(phase));
        assert_eq!(pass(&none, &required, &mut Memory::default()).len(), count, "{phase:?}");
    }
}

/// A shell of root's, the package manager, a maintainer script, and what it runs.
fn at_work() -> ProcessFacts {
    let mut processes = vec![
        process(9, "/usr/bin/sudo", "root"),
        process(10, "/usr/bin/apt-get", "root"),
        process(11, "/usr/bin/dpkg", "root"),
        process(12, "/usr/bin/dash", "root"),
        process(13, "/usr/bin/sleep", "nobody"),
        process(14, "/var/lib/dpkg/tmp.ci/preinst", "root"),
    ];
    for (process, parent) in processes.iter_mut().zip([1, 9, 10, 11, 12, 11]) {
        process.parent = parent;
    }
    processes[3].script = Some("/var/lib/dpkg/info/x.postinst".into());
    let mut facts = owned(
        facts(processes),
        &[
            ("/usr/bin/sudo", "sudo", State::Unmodified),
            ("/usr/bin/apt-get", "apt", State::Unmodified),
            ("/usr/bin/dpkg", "dpkg", State::Unmodified),
            ("/usr/bin/dash", "dash", State::Unmodified),
            ("/usr/bin/sleep", "coreutils", State::Unmodified),
        ],
    );
    facts.transaction = Some(transaction(Phase::UnderWay));
    facts
}

fn strangers(facts: &ProcessFacts) -> Vec<String> {
    let policy = Policy::from_text("p", "schema = 1").unwrap();
    let found = check::check(facts, &policy.process, NOW, &mut Memory::default());
    found.iter().map(|finding| finding.evidence["executable"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_processes_of_a_transaction_are_its_own() {
    assert_eq!(strangers(&at_work()), [""; 0]);
    for phase in [Phase::Stuck, Phase::Ended(NOW)] {
        let mut after = at_work();
        after.transaction = Some(transaction(phase));
        after.transaction.as_mut().unwrap().unverified = 1;
        assert_eq!(strangers(&after).len(), 6, "{phase:?}");
    }
    let mut slow = at_work();
    slow.transaction = Some(transaction(Phase::Slow));
    assert_eq!(strangers(&slow), [""; 0]);
}

#[test]
fn what_no_package_vouches_for_stays_a_finding_below_dpkg_too() {
    let mut with_evil = at_work();
    let mut evil = process(20, "/tmp/evil", "root");
    evil.parent = 12;
    with_evil.processes.push(Arc::new(evil));
    assert_eq!(strangers(&with_evil), ["/tmp/evil"]);
    let with = |path: &str, state| owned(at_work(), &[(path, "dpkg", state)]);
    // The package manager is not what it should be: nothing below it is its own but what apt itself started.
    assert_eq!(strangers(&with("/usr/bin/dpkg", State::Modified)), ["/usr/bin/dpkg"]);
    let mut no_apt = with("/usr/bin/dpkg", State::Modified);
    Arc::make_mut(&mut no_apt.processes[2]).parent = 1;
    assert_eq!(
        strangers(&no_apt),
        ["/usr/bin/dash", "/usr/bin/dpkg", "/usr/bin/sleep", "/var/lib/dpkg/tmp.ci/preinst"]
    );
}

/// One that ran for a moment, started by these.
fn short(exe: &str, ancestors: &[(&str, &str)]) -> Ended {
    let ancestor = |(what, user): &(&str, &str)| Ancestor {
        pid: 900,
        what: (*what).into(),
        user: (*user).into(),
        ended: true,
        // As it would be said of a process without a script.
        typed: *what == "/usr/bin/bash",
    };
    let origin = Origin { ancestors: ancestors.iter().map(ancestor).collect(), ..Origin::default() };
    Ended { process: Arc::new(process(40, exe, "root")), origin: Arc::new(origin), times: 3, until: None }
}

#[test]
fn what_a_transaction_started_and_has_ended_since_is_its_own_also_at_its_end() {
    let below_dpkg = [("/usr/bin/dash", "root"), ("/usr/bin/dpkg", "root"), ("/usr/bin/apt-get", "root")];
    let with = |ended: Ended| {
        let mut facts = at_work();
        facts.ended = vec![ended];
        facts
    };
    assert_eq!(strangers(&with(short("/usr/bin/sleep", &below_dpkg))), [""; 0]);
    let stranger = with(short("/usr/bin/sleep", &[("/usr/bin/dash", "root"), ("/usr/sbin/sshd", "root")]));
    assert_eq!(strangers(&stranger), ["/usr/bin/sleep"]);
    assert_eq!(strangers(&with(short("/tmp/evil", &below_dpkg))), ["/tmp/evil"], "nobody vouches for it");
    let of_another = with(short("/usr/bin/sleep", &[("/usr/bin/dpkg", "alice")]));
    assert_eq!(strangers(&of_another), ["/usr/bin/sleep"], "not root's");
    let changed = with(short("/usr/bin/sleep", &[("/usr/bin/dpkg", "root")]));
    let changed = owned(changed, &[("/usr/bin/dpkg", "dpkg", State::Modified)]);
    assert_eq!(strangers(&changed), ["/usr/bin/dpkg", "/usr/bin/sleep"]);
    let below_pager = [("/usr/bin/bash", "root"), ("/usr/bin/less", "root"), ("/usr/bin/dpkg", "root")];
    let typed = with(short("/usr/bin/sleep", &below_pager));
    assert_eq!(strangers(&typed), ["/usr/bin/sleep"], "somebody typed it, in a shell that has ended too");
    // Between two looks all of it may have come and gone.
    let mut gone = with(short("/usr/bin/sleep", &below_dpkg));
    gone.processes.clear();
    gone.transaction = None;
    assert_eq!(strangers(&gone), ["/usr/bin/sleep"], "no package manager was at work");
    gone.installed = true;
    assert_eq!(strangers(&gone), [""; 0]);
    let mut runs_on = at_work();
    (runs_on.transaction, runs_on.installed) = (None, true);
    assert_eq!(strangers(&runs_on).len(), 6, "no part of it runs on");
}

#[test]
fn a_dpkg_of_somebody_who_is_not_root_has_no_processes_of_its_own() {
    let mut facts = at_work();
    for process in &mut facts.processes {
        Arc::make_mut(process).uid = 1000;
    }
    assert_eq!(strangers(&facts).len(), 6);
    let mut sudo = at_work();
    sudo.processes.retain(|process| process.pid == 9);
    assert_eq!(strangers(&sudo), ["/usr/bin/sudo"], "sudo by itself is nobody's");
    let mut container = at_work();
    for process in &mut container.processes {
        Arc::make_mut(process).container = true;
    }
    assert_eq!(strangers(&container).len(), 6);
}

#[test]
fn a_dpkg_that_is_upgraded_itself_goes_on_with_what_was_vouched_for() {
    let mut facts = at_work();
    Arc::make_mut(&mut facts.processes[2]).exe = Executable::Deleted("/usr/bin/dpkg".into());
    Arc::make_mut(&mut facts.processes[2]).parent = 1;
    facts.processes.retain(|process| process.pid > 10);
    facts.replaced.insert(11, "dpkg".into());
    assert_eq!(strangers(&facts), [""; 0]);
}

#[test]
fn what_is_new_says_which_package_brought_it() {
    let mut new = owned(
        facts(vec![process(10, "/usr/bin/htop", "root")]),
        &[("/usr/bin/htop", "htop", State::Unmodified)],
    );
    let mut ended = transaction(Phase::Ended(NOW));
    ended.fresh.insert("/usr/bin/htop".into(), Some("htop".into()));
    new.transaction = Some(ended);
    let found = findings(&new, "[[transaction]]\npackages = [\"nginx\", \"ht*\"]");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].title, "unknown process /usr/bin/htop run by root, installed just now by htop 3.2");
    assert_eq!(found[0].evidence["installed just now by"], "htop 3.2");
}

#[test]
fn a_transaction_is_no_news_if_rules_name_all_of_its_packages() {
    let mut ended = facts(vec![]);
    ended.transaction = Some(transaction(Phase::Ended(NOW)));
    says(
        &ended,
        "[[transaction]]\npackages = [\"nginx\"]",
        &expect![[r#"
        notice packages-changed: what changed is explained by nginx 1.22 → 1.23, htop 3.2 (new) (2 packages)
    "#]],
    );
    let suggested = findings(&ended, "")[0].suggest.clone().unwrap();
    assert_eq!(findings(&ended, &suggested), []);
    ended.transaction.as_mut().unwrap().unverified = 3;
    assert_eq!(findings(&ended, ""), [], "it is told when all is verified");
}

#[test]
fn a_shell_in_which_somebody_types_is_no_part_of_the_transaction_above_it_nor_is_what_is_started_there() {
    let mut facts = at_work();
    let typed = |pid: u32, parent: u32, exe: &str| {
        let mut process = process(pid, exe, "root");
        process.parent = parent;
        Arc::new(process)
    };
    let package = |name: &str| Package { name: name.into(), state: State::Unmodified };
    facts.packages.insert("/usr/bin/less".into(), package("less"));
    facts.packages.insert("/usr/bin/id".into(), package("coreutils"));
    facts.packages.insert("/usr/bin/bash".into(), package("bash"));
    let manager =
        facts.processes.iter().find(|process| process.exe == Executable::Path("/usr/bin/dpkg".into()));
    let manager = manager.unwrap().pid;
    let before = strangers(&facts);
    // A pager is asked for a shell: `!bash`.
    facts.processes.extend([
        typed(1001, manager, "/usr/bin/less"),
        typed(1002, 1001, "/usr/bin/bash"),
        typed(1003, 1002, "/usr/bin/id"),
    ]);
    let new: Vec<String> =
        strangers(&facts).into_iter().filter(|stranger| !before.contains(stranger)).collect();
    assert_eq!(new.len(), 2, "{new:?}");
    assert!(new[0].contains("/usr/bin/bash") && new[1].contains("/usr/bin/id"), "{new:?}");
}
