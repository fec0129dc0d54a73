//! What an intruder does to hide or to listen in: a program that calls itself a thread of the kernel, a process or a port
//! that is missing where it should be listed, sockets that take what is not meant for them, a shell at the other end of a
//! connection, libraries slipped into other programs, one process that looks into another, and what was loaded into the
//! kernel.
//!
//! Honest programs do some of it (a DHCP client reads raw packets, systemd loads BPF programs): a rule allows it, by
//! program. The same is told of each: its kind, with what it is done, and by which process.

mod check;
pub mod kernel_name;
mod learn;
#[cfg(target_os = "linux")]
pub mod linux;
mod policy;

pub use check::{Program, without_allowed};
pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::processes::Process;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeceptionFacts {
    /// By kind.
    #[serde(default)]
    pub deceits: Vec<Deceit>,
    /// The modules that were loaded into the kernel, by name.
    #[serde(default)]
    pub modules: Vec<Module>,
    /// True if the kernel marks modules that are not signed by whoever built it.
    #[serde(default)]
    pub marks_unsigned: bool,
    /// The BPF programs that are held by a process or lie in the BPF file system.
    #[serde(default)]
    pub bpf: Vec<Bpf>,
}

/// One thing that hides or listens in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deceit {
    /// What kind of thing.
    pub kind: Kind,
    /// What it is done with: the name it took, the library, the interface, the address of the other end.
    pub what: Text,
    /// The process that does it, if there is one and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Arc<Process>>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// A module of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Module {
    /// Its name.
    pub name: Text,
    /// The letters by which the kernel says what is odd of it: `O` not part of the kernel, `E` not signed, `P` not free.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub taint: Text,
    /// Where it is missing, of the two places that list modules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_from: Option<Text>,
}

/// A BPF program, or the link that ties one to its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bpf {
    /// The kernel's word for its type, `cgroup_device`; of a link with `link` behind it.
    #[serde(rename = "type")]
    pub kind: Text,
    /// The process that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Arc<Process>>,
    /// Where it lies in the BPF file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Text>,
}

/// Watches for deception.
#[derive(Default)]
pub struct DeceptionWatch {
    #[cfg(target_os = "linux")]
    eyes: linux::Eyes,
}

impl Watch for DeceptionWatch {
    const NAME: &'static str = "deception";
    const LOOKS_HERE: bool = cfg!(target_os = "linux");
    type Facts = DeceptionFacts;
    type Rules = Rules;

    #[cfg(target_os = "linux")]
    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<DeceptionFacts> {
        match look.processes.now(look.host) {
            Ok(listing) => {
                let mut facts = self.eyes.look(look.host, &listing, look.now, look.gaps);
                linux::add_glimpses(&mut facts, look, &listing);
                Seen::Facts(facts)
            }
            Err(error) => Seen::Failed(format!("cannot read /proc: {error}")),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<DeceptionFacts> {
        Seen::NoData("what hides or listens in is looked for on Linux only".to_owned())
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &DeceptionFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &DeceptionFacts) -> String {
        let (odd, modules, bpf) = (facts.deceits.len(), facts.modules.len(), facts.bpf.len());
        format!("{odd} that hide or listen in, {modules} kernel modules, {bpf} BPF programs")
    }
}
