//! Comparing what hides or listens in with the rules. What the same program does in the same way is one finding.

use super::{Bpf, BpfRule, Deceit, DeceptionFacts, DeceptionRule, Kind, Module, ModuleRule, Rules, learn};
use crate::finding::{Code, Finding, Nearest};
use crate::processes::{Executable, Process};
use crate::rule::{self, Comparison, Pattern, Verdict, to_toml};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// So many processes of one finding are named.
const NAMED: usize = 5;

/// A program as a rule names it: executable, script, user, and whether it is in a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program<'a> {
    /// The executable; none if it cannot be told.
    pub exe: Option<String>,
    /// The script, if it is an interpreter.
    pub script: Option<&'a Text>,
    /// The user's name.
    pub user: &'a Text,
    /// True if it runs in a container.
    pub container: bool,
}

impl<'a> Program<'a> {
    /// The program of a process.
    #[must_use]
    pub fn of(process: &'a Process) -> Self {
        let exe = match &process.exe {
            Executable::Path(path) | Executable::Deleted(path) => Some(path.to_string()),
            Executable::Memory(name) => Some(format!("memfd:{name}")),
            Executable::Kernel | Executable::Unreadable(_) => None,
        };
        let (script, user, container) = (process.script.as_ref(), &process.user, process.container);
        Self { exe, script, user, container }
    }

    fn words(&self) -> String {
        let exe = self.exe.as_deref().unwrap_or("a program that cannot be told");
        match self.script {
            Some(script) => format!("{exe} running {script}"),
            None => exe.to_owned(),
        }
    }

    fn subject(&self) -> String {
        let exe = self.exe.as_deref().unwrap_or("?");
        let script = self.script.map(|script| format!(" script={script}")).unwrap_or_default();
        format!("{exe}{script}{}", if self.container { " outside" } else { "" })
    }
}

/// What makes several of them the same to a person.
pub type Identity<'a> = (Kind, &'a Text, Option<Program<'a>>);

/// All of them, by identity.
pub fn grouped(facts: &DeceptionFacts) -> BTreeMap<Identity<'_>, Vec<&Deceit>> {
    let mut groups: BTreeMap<Identity, Vec<&Deceit>> = BTreeMap::new();
    for deceit in &facts.deceits {
        let program = deceit.process.as_deref().map(Program::of);
        groups.entry((deceit.kind, &deceit.what, program)).or_default().push(deceit);
    }
    groups
}

/// BPF programs of one type and holder.
pub type BpfIdentity<'a> = (&'a Text, Option<Program<'a>>, Option<&'a Text>);

/// All of them, by identity.
pub fn grouped_bpf(facts: &DeceptionFacts) -> BTreeMap<BpfIdentity<'_>, Vec<&Bpf>> {
    let mut groups: BTreeMap<BpfIdentity, Vec<&Bpf>> = BTreeMap::new();
    for bpf in &facts.bpf {
        let program = bpf.process.as_deref().map(Program::of);
        groups.entry((&bpf.kind, program, bpf.pinned.as_ref())).or_default().push(bpf);
    }
    groups
}

/// All differences.
#[must_use]
pub fn check(facts: &DeceptionFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let deceits = grouped(facts).into_iter().filter_map(|(identity, deceits)| {
        match rule::ask(&rules.deception, now, |rule| compare(rule, &identity)) {
            Verdict::Allowed(_) => None,
            Verdict::Refused(nearest) => Some(finding(&identity, &deceits, nearest)),
        }
    });
    let modules = facts.modules.iter().flat_map(|module| {
        let asked = rule::ask(&rules.module, now, |rule| compare_module(rule, module, facts));
        let unknown = match asked {
            Verdict::Allowed(_) => None,
            Verdict::Refused(nearest) => Some(unknown_module(module, nearest)),
        };
        [unknown, hidden_module(module)].into_iter().flatten()
    });
    let bpf = grouped_bpf(facts).into_iter().filter_map(|(identity, programs)| {
        match rule::ask(&rules.bpf, now, |rule| compare_bpf(rule, &identity)) {
            Verdict::Allowed(_) => None,
            Verdict::Refused(nearest) => Some(unknown_bpf(&identity, &programs, nearest)),
        }
    });
    deceits.chain(modules).chain(bpf).collect()
}

/// The same facts without what `rules` allow, for a policy that includes these.
#[must_use]
pub fn without_allowed(facts: &DeceptionFacts, rules: &Rules, now: Timestamp) -> DeceptionFacts {
    let is_left = |verdict: bool| !verdict;
    let mut left = facts.clone();
    left.deceits.retain(|deceit| {
        let identity = (deceit.kind, &deceit.what, deceit.process.as_deref().map(Program::of));
        is_left(is_allowed(&rule::ask(&rules.deception, now, |rule| compare(rule, &identity))))
    });
    left.modules.retain(|module| {
        is_left(is_allowed(&rule::ask(&rules.module, now, |rule| compare_module(rule, module, facts))))
    });
    left.bpf.retain(|bpf| {
        let identity = (&bpf.kind, bpf.process.as_deref().map(Program::of), bpf.pinned.as_ref());
        is_left(is_allowed(&rule::ask(&rules.bpf, now, |rule| compare_bpf(rule, &identity))))
    });
    left
}

fn is_allowed<R>(verdict: &Verdict<R>) -> bool {
    matches!(verdict, Verdict::Allowed(_))
}

/// How the program that a rule names fits; false if it is for another.
fn compare_program(
    comparison: &mut Comparison,
    exe: Option<&Pattern>,
    script: Option<&Pattern>,
    container: bool,
    program: Option<&Program>,
) {
    let own = program.and_then(|program| program.exe.as_deref());
    if let Some(pattern) = exe {
        let fits = own.is_some_and(|own| {
            if own.starts_with("memfd:") { pattern.matches(own) } else { pattern.matches_path(own) }
        });
        comparison.condition(fits, || format!("it is for {}", pattern.as_str()));
        if let Some(own) = program.and_then(|program| program.script).filter(|_| script.is_none()) {
            comparison.condition(false, || format!("it allows no script, and this runs {own}"));
        }
    }
    if let Some(pattern) = script {
        let fits = program.and_then(|program| program.script).is_some_and(|own| pattern.matches(own));
        comparison.condition(fits, || format!("it is for the script {}", pattern.as_str()));
    }
    if let Some(program) = program.filter(|program| program.container != container) {
        let place = if program.container { "in a container" } else { "the host's own" };
        comparison.condition(false, || format!("this is {place}"));
    }
}

fn compare(rule: &DeceptionRule, (kind, what, program): &Identity) -> Comparison {
    let mut comparison = Comparison::default();
    if rule.kind != *kind {
        comparison.condition(false, || format!("it is for {}", rule.kind.as_str()));
        return comparison;
    }
    compare_program(
        &mut comparison,
        rule.exe.as_ref(),
        rule.script.as_ref(),
        rule.container,
        program.as_ref(),
    );
    if !rule.what.is_empty() {
        let fits = rule.what.iter().any(|pattern| pattern.matches_text(what));
        comparison.condition(fits, || format!("it is not for {what}"));
    }
    if !rule.users.is_empty() {
        let user = program.as_ref().map_or("nobody", |program| program.user.as_str());
        let fits = rule.users.iter().any(|allowed| allowed == user);
        comparison.condition(fits, || format!("user {user} is not one of {}", rule.users.join(", ")));
    }
    comparison
}

fn compare_module(rule: &ModuleRule, module: &Module, facts: &DeceptionFacts) -> Comparison {
    let mut comparison = Comparison::default();
    let naming = rule.names.iter().find(|pattern| pattern.matches_text(&module.name));
    comparison.condition(naming.is_some(), || "it is for other names".to_owned());
    if let Some(pattern) = naming {
        // Where nothing is marked, a star would let in whatever is loaded.
        let is_safe = facts.marks_unsigned || rule.unmarked || pattern.as_literal().is_some();
        comparison.condition(is_safe, || {
            "it names no single module, and this kernel does not mark those that nobody signed".to_owned()
        });
    }
    if !module.taint.is_empty() {
        let fits = module.taint.chars().all(|letter| rule.taint.contains(letter));
        comparison.condition(fits, || {
            format!("the kernel marks it {}, and the rule allows {:?}", module.taint, rule.taint)
        });
    }
    comparison
}

fn compare_bpf(rule: &BpfRule, (kind, program, pinned): &BpfIdentity) -> Comparison {
    let mut comparison = Comparison::default();
    match (rule.exe.is_some(), program, pinned) {
        (false, Some(_), _) => comparison.condition(false, || "it names no program".to_owned()),
        (_, _, Some(pinned)) => {
            let fits = rule.pinned.iter().any(|pattern| pattern.matches_text(pinned));
            comparison.condition(fits, || format!("it does not allow {pinned}"));
        }
        _ => compare_program(
            &mut comparison,
            rule.exe.as_ref(),
            rule.script.as_ref(),
            rule.container,
            program.as_ref(),
        ),
    }
    if !rule.types.is_empty() {
        let fits = rule.types.iter().any(|pattern| pattern.matches_text(kind));
        comparison.condition(fits, || format!("it does not allow {kind}"));
    }
    comparison
}

fn finding(identity: &Identity, deceits: &[&Deceit], nearest: Option<Nearest>) -> Finding {
    let (kind, what, program) = identity;
    let words = program.as_ref().map(Program::words);
    let program_words = words.as_deref().unwrap_or("nobody who can be seen");
    let user = program.as_ref().map_or_else(String::new, |program| format!(" run by {}", program.user));
    let title = match kind {
        Kind::KernelName => {
            format!("{program_words}{user} calls itself {what}, like a thread of the kernel")
        }
        Kind::HiddenProcess => match &words {
            Some(words) => format!("a process is hidden: {words}{user}, {what}"),
            None => format!("a process is hidden: {what}"),
        },
        Kind::HiddenPort => format!("{what}"),
        Kind::PacketSocket => format!("{program_words}{user} reads {what} from the network"),
        Kind::RawSocket => format!("{program_words}{user} has a raw socket for {what}"),
        Kind::SocketShell => format!("{program_words}{user} takes its commands from {what}"),
        Kind::Preload if program.is_none() => format!("every program loads {what}"),
        Kind::Preload => format!("{program_words}{user} loads what others may have put there: {what}"),
        Kind::Tracer => format!("{program_words}{user} looks into {what} and steers it"),
        Kind::NoEnvironment => format!("{program_words}{user} has no environment"),
    };
    let subject = match program {
        Some(program) => format!("{} {what}", program.subject()),
        None => what.to_string(),
    };
    let mut notes: Vec<&Text> = deceits.iter().filter_map(|deceit| deceit.note.as_ref()).collect();
    notes.sort();
    notes.dedup();
    notes.truncate(NAMED);
    let rule = learn::rule_for(identity, "…", None);
    with_processes(
        Finding::new(kind.code(), subject.trim(), title).with("what", what),
        deceits.iter().filter_map(|deceit| deceit.process.as_deref()),
    )
    .with("how", notes)
    .nearest(nearest)
    .suggest(to_toml("[[deception]]", &rule))
}

/// Who it is.
fn with_processes<'a>(finding: Finding, processes: impl Iterator<Item = &'a Process>) -> Finding {
    let processes: Vec<&Process> = processes.collect();
    let Some(first) = processes.first() else { return finding };
    let mut pids: Vec<u32> = processes.iter().map(|process| process.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    let count = pids.len();
    pids.truncate(NAMED);
    let arguments: Vec<&str> = first.args.iter().map(Text::as_str).collect();
    finding
        .with("executable", Program::of(first).exe)
        .with("script", &first.script)
        .with("user", &first.user)
        .with("calls itself", &first.name)
        .with("arguments", (!arguments.is_empty()).then(|| arguments.join(" ")))
        .with("pid", pids)
        .with("count", count)
        .with("since", first.since)
        .with("parent pid", first.parent)
        .with("unit", &first.unit)
        .with("container", first.container.then_some("its files are not the host's"))
}

fn unknown_module(module: &Module, nearest: Option<Nearest>) -> Finding {
    let Module { name, taint, .. } = module;
    let marked = if taint.is_empty() { String::new() } else { format!(", marked {taint}") };
    let rule = learn::module_rule(module, "…", None);
    Finding::new(
        Code::UnknownModule,
        format!("{name} {taint}").trim(),
        format!("kernel module {name}{marked}"),
    )
    .with("module", name)
    .with("marks", (!taint.is_empty()).then(|| meaning(taint)))
    .nearest(nearest)
    .suggest(to_toml("[[kernel-module]]", &rule))
}

/// What the kernel's letters say.
fn meaning(taint: &str) -> Vec<String> {
    let word = |letter: char| match letter {
        'O' => "O: not part of the kernel".to_owned(),
        'E' => "E: not signed by whoever built the kernel".to_owned(),
        'P' => "P: not free software".to_owned(),
        'F' => "F: loaded by force".to_owned(),
        'C' => "C: not ready for use".to_owned(),
        letter => letter.to_string(),
    };
    taint.chars().map(word).collect()
}

fn hidden_module(module: &Module) -> Option<Finding> {
    let from = module.hidden_from.as_ref()?;
    let name = &module.name;
    Some(
        Finding::new(Code::HiddenModule, name.as_str(), format!("kernel module {name} is missing in {from}"))
            .with("module", name)
            .with("missing in", from),
    )
}

fn unknown_bpf(identity: &BpfIdentity, programs: &[&Bpf], nearest: Option<Nearest>) -> Finding {
    let (kind, program, pinned) = identity;
    let (title, subject) = match (program, pinned) {
        (Some(program), _) => (
            format!("{} run by {} has BPF loaded into the kernel: {kind}", program.words(), program.user),
            format!("{} {kind}", program.subject()),
        ),
        (None, Some(pinned)) => (format!("BPF lies in {pinned}"), pinned.to_string()),
        (None, None) => (format!("BPF of nobody: {kind}"), kind.to_string()),
    };
    let rule = learn::bpf_rule(identity, "…", None);
    with_processes(
        Finding::new(Code::UnknownBpf, subject, title).with("type", kind),
        programs.iter().filter_map(|bpf| bpf.process.as_deref()),
    )
    .with("lies in", pinned)
    .nearest(nearest)
    .suggest(to_toml("[[bpf]]", &rule))
}
