//! The finding about what no rule allows: what runs, as whom, where it came from, and the rule that would allow just this.

use super::file::FileFacts;
use super::learn::rule_for;
use super::{Package, ProcessFacts};
use crate::finding::{Code, Finding, Nearest, shortened};
use crate::processes::events::Ended;
use crate::processes::origin::{self, Origin};
use crate::processes::{Executable, Files, Process, Version};
use crate::rule::to_toml;
use crate::text::Text;
use std::sync::Arc;

/// So many processes of one finding are named; the count says how many there are.
const NAMED: usize = 5;

/// Processes that no rule allows and that are the same thing to a person.
pub struct Refused<'a> {
    nearest: Option<Nearest>,
    processes: Vec<&'a Arc<Process>>,
    ended: Vec<&'a Ended>,
}

impl<'a> Refused<'a> {
    /// None yet; and the rule that comes nearest to allowing them.
    pub fn new(nearest: Option<Nearest>) -> Self {
        Self { nearest, processes: Vec::new(), ended: Vec::new() }
    }

    /// Adds one that runs, or one that has ended.
    pub fn add(&mut self, process: &'a Arc<Process>, ended: Option<&'a Ended>) {
        match ended {
            None => self.processes.push(process),
            Some(ended) => self.ended.push(ended),
        }
    }

    /// One finding for all of them.
    pub fn finding(self, facts: &ProcessFacts) -> Finding {
        // One is added as soon as it is made.
        let Some(first) = self.all().next() else {
            return Finding::new(Code::UnknownProcess, "", "unknown process");
        };
        let origin = self.origin(first, facts);
        let finding = match &first.exe {
            Executable::Unreadable(why) => self.hidden(first, why, &origin),
            _ => self.unknown(first, &origin, facts),
        };
        // The narrowest rule that allows just this.
        let rule = rule_for(first, facts, vec![first.user.to_string()], "…", None);
        finding.nearest(self.nearest).suggest(to_toml("[[process]]", &rule))
    }

    /// Those that run first.
    fn all(&self) -> impl Iterator<Item = &'a Arc<Process>> {
        self.processes.iter().copied().chain(self.ended.iter().map(|ended| &ended.process))
    }

    fn count(&self) -> u64 {
        let gone: u64 = self.ended.iter().map(|ended| ended.times).sum();
        (self.processes.len() as u64).saturating_add(gone)
    }

    fn has_ended(&self) -> bool {
        self.processes.is_empty()
    }

    fn origin(&self, first: &Process, facts: &ProcessFacts) -> Arc<Origin> {
        let of_running = facts.origins.get(&first.pid).filter(|_| !self.has_ended());
        of_running.or_else(|| self.ended.first().map(|ended| &ended.origin)).cloned().unwrap_or_default()
    }

    /// What one of these, which runs on, shows of itself now.
    fn shows(&self, facts: &ProcessFacts) -> Option<String> {
        let is_ours =
            |earlier: &&Ended| self.ended.iter().any(|ended| Arc::ptr_eq(&ended.process, &earlier.process));
        let was = facts.earlier.iter().find(is_ours).filter(|_| self.has_ended())?;
        let is = facts.processes.iter().find(|process| process.pid == was.process.pid)?;
        let script = is.script.as_deref().map_or_else(|| "none".to_owned(), shortened);
        Some(format!("{}, script {script}", called(is)))
    }

    fn unknown(&self, first: &Process, origin: &Origin, facts: &ProcessFacts) -> Finding {
        let count = self.count();
        let (what, code_from) = code(first, facts);
        let mut title = format!("unknown process {}{}", in_words(first, &what, code_from), times(count));
        let brought = first.file().and_then(|path| facts.transaction.as_ref()?.brought(path));
        if let Some((how, package)) = &brought {
            title += &format!(", {how} {package}");
        }
        let shows = self.shows(facts);
        if shows.is_some() {
            title += " (it runs on, and shows itself otherwise)";
        } else if self.has_ended() {
            title += if count > 1 { " (all have ended)" } else { " (it has ended)" };
        }
        let until = self.ended.iter().filter_map(|ended| ended.until).max().filter(|_| self.has_ended());
        let file = first.present_file().and_then(|path| facts.files.get(path));
        let script = first.script_file();
        let script_package = script.and_then(|path| facts.packages.get(path));
        let script = script.and_then(|path| facts.files.get(path));
        let odd = |file: &FileFacts| file.oddities.iter().map(|odd| odd.words()).collect::<Vec<_>>();
        let finding = Finding::new(Code::UnknownProcess, subject(first), title)
            .with("executable", &what)
            .with("code from", code_from)
            .with("script", &first.script)
            .with("user", &first.user)
            .with("processes", count)
            .with("pid", self.all().take(NAMED).map(|process| process.pid).collect::<Vec<_>>())
            .with("arguments", first.command_line())
            .with("calls itself", &first.name)
            .with("shows itself as", shows)
            .with("started", first.since.to_string())
            .with("ended", until.map(|until| until.to_string()))
            .with("parent", parent(first, origin, facts));
        let finding = with_origin(finding, origin)
            .with("folder", &origin.folder)
            .with("unit", &first.unit)
            .with("group", origin.group.as_ref().filter(|group| first.unit.as_ref() != Some(group)))
            .with("package", facts.package(first).map(Package::words))
            .with("sha256", file.and_then(|file| sha256(file, first, |files| files.exe)))
            .with("odd", file.map(odd))
            .with("script package", script_package.map(Package::words))
            .with("script sha256", script.and_then(|file| sha256(file, first, |files| files.script)))
            .with("script odd", script.map(odd));
        match brought {
            Some((how, package)) => finding.with(how, package),
            None => finding,
        }
    }

    fn hidden(&self, first: &Process, why: &Text, origin: &Origin) -> Finding {
        let title = format!("a process of {} hides what it runs{}", first.user, times(self.count()));
        let finding = Finding::new(Code::UnreadableProcess, format!("user={}", first.user), title)
            .with("pid", first.pid)
            .with("calls itself", &first.name)
            .with("user", &first.user)
            .with("arguments", first.command_line())
            .with("started", first.since.to_string());
        with_origin(finding, origin).with("why", why)
    }
}

/// What makes it the same finding from pass to pass.
pub fn subject(process: &Process) -> String {
    let mut subject = match &process.exe {
        Executable::Path(path) => format!("exe={path}"),
        Executable::Deleted(path) => format!("deleted={path}"),
        Executable::Memory(name) => format!("memfd={name}"),
        Executable::Unreadable(_) | Executable::Kernel => "unreadable".to_owned(),
    };
    if let Some(script) = &process.script {
        subject += &format!(" script={script}");
    }
    subject += &format!(" user={}", process.user);
    if process.container {
        subject += " foreign";
    }
    subject
}

/// Where its code comes from, and a word on that if it is not the file that lies there.
fn code(process: &Process, facts: &ProcessFacts) -> (String, Option<&'static str>) {
    match &process.exe {
        Executable::Path(path) => (path.to_string(), None),
        Executable::Deleted(path) if facts.is_replaced(process) => {
            (path.to_string(), Some("a file that an upgrade replaced"))
        }
        Executable::Deleted(path) => (path.to_string(), Some("a deleted or replaced file")),
        Executable::Memory(name) => (format!("memfd:{name}"), Some("memory, no file")),
        Executable::Kernel | Executable::Unreadable(_) => (String::new(), None),
    }
}

/// What runs, and as whom.
fn in_words(process: &Process, what: &str, code_from: Option<&str>) -> String {
    let mut words = what.to_owned();
    if let Some(script) = &process.script {
        words += &format!(" running {}", shortened(script));
    }
    if let Some(code_from) = code_from {
        words += &format!(" ({code_from})");
    }
    if process.container {
        words += " (not the host's file: a container, or mounted over)";
    }
    words + &format!(" run by {}", process.user)
}

fn times(count: u64) -> String {
    if count > 1 { format!(", {count} times") } else { String::new() }
}

/// Who started it, and if that is not known, who is its parent now.
fn parent(process: &Process, origin: &Origin, facts: &ProcessFacts) -> Option<String> {
    if let Some(parent) = origin.ancestors.first() {
        return Some(format!("{} ({})", parent.what, parent.pid));
    }
    let is_parent = |other: &&Arc<Process>| other.pid == process.parent && process.parent != 0;
    facts.processes.iter().find(is_parent).map(|parent| called(parent))
}

/// The content of a file as a process ran it, or why that is not known.
fn sha256(file: &FileFacts, process: &Process, which: fn(Files) -> Option<Version>) -> Option<Text> {
    let why_not = if file.unread {
        Some("not computed yet: there was too much to read in one pass")
    } else {
        file.sha256.is_some().then_some("not known: the file was changed or replaced since")
    };
    file.content(process.files, which).cloned().or_else(|| why_not.map(Text::from))
}

fn with_origin(finding: Finding, origin: &Origin) -> Finding {
    finding
        .with("ancestors", origin.line())
        .with("login user", &origin.login)
        .with("session", &origin.session)
        .with("from", &origin.from)
        .with("terminal", &origin.terminal)
}

/// What a process is, in a few words.
fn called(process: &Process) -> String {
    format!("{} ({})", origin::called(process), process.pid)
}
