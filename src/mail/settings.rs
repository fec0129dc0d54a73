//! The `[mail]` table of the settings: to whom, from whom, and by which route.

mod smtp;

use super::address::{Domain, Envelope, MailAddress};
use crate::rule::Span;
use crate::system::{self, advice};
use crate::text::Text;
use serde::{Deserialize, Serialize};
use smtp::default_port;
pub use smtp::{Security, ServerName, SmtpSettings};
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
