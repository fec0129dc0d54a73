//! What a policy says of what starts by itself: `[[autorun]]`.

use crate::rule::{Day, Name, Pattern, Placed, Rule};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What may start by itself.
    pub autorun: Vec<Placed<AutorunRule>>,
}

/// A kind of thing that starts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A service.
    Service,
    /// A driver.
    Driver,
    /// A scheduled task.
    Task,
    /// A value of a `Run` key.
    Run,
    /// A value of a `RunOnce` key.
    RunOnce,
    /// A file of a Startup folder.
    Startup,
    /// A value of Winlogon: the shell and what comes before it.
    Winlogon,
    /// A library that is loaded into every program with windows, or into every program.
    AppInit,
    /// What runs before Windows itself is up.
    BootExecute,
    /// A program that is started in place of another, or when another ends.
    Debugger,
    /// A library that is loaded into the process which knows all passwords.
    Lsa,
}

impl Kind {
    /// The name in rules and facts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Driver => "driver",
            Self::Task => "task",
            Self::Run => "run",
            Self::RunOnce => "run-once",
            Self::Startup => "startup",
            Self::Winlogon => "winlogon",
            Self::AppInit => "app-init",
            Self::BootExecute => "boot-execute",
            Self::Debugger => "debugger",
            Self::Lsa => "lsa",
        }
    }

    /// The name in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Driver => "driver",
            Self::Task => "scheduled task",
            Self::Run => "Run entry",
            Self::RunOnce => "RunOnce entry",
            Self::Startup => "startup file",
            Self::Winlogon => "Winlogon entry",
            Self::AppInit => "library for all programs",
            Self::BootExecute => "boot program",
            Self::Debugger => "debugger",
            Self::Lsa => "LSA package",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Allows things to start by themselves, by what they are called and what they start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AutorunRule {
    /// What kind of thing.
    pub kind: Kind,
    /// What they are called; `*` stands for anything.
    #[serde(deserialize_with = "some")]
    pub names: Vec<Name>,
    /// The file that is started; `*` stands for anything but a backslash. Without it, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
    /// What it may be started with. Without it, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Pattern>,
    /// The libraries that it may load to do it. Without it, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<Pattern>,
    /// As whom it may run; none named: as anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<Name>,
    /// Whether it may be hidden from the tools that list such things.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
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

impl Rule for AutorunRule {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.names.iter().take(3).map(Name::as_str).collect();
        let more = if self.names.len() > 3 { ", …" } else { "" };
        format!("autorun {} {}{more}", self.kind, names.join(", "))
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// A rule for no name allows nothing and looks as if it did.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Name>, D::Error> {
    let names = Vec::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(de::Error::custom("a rule needs at least one name; [\"*\"] is any"));
    }
    Ok(names)
}
