//! What a policy says of the network: `[network]`, `[[link]]`, `[[route]]`, `[[gateway]]` and `[[firewall]]`.

use crate::rule::{Day, Pattern, Placed, Rule};
use crate::watch::connection::Destination;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What of it needs a rule; without the table, only what is required is asked for.
    pub network: Option<Placed<Network>>,
    /// The links that may be there.
    pub link: Vec<Placed<LinkRule>>,
    /// The routes that may be there.
    pub route: Vec<Placed<RouteRule>>,
    /// What gateways answer with.
    pub gateway: Vec<Placed<GatewayRule>>,
    /// The chains and sets of the firewall.
    pub firewall: Vec<Placed<FirewallRule>>,
    /// Look at everything even without a rule, to learn.
    pub to_learn: bool,
}

/// A part of the network set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Links, and whether they are promiscuous.
    Links,
    /// The addresses of links.
    Addresses,
    /// Routes.
    Routes,
    /// The hardware addresses of gateways.
    Gateways,
    /// Chains and sets of the firewall.
    Firewall,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Links, Self::Addresses, Self::Routes, Self::Gateways, Self::Firewall];
}

/// The `[network]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// The parts of which everything needs a rule.
    pub watch: Vec<Part>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

/// Allows a link, or asks for one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkRule {
    /// Its name.
    pub name: Pattern,
    /// The addresses it may have: single ones, and nets from which it may have any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Destination>,
    /// It may take in the packets of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub promiscuous: bool,
    /// It is a finding if it is not there, or not up.
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
    pub expires: Option<Day>,
}

/// Allows a route, or asks that packets go this way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteRule {
    /// To these addresses: `default`, an address or a net.
    pub to: To,
    /// By this neighbour, or one of this net; not named: any, also none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Destination>,
    /// Over this link; not named: any, also none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Pattern>,
    /// In the routing table of this number; not named: the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// It is a finding if packets to there do not go this way.
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
    pub expires: Option<Day>,
}

/// The number of the main routing table.
pub const MAIN: u32 = 254;

/// Says with which hardware addresses a gateway may answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GatewayRule {
    /// Its address.
    pub address: IpAddr,
    /// On this link; not named: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Pattern>,
    /// The hardware addresses, like `52:54:00:12:34:56`.
    pub macs: Vec<Pattern>,
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

/// Says what chains and sets of the firewall hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FirewallRule {
    /// Which: `inet filter chain input`.
    pub part: Pattern,
    /// What stands for all that is in it. Not named: it may hold anything, and need not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
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

macro_rules! rules {
    ($($kind:ident $this:ident $words:expr;)*) => {
        $(impl Rule for $kind {
            fn describe(&self) -> String {
                let $this = self;
                $words
            }
            fn expires(&self) -> Option<Day> {
                self.expires
            }
        })*
    };
}

rules! {
    Network _rule "network".to_owned();
    LinkRule rule format!("link {}", rule.name.as_str());
    RouteRule rule format!("route {}", rule.words());
    GatewayRule rule format!("gateway {}", rule.address);
    FirewallRule rule format!("firewall {}", rule.part.as_str());
}

impl RouteRule {
    /// Where it leads and which way.
    #[must_use]
    pub fn words(&self) -> String {
        let via = self.via.map_or(String::new(), |via| format!(" via {via}"));
        let link = self.link.as_ref().map_or(String::new(), |link| format!(" over {}", link.as_str()));
        let table = self.table.map_or(String::new(), |table| format!(" in table {table}"));
        format!("to {}{via}{link}{table}", self.to)
    }
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum To {
    /// Everywhere, over IPv4 or IPv6.
    Default,
    /// To one address or those of a net.
    Net(IpNet),
}

impl To {
    /// The nets it stands for.
    #[must_use]
    pub fn nets(self) -> Vec<IpNet> {
        match self {
            Self::Default => vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())],
            Self::Net(net) => vec![net],
        }
    }

    /// What a rule says for this net.
    #[must_use]
    pub fn of(net: IpNet) -> Self {
        if net.prefix_len() == 0 { Self::Default } else { Self::Net(net) }
    }
}

impl TryFrom<String> for To {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        if written == "default" {
            return Ok(Self::Default);
        }
        if let Ok(address) = written.parse::<IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let net = written.parse::<IpNet>().map_err(|_| {
            format!(
                "{written:?} is no destination: write \"default\", an address or a net like \"10.9.0.0/24\""
            )
        })?;
        if net.trunc() != net {
            return Err(format!(
                "{written:?} is an address and a net: write {} or {}",
                net.addr(),
                net.trunc()
            ));
        }
        Ok(Self::of(net))
    }
}

impl From<To> for String {
    fn from(to: To) -> Self {
        to.to_string()
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
        }
    }
}
