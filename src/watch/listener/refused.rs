//! The finding about a door that no rule lets be open.

use super::door::{Door, called};
use super::{Bind, KERNEL, Listener, ListenerFacts, Ports, UNKNOWN_USER, learn};
use crate::finding::{Code, Finding, Nearest, Severity, shortened};
use crate::processes::{Executable, Process};
use crate::rule::to_toml;
use std::fmt::Write as _;

/// So many sockets or processes of one finding are named.
const NAMED: usize = 5;

/// Sockets that are the same door, and that no rule lets be open.
pub struct Refused<'a> {
    nearest: Option<Nearest>,
    sockets: Vec<(&'a Listener, Option<&'a Process>)>,
}

impl<'a> Refused<'a> {
    /// None yet; and the rule that comes nearest to letting them be open.
    pub fn new(nearest: Option<Nearest>) -> Self {
        Self { nearest, sockets: Vec::new() }
    }

    /// Adds a socket, with the owner that may not have it.
    pub fn add(&mut self, listener: &'a Listener, owner: Option<&'a Process>) {
        self.sockets.push((listener, owner));
    }

    /// One finding for all of them.
    pub fn finding(self, door: &Door, facts: &ListenerFacts) -> Finding {
        let owner = self.sockets.iter().find_map(|(_, owner)| *owner);
        let mut places: Vec<String> = self.sockets.iter().map(|(listener, _)| listener.place()).collect();
        places.sort();
        places.dedup();
        let count = places.len();
        if count > NAMED {
            places.truncate(NAMED);
            places.push(format!("and {} more", count - NAMED));
        }
        let mut pids: Vec<u32> =
            self.sockets.iter().filter_map(|(_, owner)| owner.map(|owner| owner.pid)).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.truncate(NAMED);
        let mut heirs: Vec<String> =
            self.sockets.iter().flat_map(|(listener, _)| &listener.heirs).map(|heir| called(heir)).collect();
        heirs.sort();
        heirs.dedup();
        heirs.truncate(NAMED);
        let heirs_are = if owner.is_some_and(|owner| owner.pid == 1) { "handed to" } else { "also held by" };
        let user = owner.map_or_else(
            || self.sockets.first().map(|(listener, _)| &listener.user),
            |owner| Some(&owner.user),
        );
        let mild = door.bind == Bind::Loopback || door.outside || door.ports == Ports::Ephemeral;
        let brought = door.exe.as_deref().and_then(|path| facts.transaction.as_ref()?.brought(path));
        let brought = brought.filter(|_| !door.outside);
        let is_hidden = self.sockets.iter().any(|(listener, _)| facts.may_hide_owner(listener));
        let mut title = title(door, owner, count, is_hidden);
        if let Some((how, package)) = &brought {
            let _ = write!(title, ", {how} {package}");
        }
        let finding = Finding::new(Code::NewListener, door.subject(), title)
            .severity(if mild { Severity::Warning } else { Severity::Urgent })
            .with("protocol", door.protocol)
            .with("listens on", places)
            .with("executable", &door.exe)
            .with("code from", owner.and_then(code_from))
            .with("script", door.script)
            .with("user", user)
            .with("pid", pids)
            .with("arguments", owner.map(Process::command_line))
            .with("unit", owner.and_then(|owner| owner.unit.as_ref()))
            .with("started", owner.map(|owner| owner.since.to_string()))
            .with(heirs_are, heirs)
            .with("note", note(door, is_hidden))
            .nearest(self.nearest)
            .suggest(to_toml("[[listener]]", &learn::rule_for(door, "…", None)));
        match brought {
            Some((how, package)) => finding.with(how, package),
            None => finding,
        }
    }
}

fn title(door: &Door, owner: Option<&Process>, count: usize, is_hidden: bool) -> String {
    let (what, verb) = match door.ports {
        Ports::Ephemeral if count > 1 => (format!("{count} ephemeral {} ports", door.protocol), "are"),
        Ports::Ephemeral => (format!("an ephemeral {} port", door.protocol), "is"),
        ports @ Ports::Range(..) => (format!("{} port {ports}", door.protocol), "is"),
    };
    let place = match door.bind {
        Bind::Loopback => "loopback only".to_owned(),
        bind => bind.words(),
    };
    let mut title = format!("{what} on {place} {verb} ");
    match (&door.exe, owner) {
        (Some(_), Some(owner)) if owner.exe == Executable::Kernel => title += "opened by the kernel itself",
        (Some(exe), Some(owner)) => {
            let _ = write!(title, "opened by {exe}");
            if let Some(code_from) = code_from(owner) {
                let _ = write!(title, " ({code_from})");
            }
            if let Some(script) = door.script {
                let _ = write!(title, " running {}", shortened(script));
            }
            let _ = write!(title, " run by {}", owner.user);
        }
        _ if is_hidden && door.user.is_some_and(|user| *user == UNKNOWN_USER) => {
            title += "open; the system does not say whose it is";
        }
        _ if is_hidden => title += "open, and whose it is could not be seen",
        (_, Some(owner)) => {
            let _ = write!(title, "opened by a process of {} that hides what it runs", owner.user);
        }
        (_, None) => title += "open, and no process was found that holds it",
    }
    match (door.outside, owner.is_some_and(|owner| owner.container)) {
        (true, true) => title += " in a container",
        (true, false) => title += " in a network namespace of its own",
        (false, _) => {}
    }
    title
}

fn note(door: &Door, is_hidden: bool) -> Option<&'static str> {
    if door.ports == Ports::Ephemeral {
        return Some("the system chose the port: often a client that waits for its answer");
    }
    if door.exe.as_deref() == Some(KERNEL) {
        return Some("the kernel answers there for a service: file sharing, or http.sys for IIS and WinRM");
    }
    (door.exe.is_none() && !is_hidden).then_some(
        "it is the kernel's own (WireGuard, NFS and the like), or of a process that hides what it has open",
    )
}

fn code_from(process: &Process) -> Option<&'static str> {
    match &process.exe {
        Executable::Deleted(_) => Some("a deleted or replaced file"),
        Executable::Memory(_) => Some("memory, no file"),
        _ => None,
    }
}
