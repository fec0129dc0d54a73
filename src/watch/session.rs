//! SSH sessions: whether each carries the variable that names who holds the key, and whether that is true.
//!
//! The variable is part of what the process that leads the session was started with. A client may send any value,
//! and the process may start another with a different one: it is for accountability, not a proof. The proof is
//! the key that the login was made with.

mod check;
pub mod environment;
mod learn;
#[cfg(target_os = "linux")]
mod linux;
mod look;
mod policy;
pub mod tree;
#[cfg(windows)]
mod windows;

pub use environment::parse_environment;
#[cfg(target_os = "linux")]
pub use linux::parse_stat;
pub use policy::*;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

use super::login::Names;
use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The variable that is looked for if the policy requires none.
pub const VARIABLE: &str = "KEYHOLDER";

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SessionFacts {
    /// The variable that was looked for.
    pub variable: Text,
    /// The sessions whose environment could be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<Session>,
    /// Those that have none to see, or none that may be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<Hidden>,
    /// The desktops that people are logged in at (Windows): evidence, as Windows gives them no variable of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub desktops: Vec<Desktop>,
    /// How names of accounts are compared.
    #[serde(default, skip_serializing_if = "Names::is_exact")]
    pub names: Names,
}

/// A desktop somebody is logged in at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Desktop {
    /// Its number.
    pub session: u32,
    /// The account.
    pub account: Text,
    /// The address that the client says it has; `console` at the machine itself.
    pub from: Text,
    /// When its user logged in, if Windows says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// True if nobody sits at it now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disconnected: bool,
}

/// A session: one shell or command that sshd started for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Session {
    /// The account.
    pub account: Text,
    /// The address it came from, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Text>,
    /// The port it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What the address is known from. A log is sshd's own word; an environment can be changed by its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<ToldBy>,
    /// The terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Text>,
    /// The value of the variable; none if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Text>,
    /// How they proved who they are, if the log tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Text>,
    /// The fingerprint of the key, if the log tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// The process that leads it.
    pub leader: Leader,
}

/// What an address is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToldBy {
    /// The line of the log that tells of the login.
    Log,
    /// The environment of the leader.
    Environment,
}

/// The process that leads a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leader {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks after the boot.
    pub start: u64,
    /// When it started.
    pub since: Timestamp,
    /// What it runs.
    pub exe: Text,
    /// Its user, which may be another than the account's.
    pub user: Text,
}

/// A session of which the environment cannot be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hidden {
    /// The account.
    pub account: Text,
    /// The address it came from, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Text>,
    /// Why.
    pub because: Because,
    /// The process of sshd, or the leader.
    pub pid: u32,
    /// When it started.
    pub since: Timestamp,
}

/// Why an environment cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// sshd serves the files itself and starts no process.
    InternalSftp,
    /// Nothing runs in the connection; it may forward ports.
    NoProcess,
    /// We may not read it.
    Unreadable,
    /// It is that of a 32-bit program on Windows, which is not read.
    Of32Bits,
}

/// Watches sessions.
#[derive(Default)]
pub struct SessionWatch {}

impl Watch for SessionWatch {
    const NAME: &'static str = "session";
    type Facts = SessionFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<SessionFacts> {
        look::collect(look)
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &SessionFacts, by: &str, now: Timestamp) -> String {
        learn::learn(facts, by, now)
    }

    fn summary(facts: &SessionFacts) -> String {
        let all = facts.sessions.len() + facts.hidden.len();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let ssh = format!("{all} SSH session{}", plural(all));
        match facts.desktops.len() {
            0 => ssh,
            desktops => format!("{ssh}, {desktops} desktop{}", plural(desktops)),
        }
    }
}
