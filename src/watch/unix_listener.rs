//! Sockets of the host's own programs for one another that everybody on it may talk to: those at a path that others may
//! write to, and abstract ones, which have no rights at all. They are looked at only if the policy has a
//! `[[unix-listener]]`, and then each needs one.

mod check;
#[cfg(target_os = "linux")]
pub mod linux;
mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::processes::Process;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The sockets of one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnixListenerFacts {
    /// By path; none if nobody asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Vec<UnixListener>>,
    /// True if the watchdog may see the owner of every socket: then one without an owner is odd.
    #[serde(default)]
    pub sees_all: bool,
}

/// A socket that everybody on the host may talk to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnixListener {
    /// Its path; of an abstract one its name behind an `@`.
    pub path: Text,
    /// The processes that opened it; none if they could not be found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Arc<Process>>,
    /// True if it has no owner yet, as not all open files were looked through so far.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sought: bool,
}

/// Watches them.
#[derive(Default)]
pub struct UnixListenerWatch {
    #[cfg(target_os = "linux")]
    eyes: linux::Eyes,
}

impl Watch for UnixListenerWatch {
    const NAME: &'static str = "unix-listener";
    type Facts = UnixListenerFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<UnixListenerFacts> {
        if !look.rules.ask() {
            return Seen::Facts(UnixListenerFacts::default());
        }
        #[cfg(target_os = "linux")]
        return match self.eyes.look(look) {
            Ok(facts) => Seen::Facts(facts),
            Err(error) => Seen::Failed(format!("cannot list sockets: {error}")),
        };
        #[cfg(not(target_os = "linux"))]
        return Seen::Failed(
            "the policy has a [[unix-listener]], and such sockets can be seen on Linux only: take the rule out"
                .to_owned(),
        );
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &UnixListenerFacts, by: &str, _now: Timestamp) -> String {
        check::learn(facts, by)
    }

    fn summary(facts: &UnixListenerFacts) -> String {
        match facts.sockets.as_ref().map(Vec::len) {
            None => "not asked for".to_owned(),
            Some(1) => "1 socket open to everybody on the host".to_owned(),
            Some(count) => format!("{count} sockets open to everybody on the host"),
        }
    }
}

#[cfg(test)]
mod tests;
