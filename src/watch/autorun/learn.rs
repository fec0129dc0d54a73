//! Writing rules from what starts by itself.

use super::{Autorun, AutorunFacts, AutorunRule};
use crate::rule::{Name, Pattern, is_windows_path, to_toml};
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// The `[[autorun]]` section: one rule for each kind, file and user, with all the names that share them. So what is
/// hosted by one file, like most services, is one rule; code that was not started before is allowed by none.
#[must_use]
pub fn learn(facts: &AutorunFacts, by: &str) -> String {
    let mut alike: BTreeMap<_, Vec<&Autorun>> = BTreeMap::new();
    for autorun in &facts.autoruns {
        let user = autorun.user.as_ref().map(|user| user.to_ascii_lowercase());
        // Arguments of a general program say what it does, so each set of them gets a rule.
        let arguments = autorun.library.is_none().then(|| autorun.arguments.clone());
        let is_path = is_windows_path(&autorun.exe);
        let exe = if is_path { autorun.exe.to_ascii_lowercase() } else { autorun.exe.to_string() };
        let key = (autorun.kind, exe, user, arguments, autorun.hidden);
        alike.entry(key).or_default().push(autorun);
    }
    let why = "was set up when this policy was learned";
    let rules = alike.values().map(|alike| to_toml("[[autorun]]", &rule_for(alike, why, Some(by))));
    let rules: Vec<String> = rules.collect();
    if rules.is_empty() {
        return String::new();
    }
    format!("# What may start by itself, by kind, file and user.\n\n{}", rules.join("\n"))
}

/// The narrowest rule for things that share kind, file and user.
pub fn rule_for(alike: &[&Autorun], why: &str, by: Option<&str>) -> AutorunRule {
    let all = |of: &dyn Fn(&Autorun) -> Option<Text>| -> Vec<Text> {
        let mut seen = BTreeSet::new();
        let mut texts: Vec<Text> = alike.iter().filter_map(|autorun| of(autorun)).collect();
        texts.sort_by_key(|text| (text.to_ascii_lowercase(), text.clone()));
        texts.retain(|text| seen.insert(text.clone()));
        texts
    };
    let patterns = |of: &dyn Fn(&Autorun) -> Option<Text>| -> Vec<Pattern> {
        all(of).iter().map(|text| Pattern::literal(text)).collect()
    };
    let names = |of: &dyn Fn(&Autorun) -> Option<Text>| -> Vec<Name> {
        let mut texts = all(of);
        texts.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        texts.iter().map(|text| Name::literal(text)).collect()
    };
    let hidden = alike.iter().any(|autorun| autorun.hidden);
    let why = if hidden { format!("{why}; it is HIDDEN: find out what it is") } else { why.to_owned() };
    AutorunRule {
        // A map of rules has no empty entry, and a finding has its own.
        kind: alike.first().map_or(super::Kind::Service, |first| first.kind),
        names: names(&|autorun| Some(autorun.name.clone())),
        exe: patterns(&|autorun| Some(autorun.exe.clone())).into_iter().next(),
        arguments: patterns(&|autorun| (!autorun.arguments.is_empty()).then(|| autorun.arguments.clone())),
        libraries: patterns(&|autorun| autorun.library.clone()),
        users: names(&|autorun| autorun.user.clone()),
        hidden,
        why: Some(why),
        by: by.map(str::to_owned),
        expires: None,
    }
}
