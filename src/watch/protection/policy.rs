//! What a policy says of what protects the host: `[protection]`.

use crate::rule::{Day, Placed, Rule, Span};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// How the host must be protected.
    pub protection: Option<Placed<Protection>>,
}

/// A kind of network, each with a profile of the firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The network of the host's own domain.
    Domain,
    /// One that somebody has called private.
    Private,
    /// Any other.
    Public,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Domain => "domain",
            Self::Private => "private",
            Self::Public => "public",
        })
    }
}

/// What becomes of what no rule of the firewall names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is blocked.
    Block,
    /// It is let through.
    Allow,
}

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Somebody came in.
    Success,
    /// Nobody did.
    Failure,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Success => "success",
            Self::Failure => "failure",
        })
    }
}

/// How Remote Desktop may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Desktop {
    /// Nobody may come in by it.
    Off,
    /// Who comes in must say who they are before a session opens.
    NetworkLevelAuthentication,
}

/// How SMB 1 may be: only off can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Off {
    /// It is not spoken.
    Off,
}

/// What the firewall must do with what no rule of its own names: only to block can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// It is blocked.
    Block,
}

/// How the host must be protected. What is not written is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Protection {
    /// The networks on which the firewall must be on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firewall: Vec<Network>,
    /// What it must do there with what comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<Block>,
    /// What it must do there with what goes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Block>,
    /// How the antivirus must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub antivirus: Option<Antivirus>,
    /// How Remote Desktop must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_desktop: Option<Desktop>,
    /// How SMB 1 must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smb1: Option<Off>,
    /// What of logins must be logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logon_audit: Vec<Outcome>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

/// How the antivirus must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Antivirus {
    /// Whether it must look at files as they are used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub real_time: bool,
    /// Whether nobody but itself may be able to turn it off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tamper_protection: bool,
    /// How old its signatures may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures_max_age: Option<Span>,
}

impl Rule for Protection {
    fn describe(&self) -> String {
        "protection".to_owned()
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
