//! What a policy says of listening sockets: `[[listener]]`.

use crate::rule::{Pattern, Placed, Rule};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// The sockets that may listen.
    pub listener: Vec<Placed<ListenerRule>>,
}

/// Allows a socket to listen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListenerRule {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The local addresses it may listen on.
    pub bind: String,
    /// The ports it may listen on.
    pub port: toml::Value,
    /// The executable that must own it; none named: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
    /// The users whose process may own it; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// It is a finding if nothing listens there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

impl Rule for ListenerRule {
    fn describe(&self) -> String {
        format!("listener {} {} {}", self.protocol, self.bind, self.port)
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}
