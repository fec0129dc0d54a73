//! What a policy says of web requests: `[[requests]]`.

use crate::rule::{Placed, Rule, Span};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What each log may show.
    pub requests: Vec<Placed<RequestRule>>,
}

/// So many requests within a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limit {
    /// Counted per `client`, per `user` or in `all`.
    pub per: String,
    /// The most that is allowed.
    pub max: u64,
    /// Within this time.
    pub r#in: Span,
}

/// So many times more than usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Spike {
    /// Counted per `client`, per `user` or in `all`.
    pub per: String,
    /// So many times what is usual.
    pub factor: f64,
    /// What is usual: `same-hour-of-week`.
    pub against: String,
    /// Fewer than this are never a spike.
    pub min: u64,
}

/// What one web log may show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RequestRule {
    /// The log file.
    pub log: String,
    /// The methods that are expected; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// How many requests are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// How sudden a rise is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spike: Option<Spike>,
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

impl Rule for RequestRule {
    fn describe(&self) -> String {
        format!("requests {}", self.log)
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}
