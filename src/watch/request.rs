//! Web requests: how many came per client, per user and in all, with which methods, from the access logs of
//! nginx, Apache and IIS.
//!
//! Looking reads what a log grew by since the last pass and counts it per minute; checking remembers those minutes
//! as far as the rules reach. A look without memory reads back just so far.

mod check;
mod collect;
mod dated;
mod form;
mod iis;
mod learn;
mod limit;
mod line;
#[cfg(target_os = "linux")]
mod linux;
mod logs;
mod policy;
mod series;
mod spike;
mod tally;
#[cfg(test)]
mod tests;
mod w3c;
#[cfg(windows)]
mod windows;

pub use iis::{log_folders, parse_log_folders};
pub use line::{Minutes, Request, is_known_method, parse_line, parse_minute};
pub use logs::{Named, discover, named, path_of};
pub use policy::*;
pub use series::{Counts, Series, Window, fullest};
pub use w3c::{Layout, parse_fields, parse_record};

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RequestFacts {
    /// The logs that the rules name; without rules, those that were found.
    pub logs: Vec<LogFacts>,
    /// The logs that rules name and that are not there, as the rules write them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<LogPath>,
    /// How far the host's local time is ahead of UTC, in seconds: whose hours the hours of the week are.
    pub utc_offset: i32,
}

/// What one log said since the last pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogFacts {
    /// Its path.
    pub log: Text,
    /// True if this is all since `since`, false if it is what came after an earlier pass.
    pub fresh: bool,
    /// From when on requests are counted, in this pass or earlier ones.
    pub since: Timestamp,
    /// When the last request came, as far as the log tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// When the file was last written to.
    pub changed: Timestamp,
    /// Requests.
    pub lines: u64,
    /// Of those, how many were from before the time that counts.
    #[serde(default)]
    pub older: u64,
    /// Lines that are not of an access log.
    #[serde(default)]
    pub unread: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_example: Option<Text>,
    /// Lines of more than 1 MiB, which were passed over.
    #[serde(default)]
    pub too_long: u64,
    /// The bytes that were read for it.
    pub bytes: u64,
    /// New files that began under its name.
    #[serde(default)]
    pub rotations: u64,
    /// How often lines were rotated away before they could be read.
    #[serde(default)]
    pub lost: u64,
    /// Per minute, all together.
    pub all: Series,
    /// Per minute and client.
    pub clients: Counts,
    /// Per minute and user.
    pub users: Counts,
    /// Per method, sorted.
    pub methods: Vec<MethodFacts>,
    /// Requests with further methods that HTTP does not know.
    #[serde(default)]
    pub other_methods: u64,
    /// The last request of each of the busiest clients, without its query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<Text, Text>,
}

/// The requests with one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MethodFacts {
    /// The method, cut to 64 bytes.
    pub method: Text,
    /// True if HTTP or an extension of it knows the method.
    pub known: bool,
    /// How many.
    pub count: u64,
    /// The first few clients.
    pub clients: Vec<Text>,
    /// The first request, without its query.
    pub example: Text,
}

/// Watches requests.
#[derive(Default)]
pub struct RequestWatch {
    buffer: Vec<u8>,
}

impl Watch for RequestWatch {
    const NAME: &'static str = "request";
    type Facts = RequestFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<RequestFacts> {
        collect::collect(&mut self.buffer, look)
    }

    fn check(seen: &Facts<Self>, memory: &mut Memory) -> Vec<Finding> {
        check::check(seen, memory)
    }

    fn learn(facts: &RequestFacts, by: &str, now: Timestamp) -> String {
        learn::learn(facts, by, now)
    }

    fn summary(facts: &RequestFacts) -> String {
        let lines: u64 = facts.logs.iter().map(|log| log.lines).sum();
        let one_or =
            |count: u64, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
        format!("{} in {}", one_or(lines, "web request"), one_or(facts.logs.len() as u64, "log"))
    }
}
