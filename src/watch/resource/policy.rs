//! What a policy says of processors, memory and disks: `[resources]` and `[[disk]]`.

use crate::rule::{Day, Pattern, Percent, Placed, Rule, Span};
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
    pub max: Load,
    /// For how long it may be exceeded.
    pub r#for: Span,
}

/// A load per processor: tasks that run or wait, as the kernel averages them.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Load(f64);

impl Load {
    /// So many tasks; used for what the program itself proposes.
    #[must_use]
    pub const fn new(tasks: f64) -> Self {
        Self(tasks)
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Load {
    type Error = String;
    fn try_from(written: f64) -> Result<Self, String> {
        if written.is_finite() && written > 0.0 {
            return Ok(Self(written));
        }
        Err(format!("{written} is not a load: write how many tasks may wait per processor, like 4.0"))
    }
}

impl From<Load> for f64 {
    fn from(load: Load) -> Self {
        load.0
    }
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
    pub expires: Option<Day>,
}

impl Rule for Resources {
    fn describe(&self) -> String {
        "resources".to_owned()
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// Limits of one file system. One that is mounted and that no rule names is reported, unless it lives in memory
/// (tmpfs); one that a rule names and that is not mounted is reported too. A rule that states no `max` (or no
/// `inodes`) says nothing of it. If several rules state one for the same disk, the highest holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiskRule {
    /// Where it is mounted; `*` stands for anything but a slash.
    pub mount: Pattern,
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
    pub expires: Option<Day>,
}

impl Rule for DiskRule {
    fn describe(&self) -> String {
        format!("disk {}", self.mount.as_str())
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}
