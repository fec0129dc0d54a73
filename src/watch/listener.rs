//! Listening sockets: the doors of the host, by protocol, address, port and the program that opened them.
//!
//! *Whose* a socket is: of the processes that hold it, the one that the others descend from opened it, and the
//! rest inherited it (nginx and its workers, postfix's master and its smtpd). Those are named as evidence. Holders
//! that do not descend from one another are all owners, and each must be allowed: so a socket that leaked into a
//! daemon started from a web panel, or that was handed to a stranger, is reported. A socket that the first process
//! holds was opened by the service manager, by a configuration that only root can write: it is allowed by a rule for
//! the service manager, or by rules for all those it handed the socket to.

mod check;
mod compare;
mod door;
mod explain;
mod index;
mod learn;
#[cfg(target_os = "linux")]
pub mod linux;
mod missing;
mod policy;
mod refused;
mod upgrade;
#[cfg(windows)]
mod windows;

pub use check::without_allowed;
pub use door::program_name;
pub use explain::explain;
pub use policy::*;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::processes::{PROCESSES, Process};
use crate::text::Text;
use crate::transaction::Transaction;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// What the user of a socket is called where that is not known: on Windows a socket has none of its own.
pub const UNKNOWN_USER: &str = "(unknown)";

/// The listening sockets of one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListenerFacts {
    /// By protocol, port and address; those of other network namespaces last.
    pub listeners: Vec<Listener>,
    /// The first and the last of the ports that the system hands out.
    pub ephemeral: (u16, u16),
    /// True if the watchdog may see the owner of every socket: then one without an owner is odd.
    pub sees_all: bool,
    /// What the package manager does now, or did a short while ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Transaction>,
}

/// A listening socket. UDP knows no listening: a socket that takes packets from anybody counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listener {
    /// The protocol.
    pub protocol: Protocol,
    /// The local address, as the socket has it.
    pub address: IpAddr,
    /// The local port.
    pub port: u16,
    /// Of an IPv6 socket on every address: false if it takes IPv4 as well. Unknown if the kernel did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_ipv6: Option<bool>,
    /// The user the socket belongs to, which is known even if its owner is not.
    pub user: Text,
    /// Its number in this boot.
    pub inode: u64,
    /// The processes that opened it; none if they could not be found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Arc<Process>>,
    /// Other programs that hold it, because they inherited it or it was handed to them; one process of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heirs: Vec<Arc<Process>>,
    /// The network namespace it is in, if that is not the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u64>,
    /// True if it has no owner yet, as not all open files were looked through so far.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sought: bool,
}

impl ListenerFacts {
    /// True if an owner of this socket that is not there may be one that could not be seen.
    #[must_use]
    pub fn may_hide_owner(&self, listener: &Listener) -> bool {
        !self.sees_all || listener.sought
    }
}

impl Listener {
    /// Where it listens, with a note if one socket serves both families.
    #[must_use]
    pub fn place(&self) -> String {
        let place = SocketAddr::new(self.address, self.port);
        let both = self.only_ipv6 == Some(false) && self.address.is_ipv6() && self.address.is_unspecified();
        if both { format!("{place} and IPv4") } else { place.to_string() }
    }
}

/// Watches listeners.
#[derive(Default)]
pub struct ListenerWatch {
    eyes: system::Eyes,
}

impl Watch for ListenerWatch {
    const NAME: &'static str = "listener";
    type Facts = ListenerFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<ListenerFacts> {
        let listing = match look.processes.now(look.host) {
            Ok(listing) => listing,
            Err(error) => return Seen::Failed(format!("cannot read {PROCESSES}: {error}")),
        };
        match self.eyes.look(look.host, &listing, look.now, look.gaps) {
            Ok(facts) => Seen::Facts(upgrade::look(look, facts)),
            Err(error) => Seen::Failed(format!("cannot list sockets: {error}")),
        }
    }

    fn check(seen: &Facts<Self>, memory: &mut Memory) -> Vec<Finding> {
        let findings = check::check(seen.facts, seen.rules, seen.now);
        upgrade::hold_back(findings, seen.facts, memory)
    }

    fn learn(facts: &ListenerFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &ListenerFacts) -> String {
        match facts.listeners.len() {
            1 => "1 listening socket".to_owned(),
            count => format!("{count} listening sockets"),
        }
    }
}
