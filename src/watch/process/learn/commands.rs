//! Writing rules for commands: where people type, where jobs run, and for each service the programs of its own packages.

use crate::processes::{Executable, Process};
use crate::rule::{Pattern, Placed, Verdict};
use crate::text::Text;
use crate::watch::process::command::{self, CommandRule};
use crate::watch::process::{ProcessFacts, State};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Packages of tools for everybody: that a service runs one of them says nothing about the others.
const TOOLS: &[&str] = &[
    "bash",
    "bsdutils",
    "busybox",
    "coreutils",
    "curl",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "gawk",
    "gdb",
    "git",
    "grep",
    "gzip",
    "iproute2",
    "iputils-ping",
    "ksh",
    "login",
    "mawk",
    "mount",
    "ncat",
    "net-tools",
    "netcat-openbsd",
    "netcat-traditional",
    "nmap",
    "openssh-client",
    "openssl",
    "passwd",
    "procps",
    "psmisc",
    "rsync",
    "screen",
    "sed",
    "socat",
    "sudo",
    "tar",
    "telnet",
    "tmux",
    "util-linux",
    "wget",
    "zsh",
];

/// The rules for commands that fit what was seen.
pub fn rules(facts: &ProcessFacts, by: &str) -> Vec<CommandRule> {
    let rule = |units: Vec<Pattern>, why: String| CommandRule {
        units,
        packages: Vec::new(),
        users: Vec::new(),
        text: false,
        why: Some(why),
        by: Some(by.to_owned()),
        expires: None,
    };
    let mut rules = Vec::new();
    if let Some(habits) = &facts.habits {
        for person in &habits.people {
            let units = [format!("user-{}.slice", person.uid), format!("user@{}.service", person.uid)];
            let units = units.iter().map(|unit| Pattern::literal(unit)).collect();
            // Who becomes root becomes anybody.
            let users = if person.becomes_root { Vec::new() } else { vec![person.name.to_string()] };
            let why = format!("what {} types when logged in", person.name);
            rules.push(CommandRule { users, text: true, ..rule(units, why) });
        }
        if !habits.jobs.is_empty() {
            let units = habits.jobs.iter().map(|unit| Pattern::from(unit.as_str())).collect();
            rules.push(rule(units, "these start, work and end".to_owned()));
        }
    }
    let known = rules.clone();
    for (unit, packages) in services(facts) {
        let is_known = known.iter().flat_map(|rule| &rule.units).any(|known| known.matches(unit));
        if !is_known {
            let packages = packages.iter().map(|package| Pattern::literal(package)).collect();
            let why = "a service may run what its own packages brought".to_owned();
            rules.push(CommandRule { packages, ..rule(vec![Pattern::literal(unit)], why) });
        }
    }
    rules
}

/// True if a rule for commands that names no packages allows this: then a rule of its own would say nothing more. The programs
/// of a service are named all the same, as a person looks for them.
pub fn covers(rules: &[CommandRule], process: &Process, facts: &ProcessFacts) -> bool {
    let rules: Vec<Placed<CommandRule>> = rules
        .iter()
        .filter(|rule| rule.packages.is_empty())
        .map(|rule| Placed { rule: rule.clone(), origin: crate::rule::Origin::default() })
        .collect();
    // What is started at its time is so in one of the units that are named.
    let unit = process.unit.clone().or_else(|| {
        let jobs = &facts.habits.as_ref().filter(|_| process.pid == 0)?.jobs;
        jobs.iter().find(|unit| !unit.contains('*')).map(|unit| Text::from(unit.as_str()))
    });
    let process = Process { unit, ..process.clone() };
    matches!(command::allowing(&rules, &process, facts, Timestamp::UNIX_EPOCH), Verdict::Allowed(_))
}

/// The units of services, and the packages of what they run, but for tools.
fn services(facts: &ProcessFacts) -> BTreeMap<&Text, BTreeSet<&Text>> {
    let mut services: BTreeMap<&Text, BTreeSet<&Text>> = BTreeMap::new();
    for process in facts.processes.iter().filter(|process| !process.container) {
        let Some(unit) = process.unit.as_ref().filter(|unit| unit.ends_with(".service")) else { continue };
        let package = match (&process.exe, process.script_file()) {
            (Executable::Path(_), Some(script)) => facts.packages.get(script),
            (Executable::Path(path), None) if process.script.is_none() => facts.packages.get(path),
            _ => None,
        };
        let own = package.filter(|package| package.state == State::Unmodified);
        if let Some(package) = own.filter(|package| !TOOLS.contains(&package.name.as_str())) {
            services.entry(unit).or_default().insert(&package.name);
        }
    }
    services
}
