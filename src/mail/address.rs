//! Mail addresses, and the names a host may bear in them.
//!
//! Only what every mail program understands alike is taken: no quotes, no comments, no spaces, nothing that a
//! `sendmail` could take for an option, a program or a file (`|prog`, `/file`, `:include:`).

use crate::text::Text;
use lettre::Address;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A mail address: `alice@example.org`, or the name of a local user alone: `root`.
///
/// A name alone stays as it is on the `sendmail` route, whose program knows the aliases. Over SMTP, where an
/// address must have a domain, it becomes `root@localhost` for a server on this host and `root@HOSTNAME` for any other.
/// The header `To` always shows `root@HOSTNAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailAddress {
    local: String,
    domain: Option<Domain>,
}

impl MailAddress {
    /// `watchdog` on the host of this domain.
    #[must_use]
    pub fn watchdog(domain: Domain) -> Self {
        Self { local: "watchdog".to_owned(), domain: Some(domain) }
    }

    /// `root` alone.
    #[must_use]
    pub fn root() -> Self {
        Self { local: "root".to_owned(), domain: None }
    }

    /// The address for SMTP or a header: a name alone is taken to be of `home`.
    pub(crate) fn qualified(&self, home: &Domain) -> Address {
        let domain = self.domain.as_ref().unwrap_or(home);
        // Both parts were checked more strictly than the library would.
        Address::new_dangerous(&self.local, &domain.0)
    }
}

impl TryFrom<String> for MailAddress {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let (local, domain) = match written.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (written.as_str(), None),
        };
        if !written.is_ascii() {
            return Err(format!(
                "{} is not plain ASCII: write the domain in its \"xn--\" form",
                Text::cut(written.as_bytes(), 80)
            ));
        }
        let wrong = || {
            format!(
                "\"{}\" is not a mail address: write \"name@domain\", or a local user like \"root\"",
                Text::cut(written.as_bytes(), 80)
            )
        };
        if !is_local_part(local) {
            return Err(wrong());
        }
        let domain = domain.map(|domain| Domain::parse(domain).ok_or_else(wrong)).transpose()?;
        Ok(Self { local: local.to_owned(), domain })
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{}@{domain}", self.local),
            None => f.write_str(&self.local),
        }
    }
}

impl From<MailAddress> for String {
    fn from(address: MailAddress) -> Self {
        address.to_string()
    }
}

fn is_local_part(local: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-=~&'#$*/?^{}".contains(&b);
    (1..=64).contains(&local.len())
        && local.bytes().all(plain)
        && local.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !local.ends_with('.')
        && !local.contains("..")
}

/// The part of an address after the `@`: a domain name, or an address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// A domain as written; `None` if it is not one.
    #[must_use]
    pub fn parse(written: &str) -> Option<Self> {
        is_domain(written).then(|| Self(written.to_owned()))
    }

    /// The name of a host, if mail can bear it; else `localhost`.
    #[must_use]
    pub fn of_host(name: &Text) -> Self {
        let name = name.trim_end_matches('.');
        if name.starts_with('[') {
            Self::localhost()
        } else {
            Self::parse(name).unwrap_or_else(Self::localhost)
        }
    }

    /// `localhost`.
    #[must_use]
    pub fn localhost() -> Self {
        Self("localhost".to_owned())
    }

    /// The domain as text: letters, digits, dots, hyphens and underscores, or an address in brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_domain(written: &str) -> bool {
    if let Some(literal) = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let v6 = literal.strip_prefix("IPv6:").map(str::parse::<std::net::Ipv6Addr>);
        return v6.map_or_else(|| literal.parse::<std::net::Ipv4Addr>().is_ok(), |parsed| parsed.is_ok());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    written.len() <= 253 && written.split('.').all(is_label)
}

/// Between whom a mail goes, and from which host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Who it is from, and who learns of it if it cannot be delivered.
    pub from: MailAddress,
    /// Everyone it is for; never empty.
    pub to: Vec<MailAddress>,
    /// The domain of addresses that are a name alone.
    pub home: Domain,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(written: &str) -> Result<String, String> {
        let home = Domain::localhost();
        MailAddress::try_from(written.to_owned()).map(|address| address.qualified(&home).to_string())
    }

    #[test]
    fn a_local_user_alone_is_an_address() {
        assert_eq!(read("root"), Ok("root@localhost".to_owned()));
        assert_eq!(read("ops+alarm@example.org"), Ok("ops+alarm@example.org".to_owned()));
        assert_eq!(read("x@[192.0.2.1]"), Ok("x@[192.0.2.1]".to_owned()));
        assert_eq!(read("x@[IPv6:::1]"), Ok("x@[IPv6:::1]".to_owned()));
    }

    #[test]
    fn nothing_that_a_mail_program_could_take_otherwise_is_an_address() {
        for written in [
            "",
            "@",
            "a@",
            "@b",
            "-root",
            "|sh",
            "/etc/passwd",
            ":include:/x",
            "a b@c",
            "\"a b\"@c",
            "a@b c",
            "a@b\r\nBcc: x@y",
            "root\n",
            "root\0",
            "a..b@c",
            "a.@c",
            "a@-b",
            "a@b-",
            "a@b..c",
            "a@[b]",
            "a@@b",
            "a,b@c",
            "<a@b>",
            "Root <root@b>",
            "a@b>",
            "müller@example.org",
            "a@müller.org",
            "a!b@c",
            "a%b@c",
        ] {
            assert!(read(written).is_err(), "{written:?}");
        }
        assert!(read(&format!("{}@b", "a".repeat(65))).is_err());
        assert!(read(&format!("a@{}", "b.".repeat(200))).is_err());
    }

    #[test]
    fn a_host_name_that_mail_cannot_bear_becomes_localhost() {
        for (name, domain) in [
            ("web1.example.org", "web1.example.org"),
            ("web_1", "web_1"),
            ("web1.", "web1"),
            ("", "localhost"),
            ("a b", "localhost"),
            ("a\r\nBcc: x@y", "localhost"),
            ("[127.0.0.1]", "localhost"),
            ("wéb", "localhost"),
        ] {
            assert_eq!(Domain::of_host(&Text::from(name)).as_str(), domain);
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_for_an_address_is_plain(written: String) {
            if let Ok(address) = MailAddress::try_from(written) {
                prop_assert!(address.to_string().bytes().all(|b| b.is_ascii_graphic() && !b"<>,;\"\\|!%()".contains(&b)));
            }
        }
    }
}
