//! Rules that are learned, suggested and written.

use super::*;
use crate::rule::to_toml;

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
