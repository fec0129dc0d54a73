//! What a policy says of sockets at paths: `[[unix-listener]]`.

use crate::rule::{Day, Pattern, Placed, Rule};
use serde::{Deserialize, Serialize};

/// What a policy says of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// The sockets that may be open to everybody on the host; with none, nobody looks at them.
    pub unix_listener: Vec<Placed<UnixListenerRule>>,
    /// Look even without a rule, to learn.
    pub to_learn: bool,
}

impl Rules {
    /// True if they are to be looked at.
    #[must_use]
    pub fn ask(&self) -> bool {
        self.to_learn || !self.unix_listener.is_empty()
    }
}

/// Allows a socket that everybody on the host may talk to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UnixListenerRule {
    /// Its path; of an abstract one its name behind an `@`.
    pub path: Pattern,
    /// The executable that must own it; none named: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Pattern>,
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

impl Rule for UnixListenerRule {
    fn describe(&self) -> String {
        let exe = self.exe.as_ref().map_or(String::new(), |exe| format!(" by {}", exe.as_str()));
        format!("unix-listener {}{exe}", self.path.as_str())
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
