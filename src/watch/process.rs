//! Processes: which may run, by where their code comes from, and which must.

mod check;
mod command;
mod compare;
mod explain;
pub mod file;
mod habit;
mod kind;
mod learn;
mod missing;
mod package;
mod policy;
mod refused;
mod started;
mod strangers;
pub mod upgrade;

pub use command::CommandRule;
pub use explain::explain;
pub use habit::{Habits, Person};
pub use package::{Package, State};
pub use policy::*;
pub use strangers::without_allowed;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::coverage::Gap;
use crate::finding::Finding;
use crate::processes::events::{Ended, Starts, Ticket, Unread};
use crate::processes::origin::Origin;
use crate::processes::{Executable, Listing, PROCESSES, Process, system};
use crate::text::Text;
use crate::transaction::Transaction;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The processes of one moment, without this program's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProcessFacts {
    /// By rising number.
    pub processes: Vec<Arc<Process>>,
    /// Those that started and ended since the last pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<Ended>,
    /// Those that run, as they were when they started, if they show another script or program by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Ended>,
    /// Programs that had ended before they could be read, by who started them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// How the starts were seen; nothing, if this was a single look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Starts>,
    /// Where those came from that no rule allows, by their number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<u32, Arc<Origin>>,
    /// The packages their executables belong to, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<Text, Package>,
    /// True if the watchdog may read every process: then one it cannot read is hiding.
    pub sees_all: bool,
    /// What the package manager does now, or did a short while ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
    /// True if a package manager has been at work since the last pass and is no more: what ended with it was its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub installed: bool,
    /// The processes, by number, that run on from files of these packages which were replaced since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<u32, Text>,
    /// Files that are not as the package brought them which was just installed or upgraded, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modified: BTreeMap<Text, upgrade::Modified>,
    /// What is known of executables as files, by path, where a rule asks or none allows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<Text, file::FileFacts>,
    /// What the host does now and then; looked at for a policy that has no rules yet and is about to be learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub habits: Option<Habits>,
}

impl ProcessFacts {
    /// Every process that runs or ran, and how many of those that ended it stands for.
    pub fn each(&self) -> impl Iterator<Item = (&Arc<Process>, Option<&Ended>)> {
        let living = self.processes.iter().map(|process| (process, None));
        living.chain(self.past().map(|ended| (&ended.process, Some(ended))))
    }

    /// True if it is known what this process was when it started, and by that it is judged: what it shows now is its own word.
    #[must_use]
    pub fn shows_otherwise(&self, process: &Process) -> bool {
        let is_it =
            |was: &Process| (was.pid, was.start, &was.exe) == (process.pid, process.start, &process.exe);
        self.earlier.iter().any(|earlier| is_it(&earlier.process))
    }

    /// What is not to be seen any more: it has ended, or shows itself otherwise.
    pub fn past(&self) -> impl Iterator<Item = &Ended> {
        self.ended.iter().chain(&self.earlier)
    }

    /// What is started at its time, as it would be seen.
    pub fn planned(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.habits.iter().flat_map(|habits| &habits.planned)
    }

    /// The package of a process's executable. What runs in a container is no file of the host's packages.
    #[must_use]
    pub fn package(&self, process: &Process) -> Option<&Package> {
        match &process.exe {
            Executable::Path(path) if !process.container => self.packages.get(path),
            Executable::Deleted(path) if self.is_replaced(process) => self.packages.get(path),
            _ => None,
        }
    }

    /// True if the process runs what a package brought, and an upgrade has put another file of a package in its place:
    /// it is what it was, until it is started again.
    #[must_use]
    pub fn is_replaced(&self, process: &Process) -> bool {
        let Executable::Deleted(path) = &process.exe else { return false };
        let is_packages =
            || self.packages.get(path).is_some_and(|package| package.state == State::Unmodified);
        let is_under_way = || self.transaction.as_ref().is_some_and(Transaction::is_waited_for);
        self.replaced.contains_key(&process.pid)
            && (is_packages() || is_under_way() || self.modified.contains_key(path))
    }
}

/// What the looking remembers, each part for itself.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    starts: Ticket,
    upgrades: Memory,
}

/// Watches processes.
#[derive(Default)]
pub struct ProcessWatch {
    packages: package::Packages,
    contents: file::Contents,
}

impl Watch for ProcessWatch {
    const NAME: &'static str = "process";
    type Facts = ProcessFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<ProcessFacts> {
        let listing = match look.processes.now(look.host) {
            Ok(listing) => listing,
            Err(error) => return Seen::Failed(format!("cannot read {PROCESSES}: {error}")),
        };
        let processes = without_ourselves(&listing);
        let sees_all = look.host.privilege().sees_all_processes;
        let hidden = processes.iter().filter(|p| matches!(p.exe, Executable::Unreadable(_))).count() as u64;
        let all = processes.len() as u64;
        if hidden > 0 && !sees_all {
            look.gaps.push(gap("process-executable", all - hidden, all, system::WHY_NO_EXECUTABLE));
        }
        let nobodys = processes.iter().filter(|process| system::has_no_user(process)).count() as u64;
        if nobodys > 0 {
            look.gaps.push(gap("process-user", all - nobodys, all, system::WHY_NO_USER));
        }
        let listed = listing.processes.len() as u64;
        let unread = listing.unread.max(u64::from(system::hides_others(&listing)));
        if unread > 0 {
            look.gaps.push(gap("process-list", listed, listed + unread, system::WHY_NOT_ALL));
        }
        let mut facts = ProcessFacts { processes, sees_all, ..ProcessFacts::default() };
        let mut kept: Kept = look.memory.recall();
        started::add(&mut facts, look, &listing, &mut kept.starts);
        if look.rules.process.is_empty() && look.rules.command.is_empty() {
            facts.habits = habit::read(look.host);
        }
        #[cfg(not(target_os = "linux"))]
        if rules_name_packages(look.rules) {
            facts.packages = self.packages.of(look.host, &paths(&facts));
        }
        // Thousands of processes are few different ones.
        let kinds = kind::firsts(&facts.processes);
        let Self { packages, contents } = self;
        upgrade::look(packages, contents, look, &mut kept.upgrades, &kinds, &mut facts);
        #[cfg(not(windows))]
        if let Some(why) = packages.dpkg_fault() {
            if packages.is_blind() {
                // Every program would be a stranger.
                return Seen::Failed(format!("cannot read the lists of dpkg: {why}"));
            }
            let why = format!("the lists of dpkg could not be read, so what was known before is used: {why}");
            look.gaps.push(gap("dpkg-packages", 0, 1, &why));
        }
        #[cfg(not(windows))]
        if let Some(why) = packages.fault() {
            let why = format!("rpm could not be asked whose files these are: {why}");
            look.gaps.push(gap("rpm-packages", 0, 1, &why));
        }
        look.memory.keep(&kept);
        file::look(contents, look, &kinds, &mut facts);
        started::add_origins(&mut facts, &kinds, look, &listing);
        Seen::Facts(facts)
    }

    fn check(seen: &Facts<Self>, memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now, memory)
    }

    fn learn(facts: &ProcessFacts, by: &str, now: Timestamp) -> String {
        learn::learn(facts, by, crate::rule::today(now))
    }

    fn summary(facts: &ProcessFacts) -> String {
        let programs = facts.processes.iter().filter(|process| process.exe != Executable::Kernel).count();
        match &facts.starts {
            None => format!("{programs} processes"),
            Some(starts) => format!("{programs} processes{}", started::summary(starts)),
        }
    }
}

fn gap(name: &str, seen: u64, of: u64, why: &str) -> Gap {
    Gap { gap: name.to_owned(), seen, of, why: why.to_owned() }
}

/// Finding out about signers costs reading the files: only for rules that ask, and for a policy that has no rules yet and
/// is about to be learned.
#[cfg(not(target_os = "linux"))]
fn rules_name_packages(rules: &Rules) -> bool {
    rules.process.is_empty() && rules.command.is_empty()
        || rules.process.iter().any(|placed| placed.rule.package.is_some())
}

#[cfg(not(target_os = "linux"))]
fn paths(facts: &ProcessFacts) -> BTreeSet<Text> {
    facts.each().filter_map(|(process, _)| process.present_file()).cloned().collect()
}

fn without_ourselves(listing: &Listing) -> Vec<Arc<Process>> {
    let is_own = is_own(listing);
    listing.processes.iter().filter(|process| !is_own(process)).cloned().collect()
}

/// True for this program: this process, what it started to look with, and others that run the same file as the same
/// user. Anybody else could make it run something of their own.
fn is_own(listing: &Listing) -> impl Fn(&Process) -> bool {
    let me = std::process::id();
    let own = listing.get(me).cloned();
    // On Windows the number is only the end of a user's, and the name the whole.
    let runs_the_same = move |process: &Process| {
        own.as_ref().is_some_and(|own| {
            own.uid == process.uid
                && own.container == process.container
                && matches!(own.exe, Executable::Path(_))
                && own.exe == process.exe
                && own.user == process.user
        })
    };
    let below = below(listing, me);
    move |process: &Process| process.pid == me || below.contains(&process.parent) || runs_the_same(process)
}

/// This process, and all that it or those below it have started: a few.
fn below(listing: &Listing, pid: u32) -> BTreeSet<u32> {
    let mut below = BTreeSet::from([pid]);
    loop {
        // Who is started has the higher number, unless they have begun anew: then once more.
        let before = below.len();
        for process in &listing.processes {
            if below.contains(&process.parent) {
                below.insert(process.pid);
            }
        }
        if below.len() == before {
            return below;
        }
    }
}
