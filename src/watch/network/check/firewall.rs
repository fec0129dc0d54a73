//! The firewall against the digests of the policy. One finding for each table that differs, with what appeared and what
//! is gone, never the whole of it.

use super::super::firewall::{Block, Firewall};
use super::super::learn::firewall_rule;
use super::super::{FirewallRule, Rules};
use crate::finding::{Code, Finding};
use crate::rule::{Rule as _, to_toml};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// So many rules that appeared, and as many that are gone, are shown of one table.
const SHOWN: usize = 12;

/// So many rules are remembered, to tell what changed; of a bigger firewall only which chain did.
const REMEMBERED: usize = 5000;

/// The tables that differ.
pub fn check(
    seen: &Firewall,
    rules: &Rules,
    now: Timestamp,
    remembered: &mut BTreeMap<String, Vec<Text>>,
) -> Vec<Finding> {
    // What cannot be read is a gap, and said by the looking.
    let Firewall::Blocks(blocks) = seen else { return Vec::new() };
    let holding: Vec<&FirewallRule> =
        rules.firewall.iter().map(|placed| &placed.rule).filter(|rule| rule.holds(now)).collect();
    let mut tables: BTreeMap<String, Difference> = BTreeMap::new();
    for block in blocks {
        let called = block.called();
        let digest = block.digest();
        let about: Vec<&&FirewallRule> =
            holding.iter().filter(|rule| rule.part.matches_text(&called)).collect();
        if about.iter().any(|rule| rule.digest.as_ref().is_none_or(|allowed| *allowed == digest)) {
            remembered.insert(called, block.rules.clone());
            continue;
        }
        let difference = tables.entry(block.table.to_string()).or_default();
        difference.add(block, !about.is_empty(), remembered.get(&called));
    }
    let there: BTreeSet<String> = blocks.iter().map(Block::called).collect();
    for rule in holding.iter().filter(|rule| rule.digest.is_some()) {
        if !there.iter().any(|called| rule.part.matches_text(called)) {
            let called = rule.part.as_str();
            let table: Vec<&str> = called.splitn(3, ' ').take(2).collect();
            let difference = tables.entry(table.join(" ")).or_default();
            difference.parts.push(format!("{called} is gone"));
            let rules = remembered.get(called).into_iter().flatten();
            difference.gone.extend(rules.map(|rule| format!("{called}: {rule}")));
        }
    }
    if remembered.values().map(Vec::len).sum::<usize>() > REMEMBERED {
        remembered.clear();
    }
    tables.into_iter().map(|(table, difference)| difference.finding(&table)).collect()
}

#[derive(Default)]
struct Difference {
    parts: Vec<String>,
    appeared: Vec<String>,
    gone: Vec<String>,
    suggested: Vec<String>,
}

impl Difference {
    fn add(&mut self, block: &Block, is_known: bool, before: Option<&Vec<Text>>) {
        let called = block.called();
        self.parts.push(if is_known { format!("{called} differs") } else { format!("{called} is new") });
        let line = |rule: &Text| format!("{called}: {rule}");
        match before {
            Some(before) => {
                self.appeared.extend(without(&block.rules, before).into_iter().map(line));
                self.gone.extend(without(before, &block.rules).into_iter().map(line));
            }
            None if !is_known => self.appeared.extend(block.rules.iter().map(line)),
            None => {}
        }
        self.suggested.push(to_toml("[[firewall]]", &firewall_rule(block, "…", None)));
    }

    fn finding(self, table: &str) -> Finding {
        let number = self.parts.len();
        let what = match self.parts.first() {
            Some(first) if number == 1 => first.clone(),
            Some(first) => format!("{first}, and {} more parts of its table", number - 1),
            None => format!("table {table} differs"),
        };
        let title = format!("the firewall is not as the policy says: {what}");
        let moved = self.appeared.is_empty() && self.gone.is_empty() && number > 0;
        let finding = Finding::new(Code::FirewallChanged, format!("firewall {table}"), title)
            .with("differs", shortened(self.parts))
            .with("appeared", shortened(self.appeared))
            .with("gone", shortened(self.gone))
            .with(
                "note",
                moved.then_some("which rules changed is not known: only their order did, or they were never seen as the policy wants them"),
            )
            .with("to see all of it", format!("nft list table {table}"));
        if self.suggested.is_empty() { finding } else { finding.suggest(self.suggested.join("\n")) }
    }
}

/// Of these lines those that are not among the others, each as often as it is more.
fn without<'a>(lines: &'a [Text], others: &[Text]) -> Vec<&'a Text> {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for other in others {
        *left.entry(other.as_str()).or_default() += 1;
    }
    let is_more = |line: &&Text| match left.get_mut(line.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    lines.iter().filter(is_more).collect()
}

fn shortened(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
