//! Checking: methods, silent and missing logs here; limits and spikes each in a file of its own.

use super::collect::minute_of;
use super::limit::{self, Windows};
use super::policy::{Method, RequestRule};
use super::spike::{self, Usual};
use super::{Facts, LogFacts, Memory, MethodFacts, RequestWatch};
use crate::finding::{Code, Finding, Nearest};
use crate::rule::{self, Comparison, Placed, Rule as _, Span, Verdict};
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many findings of one kind are named each; the rest become one.
pub const NAMED: usize = 10;

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    logs: BTreeMap<Text, KeptLog>,
}

#[derive(Default, Serialize, Deserialize)]
struct KeptLog {
    #[serde(default)]
    windows: Windows,
    #[serde(default)]
    usual: Usual,
}

/// A log with the rules that hold for it.
pub struct Checked<'a> {
    /// What it said.
    pub log: &'a LogFacts,
    /// The rules in force that name it.
    pub rules: Vec<&'a Placed<RequestRule>>,
    /// The moment of the pass.
    pub now: Timestamp,
    /// And its minute.
    pub minute: u32,
    /// How far local time is ahead of UTC, in seconds.
    pub utc_offset: i32,
}

/// Compares what the logs said with the rules.
pub fn check(seen: &Facts<RequestWatch>, memory: &mut Memory) -> Vec<Finding> {
    let mut kept: Kept = memory.recall();
    let (now, rules) = (seen.now, seen.rules);
    let mut findings = Vec::new();
    for log in &seen.facts.logs {
        let own: Vec<&Placed<RequestRule>> =
            rules.in_force(now).filter(|placed| placed.rule.log.fits(&log.log)).collect();
        if own.is_empty() {
            findings.push(unwatched(log, &rules.requests, now));
            continue;
        }
        let utc_offset = seen.facts.utc_offset;
        let checked = Checked { log, rules: own, now, minute: minute_of(now), utc_offset };
        let kept = kept.logs.entry(log.log.clone()).or_default();
        findings.extend(methods(&checked));
        findings.extend(limit::check(&checked, &mut kept.windows));
        findings.extend(spike::check(&checked, &mut kept.usual));
        findings.extend(silent(&checked));
    }
    kept.logs.retain(|log, _| rules.in_force(now).any(|placed| placed.rule.log.fits(log)));
    findings.extend(seen.facts.missing.iter().filter_map(|path| {
        let placed = rules.in_force(now).find(|placed| placed.rule.log == *path)?;
        let title = format!("the web log {} is not there", path.as_str());
        Some(
            Finding::new(Code::SourceSilent, format!("{} missing", path.as_str()), title)
                .with("log", path.as_str())
                .with(
                    "cure",
                    "start the web server that writes it, or correct or remove the rule that names it",
                )
                .nearest(Some(nearest(placed, "no file has this name"))),
        )
    }));
    memory.keep(&kept);
    findings
}

fn nearest(placed: &Placed<RequestRule>, why_not: &str) -> Nearest {
    let rule = format!("{} ({})", placed.rule.describe(), placed.origin);
    Nearest { rule, why_not: why_not.to_owned() }
}

/// The rule as TOML, as what a finding suggests.
pub fn suggestion(mut rule: RequestRule) -> String {
    rule.why = Some("…".to_owned());
    rule::to_toml("[[requests]]", &rule)
}

fn unwatched(log: &LogFacts, rules: &[Placed<RequestRule>], now: Timestamp) -> Finding {
    let compare = |rule: &RequestRule| {
        let mut comparison = Comparison::default();
        comparison.condition(rule.log.fits(&log.log), || format!("it names {}", rule.log.as_str()));
        comparison
    };
    let nearest = match rule::ask(rules, now, compare) {
        Verdict::Refused(nearest) => nearest,
        Verdict::Allowed(_) => None,
    };
    Finding::new(
        Code::CoverageGap,
        format!("unwatched-web-log {}", log.log),
        format!("nothing watches the web log {}", log.log),
    )
    .with("log", &log.log)
    .with("requests", log.lines)
    .with("last", log.last)
    .nearest(nearest)
    .suggest(suggestion(super::learn::rule_for(log)))
}

/// One finding for each method HTTP knows, one for all that somebody invented: those come in every form, and the
/// next scanner brings others.
fn methods(checked: &Checked) -> Vec<Finding> {
    let rules: Vec<&Placed<RequestRule>> =
        checked.rules.iter().copied().filter(|placed| !placed.rule.methods.is_empty()).collect();
    if rules.is_empty() {
        return Vec::new();
    }
    let log = checked.log;
    let mut findings = Vec::new();
    let mut invented: Vec<(&MethodFacts, Option<Nearest>)> = Vec::new();
    for seen in &log.methods {
        let compare = |rule: &RequestRule| {
            let mut comparison = Comparison::default();
            comparison.condition(rule.log.fits(&log.log), || format!("it names {}", rule.log.as_str()));
            comparison.condition(rule.methods.iter().any(|method| method.fits(&seen.method)), || {
                let names: Vec<&str> = rule.methods.iter().map(Method::as_str).collect();
                format!("it expects {}", names.join(", "))
            });
            comparison
        };
        match rule::ask(rules.iter().copied(), checked.now, compare) {
            Verdict::Allowed(_) => {}
            Verdict::Refused(nearest) if seen.known => {
                let title = format!("{} with the method {} in {}", times(seen.count), seen.method, log.log);
                findings.push(
                    Finding::new(Code::UnexpectedMethod, format!("{} {}", log.log, seen.method), title)
                        .with("log", &log.log)
                        .with("method", &seen.method)
                        .with("requests", seen.count)
                        .with("clients", &seen.clients)
                        .with("example", &seen.example)
                        .nearest(nearest)
                        .suggest(suggestion(RequestRule {
                            methods: vec![Method::literal(&seen.method)],
                            ..RequestRule::of(&log.log)
                        })),
                );
            }
            Verdict::Refused(nearest) => invented.push((seen, nearest)),
        }
    }
    findings.extend(invented_methods(log, invented));
    findings
}

fn invented_methods(log: &LogFacts, mut seen: Vec<(&MethodFacts, Option<Nearest>)>) -> Option<Finding> {
    seen.sort_by_key(|(method, _)| std::cmp::Reverse(method.count));
    let (first, nearest) = seen.first()?;
    let count = seen.iter().map(|(method, _)| method.count).sum::<u64>() + log.other_methods;
    let title = match (seen.len(), log.other_methods) {
        (1, 0) => format!("{} with {}, no method of HTTP, in {}", times(count), first.method, log.log),
        (kinds, others) => {
            let kinds = if others > 0 { format!("more than {kinds}") } else { kinds.to_string() };
            format!("{} with {kinds} methods that HTTP does not know in {}", times(count), log.log)
        }
    };
    let names: Vec<String> =
        seen.iter().map(|(method, _)| format!("{} ({})", method.method, method.count)).collect();
    let mut clients: Vec<&Text> = seen.iter().flat_map(|(method, _)| &method.clients).collect();
    clients.sort();
    clients.dedup();
    clients.truncate(NAMED);
    let finding = Finding::new(Code::UnexpectedMethod, format!("{} other methods", log.log), title)
        .with("log", &log.log)
        .with("methods", names)
        .with("requests", count)
        .with("clients", clients)
        .with("example", &first.example)
        .nearest(nearest.clone());
    // If they were too many to be told apart, no list of them would allow all.
    if log.other_methods > 0 {
        return Some(finding);
    }
    let mut methods: Vec<Method> = seen.iter().map(|(method, _)| Method::literal(&method.method)).collect();
    methods.sort();
    Some(finding.suggest(suggestion(RequestRule { methods, ..RequestRule::of(&log.log) })))
}

/// `1 request`, `312 requests`.
pub fn times(count: u64) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}

fn silent(checked: &Checked) -> Option<Finding> {
    let log = checked.log;
    let spoke = log.last.unwrap_or(log.changed);
    let silence = u64::try_from(checked.now.duration_since(spoke).as_secs()).unwrap_or(0);
    let rules: Vec<&Placed<RequestRule>> =
        checked.rules.iter().copied().filter(|placed| placed.rule.silent_after.is_some()).collect();
    if rules.is_empty() {
        return None;
    }
    let compare = |rule: &RequestRule| {
        let mut comparison = Comparison::default();
        comparison.condition(rule.log.fits(&log.log), || format!("it names {}", rule.log.as_str()));
        let most = rule.silent_after.unwrap_or(Span::seconds(0));
        comparison
            .condition(silence <= most.as_secs(), || format!("it expects a request at least every {most}"));
        comparison
    };
    let Verdict::Refused(nearest) = rule::ask(rules, checked.now, compare) else { return None };
    // Twice as long, in whole hours or days.
    let unit = if silence < 2 * 86_400 { 3600 } else { 86_400 };
    let allowed = Span::seconds((silence * 2).div_ceil(unit) * unit);
    let title = match log.last {
        Some(last) => format!("no web request came since {last:.0} in {}", log.log),
        None => format!("no web request is in {}, which was last changed {spoke:.0}", log.log),
    };
    Some(
        Finding::new(Code::SourceSilent, &*log.log, title)
            .with("log", &log.log)
            .with("last-request", log.last)
            .with("last-changed", Some(log.changed).filter(|_| log.last.is_none()))
            .nearest(nearest)
            .suggest(suggestion(RequestRule { silent_after: Some(allowed), ..RequestRule::of(&log.log) })),
    )
}
