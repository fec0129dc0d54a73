//! Writing rules from the sockets that listen now.

use super::door::{Door, owners};
use super::{ListenerFacts, ListenerRule};
use crate::rule::{Pattern, to_toml};
use std::collections::BTreeSet;

/// The `[[listener]]` section: one rule for each door, by protocol and port. IPv4 and IPv6 are one.
#[must_use]
pub fn learn(facts: &ListenerFacts, by: &str) -> String {
    let doors = facts.listeners.iter().flat_map(|listener| {
        owners(listener).into_iter().map(|owner| Door::of(listener, owner.map(AsRef::as_ref), facts))
    });
    let doors: BTreeSet<Door> = doors.collect();
    let why = "listened when this policy was learned";
    let rules: Vec<String> =
        doors.iter().map(|door| to_toml("[[listener]]", &rule_for(door, why, Some(by)))).collect();
    if rules.is_empty() {
        return String::new();
    }
    format!(
        "# Sockets that may listen. With `required = true` in a rule, nothing listening there is reported too.\n\n{}",
        rules.join("\n")
    )
}

/// The narrowest rule for a door.
#[must_use]
pub fn rule_for(door: &Door, why: &str, by: Option<&str>) -> ListenerRule {
    let why = match &door.exe {
        None => format!("{why}; its owner could not be seen"),
        Some(_) => why.to_owned(),
    };
    ListenerRule {
        protocol: door.protocol,
        bind: door.bind,
        port: door.ports,
        exe: door.exe.as_deref().map(Pattern::literal),
        script: door.script.map(|script| Pattern::literal(script)),
        users: door.user.iter().map(ToString::to_string).collect(),
        container: door.outside,
        required: false,
        why: Some(why),
        by: by.map(str::to_owned),
        expires: None,
    }
}
