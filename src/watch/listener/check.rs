//! Comparing listening sockets with the rules.

use super::index::{RuleIndex, SocketIndex};
use super::{
    Bind, KERNEL, Listener, ListenerFacts, ListenerRule, Ports, Protocol, Rules, UNKNOWN_USER, learn,
};
use crate::finding::{Code, Finding, Nearest, Severity, shortened};
use crate::processes::{Executable, Process};
use crate::rule::{self, Comparison, Placed, Rule as _, Verdict, to_toml};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// So many sockets or processes of one finding are named.
const NAMED: usize = 5;

/// What makes sockets the same door to a person: one finding, and one rule, for all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door<'a> {
    /// In another network namespace, or opened by a file that is not the host's.
    pub outside: bool,
    /// The protocol.
    pub protocol: Protocol,
    /// The port; that of a UDP client is any the system hands out.
    pub ports: Ports,
    /// On which addresses.
    pub bind: Bind,
    /// The program, as a rule names it; none if it is not known.
    pub exe: Option<String>,
    /// The script it runs.
    pub script: Option<&'a Text>,
    /// The user, if that is all that is known of the owner.
    pub user: Option<&'a Text>,
}

impl<'a> Door<'a> {
    /// The door that a socket and one of its owners make.
    pub fn of(listener: &'a Listener, owner: Option<&'a Process>, facts: &ListenerFacts) -> Self {
        let exe = owner.and_then(program_name);
        let in_range = Ports::Ephemeral.cover(listener.port, facts.ephemeral);
        // A client's socket has an owner. One without is the kernel's own: it chose its port.
        let handed_out =
            in_range && listener.protocol.has_no_listen_state() && (exe.is_some() || !facts.sees_all);
        Self {
            outside: is_outside(listener, owner),
            protocol: listener.protocol,
            ports: if handed_out { Ports::Ephemeral } else { Ports::one(listener.port) },
            bind: Bind::of(listener.address),
            script: owner.and_then(|owner| owner.script.as_ref()),
            user: exe.is_none().then(|| owner.map_or(&listener.user, |owner| &owner.user)),
            exe,
        }
    }

    /// The door in a few words.
    pub fn subject(&self) -> String {
        let mut subject = format!("{} {} {}", self.protocol, self.bind, self.ports);
        match (&self.exe, self.user) {
            (Some(exe), _) => {
                // Writing to a String cannot fail.
                let _ = write!(subject, " exe={exe}");
            }
            (None, Some(user)) => {
                let _ = write!(subject, " user={user}");
            }
            (None, None) => {}
        }
        if let Some(script) = self.script {
            let _ = write!(subject, " script={script}");
        }
        if self.outside {
            subject += " outside";
        }
        subject
    }
}

/// A program as rules name it. That its file was replaced since is for the process watch to say: after each
/// upgrade, the same door is still the same.
#[must_use]
pub fn program_name(process: &Process) -> Option<String> {
    match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => Some(path.to_string()),
        Executable::Memory(name) => Some(format!("memfd:{name}")),
        Executable::Kernel => Some(KERNEL.to_owned()),
        Executable::Unreadable(_) => None,
    }
}

fn is_outside(listener: &Listener, owner: Option<&Process>) -> bool {
    listener.namespace.is_some() || owner.is_some_and(|owner| owner.container)
}

/// The owners of a socket; one unknown owner if none was found.
pub fn owners(listener: &Listener) -> Vec<Option<&Arc<Process>>> {
    if listener.owners.is_empty() { vec![None] } else { listener.owners.iter().map(Some).collect() }
}

/// True if the first process of the host opened it: the service manager, for whomever it hands it to.
fn is_handed_out(listener: &Listener) -> bool {
    listener.owners.iter().any(|owner| owner.pid == 1) && !listener.heirs.is_empty()
}

/// True if the socket may be open: each of its owners may have it, or each of those it was handed to.
fn is_allowed(listener: &Listener, facts: &ListenerFacts, index: &RuleIndex) -> bool {
    owners(listener).into_iter().all(|owner| index.allows(listener, owner.map(AsRef::as_ref), facts))
        || is_handed_out_well(listener, facts, index)
}

/// True if each of those to whom the service manager handed the socket may have it.
pub fn is_handed_out_well(listener: &Listener, facts: &ListenerFacts, index: &RuleIndex) -> bool {
    is_handed_out(listener) && listener.heirs.iter().all(|heir| index.allows(listener, Some(heir), facts))
}

/// The same facts without the sockets that `rules` allow, for a policy that includes these.
#[must_use]
pub fn without_allowed(facts: &ListenerFacts, rules: &Rules, now: Timestamp) -> ListenerFacts {
    let index = RuleIndex::of(&rules.listener, now);
    let left = facts.listeners.iter().filter(|listener| !is_allowed(listener, facts, &index)).cloned();
    ListenerFacts { listeners: left.collect(), ..facts.clone() }
}

/// All differences between the sockets and the rules.
#[must_use]
pub fn check(facts: &ListenerFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let index = RuleIndex::of(&rules.listener, now);
    let mut unknown: BTreeMap<Door, Refused> = BTreeMap::new();
    for listener in &facts.listeners {
        for owner in owners(listener) {
            let owner = owner.map(AsRef::as_ref);
            if index.allows(listener, owner, facts) || is_handed_out_well(listener, facts, &index) {
                continue;
            }
            let refused = unknown.entry(Door::of(listener, owner, facts)).or_insert_with(|| {
                let asked = rule::ask(&rules.listener, now, |rule| compare(rule, listener, owner, facts));
                let nearest = match asked {
                    Verdict::Refused(nearest) => nearest,
                    Verdict::Allowed(_) => None,
                };
                Refused { nearest, sockets: Vec::new() }
            });
            refused.sockets.push((listener, owner));
        }
    }
    let mut findings: Vec<Finding> =
        unknown.into_iter().map(|(door, refused)| refused.finding(&door, facts)).collect();
    let mut required =
        rules.listener.iter().filter(|placed| placed.rule.required && placed.rule.holds(now)).peekable();
    if required.peek().is_some() {
        let sockets = SocketIndex::of(&facts.listeners);
        findings.extend(required.filter_map(|placed| missing(placed, facts, &sockets)));
    }
    findings
}

/// How one rule fits one socket and one of its owners.
pub fn compare(
    rule: &ListenerRule,
    listener: &Listener,
    owner: Option<&Process>,
    facts: &ListenerFacts,
) -> Comparison {
    let mut comparison = Comparison::default();
    let own = owner.and_then(program_name);
    // An ordinary user cannot tell whose socket it is. That is a gap in coverage, not a difference.
    let hidden = own.is_none() && !facts.sees_all;
    let exe_fits = match (&rule.exe, &own) {
        (None, _) => true,
        (Some(pattern), Some(own)) if own.starts_with("memfd:") => pattern.matches(own),
        (Some(pattern), Some(own)) => pattern.matches_path(own),
        (Some(_), None) => hidden,
    };
    let port_fits = rule.port.cover(listener.port, facts.ephemeral);
    if rule.protocol != listener.protocol {
        comparison.condition(false, || format!("it is for {}", rule.protocol));
        return comparison;
    }
    if !port_fits && (rule.exe.is_none() || !exe_fits) {
        // A rule for another port of another program is not near, though both listen on every address.
        comparison.condition(false, || format!("it is for port {}", rule.port));
        return comparison;
    }
    comparison.condition(port_fits, || format!("it is for port {}", rule.port));
    let place = Bind::of(listener.address);
    comparison.condition(rule.bind.covers(listener.address), || {
        format!("it is for {}, and this listens on {}", rule.bind.words(), place.words())
    });
    if rule.container != is_outside(listener, owner) {
        comparison.condition(false, || {
            if rule.container {
                "it is for containers, and this is the host's own".to_owned()
            } else {
                "it is for the host, and this is in a container or another network namespace".to_owned()
            }
        });
    }
    if let Some(exe) = &rule.exe {
        comparison.condition(exe_fits, || match &own {
            Some(own) => format!("it is for {}, and this is {own}", exe.as_str()),
            None => format!("it is for {}, and no owner was found", exe.as_str()),
        });
        if let Some(script) = owner.and_then(|owner| owner.script.as_ref()).filter(|_| rule.script.is_none())
        {
            comparison.condition(false, || format!("it allows no script, and this runs {script}"));
        }
    }
    if let Some(pattern) = &rule.script {
        let own = owner.and_then(|owner| owner.script.as_ref());
        let fits = hidden || own.is_some_and(|own| pattern.matches(own));
        comparison.condition(fits, || format!("it is for the script {}", pattern.as_str()));
    }
    if !rule.users.is_empty() {
        let user = owner.map_or(&listener.user, |owner| &owner.user);
        let fits = rule.users.iter().any(|allowed| *user == **allowed);
        comparison.condition(fits, || format!("user {user} is not one of {}", rule.users.join(", ")));
    }
    comparison
}

struct Refused<'a> {
    nearest: Option<Nearest>,
    sockets: Vec<(&'a Listener, Option<&'a Process>)>,
}

impl Refused<'_> {
    fn finding(self, door: &Door, facts: &ListenerFacts) -> Finding {
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
        let mut title = title(door, owner, count, facts);
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
            .with("note", note(door, facts))
            .nearest(self.nearest)
            .suggest(to_toml("[[listener]]", &learn::rule_for(door, "…", None)));
        match brought {
            Some((how, package)) => finding.with(how, package),
            None => finding,
        }
    }
}

fn title(door: &Door, owner: Option<&Process>, count: usize, facts: &ListenerFacts) -> String {
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
        _ if !facts.sees_all && door.user.is_some_and(|user| *user == UNKNOWN_USER) => {
            title += "open; the system does not say whose it is";
        }
        _ if !facts.sees_all => title += "open, and whose it is could not be seen",
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

fn note(door: &Door, facts: &ListenerFacts) -> Option<&'static str> {
    if door.ports == Ports::Ephemeral {
        return Some("the system chose the port: often a client that waits for its answer");
    }
    if door.exe.as_deref() == Some(KERNEL) {
        return Some("the kernel answers there for a service: file sharing, or http.sys for IIS and WinRM");
    }
    (door.exe.is_none() && facts.sees_all).then_some(
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

/// What a process is, in a few words.
fn called(process: &Process) -> String {
    let mut words = program_name(process).unwrap_or_else(|| "a process that hides what it runs".to_owned());
    if let Some(script) = &process.script {
        let _ = write!(words, " running {}", shortened(script));
    }
    format!("{words} ({}, {})", process.pid, process.user)
}

fn missing(placed: &Placed<ListenerRule>, facts: &ListenerFacts, sockets: &SocketIndex) -> Option<Finding> {
    let rule = &placed.rule;
    let sockets = sockets.on(rule.protocol, rule.port);
    let holds = |listener: &Listener| {
        let heirs = listener.heirs.iter().filter(|_| is_handed_out(listener)).map(Some);
        owners(listener)
            .into_iter()
            .chain(heirs)
            .any(|owner| compare(rule, listener, owner.map(AsRef::as_ref), facts).fits())
    };
    if sockets.iter().copied().any(holds) {
        return None;
    }
    let by = rule.exe.as_ref().map(|exe| format!(" by {}", exe.as_str())).unwrap_or_default();
    let title = format!(
        "nothing listens on {} port {} on {}{by}, as it must",
        rule.protocol,
        rule.port,
        rule.bind.words()
    );
    let near = sockets
        .into_iter()
        .filter(|listener| rule.port.cover(listener.port, facts.ephemeral) && rule.port != Ports::Ephemeral);
    let near = near.flat_map(|listener| owners(listener).into_iter().map(move |owner| (listener, owner)));
    let near: Vec<String> = near
        .take(NAMED)
        .map(|(listener, owner)| {
            let owner = owner.map_or_else(|| "an unknown owner".to_owned(), |owner| called(owner));
            format!("{} by {owner}", listener.place())
        })
        .collect();
    let subject = format!("{} users={}", rule.describe(), rule.users.join(","));
    let mut changed = rule.clone();
    changed.required = false;
    Some(
        Finding::new(Code::MissingListener, subject, title)
            .with("on that port instead", near)
            .with("rule", placed.origin.to_string())
            .with("why the rule", &rule.why)
            .suggest(format!(
                "# instead of the rule at {}\n{}",
                placed.origin,
                to_toml("[[listener]]", &changed)
            )),
    )
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
