//! The `[mail]` table of the settings: to whom, from whom, and by which route.

use super::address::{Domain, Envelope, MailAddress};
use crate::rule::Span;
use crate::system::{self, advice};
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

/// What is said where there is no program that takes mail.
const NO_PROGRAM: &str = "this system has no sendmail program: name a mail server in [mail.smtp] instead";

/// The `[mail]` table. Every key may be left out: mail then goes to root by this host's own mail system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Settings {
    /// For whom; `["root"]` if not written.
    pub to: Recipients,
    /// From whom; `watchdog@HOST` if not written.
    pub from: Option<MailAddress>,
    /// The route.
    pub via: Via,
    /// How long one mail may take from the first connection to the answer; `60s` if not written.
    pub deadline: Deadline,
}

/// The way mails leave the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// To this host's own mail system: over SMTP if it listens, else to its `sendmail` program.
    Local(LocalSettings),
    /// To a mail server.
    Smtp(SmtpSettings),
    /// To the local `sendmail` program.
    Sendmail(SendmailSettings),
    /// Into a folder, as `.eml` files.
    Folder(FolderSettings),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            to: Recipients::default(),
            from: None,
            via: Via::Local(LocalSettings::default()),
            deadline: Deadline::default(),
        }
    }
}

impl Settings {
    /// Into a folder, which needs no server: what holds while there are no settings yet.
    #[must_use]
    pub fn into_folder(path: AbsolutePath) -> Self {
        Self { via: Via::Folder(FolderSettings { path }), ..Self::default() }
    }

    /// Between whom mails go, on the host of this name.
    #[must_use]
    pub fn envelope(&self, host: &Text) -> Envelope {
        let home = Domain::of_host(host);
        let from = self.from.clone().unwrap_or_else(|| MailAddress::watchdog(home.clone()));
        Envelope { from, to: self.to.0.clone(), home }
    }
}

/// `[mail]` as written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Written {
    to: Recipients,
    from: Option<MailAddress>,
    via: Option<WrittenVia>,
    local: LocalSettings,
    smtp: Option<SmtpSettings>,
    sendmail: WrittenSendmail,
    folder: Option<FolderSettings>,
    deadline: Deadline,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenVia {
    Local,
    Smtp,
    Sendmail,
    Folder,
}

impl TryFrom<Written> for Settings {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        // Whoever names a mail server means it.
        let unwritten = if written.smtp.is_some() { WrittenVia::Smtp } else { WrittenVia::Local };
        let via = match written.via.unwrap_or(unwritten) {
            WrittenVia::Local => Via::Local(written.local),
            WrittenVia::Smtp => Via::Smtp(written.smtp.unwrap_or_default()),
            WrittenVia::Sendmail => {
                let usual = SendmailSettings::of_this_system().ok_or(NO_PROGRAM)?;
                let program = written.sendmail.program.unwrap_or(usual.program);
                Via::Sendmail(SendmailSettings { program })
            }
            WrittenVia::Folder => Via::Folder(written.folder.ok_or_else(|| {
                "via = \"folder\" needs to know which: add [mail.folder] with its path".to_owned()
            })?),
        };
        Ok(Self { to: written.to, from: written.from, via, deadline: written.deadline })
    }
}

/// One address or more.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<MailAddress>")]
pub struct Recipients(Vec<MailAddress>);

impl Default for Recipients {
    fn default() -> Self {
        Self(vec![MailAddress::root()])
    }
}

impl TryFrom<Vec<MailAddress>> for Recipients {
    type Error = String;
    fn try_from(mut to: Vec<MailAddress>) -> Result<Self, String> {
        let mut seen = std::collections::HashSet::new();
        to.retain(|address| seen.insert(address.clone()));
        if to.is_empty() {
            return Err("nobody would get the mails: write at least one address, like [\"root\"]".to_owned());
        }
        Ok(Self(to))
    }
}

/// How long one mail may take: from a second to an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Span", into = "Span")]
pub struct Deadline(Span);

impl Deadline {
    /// The time as the clock counts it.
    #[must_use]
    pub const fn duration(self) -> std::time::Duration {
        self.0.duration()
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self(Span::minutes(1))
    }
}

impl TryFrom<Span> for Deadline {
    type Error = String;
    fn try_from(span: Span) -> Result<Self, String> {
        if span < Span::seconds(1) || span > Span::hours(1) {
            return Err(format!("a deadline is from \"1s\" to \"1h\", not \"{span}\""));
        }
        Ok(Self(span))
    }
}

impl From<Deadline> for Span {
    fn from(deadline: Deadline) -> Self {
        deadline.0
    }
}

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

fn default_port(security: Security) -> NonZeroU16 {
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

/// `[mail.local]`: the mail system of this host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenLocal")]
pub struct LocalSettings {
    /// Where it listens; 25 if not written.
    pub port: NonZeroU16,
    /// The program for when it does not listen, where there is such a thing.
    pub sendmail: Option<SendmailSettings>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct WrittenLocal {
    port: Option<NonZeroU16>,
    program: Option<AbsolutePath>,
}

impl TryFrom<WrittenLocal> for LocalSettings {
    type Error = String;
    fn try_from(written: WrittenLocal) -> Result<Self, String> {
        let sendmail = match written.program {
            Some(_) if system::SENDMAIL.is_none() => return Err(NO_PROGRAM.to_owned()),
            Some(program) => Some(SendmailSettings { program }),
            None => SendmailSettings::of_this_system(),
        };
        Ok(Self { port: written.port.unwrap_or_else(|| default_port(Security::None)), sendmail })
    }
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self { port: default_port(Security::None), sendmail: SendmailSettings::of_this_system() }
    }
}

impl LocalSettings {
    /// The server of this host.
    #[must_use]
    pub fn smtp(&self) -> SmtpSettings {
        SmtpSettings { port: self.port, ..SmtpSettings::default() }
    }
}

/// `[mail.sendmail]`: the local program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendmailSettings {
    /// The program; `/usr/sbin/sendmail` if not written.
    pub program: AbsolutePath,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct WrittenSendmail {
    program: Option<AbsolutePath>,
}

impl SendmailSettings {
    /// The program that every mail server of this system brings along; none where there is no such thing.
    fn of_this_system() -> Option<Self> {
        system::SENDMAIL.map(|program| Self { program: AbsolutePath(PathBuf::from(program)) })
    }
}

/// `[mail.folder]`: a folder of `.eml` files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FolderSettings {
    /// The folder; it is made if it is not there.
    pub path: AbsolutePath,
}

/// A path that means the same wherever the program was started. One of another system means nothing here: settings are
/// those of this host, unlike a policy, which can be checked anywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
pub struct AbsolutePath(PathBuf);

impl AsRef<Path> for AbsolutePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<PathBuf> for AbsolutePath {
    type Error = String;
    fn try_from(path: PathBuf) -> Result<Self, String> {
        if path.is_absolute() {
            return Ok(Self(path));
        }
        let path = Text::new(path.as_os_str().as_encoded_bytes());
        Err(format!("\"{path}\" is not a full path of this system: {}", advice::FULL_PATH))
    }
}

impl From<AbsolutePath> for PathBuf {
    fn from(path: AbsolutePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests;
