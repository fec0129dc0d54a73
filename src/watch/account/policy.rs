//! What a policy says of accounts: `[[account]]`.

use super::GroupName;
use crate::rule::{Day, Name, Placed, Rule};
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// The accounts and members there may be.
    pub account: Vec<Placed<AccountRule>>,
}

/// Allows an account of the host, or a member of its powerful groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AccountRule {
    /// Its name; with the domain's if it is not of this host; `*` stands for anything.
    pub name: Name,
    /// What it must be to Windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Name>,
    /// The powerful groups it may belong to. Without it, to none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// Whether it may be enabled.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// Whether its password may be empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_password: bool,
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

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl Rule for AccountRule {
    fn describe(&self) -> String {
        format!("account {}", self.name.as_str())
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
