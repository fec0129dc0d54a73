//! How the host is connected: its links and their addresses, where its packets go, who its gateway is, and what its
//! firewall lets through. Whoever changes one of these can listen in, lead traffic astray or open a door without a
//! process to show for it.
//!
//! Much of it moves by itself, and that is no finding: leases and carriers come and go, containers bring links, daemons
//! of routing and of bans change routes and rules. What of that counts is said in `check` and `learn`, and in the policy.

mod check;
pub mod firewall;
mod learn;
#[cfg(target_os = "linux")]
pub mod linux;
mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use firewall::Firewall;
use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// How the host is connected at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NetworkFacts {
    /// By name.
    pub links: Vec<Link>,
    /// All but those to the host itself, and those that a routing daemon learned (of which default routes count).
    pub routes: Vec<Route>,
    /// The neighbours that default routes lead to.
    pub gateways: Vec<Gateway>,
    /// The firewall.
    pub firewall: Firewall,
}

/// A network link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Link {
    /// Its name.
    pub name: Text,
    /// Of a virtual one what it is: `wireguard`, `bridge`, `veth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Text>,
    /// True if it is the loopback.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loopback: bool,
    /// True if it is set up, and carries packets as far as it can tell.
    pub up: bool,
    /// True if it takes in the packets of others, and not because it is a port of a bridge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub promiscuous: bool,
    /// The bridge or bond it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<Text>,
    /// Its hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Text>,
    /// Its addresses, but those that are valid on the link alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Address>,
}

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Address {
    /// The address, with the length of its net.
    pub net: IpNet,
    /// True if it was given for a time: by DHCP, or made from what a router announced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leased: bool,
}

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Route {
    /// To these addresses.
    pub to: IpNet,
    /// By this neighbour; none: they are on the link itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// Over this link; none: nowhere (they are refused or dropped).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Text>,
    /// The number of the routing table; 254 is the main one.
    pub table: u32,
    /// Of two to the same place the one with the smaller number is taken.
    #[serde(default)]
    pub metric: u32,
    /// Who made it: `kernel` (it follows from an address), `static`, `dhcp`, `ra`, …
    pub by: Text,
}

impl Route {
    /// True if it leads everywhere.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.to.prefix_len() == 0
    }
}

/// A neighbour that a default route leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gateway {
    /// Its address.
    pub address: IpAddr,
    /// On this link.
    pub link: Text,
    /// The hardware address it answers with.
    pub mac: Text,
}

/// Watches the network set-up.
#[derive(Default)]
pub struct NetworkWatch {
    #[cfg(target_os = "linux")]
    eyes: linux::Eyes,
}

impl Watch for NetworkWatch {
    const NAME: &'static str = "network";
    const LOOKS_HERE: bool = cfg!(target_os = "linux");
    type Facts = NetworkFacts;
    type Rules = Rules;

    #[cfg(target_os = "linux")]
    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<NetworkFacts> {
        self.eyes.look(look)
    }

    #[cfg(not(target_os = "linux"))]
    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<NetworkFacts> {
        Seen::NoData("the network set-up is looked at on Linux only".to_owned())
    }

    fn check(seen: &Facts<Self>, memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now, memory)
    }

    fn learn(facts: &NetworkFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &NetworkFacts) -> String {
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let firewall = match &facts.firewall {
            Firewall::Blocks(blocks) => count(blocks.len(), "part") + " of a firewall",
            Firewall::Unread(_) => "firewall not read".to_owned(),
        };
        format!("{}, {}, {firewall}", count(facts.links.len(), "link"), count(facts.routes.len(), "route"))
    }
}

#[cfg(test)]
mod tests;
