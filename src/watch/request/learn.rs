//! Learning: for each log the methods that were seen, and a limit well above the busiest client.

use super::limit::round_up;
use super::policy::{Limit, Method, Per, RequestRule, Within};
use super::series::fullest;
use super::{LogFacts, RequestFacts};
use crate::rule;
use crate::text::Text;
use jiff::Timestamp;

/// No learned limit is lower.
const LEAST: u64 = 600;

/// The section of a policy that allows what the logs show.
pub fn learn(facts: &RequestFacts, by: &str, now: Timestamp) -> String {
    let mut logs: Vec<&LogFacts> = facts.logs.iter().collect();
    logs.sort_by(|a, b| a.log.cmp(&b.log));
    let rules: Vec<String> = logs
        .into_iter()
        .map(|log| {
            let rule = RequestRule { why: Some(why(log, now)), by: Some(by.to_owned()), ..rule_for(log) };
            rule::to_toml("[[requests]]", &rule)
        })
        .collect();
    if rules.is_empty() {
        return String::new();
    }
    format!("# What web logs may show.\n\n{}", rules.join("\n"))
}

/// The rule that allows just what a log shows, with room for twice the busiest client.
pub fn rule_for(log: &LogFacts) -> RequestRule {
    let mut methods: Vec<Method> = ["GET", "HEAD", "POST"].into_iter().map(Method::literal).collect();
    methods.extend(log.methods.iter().map(|seen| Method::literal(&seen.method)));
    methods.sort();
    methods.dedup();
    // More invented methods than can be told apart: no list would allow what was seen.
    if log.other_methods > 0 {
        methods.clear();
    }
    let busiest = busiest(log).map_or(0, |(_, count)| count);
    let max = LEAST.max(round_up(busiest * 2));
    let limit = Limit { per: Per::Client, max, r#in: Within::HOUR, only: Vec::new(), except: Vec::new() };
    RequestRule { methods, limit: Some(limit), ..RequestRule::of(&log.log) }
}

fn busiest(log: &LogFacts) -> Option<(&Text, u64)> {
    let hour = Within::HOUR.minutes();
    log.clients
        .by
        .iter()
        .map(|(client, series)| (client, fullest(series, hour).count))
        .max_by_key(|entry| entry.1)
}

fn why(log: &LogFacts, now: Timestamp) -> String {
    match (busiest(log), log.all.first(), log.last) {
        (Some((client, count)), Some((first, _)), _) => format!(
            "{} requests from {} to {now:.0}, the busiest client {client} with {count} in an hour",
            log.lines - log.older,
            super::collect::moment_of(*first)
        ),
        (_, _, Some(last)) => format!("no recent requests, the last {last:.0}"),
        _ => "no requests yet".to_owned(),
    }
}
