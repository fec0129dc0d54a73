//! Writing rules from the processes that run now.

use super::file::Oddity;
use super::{ProcessFacts, ProcessRule, State, UNREADABLE};
use crate::processes::{Executable, Process};
use crate::rule::{Day, Pattern, to_toml};
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// The `[[process]]` section: one rule for each executable and script, with the users it runs as.
#[must_use]
pub fn learn(facts: &ProcessFacts, by: &str, today: Day) -> String {
    let mut seen: BTreeMap<_, (&Process, BTreeSet<&Text>)> = BTreeMap::new();
    for (process, _) in facts.each() {
        match &process.exe {
            Executable::Kernel => continue,
            Executable::Unreadable(_) if !facts.sees_all => continue,
            _ => {}
        }
        let entry = seen.entry((&process.exe, process.script.as_ref(), process.container));
        entry.or_insert_with(|| (process, BTreeSet::new())).1.insert(&process.user);
    }
    let rules = seen.into_values().map(|(process, users)| {
        let users = users.into_iter().map(ToString::to_string).collect();
        let mut rule = rule_for(process, facts, users, "ran when this policy was learned", Some(by));
        if matches!(process.exe, Executable::Unreadable(_)) {
            // It allows whatever else of this user hides: a person must look at it.
            rule.why = Some("hides what it runs, even from root: find out what it is".to_owned());
            rule.expires = today.date().checked_add(jiff::Span::new().days(7)).ok().map(Into::into);
        }
        to_toml("[[process]]", &rule)
    });
    let rules: Vec<String> = rules.collect();
    if rules.is_empty() {
        return String::new();
    }
    format!("# Processes that may run, by executable, script and user.\n\n{}", rules.join("\n"))
}

/// The narrowest rule for a process.
#[must_use]
pub fn rule_for(
    process: &Process,
    facts: &ProcessFacts,
    users: Vec<String>,
    why: &str,
    by: Option<&str>,
) -> ProcessRule {
    let (exe, deleted) = match &process.exe {
        Executable::Deleted(path) => (path.to_string(), true),
        Executable::Path(path) => (path.to_string(), false),
        Executable::Memory(name) => (format!("memfd:{name}"), false),
        Executable::Kernel | Executable::Unreadable(_) => (UNREADABLE.to_owned(), false),
    };
    let package = facts.package(process);
    let verified = package.filter(|package| package.state == State::Unmodified);
    // Where everybody may put a file, its path says nothing.
    let file = super::check::present_file(process).and_then(|path| facts.files.get(path));
    let anybodys = file.filter(|file| verified.is_none() && file.oddities.contains(&Oddity::Replaceable));
    let why = match package.filter(|package| package.state == State::Modified) {
        Some(package) => format!("{why}; the file is NOT as package {} brought it", package.name),
        None => why.to_owned(),
    };
    ProcessRule {
        exe: Pattern::literal(&exe),
        script: process.script.as_ref().map(|script| Pattern::literal(script)),
        package: verified.map(|package| package.name.to_string()),
        sha256: anybodys.and_then(|file| file.sha256.as_ref()).map(ToString::to_string),
        users,
        unit: None,
        count: None,
        deleted,
        container: process.container,
        why: Some(why),
        by: by.map(str::to_owned),
        expires: None,
    }
}
