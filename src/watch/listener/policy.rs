//! What a policy says of listening sockets: `[[listener]]`.

use crate::rule::{Day, Pattern, Placed, Rule};
use ipnet::IpNet;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt::{self, Write as _};
use std::net::IpAddr;

/// What a rule calls the owner of a socket that the system's own kernel has open: on Windows file sharing, and http.sys
/// for IIS and remote management.
pub const KERNEL: &str = "(kernel)";

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
    /// `tcp`, `udp`, `udplite` or `sctp`.
    pub protocol: Protocol,
    /// The local addresses it may listen on: `any`, `loopback`, an address or a net. It is exact: a rule for
    /// `any` does not allow a socket on loopback alone, as that is another door.
    pub bind: Bind,
    /// The ports it may listen on: a number, `"8000-8010"`, or `"ephemeral"`, the ports that the system hands out.
    pub port: Ports,
    /// The executable that must own it; none named: any. Of memory, `memfd:NAME`; the kernel itself is `(kernel)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
    /// The script an interpreter runs. A rule that names an executable and no script allows it to run none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Pattern>,
    /// The users whose process may own it; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// It is for a socket in another network namespace, or one whose owner is not the host's file: containers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
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
    pub expires: Option<Day>,
}

impl Rule for ListenerRule {
    fn describe(&self) -> String {
        let mut words = format!("listener {} {} {}", self.protocol, self.bind, self.port);
        if let Some(exe) = &self.exe {
            // Writing to a String cannot fail.
            let _ = write!(words, " {}", exe.as_str());
        }
        if self.container {
            words += " (container)";
        }
        words
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Protocol {
    /// TCP, and MPTCP over it.
    Tcp,
    /// UDP.
    Udp,
    /// UDP-Lite.
    UdpLite,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Its name in policies and facts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::UdpLite => "udplite",
            Self::Sctp => "sctp",
        }
    }

    /// True if every socket of it, also a client's, waits for packets of anybody.
    #[must_use]
    pub const fn has_no_listen_state(self) -> bool {
        matches!(self, Self::Udp | Self::UdpLite)
    }
}

impl TryFrom<String> for Protocol {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let all = [Self::Tcp, Self::Udp, Self::UdpLite, Self::Sctp];
        all.into_iter().find(|protocol| protocol.as_str() == written).ok_or_else(|| {
            format!("{written:?} is not a protocol: write \"tcp\", \"udp\", \"udplite\" or \"sctp\"")
        })
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> Self {
        protocol.as_str().to_owned()
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The local addresses a socket listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Bind {
    /// Every address of the host, be it of IPv4, of IPv6 or of both.
    Any,
    /// 127.0.0.0/8 or `::1`.
    Loopback,
    /// One address, or those of a net.
    Net(IpNet),
}

impl Bind {
    /// The class of an address that a socket is bound to.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if address.is_unspecified() {
            Self::Any
        } else if address.is_loopback() {
            Self::Loopback
        } else {
            Self::Net(address.into())
        }
    }

    /// True if a socket bound to `address` is of this class. A net holds only addresses of its own: a socket on
    /// every address is in none.
    #[must_use]
    pub fn covers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Any => address.is_unspecified(),
            Self::Loopback => address.is_loopback(),
            Self::Net(net) => net.contains(&address) && !address.is_unspecified(),
        }
    }

    /// For a person: `every address`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Any => "every address".to_owned(),
            Self::Loopback => "loopback".to_owned(),
            Self::Net(_) => self.to_string(),
        }
    }
}

impl TryFrom<String> for Bind {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        match written.as_str() {
            "any" => return Ok(Self::Any),
            "loopback" => return Ok(Self::Loopback),
            _ => {}
        }
        if let Ok(address) = written.parse::<IpAddr>() {
            return match address.to_canonical() {
                address if address.is_unspecified() => {
                    Err(format!("{written:?} stands for every address: write \"any\""))
                }
                address => Ok(Self::Net(address.into())),
            };
        }
        let net = written.parse::<IpNet>().map_err(|_| {
            format!("{written:?} is not an address: write \"any\", \"loopback\", an address or a net like \"10.0.0.0/8\"")
        })?;
        if net.trunc() != net {
            return Err(format!(
                "{written:?} is an address and a net: write {} or {}",
                net.addr(),
                net.trunc()
            ));
        }
        Ok(Self::Net(net))
    }
}

impl From<Bind> for String {
    fn from(bind: Bind) -> Self {
        bind.to_string()
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.pad("any"),
            Self::Loopback => f.pad("loopback"),
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
        }
    }
}

/// The ports of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// From the first to the last; both belong to it.
    Range(u16, u16),
    /// Those that the system hands out to whoever does not ask for one (`ip_local_port_range`).
    Ephemeral,
}

impl Ports {
    /// Just this port.
    #[must_use]
    pub const fn one(port: u16) -> Self {
        Self::Range(port, port)
    }

    /// True if `port` is one of them, where the system hands out those of `ephemeral`.
    #[must_use]
    pub fn cover(self, port: u16, ephemeral: (u16, u16)) -> bool {
        let (first, last) = match self {
            Self::Range(first, last) => (first, last),
            Self::Ephemeral => ephemeral,
        };
        (first..=last).contains(&port)
    }

    fn number(number: u64) -> Result<u16, String> {
        match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("{number} is not a port: ports go from 1 to 65535")),
        }
    }

    fn text(written: &str) -> Result<Self, String> {
        if written == "ephemeral" {
            return Ok(Self::Ephemeral);
        }
        let digits =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        let (first, last) = written.split_once('-').unwrap_or((written, written));
        let (Some(first), Some(last)) = (digits(first), digits(last)) else {
            return Err(format!("{written:?} is not a port: write a number, \"8000-8010\" or \"ephemeral\""));
        };
        let (first, last) = (Self::number(first)?, Self::number(last)?);
        if last < first {
            return Err(format!("{written:?} ends before it begins: write \"{last}-{first}\""));
        }
        Ok(Self::Range(first, last))
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(first, last) if first == last => write!(f, "{first}"),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::Ephemeral => f.pad("ephemeral"),
        }
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Range(first, last) if first == last => serializer.serialize_u16(*first),
            ports => serializer.collect_str(ports),
        }
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortsVisitor)
    }
}

/// A number or a text. Not an untagged enum: that would lose the place of an error.
struct PortsVisitor;

impl Visitor<'_> for PortsVisitor {
    type Value = Ports;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a port: a number, \"8000-8010\" or \"ephemeral\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Ports, E> {
        Ports::number(number).map(Ports::one).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Ports, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format!("{number} is not a port: ports go from 1 to 65535"))),
        }
    }

    fn visit_str<E: de::Error>(self, written: &str) -> Result<Ports, E> {
        Ports::text(written).map_err(E::custom)
    }
}
