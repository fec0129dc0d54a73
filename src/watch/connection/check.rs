//! Comparing connections with the rules.

use super::{Connection, ConnectionFacts, ConnectionRule, Rules, learn};
use crate::finding::{Code, Finding, Nearest};
use crate::processes::Process;
use crate::rule::{self, Comparison, Verdict, to_toml};
use crate::text::Text;
use crate::watch::listener::{Protocol, program_name};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What makes connections the same to a person: one finding for all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// The port of the other end.
    pub port: u16,
    /// The program, as a rule names it; none if it is not known.
    pub exe: Option<String>,
    /// The script it runs.
    pub script: Option<&'a Text>,
    /// The user, if that is all that is known of the owner.
    pub user: Option<&'a Text>,
    /// In another network namespace, or opened by a file that is not the host's.
    pub outside: bool,
    /// The other end.
    pub to: IpAddr,
}

impl<'a> Way<'a> {
    /// The way that a connection takes.
    pub fn of(connection: &'a Connection) -> Self {
        let owner = connection.owner.as_deref();
        let exe = owner.and_then(program_name);
        Self {
            protocol: connection.protocol,
            port: connection.port,
            script: owner.and_then(|owner| owner.script.as_ref()),
            user: exe.is_none().then(|| owner.map_or(&connection.user, |owner| &owner.user)),
            exe,
            outside: is_outside(connection),
            to: connection.to.to_canonical(),
        }
    }

    fn subject(&self) -> String {
        let mut subject = format!("{} to {}", self.protocol, SocketAddr::new(self.to, self.port));
        subject += &self.exe.as_ref().map_or(String::new(), |exe| format!(" exe={exe}"));
        subject += &self.user.map_or(String::new(), |user| format!(" user={user}"));
        subject += &self.script.map_or(String::new(), |script| format!(" script={script}"));
        subject + if self.outside { " outside" } else { "" }
    }
}

fn is_outside(connection: &Connection) -> bool {
    connection.namespace.is_some() || connection.owner.as_ref().is_some_and(|owner| owner.container)
}

/// All connections that no rule allows.
pub fn check(facts: &ConnectionFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let Some(connections) = &facts.connections else {
        return if rules.ask() { vec![not_looked_at()] } else { Vec::new() };
    };
    let mut unknown: BTreeMap<Way, (Option<Nearest>, Vec<&Connection>)> = BTreeMap::new();
    for connection in connections.iter().filter(|_| rules.ask()) {
        let compare = |rule: &ConnectionRule| compare(rule, connection, facts.sees_all);
        if let Verdict::Refused(nearest) = rule::ask(&rules.connection, now, compare) {
            unknown.entry(Way::of(connection)).or_insert((nearest, Vec::new())).1.push(connection);
        }
    }
    unknown.into_iter().map(|(way, (nearest, all))| finding(&way, nearest, &all, facts)).collect()
}

fn not_looked_at() -> Finding {
    let title =
        "the policy says which connections may be open, and these facts hold none: they were not asked for";
    Finding::new(Code::CoverageGap, "connections not looked at", title)
        .with("what to do", "record the facts with `watchdog snapshot --facts --with connections`")
}

/// How one rule fits one connection.
fn compare(rule: &ConnectionRule, connection: &Connection, sees_all: bool) -> Comparison {
    let mut comparison = Comparison::default();
    let owner = connection.owner.as_deref();
    let own = owner.and_then(program_name);
    // An ordinary user cannot tell whose socket it is. That is a gap in coverage, not a difference.
    let hidden = own.is_none() && (!sees_all || connection.sought);
    if rule.protocol != connection.protocol {
        comparison.condition(false, || format!("it is for {}", rule.protocol));
        return comparison;
    }
    if let Some(pattern) = &rule.exe {
        let fits = match &own {
            Some(own) if own.starts_with("memfd:") => pattern.matches(own),
            Some(own) => pattern.matches_path(own),
            None => hidden,
        };
        comparison.condition(fits, || match &own {
            Some(own) => format!("it is for {}, and this is {own}", pattern.as_str()),
            None => format!("it is for {}, and no owner was found", pattern.as_str()),
        });
        if let (Some(script), None) = (owner.and_then(|owner| owner.script.as_ref()), &rule.script) {
            comparison.condition(false, || format!("it allows no script, and this runs {script}"));
        }
    }
    if !rule.to.is_empty() {
        let fits = rule.to.iter().any(|to| to.covers(connection.to));
        let all = || rule.to.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        comparison.condition(fits, || format!("it is for {}", all()));
    }
    if let Some(port) = rule.port {
        // What the system hands out here says nothing of the other end: `ephemeral` is its usual range.
        comparison
            .condition(port.cover(connection.port, (32_768, 60_999)), || format!("it is for port {port}"));
    }
    if let Some(pattern) = &rule.script {
        let own = owner.and_then(|owner| owner.script.as_ref());
        let fits = hidden || own.is_some_and(|own| pattern.matches(own));
        comparison.condition(fits, || format!("it is for the script {}", pattern.as_str()));
    }
    if !rule.users.is_empty() {
        let user = owner.map_or(&connection.user, |owner| &owner.user);
        let fits = rule.users.iter().any(|allowed| *user == **allowed);
        comparison.condition(fits, || format!("user {user} is not one of {}", rule.users.join(", ")));
    }
    if rule.container != is_outside(connection) {
        comparison.condition(false, || {
            if rule.container {
                "it is for containers, and this is the host's own".to_owned()
            } else {
                "it is for the host, and this is in a container or another network namespace".to_owned()
            }
        });
    }
    comparison
}

fn finding(way: &Way, nearest: Option<Nearest>, all: &[&Connection], facts: &ConnectionFacts) -> Finding {
    let owner: Option<&Process> = all.iter().find_map(|connection| connection.owner.as_deref());
    let user = owner.map(|owner| &owner.user).or_else(|| all.first().map(|connection| &connection.user));
    let place = SocketAddr::new(way.to, way.port);
    let who = match (&way.exe, user) {
        (Some(exe), Some(user)) => format!("{exe} run by {user}"),
        (None, Some(user)) if facts.sees_all && !all.iter().any(|one| one.sought) => {
            format!("a process of {user} that was not found")
        }
        (_, Some(user)) => format!("a process of {user} that could not be seen"),
        (_, None) => "a process that was not found".to_owned(),
    };
    let outside = if way.outside { " in a container or another network namespace" } else { "" };
    let mut pids: Vec<u32> =
        all.iter().filter_map(|connection| connection.owner.as_ref().map(|owner| owner.pid)).collect();
    pids.sort_unstable();
    pids.dedup();
    pids.truncate(5);
    let title = format!("{who}{outside} is connected to {place} over {}", way.protocol);
    Finding::new(Code::UnknownConnection, way.subject(), title)
        .with("protocol", way.protocol)
        .with("to", place.to_string())
        .with("connections", all.iter().map(|connection| connection.count).sum::<u64>())
        .with("executable", &way.exe)
        .with("script", way.script)
        .with("user", user)
        .with("pid", pids)
        .with("arguments", owner.map(Process::command_line))
        .with("unit", owner.and_then(|owner| owner.unit.as_ref()))
        .with("started", owner.map(|owner| owner.since.to_string()))
        .nearest(nearest)
        .suggest(to_toml("[[connection]]", &learn::rule_for(way, vec![way.to], "…", None)))
}
