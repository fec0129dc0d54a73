//! How one rule fits one process.

use super::{ANY_PACKAGE, Package, ProcessFacts, ProcessRule, State, UNREADABLE};
use crate::processes::{Executable, Process};
use crate::rule::Comparison;

/// How one rule fits one process.
pub fn compare(rule: &ProcessRule, process: &Process, facts: &ProcessFacts) -> Comparison {
    let mut comparison = Comparison::default();
    let exe = rule.exe.as_str();
    let (fits, deleted) = match &process.exe {
        Executable::Path(path) => (rule.exe.matches_path(path), false),
        Executable::Deleted(path) => (rule.exe.matches_path(path), true),
        Executable::Memory(name) => (rule.exe.matches(&format!("memfd:{name}")), false),
        Executable::Unreadable(_) => (exe == UNREADABLE, false),
        Executable::Kernel => (false, false),
    };
    comparison.condition(fits, || format!("it is for {exe}"));
    if !fits {
        // Nothing else makes a rule for another program a near one.
        return comparison;
    }
    if process.container && !rule.container {
        comparison.condition(false, || "the file that runs is not the host's file of that path".to_owned());
    }
    if rule.container {
        comparison
            .condition(process.container, || "it is for a container, and this is the host's file".to_owned());
    }
    if deleted && !rule.deleted && !facts.is_replaced(process) {
        comparison.condition(false, || "it does not allow a deleted or replaced file".to_owned());
    }
    compare_script(rule, process, &mut comparison);
    if !rule.users.is_empty() {
        let allowed = rule.users.iter().any(|user| process.user == **user);
        comparison
            .condition(allowed, || format!("user {} is not one of {}", process.user, rule.users.join(", ")));
    }
    if let Some(unit) = &rule.unit {
        let fits = process.unit.as_ref().is_some_and(|own| unit.matches(own));
        let own = process.unit.as_deref().unwrap_or("no service");
        comparison.condition(fits, || format!("it runs in {own}, not in {}", unit.as_str()));
    }
    compare_source_of_script(rule, process, facts, &mut comparison);
    compare_source(rule, process, facts, &mut comparison);
    comparison
}

/// Which script it must run.
fn compare_script(rule: &ProcessRule, process: &Process, comparison: &mut Comparison) {
    match (&rule.script, &process.script) {
        (Some(pattern), Some(script)) => {
            comparison
                .condition(pattern.matches(script), || format!("it is for the script {}", pattern.as_str()));
        }
        (Some(pattern), None) => {
            comparison.condition(false, || format!("it is for the script {}", pattern.as_str()));
        }
        // A package or a content says which.
        (None, Some(_)) if rule.script_package.is_some() || rule.script_sha256.is_some() => {}
        (None, Some(_)) => comparison.condition(false, || "it allows no script".to_owned()),
        (None, None) => {}
    }
}

/// Where the script must come from.
fn compare_source_of_script(
    rule: &ProcessRule,
    process: &Process,
    facts: &ProcessFacts,
    comparison: &mut Comparison,
) {
    let file = || process.script_file();
    if let Some(sha256) = &rule.script_sha256 {
        let own = file().and_then(|path| facts.files.get(path)?.content(process.files, |files| files.script));
        comparison.condition(own.is_some_and(|own| own.eq_ignore_ascii_case(sha256)), || match own {
            Some(own) => format!("the script has another content, sha256 {own}"),
            None => "the content of the script is not known".to_owned(),
        });
    }
    if let Some(package) = &rule.script_package {
        let own = file().and_then(|path| facts.packages.get(path));
        let fits = own.is_some_and(|own| is_named(own, package) && own.state == State::Unmodified);
        comparison.condition(fits, || why_not("the script", own, package));
    }
}

/// Where its code must come from.
fn compare_source(rule: &ProcessRule, process: &Process, facts: &ProcessFacts, comparison: &mut Comparison) {
    if let Some(sha256) = &rule.sha256 {
        let own = process
            .present_file()
            .and_then(|path| facts.files.get(path)?.content(process.files, |files| files.exe));
        comparison.condition(own.is_some_and(|own| own.eq_ignore_ascii_case(sha256)), || match own {
            Some(own) => format!("the file has another content, sha256 {own}"),
            None => "the content of what runs is not known".to_owned(),
        });
    }
    if let Some(package) = &rule.package {
        let own = facts.package(process);
        // Of one that was replaced, the package vouched for what runs, whatever lies there now.
        let was = facts.replaced.get(&process.pid).filter(|_| facts.is_replaced(process));
        let fits = match was {
            Some(was) => package == ANY_PACKAGE || *was == **package,
            None => own.is_some_and(|own| is_named(own, package) && own.state == State::Unmodified),
        };
        comparison.condition(fits, || why_not("the file", own, package));
    }
}

fn is_named(own: &Package, wanted: &str) -> bool {
    wanted == ANY_PACKAGE || own.name == *wanted
}

/// Why the package that a file belongs to, if any, does not vouch for it as the rule wants.
fn why_not(what: &str, own: Option<&Package>, wanted: &str) -> String {
    match own {
        None if wanted == ANY_PACKAGE => format!("{what} belongs to no package"),
        None => format!("{what} belongs to no package, not to {wanted}"),
        Some(own) if !is_named(own, wanted) => format!("{what} belongs to {}, not to {wanted}", own.name),
        Some(own) if own.state == State::Modified => format!("{what} is not as {} brought it", own.name),
        Some(own) => format!("whether {what} is as {} brought it could not be verified", own.name),
    }
}
