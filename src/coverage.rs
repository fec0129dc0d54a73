//! Coverage: what the watchdog could not see, as numbers, and which of it a policy accepts.

use crate::finding::{Code, Finding};
use crate::rule::{self, Comparison, Day, Placed, Rule, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something the watchdog could not see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// A kebab-case name for this kind of blindness, stable: a policy may accept it by this name.
    pub gap: String,
    /// How many could be seen.
    pub seen: u64,
    /// Of how many.
    pub of: u64,
    /// Why, and what would cure it.
    pub why: String,
}

/// Accepts one kind of gap: `[[coverage]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CoverageRule {
    /// The gap's name.
    pub gap: String,
    /// Why it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

impl Rule for CoverageRule {
    fn describe(&self) -> String {
        format!("coverage {}", self.gap)
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// A finding for each gap that no rule accepts.
#[must_use]
pub fn check(gaps: &[Gap], rules: &[Placed<CoverageRule>], now: Timestamp) -> Vec<Finding> {
    let refused = gaps.iter().filter_map(|gap| {
        let compare = |rule: &CoverageRule| {
            let mut comparison = Comparison::default();
            comparison.condition(rule.gap == gap.gap, || format!("it accepts {}", rule.gap));
            comparison
        };
        match rule::ask(rules, now, compare) {
            Verdict::Allowed(_) => None,
            Verdict::Refused(nearest) => Some((gap, nearest)),
        }
    });
    refused
        .map(|(gap, nearest)| {
            let title = format!("{}: saw {} of {}", gap.gap.replace('-', " "), gap.seen, gap.of);
            Finding::new(Code::CoverageGap, &gap.gap, title)
                .with("why", &gap.why)
                .with("seen", gap.seen)
                .with("of", gap.of)
                .nearest(nearest)
                .suggest(rule::to_toml("[[coverage]]", &accepting(gap, "…", None)))
        })
        .collect()
}

/// The section of a policy that accepts `gaps`.
#[must_use]
pub fn learn(gaps: &[Gap], by: &str) -> String {
    let mut gaps: Vec<&Gap> = gaps.iter().collect();
    gaps.sort_by(|a, b| a.gap.cmp(&b.gap));
    gaps.dedup_by(|a, b| a.gap == b.gap);
    let rules = gaps.iter().map(|gap| {
        let why = format!("could not be seen when this policy was learned: {}", gap.why);
        rule::to_toml("[[coverage]]", &accepting(gap, &why, Some(by)))
    });
    let rules: Vec<String> = rules.collect();
    if rules.is_empty() {
        return String::new();
    }
    format!("# What the watchdog may be blind to.\n\n{}", rules.join("\n"))
}

fn accepting(gap: &Gap, why: &str, by: Option<&str>) -> CoverageRule {
    CoverageRule { gap: gap.gap.clone(), why: Some(why.to_owned()), by: by.map(str::to_owned), expires: None }
}
