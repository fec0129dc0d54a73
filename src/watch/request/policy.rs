//! What a policy says of web requests: `[[requests]]`.
//!
//! Rules of the same log add up. A method is expected if any rule of the log names it (or none names methods).
//! Limits for different times, or per client, per user and in all, hold side by side; of two for the same,
//! whatever either allows is allowed, like everywhere in a policy. So a rule with `only` gives one client more
//! room than the others have.

mod value;

pub use value::{Factor, LogPath, Method, Name, Within};
pub(super) use value::{separator, split};

use crate::rule::{Day, Placed, Rule, Span};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What each log may show.
    pub requests: Vec<Placed<RequestRule>>,
}

impl Rules {
    /// The rules that hold at `now`: an expired one says nothing any more.
    pub fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &Placed<RequestRule>> {
        self.requests.iter().filter(move |placed| placed.rule.holds(now))
    }
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Those of one address.
    Client,
    /// Those with one user name.
    User,
    /// All of them.
    All,
}

impl Per {
    /// The word in the policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::User => "user",
            Self::All => "all",
        }
    }
}

/// What the present is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The same hour of the same day of the last weeks, in the host's local time.
    SameHourOfWeek,
}

/// So many requests within a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "value::WrittenLimit", rename_all = "kebab-case")]
pub struct Limit {
    /// Counted per `client`, per `user` or in `all`.
    pub per: Per,
    /// The most that is allowed.
    pub max: u64,
    /// Within any so many whole minutes on end.
    pub r#in: Within,
    /// Holds only for these addresses, networks or host names (or users); none named: for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Name>,
    /// Does not hold for these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Name>,
}

/// So many times more than usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "value::WrittenSpike", rename_all = "kebab-case")]
pub struct Spike {
    /// Counted per `client`, per `user` or in `all`.
    pub per: Per,
    /// So many times what is usual.
    pub factor: Factor,
    /// What is usual: `same-hour-of-week`.
    pub against: Against,
    /// Fewer than this are never a spike.
    pub min: u64,
    /// Holds only for these addresses, networks or host names (or users); none named: for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Name>,
    /// Does not hold for these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Name>,
}

/// True if a limit or spike with these lists holds for `who`.
#[must_use]
pub fn holds_for(only: &[Name], except: &[Name], who: &str) -> bool {
    let named = |names: &[Name]| names.iter().any(|name| name.fits(who));
    (only.is_empty() || named(only)) && !named(except)
}

/// What one web log may show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestRule {
    /// The log file; its name may hold `*`.
    pub log: LogPath,
    /// The methods that are expected, each may hold `*`; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
    /// How many requests are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// How sudden a rise is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spike: Option<Spike>,
    /// A log without a request for this long is a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after: Option<Span>,
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

impl RequestRule {
    /// A rule that names the log with this shown path, and says nothing yet.
    #[must_use]
    pub fn of(log: &str) -> Self {
        Self {
            log: LogPath::literal(log),
            methods: Vec::new(),
            limit: None,
            spike: None,
            silent_after: None,
            why: None,
            by: None,
            expires: None,
        }
    }
}

impl Rule for RequestRule {
    fn describe(&self) -> String {
        format!("requests {}", self.log.as_str())
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
