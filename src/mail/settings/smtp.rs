//! The `[mail.smtp]` table: the mail server, and how it is spoken to.

use super::super::address::Domain;
use super::AbsolutePath;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

/// `[mail.smtp]`: the mail server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenSmtp")]
pub struct SmtpSettings {
    /// The server; `localhost` if not written.
    pub host: ServerName,
    /// Its port: 25, with STARTTLS 587, with TLS 465 if not written.
    pub port: NonZeroU16,
    /// How the connection is protected: `none` for this host and `tls` for any other if not written.
    pub security: Security,
    /// Who we say we are; the host's name if not written.
    pub hello: Option<ServerName>,
    /// The account, and the file that holds its password.
    pub login: Option<(String, AbsolutePath)>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<AbsolutePath>,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Not at all.
    None,
    /// TLS, agreed on in the clear; without it nothing is sent. Somebody who sits on the line can still slip answers
    /// in before it begins, and so make us believe that a mail was accepted: `tls` is better wherever it is offered.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct WrittenSmtp {
    host: Option<ServerName>,
    port: Option<NonZeroU16>,
    security: Option<Security>,
    hello: Option<ServerName>,
    user: Option<String>,
    password_file: Option<AbsolutePath>,
    ca_file: Option<AbsolutePath>,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        let host = ServerName("localhost".to_owned());
        let port = default_port(Security::None);
        Self { host, port, security: Security::None, hello: None, login: None, ca_file: None }
    }
}

pub fn default_port(security: Security) -> NonZeroU16 {
    let port = match security {
        Security::None => 25,
        Security::StartTls => 587,
        Security::Tls => 465,
    };
    NonZeroU16::new(port).unwrap_or(NonZeroU16::MIN)
}

impl TryFrom<WrittenSmtp> for SmtpSettings {
    type Error = String;
    fn try_from(written: WrittenSmtp) -> Result<Self, String> {
        let host = written.host.unwrap_or_else(|| ServerName("localhost".to_owned()));
        let security =
            written.security.unwrap_or(if host.is_this_host() { Security::None } else { Security::Tls });
        let login = match (written.user, written.password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => Some((user, file)),
            (Some(_), None) => return Err("user needs a password-file".to_owned()),
            (None, Some(_)) => return Err("password-file needs a user".to_owned()),
        };
        if login.is_some() && security == Security::None && !host.is_this_host() {
            return Err(format!(
                "the password would go to {host} in the clear: set security to \"tls\" or \"starttls\""
            ));
        }
        if written.ca_file.is_some() && security == Security::None {
            return Err("ca-file needs security = \"tls\" or \"starttls\"".to_owned());
        }
        let port = written.port.unwrap_or_else(|| default_port(security));
        Ok(Self { host, port, security, hello: written.hello, login, ca_file: written.ca_file })
    }
}

/// The name or address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(String);

impl ServerName {
    /// The name or address, without brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if it is this host's own name for itself, which no network is needed to reach.
    #[must_use]
    pub fn is_this_host(&self) -> bool {
        self.0.eq_ignore_ascii_case("localhost") || self.0.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl TryFrom<String> for ServerName {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let is_name = !written.starts_with('[') && Domain::parse(&written).is_some();
        if is_name || written.parse::<IpAddr>().is_ok() {
            return Ok(Self(written));
        }
        let shown = Text::cut(written.as_bytes(), 80);
        Err(format!("\"{shown}\" is not a host: write a name like \"mail.example.org\", or an IP address"))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0
    }
}
