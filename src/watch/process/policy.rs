//! What a policy says of processes: `[[process]]`.

use super::command::CommandRule;
use crate::rule::{Amount, Day, Pattern, Placed, Rule, is_windows_path};
use serde::{Deserialize, Deserializer, Serialize, de};

/// What a rule calls the executable of a process that hides it even from root.
pub const UNREADABLE: &str = "(unreadable)";

/// What a rule calls the package of a file that may be any package's: for the commands that people and scripts start.
pub const ANY_PACKAGE: &str = "*";

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// The processes that may run.
    pub process: Vec<Placed<ProcessRule>>,
    /// The commands that may be started, and where.
    pub command: Vec<Placed<CommandRule>>,
    /// The files of packages that may be other than the package brought them.
    pub modified_file: Vec<Placed<ModifiedFileRule>>,
    /// The changes of packages that need not be told.
    pub transaction: Vec<Placed<TransactionRule>>,
}

/// Allows a file of a package to be other than the package brought it: `[[modified-file]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModifiedFileRule {
    /// Its path; `*` stands for anything but what parts folders.
    pub path: Pattern,
    /// The content it must have; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "sha256")]
    pub sha256: Option<String>,
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

impl Rule for ModifiedFileRule {
    fn describe(&self) -> String {
        format!("modified file {}", self.path.as_str())
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// Says that changes of these packages need not be told: `[[transaction]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TransactionRule {
    /// Their names; `*` stands for anything. A transaction that changes any other is told.
    pub packages: Vec<Pattern>,
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

impl Rule for TransactionRule {
    fn describe(&self) -> String {
        let packages: Vec<&str> = self.packages.iter().map(Pattern::as_str).collect();
        format!("transaction of {}", packages.join(", "))
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// Allows processes by where their code comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProcessRule {
    /// The executable's path; `*` stands for anything but what parts folders. Of memory,
    /// `memfd:NAME`; of one that hides it even from root, `(unreadable)`.
    #[serde(deserialize_with = "executable")]
    pub exe: Pattern,
    /// The script an interpreter runs; `*` stands for anything. Without it an interpreter may run none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Pattern>,
    /// The executable must be an unmodified file of this package, of any version; on Windows, of this signer. `*` is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The content the executable must have, as its SHA-256 in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "sha256")]
    pub sha256: Option<String>,
    /// The script must be an unmodified file of this package, of any version. `*` is any. Without `script` it may be any such one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_package: Option<String>,
    /// The content the script must have, as its SHA-256 in hexadecimal. Without `script` it may lie anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "sha256")]
    pub script_sha256: Option<String>,
    /// The users it may run as; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// The systemd unit it must belong to; on Windows the services that run in it, `Dnscache` or `BFE+mpssvc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Pattern>,
    /// How many may and must run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Amount>,
    /// It may run from a file that has been deleted or replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// It is for a process that is not the host's file of that path: in a container, or mounted over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub container: bool,
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

impl Rule for ProcessRule {
    fn describe(&self) -> String {
        format!("process {}", self.exe.as_str())
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// A rule whose executable can never match is a typo.
fn executable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
    let written = String::deserialize(deserializer)?;
    let can_match = written.starts_with(['/', '*'])
        || is_windows_path(&written)
        || written.starts_with("memfd:")
        || written == UNREADABLE;
    if can_match {
        return Ok(Pattern::from(written.as_str()));
    }
    let message = format!("{written:?} is not an executable: write a whole path, memfd:NAME or {UNREADABLE}");
    Err(de::Error::custom(message))
}

/// A digest that no file can have is a typo.
fn sha256<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let written = String::deserialize(deserializer)?;
    if written.len() == 64 && written.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Some(written));
    }
    Err(de::Error::custom(format!("{written:?} is not a SHA-256: write its 64 hexadecimal digits")))
}
