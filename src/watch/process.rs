//! Processes: which may run, by where their code comes from, and which must.

mod check;
mod learn;
mod package;
mod policy;
mod started;

pub use check::without_allowed;
pub use package::{Package, State};
pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::coverage::Gap;
use crate::finding::Finding;
use crate::processes::events::{Ended, Starts};
use crate::processes::origin::Origin;
use crate::processes::{Executable, Listing, PROCESSES, Process, system};
use crate::text::Text;
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
}

impl ProcessFacts {
    /// Every process that runs or ran, and how many of those that ended it stands for.
    pub fn each(&self) -> impl Iterator<Item = (&Arc<Process>, Option<&Ended>)> {
        let living = self.processes.iter().map(|process| (process, None));
        living.chain(self.ended.iter().map(|ended| (&ended.process, Some(ended))))
    }

    /// The package of a process's executable. What runs in a container is no file of the host's packages.
    #[must_use]
    pub fn package(&self, process: &Process) -> Option<&Package> {
        match &process.exe {
            Executable::Path(path) if !process.container => self.packages.get(path),
            _ => None,
        }
    }
}

/// Watches processes.
#[derive(Default)]
pub struct ProcessWatch {
    packages: package::Packages,
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
        started::add(&mut facts, look, &listing);
        if rules_name_packages(look.rules) {
            facts.packages = self.packages.of(look.host, &paths(&facts));
        }
        started::add_origins(&mut facts, look, &listing);
        Seen::Facts(facts)
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
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

/// Finding out about packages costs reading their lists and files: only for rules that ask, and for a policy that
/// has no rules yet and is about to be learned.
fn rules_name_packages(rules: &Rules) -> bool {
    rules.process.is_empty() || rules.process.iter().any(|placed| placed.rule.package.is_some())
}

fn paths(facts: &ProcessFacts) -> BTreeSet<Text> {
    let path = |process: &Arc<Process>| match &process.exe {
        Executable::Path(path) if !process.container => Some(path.clone()),
        _ => None,
    };
    facts.each().filter_map(|(process, _)| path(process)).collect()
}

fn without_ourselves(listing: &Listing) -> Vec<Arc<Process>> {
    let is_own = is_own(listing);
    listing.processes.iter().filter(|process| !is_own(process)).cloned().collect()
}

/// True for this program: this process, what it started to look with, and others that run the same file as the same
/// user. Anybody else could make it run something of their own.
fn is_own(listing: &Listing) -> impl Fn(&Process) -> bool {
    let me = std::process::id();
    // On Windows the number is only the end of a user's, and the name the whole.
    let program =
        |process: &Process| (process.exe.clone(), process.uid, process.user.clone(), process.container);
    let own = listing.get(me).map(program);
    move |process: &Process| {
        process.pid == me
            || own == Some(program(process)) && matches!(process.exe, Executable::Path(_))
            || process.parent == me
            || listing.ancestors(process.pid).any(|ancestor| ancestor.pid == me)
    }
}
