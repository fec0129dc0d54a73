//! Where somebody logs in from, and how: the values of `from` and `methods`.

use crate::text::Text;
use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What stands in a fact as the source of a login at the machine itself.
pub const CONSOLE: &str = "console";

/// What stands in a fact if the source cannot be told for sure.
pub const UNCLEAR: &str = "unclear";

/// Where a rule lets people come from: an address, a network, `console`, or `name:HOST` for a source that only
/// a name is known of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Source {
    written: String,
    meant: Meant,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Meant {
    Net(IpNet),
    Exactly(String),
}

impl Source {
    /// The narrowest form that matches `source`.
    #[must_use]
    pub fn exactly(source: &str) -> Self {
        match address(source) {
            Some(address) => Self { written: address.to_string(), meant: Meant::Net(address.into()) },
            None if [CONSOLE, UNCLEAR].contains(&source) => {
                Self { written: source.to_owned(), meant: Meant::Exactly(source.to_owned()) }
            }
            None => Self { written: format!("name:{source}"), meant: Meant::Exactly(source.to_owned()) },
        }
    }

    /// True if a login from `source`, as it stands in a fact, comes from here.
    #[must_use]
    pub fn matches(&self, source: &str) -> bool {
        match &self.meant {
            Meant::Exactly(name) => name == source,
            Meant::Net(net) => address(source).is_some_and(|address| net.contains(&address)),
        }
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// The address that a source names; IPv4 in its IPv6 form is IPv4, a scope (`%eth0`) is left out.
#[must_use]
pub fn address(source: &str) -> Option<IpAddr> {
    let bare = source.split_once('%').map_or(source, |(bare, _)| bare);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A source for a fact: an address in its usual form, or cleaned text.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Text {
    let known = std::str::from_utf8(bytes).ok().and_then(address);
    known.map_or_else(|| Text::cut(bytes, 255), |address| Text::new(address.to_string()))
}

impl TryFrom<String> for Source {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let name = written.strip_prefix("name:").map(str::to_owned);
        let meant = if [CONSOLE, UNCLEAR].contains(&written.as_str()) {
            Meant::Exactly(written.clone())
        } else if let Some(name) = name {
            Meant::Exactly(name)
        } else if let Ok(address) = written.parse::<IpAddr>() {
            Meant::Net(address.to_canonical().into())
        } else if let Ok(net) = written.parse::<IpNet>() {
            Meant::Net(canonical(net))
        } else {
            return Err(format!(
                "{written:?} is not a source: write an address, a network like \"10.8.0.0/24\", \"console\", or \"name:HOST\""
            ));
        };
        Ok(Self { written, meant })
    }
}

/// A network of IPv4 in its IPv6 form is one of IPv4.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let v4 = v6.addr().to_ipv4_mapped();
    let v4 = v4.zip(v6.prefix_len().checked_sub(96)).and_then(|(v4, length)| Ipv4Net::new(v4, length).ok());
    v4.map_or(net, IpNet::V4)
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.written
    }
}

/// How somebody comes in: a method of SSH, `console`, a kind of logon of Windows, or `unknown` where only a record
/// without a method tells of the login.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(String);

const METHODS: [&str; 14] = [
    "publickey",
    "password",
    "keyboard-interactive",
    "hostbased",
    "gssapi-with-mic",
    "gssapi-keyex",
    "none",
    CONSOLE,
    "rdp",
    "unlock",
    "network",
    "network-cleartext",
    "runas",
    "unknown",
];

impl Method {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The method of this name, if it is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        METHODS.contains(&name).then(|| Self(name.to_owned()))
    }
}

impl TryFrom<String> for Method {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        Self::named(&written)
            .ok_or_else(|| format!("{written:?} is not a way to log in, they are: {}", METHODS.join(", ")))
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(written: &str) -> Result<Source, String> {
        Source::try_from(written.to_owned())
    }

    #[test]
    fn a_source_is_an_address_a_network_the_console_or_a_name() {
        for (written, source, fits) in [
            ("10.8.0.0/24", "10.8.0.2", true),
            ("10.8.0.0/24", "::ffff:10.8.0.2", true),
            ("10.8.0.0/24", "10.8.1.2", false),
            ("::ffff:10.8.0.2", "10.8.0.2", true),
            ("::ffff:10.8.0.0/120", "10.8.0.2", true),
            ("10.8.0.2", "10.8.0.2", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("fe80::/10", "fe80::1%eth0", true),
            ("0.0.0.0/0", "console", false),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("console", "console", true),
            ("console", "10.8.0.2", false),
            ("name:bastion.example.org", "bastion.example.org", true),
            ("unclear", "unclear", true),
        ] {
            assert_eq!(from(written).unwrap().matches(source), fits, "{written} {source}");
        }
        for written in ["", "consle", "10.8.0.0/33", "10.8.0", "10.8.0.1-10.8.0.9", "*"] {
            assert!(from(written).unwrap_err().contains("is not a source"), "{written}");
        }
    }

    #[test]
    fn the_narrowest_form_matches_and_can_be_written_in_a_policy() {
        for source in
            ["10.8.0.2", "::ffff:10.8.0.2", "2001:db8::1", "console", "unclear", "a.example", "x\\n\"y"]
        {
            let narrow = Source::exactly(source);
            assert!(narrow.matches(source), "{source}");
            assert_eq!(from(narrow.as_str()), Ok(narrow));
        }
        assert_eq!(Source::exactly("::ffff:10.8.0.2").as_str(), "10.8.0.2");
    }

    #[test]
    fn a_misspelt_method_is_refused() {
        assert!(Method::try_from("public-key".to_owned()).unwrap_err().contains("publickey"));
    }
}
