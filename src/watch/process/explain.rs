//! Explaining: which rule allows a process, on which step of the ladder of identities it stands, and which higher one would hold.

use super::compare::compare;
use super::upgrade::with_allowed;
use super::{ProcessFacts, ProcessRule, Rules, command, learn};
use crate::processes::{Executable, Process};
use crate::rule::{self, Explanation, Verdict, explanation, is_windows_path, to_toml};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How a process is known, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A package vouches for it.
    Package,
    /// Its content is known.
    Content,
    /// Its path is known.
    Path,
    /// It is no file: only words are known.
    Words,
}

impl Step {
    const fn words(self) -> &'static str {
        match self {
            Self::Package => "by its package (step 1 of 4)",
            Self::Content => "by its content (step 2 of 4)",
            Self::Path => "by its path alone (step 3 of 4)",
            Self::Words => "by words alone (step 4 of 4)",
        }
    }

    /// On which step a rule stands: that of its weaker part.
    #[must_use]
    pub fn of(rule: &ProcessRule) -> Self {
        let is_path = |text: &str| text.starts_with(['/', '*']) || is_windows_path(text);
        let step = |package: bool, content: bool, text: &str| match (package, content) {
            (true, _) => Self::Package,
            (_, true) => Self::Content,
            _ if is_path(text) => Self::Path,
            _ => Self::Words,
        };
        let exe = step(rule.package.is_some(), rule.sha256.is_some(), rule.exe.as_str());
        let (package, content) = (rule.script_package.is_some(), rule.script_sha256.is_some());
        let script = match &rule.script {
            None if !package && !content => return exe,
            script => step(package, content, script.as_ref().map_or("", |script| script.as_str())),
        };
        exe.max(script)
    }
}

/// Explains each kind of process that `what` names: by its number, the path or name of its executable, or its script.
#[must_use]
pub fn explain(facts: &ProcessFacts, rules: &Rules, what: &str, now: Timestamp) -> Vec<Explanation> {
    let allowed = with_allowed(facts, rules, now);
    let facts = &*allowed;
    let mut kinds: BTreeMap<_, Vec<&Process>> = BTreeMap::new();
    for process in facts.processes.iter().filter(|process| is_named(process, what)) {
        let kind = (&process.exe, &process.script, &process.user, &process.unit, process.container);
        kinds.entry(kind).or_default().push(process);
    }
    kinds
        .into_values()
        .filter_map(|processes| Some(one(processes.first()?, &processes, facts, rules, now)))
        .collect()
}

fn is_named(process: &Process, what: &str) -> bool {
    let is_file = |path: &Text| path.as_str() == what || path.rsplit(['/', '\\']).next() == Some(what);
    let is_exe = match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) | Executable::Memory(path) => is_file(path),
        Executable::Kernel | Executable::Unreadable(_) => false,
    };
    is_exe
        || process.exe != Executable::Kernel && what.parse() == Ok(process.pid)
        || process.script.as_ref().is_some_and(is_file)
}

fn one(
    first: &Process,
    all: &[&Process],
    facts: &ProcessFacts,
    rules: &Rules,
    now: Timestamp,
) -> Explanation {
    let pids: Vec<String> = all.iter().take(10).map(|process| process.pid.to_string()).collect();
    let more = if all.len() > pids.len() { ", …" } else { "" };
    let script = first.script.as_ref().map_or(String::new(), |script| format!(" running {script}"));
    let unit = first.unit.as_ref().map_or(String::new(), |unit| format!(" in {unit}"));
    let exe = match &first.exe {
        Executable::Path(path) => path.to_string(),
        Executable::Deleted(path) => format!("{path} (deleted or replaced)"),
        Executable::Memory(name) => format!("memfd:{name}"),
        Executable::Kernel | Executable::Unreadable(_) => super::UNREADABLE.to_owned(),
    };
    let mut text = format!("{exe}{script} run by {}{unit}: {}{more}\n", first.user, pids.join(", "));
    let best = learn::rule_for(first, facts, vec![first.user.to_string()], "…", None);
    let is_allowed = match rule::ask(&rules.process, now, |rule| compare(rule, first, facts)) {
        Verdict::Allowed(placed) => {
            let step = Step::of(&placed.rule);
            text += &explanation::allowed(placed, &format!(", known {}", step.words()));
            text += &explanation::because(placed.rule.why.as_deref());
            if Step::of(&best) < step {
                text += &format!(
                    "  it could be known {}:\n{}",
                    Step::of(&best).words(),
                    to_toml("[[process]]", &best)
                );
            }
            true
        }
        Verdict::Refused(_) => match command::allowing(&rules.command, first, facts, now) {
            Verdict::Allowed(placed) => {
                text += &explanation::allowed(placed, &format!(", known {}", Step::Package.words()));
                text += &explanation::because(placed.rule.why.as_deref());
                true
            }
            Verdict::Refused(_) => {
                let nearest = command::ask(rules, first, facts, now).err().flatten();
                text += &explanation::refused(nearest.as_ref());
                text += &format!(
                    "  this would allow it, known {}:\n{}",
                    Step::of(&best).words(),
                    to_toml("[[process]]", &best)
                );
                false
            }
        },
    };
    Explanation { is_allowed, text }
}
