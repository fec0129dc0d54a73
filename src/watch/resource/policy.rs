//! What a policy says of processors, memory and disks: `[resources]` and `[[disk]]`.

use crate::rule::{Percent, Placed, Rule, Span};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Limits of the whole host.
    pub resources: Option<Placed<Resources>>,
    /// Limits of file systems.
    pub disk: Vec<Placed<DiskRule>>,
}

/// A share that may not be exceeded for longer than a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limit {
    /// The highest share.
    pub max: Percent,
    /// For how long it may be exceeded.
    pub r#for: Span,
}

/// Tasks waiting per processor that may not be exceeded for longer than a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoadLimit {
    /// The highest load per processor.
    pub max: f64,
    /// For how long it may be exceeded.
    pub r#for: Span,
}

/// Limits of the whole host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Resources {
    /// Of all processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Limit>,
    /// Of memory, not counting what can be given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Limit>,
    /// Of swap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Limit>,
    /// Of tasks per processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadLimit>,
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

impl Rule for Resources {
    fn describe(&self) -> String {
        "resources".to_owned()
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}

/// Limits of one file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiskRule {
    /// Where it is mounted.
    pub mount: String,
    /// The highest share of its space in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Percent>,
    /// The highest share of its inodes in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inodes: Option<Percent>,
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

impl Rule for DiskRule {
    fn describe(&self) -> String {
        format!("disk {}", self.mount)
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}
