//! Which processes no rule allows, for those who look at strangers more closely and for a policy that includes another.

use super::kind::identity;
use super::{ProcessFacts, Rules, command};
use crate::processes::events::Ended;
use crate::processes::{Executable, Process};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// True for what no rule is asked about.
pub fn is_beyond(process: &Process, facts: &ProcessFacts) -> bool {
    match &process.exe {
        Executable::Kernel => true,
        // An ordinary user's blindness is a gap in coverage, counted once.
        Executable::Unreadable(_) => !facts.sees_all,
        _ => false,
    }
}

/// Of these kinds of processes those that no rule allows.
pub fn of<'a>(
    facts: &'a ProcessFacts,
    kinds: &'a [Arc<Process>],
    rules: &Rules,
    now: Timestamp,
) -> Vec<&'a Process> {
    let is_refused = |process: &&Process| command::ask(rules, process, facts, now).is_err();
    let asked = kinds.iter().map(AsRef::as_ref).filter(|process| !is_beyond(process, facts));
    let mut strangers: Vec<&Process> = asked.filter(is_refused).collect();
    strangers.sort_by_key(|process| (identity(process), process.unit.as_ref()));
    strangers
}

/// The files that run, ran or are to be started, although no rule allows it. `kinds` are those that run.
pub fn files(facts: &ProcessFacts, kinds: &[Arc<Process>], rules: &Rules, now: Timestamp) -> BTreeSet<Text> {
    let all = kinds.iter().chain(facts.past().map(|ended| &ended.process)).chain(facts.planned());
    let mut files = BTreeSet::new();
    for process in all {
        let Some(path) = process.present_file() else { continue };
        if command::ask(rules, process, facts, now).is_err() {
            files.insert(path.clone());
            files.extend(process.script_file().cloned());
        }
    }
    files
}

/// The same facts without the processes that `rules` allow, for a policy that includes these.
#[must_use]
pub fn without_allowed(facts: &ProcessFacts, rules: &Rules, now: Timestamp) -> ProcessFacts {
    let is_allowed = |process: &Process| command::ask(rules, process, facts, now).is_ok();
    let processes = facts.processes.iter().filter(|process| !is_allowed(process)).cloned().collect();
    let refused = |past: &[Ended]| past.iter().filter(|past| !is_allowed(&past.process)).cloned().collect();
    let (ended, earlier) = (refused(&facts.ended), refused(&facts.earlier));
    let mut habits = facts.habits.clone();
    if let Some(habits) = &mut habits {
        habits.planned.retain(|process| !is_allowed(process));
    }
    ProcessFacts { processes, ended, earlier, habits, ..facts.clone() }
}
