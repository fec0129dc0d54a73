//! Rules that ask for a number of processes, where another runs.

use super::ProcessRule;
use crate::finding::{Code, Finding, Severity, shortened};
use crate::rule::{Placed, Rule as _, to_toml};
use jiff::Timestamp;

/// The finding, unless as many run as the rule wants.
pub fn finding(placed: &Placed<ProcessRule>, count: u64, now: Timestamp) -> Option<Finding> {
    let rule = &placed.rule;
    let wanted = rule.count.filter(|wanted| !wanted.contains(count))?;
    if !rule.holds(now) {
        return None;
    }
    let what = match &rule.script {
        Some(script) => format!("{} {}", rule.exe.as_str(), shortened(script.as_str())),
        None => rule.exe.as_str().to_owned(),
    };
    let title = match count {
        0 => format!("{what} does not run"),
        count if count < wanted.least => format!("only {count} of {what} run, not {}", wanted.least),
        count => format!("{count} of {what} run, more than {}", wanted.most.unwrap_or(wanted.least)),
    };
    let severity = if count < wanted.least { Severity::Urgent } else { Severity::Warning };
    let mut changed = rule.clone();
    changed.count = None;
    Some(
        Finding::new(Code::MissingProcess, format!("exe={what} users={}", rule.users.join(",")), title)
            .severity(severity)
            .with("running", count)
            .with("required", wanted.to_string())
            .with("rule", placed.origin.to_string())
            .with("why the rule", &rule.why)
            .suggest(format!(
                "# instead of the rule at {}\n{}",
                placed.origin,
                to_toml("[[process]]", &changed)
            )),
    )
}
