//! What a policy says of logins: `[logins]` and `[[login]]`.

use crate::rule::{Placed, Rule, Span};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What holds for all logins.
    pub logins: Option<Placed<Logins>>,
    /// Who may log in.
    pub login: Vec<Placed<LoginRule>>,
}

/// What holds for all logins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Logins {
    /// The IANA name of the zone the hours are meant in; the host's if not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// When anybody may log in, like `Mon-Fri 09:00-18:00`; none named: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<String>,
    /// How many failed logins are tolerated within `failures-in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// The time in which failures are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_in: Option<Span>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

impl Rule for Logins {
    fn describe(&self) -> String {
        "logins".to_owned()
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}

/// Allows people to log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoginRule {
    /// The accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Addresses or networks they may come from; none named: any, and the console.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// How they may prove who they are: `publickey`, `password`, …; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// When these may log in; none named: the hours of `[logins]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<String>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

impl Rule for LoginRule {
    fn describe(&self) -> String {
        format!("login {}", self.users.join(", "))
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}
