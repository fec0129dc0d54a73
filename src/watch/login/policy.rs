//! What a policy says of logins: `[logins]` and `[[login]]`.

use super::change::ChangeRule;
use super::hours::{Hours, Zone};
use super::source::{Method, Source};
use crate::rule::{Day, Placed, Rule, Span};
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What holds for all logins.
    pub logins: Option<Placed<Logins>>,
    /// Who may log in. Nobody else may.
    pub login: Vec<Placed<LoginRule>>,
    /// What may happen to accounts and groups.
    pub change: Vec<Placed<ChangeRule>>,
}

/// What holds for all logins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Logins {
    /// The IANA name of the zone the hours are meant in; the host's if not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Zone>,
    /// When those may log in whose rule has no hours of its own, like `Mon-Fri 09:00-18:00`; none named: always.
    /// Failed logins outside them are told apart too. Hours are asked of the clock on the wall: an hour skipped
    /// in spring has no logins, one repeated in autumn counts both times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
    /// How many failed logins are tolerated within `failures-in`; not named: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// How many failed logins outside the hours are tolerated within `failures-in`; not named: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_hours_failures: Option<u64>,
    /// The time in which failures are counted, from `1m` to `7d`; not named: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_in: Option<FailuresIn>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds; after it the hours allow nothing and no failure is tolerated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

/// The time in which failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Span", into = "Span")]
pub struct FailuresIn(Span);

impl FailuresIn {
    /// The length.
    #[must_use]
    pub fn span(self) -> Span {
        self.0
    }
}

impl Default for FailuresIn {
    fn default() -> Self {
        Self(Span::hours(1))
    }
}

impl TryFrom<Span> for FailuresIn {
    type Error = String;
    fn try_from(span: Span) -> Result<Self, String> {
        if (Span::minutes(1)..=Span::days(7)).contains(&span) {
            Ok(Self(span))
        } else {
            Err(format!(
                "failures are counted to the minute and for a week at most: {span} is not from 1m to 7d"
            ))
        }
    }
}

impl From<FailuresIn> for Span {
    fn from(failures_in: FailuresIn) -> Self {
        failures_in.0
    }
}

impl Rule for Logins {
    fn describe(&self) -> String {
        "logins".to_owned()
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// Allows people to log in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoginRule {
    /// The accounts; none named: any. Of Windows `DOMAIN\name`, or `name` for an account of the host itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Addresses or networks they may come from, or `console`; none named: any, and the console.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Source>,
    /// How they may prove who they are: `publickey`, `password`, …; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// When these may log in; none named: the hours of `[logins]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
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

impl Rule for LoginRule {
    fn describe(&self) -> String {
        let users = if self.users.is_empty() { "anybody".to_owned() } else { self.users.join(", ") };
        let from: Vec<&str> = self.from.iter().map(Source::as_str).collect();
        if from.is_empty() {
            format!("login {users}")
        } else {
            format!("login {users} from {}", from.join(", "))
        }
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
