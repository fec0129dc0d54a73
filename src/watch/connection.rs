//! Connections to elsewhere: who on this host talks to whom. It is looked at only if the policy has a `[[connection]]`,
//! and then every connection needs one.
//!
//! A connection leads *out* if this end did not begin as a listening socket. Those within the host are not looked at.
//! Looking every minute sees the connections that are open at that moment, never all there were.

mod check;
mod learn;
#[cfg(target_os = "linux")]
pub mod linux;
mod policy;

pub use policy::*;

use super::listener::Protocol;
use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::processes::Process;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// The connections of one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConnectionFacts {
    /// By protocol, other end and owner; none if nobody asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<Connection>>,
    /// True if the watchdog may see the owner of every socket: then one without an owner is odd.
    #[serde(default)]
    pub sees_all: bool,
}

/// The connections of one process to one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Connection {
    /// The protocol.
    pub protocol: Protocol,
    /// The address of the other end.
    pub to: IpAddr,
    /// The port of the other end.
    pub port: u16,
    /// How many there are.
    pub count: u64,
    /// The user the sockets belong to.
    pub user: Text,
    /// The process that has them open; none if it could not be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Arc<Process>>,
    /// The network namespace they are in, if that is not the host's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<u64>,
    /// True if they have no owner yet, as not all open files were looked through so far.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sought: bool,
}

/// Watches connections.
#[derive(Default)]
pub struct ConnectionWatch {
    #[cfg(target_os = "linux")]
    eyes: linux::Eyes,
}

impl Watch for ConnectionWatch {
    const NAME: &'static str = "connection";
    type Facts = ConnectionFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<ConnectionFacts> {
        if !look.rules.ask() {
            return Seen::Facts(ConnectionFacts::default());
        }
        #[cfg(target_os = "linux")]
        return match self.eyes.look(look) {
            Ok(facts) => Seen::Facts(facts),
            Err(error) => Seen::Failed(format!("cannot list sockets: {error}")),
        };
        #[cfg(not(target_os = "linux"))]
        return Seen::Failed(
            "the policy has a [[connection]], and connections can be seen on Linux only: take the rule out"
                .to_owned(),
        );
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &ConnectionFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &ConnectionFacts) -> String {
        let all = facts.connections.as_ref().map(|all| all.iter().map(|one| one.count).sum::<u64>());
        match all {
            None => "not asked for".to_owned(),
            Some(1) => "1 connection to elsewhere".to_owned(),
            Some(count) => format!("{count} connections to elsewhere"),
        }
    }
}

#[cfg(test)]
mod tests;
