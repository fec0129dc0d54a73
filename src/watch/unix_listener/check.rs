//! Comparing the sockets that everybody on the host may talk to with the rules, and writing rules from them.

use super::{Rules, UnixListener, UnixListenerFacts, UnixListenerRule};
use crate::finding::{Code, Finding, Nearest};
use crate::processes::Process;
use crate::rule::{self, Comparison, Pattern, Verdict, to_toml};
use crate::text::Text;
use crate::watch::listener::program_name;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A socket by its path and one of its owners, as a rule names them.
type Door<'a> = (&'a Text, Option<String>);

fn doors(socket: &UnixListener) -> Vec<(Door<'_>, Option<&Process>)> {
    let path = &socket.path;
    let mut doors: Vec<_> =
        socket.owners.iter().map(|owner| ((path, program_name(owner)), Some(owner.as_ref()))).collect();
    if doors.is_empty() {
        doors.push(((path, None), None));
    }
    doors
}

/// All sockets that no rule allows.
pub fn check(facts: &UnixListenerFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let Some(sockets) = facts.sockets.as_ref().filter(|_| rules.ask()) else {
        return if rules.ask() { vec![not_looked_at()] } else { Vec::new() };
    };
    let mut unknown: BTreeMap<Door, (Option<Nearest>, Option<&Process>)> = BTreeMap::new();
    let doors = sockets.iter().flat_map(|socket| doors(socket).into_iter().map(move |door| (socket, door)));
    for (socket, (door, owner)) in doors {
        let compare = |rule: &UnixListenerRule| compare(rule, &door, facts.sees_all && !socket.sought);
        if let Verdict::Refused(nearest) = rule::ask(&rules.unix_listener, now, compare) {
            unknown.entry(door).or_insert((nearest, owner));
        }
    }
    unknown.into_iter().map(|(door, (nearest, owner))| finding(&door, nearest, owner)).collect()
}

fn not_looked_at() -> Finding {
    let title = "the policy says which sockets may be open to everybody on the host, and these facts hold none: they were not asked for";
    Finding::new(Code::CoverageGap, "unix-listeners not looked at", title)
        .with("what to do", "record the facts with `watchdog snapshot --facts --with unix-listeners`")
}

fn compare(rule: &UnixListenerRule, (path, exe): &Door, sees_all: bool) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.condition(rule.path.matches_path(path), || format!("it is for {}", rule.path.as_str()));
    if let Some(pattern) = &rule.exe {
        // An ordinary user cannot tell whose socket it is.
        let fits = exe.as_ref().map_or(!sees_all, |exe| pattern.matches_path(exe));
        comparison.condition(fits, || format!("it is for {}", pattern.as_str()));
    }
    comparison
}

fn finding((path, exe): &Door, nearest: Option<Nearest>, owner: Option<&Process>) -> Finding {
    let who = exe.as_deref().unwrap_or("a process that was not found");
    let user = owner.map(|owner| format!(" run by {}", owner.user)).unwrap_or_default();
    let title = format!("everybody on the host may talk to {path}, opened by {who}{user}");
    let subject = exe.as_ref().map_or_else(|| path.to_string(), |exe| format!("{path} exe={exe}"));
    Finding::new(Code::NewUnixListener, subject, title)
        .with("path", path)
        .with("executable", exe)
        .with("user", owner.map(|owner| &owner.user))
        .with("pid", owner.map(|owner| owner.pid))
        .with("unit", owner.and_then(|owner| owner.unit.as_ref()))
        .nearest(nearest)
        .suggest(to_toml("[[unix-listener]]", &rule_for((path, exe.as_deref()), "…", None)))
}

fn rule_for((path, exe): (&Text, Option<&str>), why: &str, by: Option<&str>) -> UnixListenerRule {
    UnixListenerRule {
        path: Pattern::literal(path),
        exe: exe.map(Pattern::literal),
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}

/// The `[[unix-listener]]` section: one rule for each path and program.
#[must_use]
pub fn learn(facts: &UnixListenerFacts, by: &str) -> String {
    let mut doors: Vec<Door> = facts.sockets.iter().flatten().flat_map(doors).map(|(door, _)| door).collect();
    doors.sort();
    doors.dedup();
    let why = "was open to everybody on the host when this policy was learned";
    let rule =
        |(path, exe): &Door| to_toml("[[unix-listener]]", &rule_for((path, exe.as_deref()), why, Some(by)));
    let rules: Vec<String> = doors.iter().map(rule).collect();
    if rules.is_empty() {
        return String::new();
    }
    format!(
        "# Sockets that everybody on the host may talk to. Each needs a rule while there is one.\n\n{}",
        rules.join("\n")
    )
}
