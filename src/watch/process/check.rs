//! Comparing processes with the rules: each that no rule allows, and each rule that asks for a number not met.

use super::compare::compare;
use super::kind::{Identity, Kind, Kinds, identity, kind};
use super::refused::{Refused, subject};
use super::strangers::is_beyond;
use super::upgrade::{self, Own};
use super::{ProcessFacts, Rules, command, missing};
use crate::finding::{Code, Finding, Nearest};
use crate::processes::events::Ended;
use crate::processes::{Executable, Process};
use crate::rule::{self, Verdict};
use crate::text::Text;
use crate::transaction::{self, HELD, Patience, is_packages_place};
use crate::watch::Memory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a check remembers.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    patience: transaction::Remembered,
    /// Processes that a transaction may explain. Those that have ended when it does are judged all the same.
    held: Vec<Ended>,
}

/// All differences between the processes and the rules. What a transaction that goes on may explain is held back.
#[must_use]
pub fn check(facts: &ProcessFacts, rules: &Rules, now: Timestamp, memory: &mut Memory) -> Vec<Finding> {
    let Remembered { patience, held: before } = memory.recall();
    let allowed = upgrade::with_allowed(facts, rules, now);
    let facts = &*allowed;
    let mut walk = Walk::new(facts, rules, now, Patience::new(patience, facts.transaction.as_ref()));
    let gone =
        before.iter().filter(|held| !runs(facts, &held.process)).map(|held| (&held.process, Some(held)));
    for (process, ended) in facts.each().chain(gone).filter(|(process, _)| !is_beyond(process, facts)) {
        walk.meet(process, ended);
    }
    let Walk { mut patience, counts, unknown, outdated, modified, held, .. } = walk;
    let mut findings: Vec<Finding> = unknown.into_values().map(|refused| refused.finding(facts)).collect();
    let missing =
        rules.process.iter().zip(counts).filter_map(|(placed, count)| missing::finding(placed, count, now));
    let others = missing.chain(upgrade::needs_restart(&outdated, facts));
    // Services are stopped, and started again, in the midst of it.
    findings.extend(others.filter(|finding| !patience.holds(finding.code, &finding.subject, || true)));
    findings.extend(upgrade::modified(facts, rules, &modified, now));
    let told = patience.tells().and_then(|transaction| upgrade::transaction(transaction, rules, now));
    memory.keep(&Remembered { patience: patience.done(&findings), held });
    findings.extend(told);
    findings
}

/// What is said of all processes of one kind.
struct Judged {
    /// The nearest rule, if none allows it.
    verdict: Result<(), Option<Nearest>>,
    /// The rules that ask for a number and count them.
    counted: Vec<usize>,
}

/// Processes by the file that they run.
type ByFile<'a> = BTreeMap<&'a Text, Vec<&'a Process>>;

/// The walk over all processes, and what it has come upon.
struct Walk<'a> {
    facts: &'a ProcessFacts,
    rules: &'a Rules,
    now: Timestamp,
    patience: Patience<'a>,
    /// Which are a transaction's own.
    own: Option<Own<'a>>,
    /// A rule can tell them apart also by whether an upgrade replaced the file.
    kinds: Kinds<(Kind<'a>, bool)>,
    judged: Vec<Judged>,
    /// So many run of those that each rule covers which asks for a number.
    counts: Vec<u64>,
    unknown: BTreeMap<Identity<'a>, Refused<'a>>,
    outdated: ByFile<'a>,
    modified: ByFile<'a>,
    held: Vec<Ended>,
}

impl<'a> Walk<'a> {
    fn new(facts: &'a ProcessFacts, rules: &'a Rules, now: Timestamp, patience: Patience<'a>) -> Self {
        Self {
            facts,
            rules,
            now,
            patience,
            own: Own::of(facts),
            kinds: Kinds::new(),
            judged: Vec::new(),
            counts: vec![0; rules.process.len()],
            unknown: BTreeMap::new(),
            outdated: BTreeMap::new(),
            modified: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    /// Notes what is to be said of one that runs, or of one that has ended.
    fn meet(&mut self, process: &'a Arc<Process>, ended: Option<&'a Ended>) {
        let modified = process.present_file().filter(|path| self.facts.modified.contains_key(*path));
        if let Some(path) = modified {
            self.modified.entry(path).or_default().push(process);
        }
        let is_replaced = self.facts.is_replaced(process);
        let place = self.place(process, is_replaced);
        let Some(Judged { verdict, counted }) = self.judged.get(place) else { return };
        // Only those are counted that run.
        for at in counted.iter().filter(|_| ended.is_none()) {
            if let Some(count) = self.counts.get_mut(*at) {
                *count += 1;
            }
        }
        match verdict {
            Ok(()) if ended.is_none() && is_replaced => self.note_outdated(process),
            Ok(()) => {}
            // It is told with its file.
            Err(_) if modified.is_some() => {}
            Err(_) if self.is_told_otherwise(process, ended) => {}
            Err(_) if self.is_held_back(process) => {
                self.held.push(ended.cloned().unwrap_or_else(|| running(process, self.facts)));
            }
            Err(nearest) => {
                let unknown = self.unknown.entry(identity(process));
                unknown.or_insert_with(|| Refused::new(nearest.clone())).add(process, ended);
            }
        }
    }

    /// Where that stands which is said of its kind. Each kind is compared once.
    fn place(&mut self, process: &'a Process, is_replaced: bool) -> usize {
        let place = self.kinds.place((kind(process), is_replaced));
        if place == self.judged.len() {
            self.judged.push(self.judge(process));
        }
        place
    }

    fn judge(&self, process: &Process) -> Judged {
        let rules = self.rules.process.iter().enumerate();
        let counted = rules
            .filter(|(_, placed)| placed.rule.count.is_some())
            .filter(|(_, placed)| compare(&placed.rule, process, self.facts).fits())
            .map(|(at, _)| at);
        let verdict = command::ask(self.rules, process, self.facts, self.now);
        Judged { verdict, counted: counted.collect() }
    }

    /// It may run, and does so from a file that was replaced.
    fn note_outdated(&mut self, process: &'a Process) {
        // Of a file that was swapped nobody should be started anew.
        let path = process.file().filter(|path| !self.facts.modified.contains_key(*path));
        if let Some(path) = path.filter(|_| !self.may_be_deleted(process)) {
            self.outdated.entry(path).or_default().push(process);
        }
    }

    /// True if a rule allows it to run on from a file that was replaced.
    fn may_be_deleted(&self, process: &Process) -> bool {
        let allowing = self.rules.process.iter().filter(|placed| placed.rule.deleted);
        let asked = rule::ask(allowing, self.now, |rule| compare(rule, process, self.facts));
        matches!(asked, Verdict::Allowed(_))
    }

    /// True if it is judged by what it was when it started, or belongs to a transaction, which is told as a whole.
    fn is_told_otherwise(&self, process: &Process, ended: Option<&Ended>) -> bool {
        let is_own = |own: &Own| ended.map_or_else(|| own.is_own(process), |ended| own.was_own(ended));
        ended.is_none() && self.facts.shows_otherwise(process) || self.own.as_ref().is_some_and(is_own)
    }

    /// True if it is not to be told yet, because a transaction may explain it.
    fn is_held_back(&self, process: &Process) -> bool {
        let may_be = || may_be_explained(process, self.facts);
        // Only while something is waited for it is worth naming it.
        self.held.len() < HELD
            && self.patience.is_waiting()
            && self.patience.holds(Code::UnknownProcess, &subject(process), may_be)
    }
}

/// What is remembered of one that runs.
fn running(process: &Arc<Process>, facts: &ProcessFacts) -> Ended {
    let origin = facts.origins.get(&process.pid).cloned().unwrap_or_default();
    Ended { process: Arc::clone(process), origin, times: 1, until: None }
}

/// True if this very process still runs.
fn runs(facts: &ProcessFacts, process: &Process) -> bool {
    let found = facts.processes.binary_search_by_key(&process.pid, |process| process.pid);
    found.ok().and_then(|at| facts.processes.get(at)).is_some_and(|found| found.start == process.start)
}

/// True if what this process runs came a moment ago to where packages put their files, or was replaced there.
fn may_be_explained(process: &Process, facts: &ProcessFacts) -> bool {
    let is_fresh = |path: &Text| facts.transaction.as_ref().is_some_and(|now| now.fresh.contains_key(path));
    let is_gone = matches!(&process.exe, Executable::Deleted(path) if is_packages_place(path));
    !process.container
        && (is_gone || process.file().is_some_and(is_fresh) || process.script.as_ref().is_some_and(is_fresh))
}
