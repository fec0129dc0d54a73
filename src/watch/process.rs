//! Processes: which may run, by where their code comes from, and which must.

mod check;
mod learn;
mod package;
mod policy;

pub use check::without_allowed;
pub use package::{Package, State};
pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::coverage::Gap;
use crate::finding::Finding;
use crate::processes::{Executable, Listing, Process};
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
    /// The packages their executables belong to, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<Text, Package>,
    /// True if the watchdog may read every process: then one it cannot read is hiding.
    pub sees_all: bool,
}

impl ProcessFacts {
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
            Err(error) => return Seen::Failed(format!("cannot read /proc: {error}")),
        };
        let processes = without_ourselves(&listing);
        let sees_all = look.host.privilege().sees_all_processes;
        let hidden = processes.iter().filter(|p| matches!(p.exe, Executable::Unreadable(_))).count() as u64;
        if hidden > 0 && !sees_all {
            look.gaps.push(Gap {
                gap: "process-executable".to_owned(),
                seen: processes.len() as u64 - hidden,
                of: processes.len() as u64,
                why: "an ordinary user may not see what the processes of others run; run as root".to_owned(),
            });
        }
        // Under hidepid others' processes are not to be read, or not even listed; pid 1 always runs.
        let is_hidden = u64::from(listing.get(1).is_none());
        if listing.unread + is_hidden > 0 {
            let seen = listing.processes.len() as u64;
            look.gaps.push(Gap {
                gap: "process-list".to_owned(),
                seen,
                of: seen + listing.unread.max(1),
                why: "processes are hidden from us (hidepid) or could not be opened; run as root".to_owned(),
            });
        }
        let packages = if rules_name_packages(look.rules) {
            self.packages.of(look.host, &paths(&processes))
        } else {
            BTreeMap::new()
        };
        Seen::Facts(ProcessFacts { processes, packages, sees_all })
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &ProcessFacts, by: &str, now: Timestamp) -> String {
        learn::learn(facts, by, crate::rule::today(now))
    }

    fn summary(facts: &ProcessFacts) -> String {
        let programs = facts.processes.iter().filter(|process| process.exe != Executable::Kernel).count();
        format!("{programs} processes")
    }
}

/// Finding out about packages costs reading their lists and files: only for rules that ask, and for a policy that
/// has no rules yet and is about to be learned.
fn rules_name_packages(rules: &Rules) -> bool {
    rules.process.is_empty() || rules.process.iter().any(|placed| placed.rule.package.is_some())
}

fn paths(processes: &[Arc<Process>]) -> BTreeSet<Text> {
    let path = |process: &Arc<Process>| match &process.exe {
        Executable::Path(path) if !process.container => Some(path.clone()),
        _ => None,
    };
    processes.iter().filter_map(path).collect()
}

/// Leaves out this program: this process, what it started to look with, and others that run the same file as the
/// same user. Anybody else could make it run something of their own.
fn without_ourselves(listing: &Listing) -> Vec<Arc<Process>> {
    let me = std::process::id();
    let own = listing.get(me).map(|process| (&process.exe, process.uid, process.container));
    let is_own = |process: &Process| {
        process.pid == me
            || own == Some((&process.exe, process.uid, process.container))
                && matches!(process.exe, Executable::Path(_))
            || process.parent == me
            || listing.ancestors(process.pid).any(|ancestor| ancestor.pid == me)
    };
    listing.processes.iter().filter(|process| !is_own(process)).cloned().collect()
}
