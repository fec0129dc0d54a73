//! Writing rules from what hides or listens in now, as far as an ordinary host has it.

use super::check::{BpfIdentity, Identity, Program, grouped, grouped_bpf};
use super::{BpfRule, DeceptionFacts, DeceptionRule, Module, ModuleRule};
use crate::rule::{Pattern, to_toml};
use crate::text::Text;
use std::collections::BTreeMap;

const WHY: &str = "was so when this policy was learned";

/// The three sections, each if there is anything to say.
#[must_use]
pub fn learn(facts: &DeceptionFacts, by: &str) -> String {
    let deceits = grouped(facts).into_keys().filter(|(kind, ..)| kind.may_be_learned());
    let deceits: Vec<String> =
        deceits.map(|identity| to_toml("[[deception]]", &rule_for(&identity, WHY, Some(by)))).collect();
    let modules: Vec<String> =
        module_rules(facts, by).iter().map(|rule| to_toml("[[kernel-module]]", rule)).collect();
    let bpf = grouped_bpf(facts).into_keys();
    let bpf: Vec<String> =
        bpf.map(|identity| to_toml("[[bpf]]", &bpf_rule(&identity, WHY, Some(by)))).collect();
    let sections = [
        ("Programs that may do what else would look like hiding or listening in.", deceits),
        ("Modules that may be loaded into the kernel.", modules),
        ("BPF programs that may be loaded into the kernel.", bpf),
    ];
    let sections = sections.iter().filter(|(_, rules)| !rules.is_empty());
    let sections: Vec<String> =
        sections.map(|(head, rules)| format!("# {head}\n\n{}", rules.join("\n"))).collect();
    sections.join("\n")
}

/// The narrowest rule.
pub fn rule_for((kind, what, program): &Identity, why: &str, by: Option<&str>) -> DeceptionRule {
    let exe = program.as_ref().and_then(|program| program.exe.as_deref());
    let script = program.as_ref().and_then(|program| program.script);
    let users = program.as_ref().map(|program| program.user.to_string());
    DeceptionRule {
        kind: *kind,
        exe: exe.map(Pattern::literal),
        script: script.map(|script| Pattern::literal(script)),
        what: (!what.is_empty()).then(|| Pattern::literal(what)).into_iter().collect(),
        users: users.into_iter().collect(),
        container: is_outside(program.as_ref()),
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}

fn is_outside(program: Option<&Program>) -> bool {
    program.is_some_and(|program| program.container)
}

/// One rule for all that the kernel finds nothing odd of, if it would mark what nobody signed: which of them are needed
/// changes with every device and file system. The others by name, those with the same marks together.
fn module_rules(facts: &DeceptionFacts, by: &str) -> Vec<ModuleRule> {
    let mut by_taint: BTreeMap<&Text, Vec<Pattern>> = BTreeMap::new();
    for module in &facts.modules {
        by_taint.entry(&module.taint).or_default().push(Pattern::literal(&module.name));
    }
    let rule = |(taint, names): (&Text, Vec<Pattern>)| {
        let is_marked = facts.marks_unsigned && taint.is_empty();
        let (names, why) = if is_marked {
            (vec![Pattern::from("*")], "signed as a part of the kernel".to_owned())
        } else {
            (names, WHY.to_owned())
        };
        ModuleRule {
            names,
            taint: taint.to_string(),
            unmarked: false,
            why: Some(why),
            by: Some(by.to_owned()),
            expires: None,
        }
    };
    by_taint.into_iter().map(rule).collect()
}

/// The narrowest rule for one module.
pub fn module_rule(module: &Module, why: &str, by: Option<&str>) -> ModuleRule {
    ModuleRule {
        names: vec![Pattern::literal(&module.name)],
        taint: module.taint.to_string(),
        unmarked: false,
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}

/// The narrowest rule for BPF programs of one type and holder.
pub fn bpf_rule((kind, program, pinned): &BpfIdentity, why: &str, by: Option<&str>) -> BpfRule {
    let exe = program.as_ref().and_then(|program| program.exe.as_deref());
    let script = program.as_ref().and_then(|program| program.script);
    BpfRule {
        exe: exe.map(Pattern::literal),
        script: script.map(|script| Pattern::literal(script)),
        types: vec![Pattern::literal(kind)],
        pinned: pinned.map(|pinned| Pattern::literal(pinned)).into_iter().collect(),
        container: is_outside(program.as_ref()),
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}
