//! What a policy says of package updates: `[updates]`.

use crate::rule::{Day, Placed, Rule, Span};
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// How long updates may wait.
    pub updates: Option<Placed<Updates>>,
}

/// How long updates may wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Updates {
    /// How long any update may wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
    /// How long a security update may wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_max_age: Option<Span>,
    /// How old the package lists may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists_max_age: Option<Span>,
    /// How long a required reboot may wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_max_age: Option<Span>,
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

impl Rule for Updates {
    fn describe(&self) -> String {
        "updates".to_owned()
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
