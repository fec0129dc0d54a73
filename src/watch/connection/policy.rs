//! What a policy says of connections: `[[connection]]`.

use crate::rule::{Day, Pattern, Placed, Rule};
use crate::watch::listener::{Ports, Protocol};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What a policy says of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// The connections that may be open; with none, nobody looks at them.
    pub connection: Vec<Placed<ConnectionRule>>,
    /// Look even without a rule, to learn.
    pub to_learn: bool,
}

impl Rules {
    /// True if connections are to be looked at.
    #[must_use]
    pub fn ask(&self) -> bool {
        self.to_learn || !self.connection.is_empty()
    }
}

/// Allows connections to elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectionRule {
    /// `tcp`, `udp`, `udplite` or `sctp`.
    pub protocol: Protocol,
    /// Where they may lead: addresses and nets; none named: anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Destination>,
    /// The ports of the other end; none named: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Ports>,
    /// The executable that must have them open; none named: any, also an unknown one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
    /// The script an interpreter runs. A rule that names an executable and no script allows it to run none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Pattern>,
    /// The users whose process may have them open; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// It is for sockets in another network namespace, or whose owner is not the host's file: containers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
    /// Why they are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

impl Rule for ConnectionRule {
    fn describe(&self) -> String {
        let to = self.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut words = format!("connection {}", self.protocol);
        words += &if to.is_empty() { String::new() } else { format!(" to {to}") };
        words += &self.port.map_or(String::new(), |port| format!(" port {port}"));
        words += &self.exe.as_ref().map_or(String::new(), |exe| format!(" by {}", exe.as_str()));
        words + if self.container { " (container)" } else { "" }
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// An address or a net that a connection may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Destination(IpNet);

impl Destination {
    /// Just this address.
    #[must_use]
    pub fn one(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }

    /// Any of this net.
    #[must_use]
    pub fn net(net: IpNet) -> Self {
        Self(net.trunc())
    }

    /// True if the address is it, or in it.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl TryFrom<String> for Destination {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        if let Ok(address) = written.parse::<IpAddr>() {
            return Ok(Self::one(address));
        }
        let net = written.parse::<IpNet>().map_err(|_| {
            format!("{written:?} is not an address: write one, or a net like \"10.0.0.0/8\"; leave `to` out for anywhere")
        })?;
        if net.trunc() != net {
            return Err(format!(
                "{written:?} is an address and a net: write {} or {}",
                net.addr(),
                net.trunc()
            ));
        }
        Ok(Self(net))
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            write!(f, "{}", self.0.addr())
        } else {
            write!(f, "{}", self.0)
        }
    }
}
