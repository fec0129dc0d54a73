//! The rules of the firewall in a form that can be compared: without counters, handles and the order of sets.

use crate::text::Text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The rules of the firewall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firewall {
    /// Its chains, sets and maps, by name. With none, everything passes.
    Blocks(Vec<Block>),
    /// They could not be read, and why.
    Unread(String),
}

impl Default for Firewall {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

/// A chain, a set, a map, or what holds for a whole table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Block {
    /// The table: `inet filter`.
    pub table: Text,
    /// What in it: `chain input`, `set banned`; empty for what holds for the whole table.
    pub name: Text,
    /// Its rules or elements, each without counters.
    pub rules: Vec<Text>,
}

impl Block {
    /// What it is called in a policy: `inet filter chain input`.
    #[must_use]
    pub fn called(&self) -> String {
        format!("{} {}", self.table, self.name).trim_end().to_owned()
    }

    /// What stands for all its rules, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for rule in &self.rules {
            digest.update(rule.as_bytes());
            digest.update(b"\n");
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// True if the kernel itself adds and removes its elements, or they run out.
    #[must_use]
    pub fn changes_itself(&self) -> bool {
        let is_flag = |rule: &Text| {
            rule.strip_prefix("flags ").is_some_and(|flags| {
                flags.split([',', ' ']).any(|flag| matches!(flag, "dynamic" | "timeout"))
            })
        };
        self.rules.iter().any(is_flag)
    }
}

/// Parses what `nft --stateless list ruleset` says. What is not understood is kept as a rule, so that it counts.
#[must_use]
pub fn parse_ruleset(said: &[u8]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut table: Option<Text> = None;
    let mut open: Option<Block> = None;
    let mut elements: Option<Vec<u8>> = None;
    for line in said.split(|byte| *byte == b'\n') {
        let depth = line.iter().take_while(|byte| **byte == b'\t').count();
        let words = line.trim_ascii();
        if words.is_empty() || (depth == 0 && words.starts_with(b"#")) {
            continue;
        }
        // The elements of a set go over many lines, in no order of their own.
        if let Some(mut all) = elements.take() {
            all.extend_from_slice(b" ");
            all.extend_from_slice(words);
            elements = take_elements(all, open.as_mut());
            continue;
        }
        match (depth, words.strip_suffix(b" {"), words) {
            (0, Some(name), _) => {
                let name = Text::new(name.strip_prefix(b"table ").unwrap_or(name));
                blocks.push(Block { table: name.clone(), name: Text::default(), rules: Vec::new() });
                table = Some(name);
            }
            (0, None, b"}") => {
                blocks.extend(open.take());
                table = None;
            }
            (1, None, b"}") => blocks.extend(open.take()),
            (1, Some(name), _) => {
                blocks.extend(open.take());
                let table = table.clone().unwrap_or_default();
                open = Some(Block { table, name: Text::new(name), rules: Vec::new() });
            }
            _ => match (&mut open, blocks.last_mut()) {
                (Some(_), _) if words.starts_with(b"elements = {") => {
                    elements = take_elements(words.to_vec(), open.as_mut());
                }
                (Some(block), _) => block.rules.push(Text::new(words)),
                // What holds for the whole table stands before its chains.
                (None, Some(whole)) => whole.rules.push(Text::new(words)),
                (None, None) => {}
            },
        }
    }
    blocks.extend(open);
    // A table of which nothing holds but that it is there says nothing; its chains do.
    blocks.retain(|block| !(block.name.is_empty() && block.rules.is_empty()));
    blocks.sort();
    blocks
}

/// Adds the elements to the block, in order, once all have been read; else gives back what there is of them.
fn take_elements(all: Vec<u8>, block: Option<&mut Block>) -> Option<Vec<u8>> {
    if !all.ends_with(b"}") {
        return Some(all);
    }
    let inner = all.strip_prefix(b"elements = {").and_then(|all| all.strip_suffix(b"}")).unwrap_or(&all);
    let mut elements: Vec<Text> = inner
        .split(|byte| *byte == b',')
        .map(|element| Text::new(element.trim_ascii()))
        .filter(|element| !element.is_empty())
        .collect();
    elements.sort();
    if let Some(block) = block {
        block.rules.extend(elements);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAID: &[u8] = b"table inet filter {\n\tcomment \"mine\"\n\n\tset banned {\n\t\ttype ipv4_addr\n\t\tflags interval,timeout\n\t\telements = { 198.51.100.7, 192.0.2.0/24,\n\t\t\t     203.0.113.9 timeout 1h }\n\t}\n\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tip saddr @banned counter drop\n\t\ttcp dport { 22, 80 } accept\n\t}\n}\n# Warning: table ip nat is managed by iptables-nft, do not touch!\ntable ip nat {\n\tchain POSTROUTING {\n\t}\n}\n";

    fn shown(said: &[u8]) -> Vec<String> {
        parse_ruleset(said)
            .iter()
            .map(|block| format!("{}: {}", block.called(), block.rules.join(" | ")))
            .collect()
    }

    #[test]
    fn a_ruleset_is_taken_apart_into_chains_and_sets() {
        assert_eq!(
            shown(SAID),
            [
                "inet filter: comment \"mine\"",
                "inet filter chain input: type filter hook input priority filter; policy drop; | ip saddr @banned counter drop | tcp dport { 22, 80 } accept",
                "inet filter set banned: type ipv4_addr | flags interval,timeout | 192.0.2.0/24 | 198.51.100.7 | 203.0.113.9 timeout 1h",
                "ip nat chain POSTROUTING: ",
            ]
        );
        let changing: Vec<String> =
            parse_ruleset(SAID).iter().filter(|block| block.changes_itself()).map(Block::called).collect();
        assert_eq!(changing, ["inet filter set banned"]);
    }

    #[test]
    fn the_order_of_a_set_does_not_count_and_that_of_rules_does() {
        let set = |elements: &str| {
            format!(
                "table ip x {{\n\tset s {{\n\t\ttype ipv4_addr\n\t\telements = {{ {elements} }}\n\t}}\n}}\n"
            )
        };
        let digest = |said: &str| parse_ruleset(said.as_bytes())[0].digest();
        assert_eq!(digest(&set("10.0.0.1, 10.0.0.2")), digest(&set("10.0.0.2,\n\t\t\t     10.0.0.1")));
        assert_ne!(digest(&set("10.0.0.1, 10.0.0.2")), digest(&set("10.0.0.1, 10.0.0.3")));
        let chain = |rules: &str| format!("table ip x {{\n\tchain c {{\n{rules}\t}}\n}}\n");
        assert_ne!(digest(&chain("\t\tdrop\n\t\taccept\n")), digest(&chain("\t\taccept\n\t\tdrop\n")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, lines in "(\t{0,2}[a-z =,{}]{0,12}\n){0,9}") {
            let _ = parse_ruleset(&bytes);
            let _ = parse_ruleset(lines.as_bytes());
        }
    }
}
