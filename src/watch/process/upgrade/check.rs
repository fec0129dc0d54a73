//! The findings about upgrades.

use super::Modified;
use crate::finding::{Code, Finding};
use crate::processes::Process;
use crate::rule::{self, Comparison, Day, Pattern, Verdict, to_toml};
use crate::text::Text;
use crate::transaction::{Change, Transaction, are_all_named};
use crate::watch::process::learn::rule_for;
use crate::watch::process::{ModifiedFileRule, ProcessFacts, Rules, State, TransactionRule};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// So many packages are named in a title, and so many in the evidence.
const IN_TITLE: usize = 3;
const IN_EVIDENCE: usize = 500;

/// So many processes of one finding are named.
const NAMED: usize = 5;

/// One line for a transaction, unless a rule expects it.
pub fn transaction(transaction: &Transaction, rules: &Rules, now: Timestamp) -> Option<Finding> {
    let changes = &transaction.changes;
    let compare = |rule: &TransactionRule| {
        let mut comparison = Comparison::default();
        let other =
            changes.iter().find(|change| !are_all_named(std::slice::from_ref(change), &rule.packages));
        comparison.condition(other.is_none(), || {
            format!("it is not for {}", other.map(|change| change.name.to_string()).unwrap_or_default())
        });
        comparison
    };
    let Verdict::Refused(nearest) = rule::ask(&rules.transaction, now, compare) else { return None };
    let names: BTreeSet<String> = changes.iter().map(|change| change.name.to_string()).collect();
    let packages = names.into_iter().map(|name| Pattern::literal(&name)).collect();
    let suggested = TransactionRule { packages, why: Some("…".to_owned()), by: None, expires: None };
    let mut lines: Vec<String> = changes.iter().take(IN_EVIDENCE).map(ToString::to_string).collect();
    if changes.len() > IN_EVIDENCE {
        lines.push(format!("and {} more", changes.len() - IN_EVIDENCE));
    }
    Some(
        Finding::new(Code::PackagesChanged, subject(changes), title(changes))
            .with("packages", lines)
            .nearest(nearest)
            .suggest(to_toml("[[transaction]]", &suggested)),
    )
}

fn title(changes: &[Change]) -> String {
    // An upgrade explains more than what is new, and one name for all architectures is enough.
    let mut shown: Vec<(bool, String)> =
        changes.iter().map(|change| (change.from.is_none(), change.to_string())).collect();
    shown.sort();
    shown.dedup();
    let named: Vec<String> = shown.into_iter().take(IN_TITLE).map(|(_, words)| words).collect();
    let dots = if changes.len() > IN_TITLE { ", …" } else { "" };
    let count =
        if changes.len() == 1 { "1 package".to_owned() } else { format!("{} packages", changes.len()) };
    format!("what changed is explained by {}{dots} ({count})", named.join(", "))
}

/// The same change made again, after it was undone, is the same.
fn subject(changes: &[Change]) -> String {
    let mut digest = Sha256::new();
    for change in changes {
        digest.update(format!("{} {change}\n", change.arch).as_bytes());
    }
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("packages={digest}")
}

/// Programs that run on from files which an upgrade replaced: one finding for each program.
#[must_use]
pub fn needs_restart<'a>(
    programs: &BTreeMap<&'a Text, Vec<&'a Process>>,
    facts: &ProcessFacts,
) -> Vec<Finding> {
    let finding = |(path, processes): (&&Text, &Vec<&Process>)| {
        let units: BTreeSet<&Text> = processes.iter().filter_map(|process| process.unit.as_ref()).collect();
        let units: Vec<&Text> = units.into_iter().collect();
        let pids: Vec<u32> = processes.iter().take(NAMED).map(|process| process.pid).collect();
        let package = facts.packages.get(*path).map(|package| &package.name);
        let who = package.map_or_else(|| "a package".to_owned(), ToString::to_string);
        let title = format!("{path} runs on as it was before {who} was upgraded, and needs a restart");
        let first = processes.first()?;
        let scripts: BTreeMap<Option<&Text>, &Process> =
            processes.iter().rev().map(|process| (process.script.as_ref(), *process)).collect();
        let rules: Vec<String> = scripts
            .values()
            .map(|process| to_toml("[[process]]", &rule_for(process, facts, Vec::new(), "…", None)))
            .collect();
        Some(
            Finding::new(Code::NeedsRestart, format!("exe={path}"), title)
                .with("executable", path)
                .with("package", package)
                .with("units", units)
                .with("processes", processes.len())
                .with("pid", pids)
                .with("started", first.since.to_string())
                .suggest(rules.join("\n")),
        )
    };
    programs.iter().filter_map(finding).collect()
}

/// A file that may be other than its package brought it is taken for the package's: what runs it is judged by the other rules.
#[must_use]
pub fn with_allowed<'a>(facts: &'a ProcessFacts, rules: &Rules, now: Timestamp) -> Cow<'a, ProcessFacts> {
    let mut facts = Cow::Borrowed(facts);
    let may_differ = |(path, file): &(&Text, &Modified)| {
        let asked = rule::ask(&rules.modified_file, now, |rule| compare(rule, path, file));
        matches!(asked, Verdict::Allowed(_))
    };
    let allowed: Vec<Text> = facts.modified.iter().filter(may_differ).map(|(path, _)| path.clone()).collect();
    for path in allowed {
        let facts = facts.to_mut();
        facts.modified.remove(&path);
        if let Some(package) = facts.packages.get_mut(&path) {
            package.state = State::Unmodified;
        }
    }
    facts
}

/// Files that are not as the package brought them which was just installed or upgraded; `running` says who runs them.
#[must_use]
pub fn modified(
    facts: &ProcessFacts,
    rules: &Rules,
    running: &BTreeMap<&Text, Vec<&Process>>,
    now: Timestamp,
) -> Vec<Finding> {
    let finding = |(path, file): (&Text, &Modified)| {
        let Verdict::Refused(nearest) =
            rule::ask(&rules.modified_file, now, |rule| compare(rule, path, file))
        else {
            return None;
        };
        let processes = running.get(path).map(Vec::as_slice).unwrap_or_default();
        let pids: Vec<u32> = processes.iter().take(NAMED).map(|process| process.pid).collect();
        let users: BTreeSet<&Text> = processes.iter().map(|process| &process.user).collect();
        let runs = if processes.is_empty() { "" } else { ", and it runs" };
        let title = format!(
            "{path} is not as {} brought it, which was just installed or upgraded{runs}",
            file.package
        );
        let suggested = ModifiedFileRule {
            path: Pattern::literal(path),
            sha256: file.sha256.as_ref().map(ToString::to_string),
            why: Some("…".to_owned()),
            by: None,
            expires: None::<Day>,
        };
        Some(
            Finding::new(Code::ModifiedFile, format!("path={path}"), title)
                .with("file", path)
                .with("package", &file.package)
                .with("sha256", &file.sha256)
                .with("pid", pids)
                .with("users", users.into_iter().collect::<Vec<_>>())
                .nearest(nearest)
                .suggest(to_toml("[[modified-file]]", &suggested)),
        )
    };
    facts.modified.iter().filter_map(finding).collect()
}

fn compare(rule: &ModifiedFileRule, path: &Text, file: &Modified) -> Comparison {
    let mut comparison = Comparison::default();
    let fits = rule.path.matches_path(path);
    comparison.condition(fits, || format!("it is for {}", rule.path.as_str()));
    if fits && let Some(sha256) = &rule.sha256 {
        let is_same = file.sha256.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(sha256));
        comparison.condition(is_same, || "the file has another content than the one it allows".to_owned());
    }
    comparison
}
