//! Comparing processes with the rules: each that no rule allows, and each rule that asks for a number not met.

use super::command;
use super::compare::compare;
use super::file::FileFacts;
use super::kind::{Identity, Kind, Kinds, identity, kind};
use super::strangers::is_beyond;
use super::upgrade::{self, Own};
use super::{Package, ProcessFacts, Rules, missing};
use crate::finding::{Code, Finding, Nearest, shortened};
use crate::processes::events::Ended;
use crate::processes::origin::Origin;
use crate::processes::{Executable, Files, Process, Version};
use crate::rule::{self, Verdict, to_toml};
use crate::text::Text;
use crate::transaction::{self, HELD, Patience, is_packages_place};
use crate::watch::Memory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many processes of one finding are named; the count says how many there are.
const NAMED: usize = 5;

/// What is said of all processes of one kind.
struct Judged {
    /// The nearest rule, if none allows it.
    verdict: Result<(), Option<Nearest>>,
    /// The rules that ask for a number and count them.
    counted: Vec<usize>,
}

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
    let mut patience = Patience::new(patience, facts.transaction.as_ref());
    let mut held: Vec<Ended> = Vec::new();
    let gone =
        before.iter().filter(|held| !runs(facts, &held.process)).map(|held| (&held.process, Some(held)));
    let own = Own::of(facts);
    let mut counts = vec![0_u64; rules.process.len()];
    let mut unknown: BTreeMap<Identity, Refused> = BTreeMap::new();
    let mut outdated: BTreeMap<&Text, Vec<&Process>> = BTreeMap::new();
    let mut modified: BTreeMap<&Text, Vec<&Process>> = BTreeMap::new();
    // Thousands of processes are few different ones: each kind is compared once.
    let (mut kinds, mut judged) = (Kinds::<(Kind, bool)>::new(), Vec::new());
    let judge = |process: &Process| {
        let verdict = command::ask(rules, process, facts, now);
        let asking = rules.process.iter().enumerate().filter(|(_, placed)| placed.rule.count.is_some());
        let counted = asking.filter(|(_, placed)| compare(&placed.rule, process, facts).fits());
        Judged { verdict, counted: counted.map(|(at, _)| at).collect() }
    };
    for (process, ended) in facts.each().chain(gone) {
        if is_beyond(process, facts) {
            continue;
        }
        if let Some(path) = process.present_file().filter(|path| facts.modified.contains_key(*path)) {
            modified.entry(path).or_default().push(process);
        }
        let is_replaced = facts.is_replaced(process);
        let place = kinds.place((kind(process), is_replaced));
        if place == judged.len() {
            judged.push(judge(process));
        }
        let Some(Judged { verdict, counted }) = judged.get(place) else { continue };
        // Only those are counted that run.
        for at in counted.iter().filter(|_| ended.is_none()) {
            if let Some(count) = counts.get_mut(*at) {
                *count += 1;
            }
        }
        let Err(nearest) = verdict else {
            let needs_restart = |path: &&Text| {
                // Of a file that was swapped nobody should be started anew.
                ended.is_none()
                    && is_replaced
                    && !facts.modified.contains_key(*path)
                    && !allows_deleted(process, facts, rules, now)
            };
            if let Some(path) = process.file().filter(needs_restart) {
                outdated.entry(path).or_default().push(process);
            }
            continue;
        };
        let is_told_by_its_file =
            process.present_file().is_some_and(|path| facts.modified.contains_key(path));
        let is_own = |own: &Own| ended.map_or_else(|| own.is_own(process), |ended| own.was_own(ended));
        if is_told_by_its_file
            || ended.is_none() && facts.shows_otherwise(process)
            || own.as_ref().is_some_and(is_own)
        {
            continue;
        }
        let is_held = held.len() < HELD
            && patience.holds(Code::UnknownProcess, &subject(process), || may_be_explained(process, facts));
        if is_held {
            held.push(ended.cloned().unwrap_or_else(|| running(process, facts)));
            continue;
        }
        let refused = unknown.entry(identity(process)).or_insert_with(|| Refused {
            nearest: nearest.clone(),
            processes: Vec::new(),
            ended: Vec::new(),
        });
        match ended {
            None => refused.processes.push(process),
            Some(ended) => refused.ended.push(ended),
        }
    }
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

/// True if a rule allows it to run on from a file that was replaced.
fn allows_deleted(process: &Process, facts: &ProcessFacts, rules: &Rules, now: Timestamp) -> bool {
    let allowing = rules.process.iter().filter(|placed| placed.rule.deleted);
    matches!(rule::ask(allowing, now, |rule| compare(rule, process, facts)), Verdict::Allowed(_))
}

struct Refused<'a> {
    nearest: Option<Nearest>,
    processes: Vec<&'a Arc<Process>>,
    ended: Vec<&'a Ended>,
}

impl Refused<'_> {
    /// What one of these, which runs on, shows of itself now.
    fn shows(&self, facts: &ProcessFacts) -> Option<String> {
        let is_ours =
            |earlier: &&Ended| self.ended.iter().any(|ended| Arc::ptr_eq(&ended.process, &earlier.process));
        let was = facts.earlier.iter().find(is_ours).filter(|_| self.processes.is_empty())?;
        let is = facts.processes.iter().find(|process| process.pid == was.process.pid)?;
        Some(format!(
            "{}, script {}",
            called(is),
            is.script.as_deref().map_or_else(|| "none".to_owned(), shortened)
        ))
    }

    fn finding(self, facts: &ProcessFacts) -> Finding {
        // An entry is made together with its first process.
        let ended = || self.ended.iter().map(|ended| &ended.process);
        let Some(first) = self.processes.iter().copied().chain(ended()).next() else {
            return Finding::new(Code::UnknownProcess, "", "unknown process");
        };
        let gone: u64 = self.ended.iter().map(|ended| ended.times).sum();
        let count = (self.processes.len() as u64).saturating_add(gone);
        let all = self.processes.iter().copied().chain(ended());
        let pids: Vec<u32> = all.take(NAMED).map(|process| process.pid).collect();
        let origin = facts.origins.get(&first.pid).filter(|_| !self.processes.is_empty());
        let origin =
            origin.or_else(|| self.ended.first().map(|ended| &ended.origin)).cloned().unwrap_or_default();
        if let Executable::Unreadable(why) = &first.exe {
            return hiding(first, why, count, &origin)
                .nearest(self.nearest)
                .suggest(suggestion(first, facts));
        }
        let (what, code_from) = match &first.exe {
            Executable::Path(path) => (path.to_string(), None),
            Executable::Deleted(path) if facts.is_replaced(first) => {
                (path.to_string(), Some("a file that an upgrade replaced"))
            }
            Executable::Deleted(path) => (path.to_string(), Some("a deleted or replaced file")),
            Executable::Memory(name) => (format!("memfd:{name}"), Some("memory, no file")),
            Executable::Kernel | Executable::Unreadable(_) => (String::new(), None),
        };
        let mut title = format!("unknown process {what}");
        if let Some(script) = &first.script {
            title += &format!(" running {}", shortened(script));
        }
        if let Some(code_from) = code_from {
            title += &format!(" ({code_from})");
        }
        if first.container {
            title += " (not the host's file: a container, or mounted over)";
        }
        title += &format!(" run by {}", first.user);
        if count > 1 {
            title += &format!(", {count} times");
        }
        let brought = first.file().and_then(|path| facts.transaction.as_ref()?.brought(path));
        if let Some((how, package)) = &brought {
            title += &format!(", {how} {package}");
        }
        let shows = self.shows(facts);
        if shows.is_some() {
            title += " (it runs on, and shows itself otherwise)";
        } else if self.processes.is_empty() {
            title += if count > 1 { " (all have ended)" } else { " (it has ended)" };
        }
        let package = facts.package(first).map(Package::words);
        let parent = facts.processes.iter().find(|process| process.pid == first.parent && first.parent != 0);
        let parent = match origin.ancestors.first() {
            Some(parent) => Some(format!("{} ({})", parent.what, parent.pid)),
            None => parent.map(|parent| called(parent)),
        };
        let until =
            self.ended.iter().filter_map(|ended| ended.until).max().filter(|_| self.processes.is_empty());
        let known = first.present_file().and_then(|path| facts.files.get(path));
        let script = first.script_file().and_then(|path| facts.files.get(path));
        let sha256 = |file: &FileFacts, which: fn(Files) -> Option<Version>| {
            let other = file
                .sha256
                .is_some()
                .then(|| Text::from("not known: the file was changed or replaced since"));
            let later =
                file.unread.then(|| Text::from("not computed yet: there was too much to read in one pass"));
            file.content(first.files, which).cloned().or(later).or(other)
        };
        let odd = |file: &FileFacts| file.oddities.iter().map(|odd| odd.words()).collect::<Vec<_>>();
        let finding = Finding::new(Code::UnknownProcess, subject(first), title)
            .with("executable", &what)
            .with("code from", code_from)
            .with("script", &first.script)
            .with("user", &first.user)
            .with("processes", count)
            .with("pid", pids)
            .with("arguments", first.args.iter().map(Text::as_str).collect::<Vec<_>>().join(" "))
            .with("calls itself", &first.name)
            .with("shows itself as", shows)
            .with("started", first.since.to_string())
            .with("ended", until.map(|until| until.to_string()))
            .with("parent", parent)
            .with("ancestors", origin.line())
            .with("login user", &origin.login)
            .with("session", &origin.session)
            .with("from", &origin.from)
            .with("terminal", &origin.terminal)
            .with("folder", &origin.folder)
            .with("unit", &first.unit)
            .with("group", origin.group.as_ref().filter(|group| first.unit.as_ref() != Some(group)))
            .with("package", package)
            .with("sha256", known.and_then(|file| sha256(file, |files| files.exe)))
            .with("odd", known.map(odd))
            .with(
                "script package",
                first.script_file().and_then(|path| facts.packages.get(path)).map(Package::words),
            )
            .with("script sha256", script.and_then(|file| sha256(file, |files| files.script)))
            .with("script odd", script.map(odd))
            .nearest(self.nearest)
            .suggest(suggestion(first, facts));
        match brought {
            Some((how, package)) => finding.with(how, package),
            None => finding,
        }
    }
}

/// What a process is, in a few words.
fn called(process: &Process) -> String {
    match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => format!("{path} ({})", process.pid),
        _ => format!("{} ({})", process.name, process.pid),
    }
}

fn subject(process: &Process) -> String {
    let mut subject = match &process.exe {
        Executable::Path(path) => format!("exe={path}"),
        Executable::Deleted(path) => format!("deleted={path}"),
        Executable::Memory(name) => format!("memfd={name}"),
        Executable::Unreadable(_) | Executable::Kernel => "unreadable".to_owned(),
    };
    if let Some(script) = &process.script {
        subject += &format!(" script={script}");
    }
    subject += &format!(" user={}", process.user);
    if process.container {
        subject += " foreign";
    }
    subject
}

/// The narrowest rule that allows just this.
fn suggestion(process: &Process, facts: &ProcessFacts) -> String {
    to_toml("[[process]]", &super::learn::rule_for(process, facts, vec![process.user.to_string()], "…", None))
}

fn hiding(process: &Process, why: &Text, count: u64, origin: &Origin) -> Finding {
    let times = if count > 1 { format!(", {count} times") } else { String::new() };
    let title = format!("a process of {} hides what it runs{times}", process.user);
    Finding::new(Code::UnreadableProcess, format!("user={}", process.user), title)
        .with("pid", process.pid)
        .with("calls itself", &process.name)
        .with("user", &process.user)
        .with("arguments", process.args.iter().map(Text::as_str).collect::<Vec<_>>().join(" "))
        .with("started", process.since.to_string())
        .with("ancestors", origin.line())
        .with("login user", &origin.login)
        .with("session", &origin.session)
        .with("from", &origin.from)
        .with("terminal", &origin.terminal)
        .with("why", why)
}
