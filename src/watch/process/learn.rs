//! Writing rules from the processes that run now.

mod commands;

use super::file::Oddity;
use super::{ProcessFacts, ProcessRule, State, UNREADABLE};
use crate::processes::{Executable, Files, Process, Version};
use crate::rule::{Day, Pattern, to_toml};
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Why what did not run is allowed.
const PLANNED: &str = "is started at its time: by cron, a unit, logrotate or a login";

/// The `[[process]]` and `[[command]]` sections: one rule for each executable and script, with the users it runs as; and where
/// what packages brought may be started at any time.
#[must_use]
pub fn learn(facts: &ProcessFacts, by: &str, today: Day) -> String {
    let commands = commands::rules(facts, by);
    let mut seen: BTreeMap<_, (&Process, BTreeSet<&Text>)> = BTreeMap::new();
    for process in facts.each().map(|(process, _)| process).chain(facts.planned()) {
        match &process.exe {
            Executable::Kernel => continue,
            Executable::Unreadable(_) if !facts.sees_all => continue,
            _ if commands::covers(&commands, process, facts) => continue,
            _ => {}
        }
        let entry = seen.entry((&process.exe, process.script.as_ref(), process.container));
        entry.or_insert_with(|| (process, BTreeSet::new())).1.insert(&process.user);
    }
    let rules = seen.into_values().map(|(process, users)| {
        let users = users.into_iter().map(ToString::to_string).collect();
        let why = if process.pid == 0 { PLANNED } else { "ran when this policy was learned" };
        let mut rule = rule_for(process, facts, users, why, Some(by));
        if matches!(process.exe, Executable::Unreadable(_)) {
            // It allows whatever else of this user hides: a person must look at it.
            rule.why = Some("hides what it runs, even from root: find out what it is".to_owned());
            rule.expires = today.date().checked_add(jiff::Span::new().days(7)).ok().map(Into::into);
        }
        to_toml("[[process]]", &rule)
    });
    let sections = [
        ("# Processes that may run, by executable, script and user.", rules.collect::<Vec<_>>()),
        (
            "# Where unmodified files of packages may be started at any time, for as long as they like.",
            commands.iter().map(|rule| to_toml("[[command]]", rule)).collect(),
        ),
    ];
    let written = sections.iter().filter(|(_, rules)| !rules.is_empty());
    written.map(|(head, rules)| format!("{head}\n\n{}", rules.join("\n"))).collect::<Vec<_>>().join("\n")
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
    let file = process.present_file();
    let script = process.script_file();
    let script_package = script.and_then(|path| facts.packages.get(path));
    let why = match package.filter(|package| package.state == State::Modified) {
        Some(package) => format!("{why}; the file is NOT as package {} brought it", package.name),
        None => why.to_owned(),
    };
    let why = match script_package.filter(|package| package.state == State::Modified) {
        Some(package) => format!("{why}; the script is NOT as package {} brought it", package.name),
        None => why,
    };
    ProcessRule {
        exe: Pattern::literal(&exe),
        script: process.script.as_ref().map(|script| Pattern::literal(script)),
        package: verified.map(|package| package.name.to_string()),
        sha256: file.and_then(|path| content(facts, path, process.files, |files| files.exe)),
        script_package: script_package
            .filter(|package| package.state == State::Unmodified)
            .map(|package| package.name.to_string()),
        script_sha256: script.and_then(|path| content(facts, path, process.files, |files| files.script)),
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

/// The content by which a file is known: where no package vouches for it, and others than root may put another in its place, or
/// it is not what its package brought.
fn content(
    facts: &ProcessFacts,
    path: &Text,
    files: Option<Files>,
    which: impl Fn(Files) -> Option<Version>,
) -> Option<String> {
    let package = facts.packages.get(path);
    if package.is_some_and(|package| package.state == State::Unmodified) {
        return None;
    }
    let file = facts.files.get(path)?;
    let is_others = [Oddity::Replaceable, Oddity::Others].iter().any(|odd| file.oddities.contains(odd));
    let is_modified = package.is_some_and(|package| package.state == State::Modified);
    file.content(files, which).filter(|_| is_others || is_modified).map(ToString::to_string)
}
