//! Explaining: which rule lets a door be open, or which came nearest.

use super::check::is_handed_out_well;
use super::compare::compare;
use super::door::{Door, owners};
use super::index::RuleIndex;
use super::{Listener, ListenerFacts, Rules, learn};
use crate::processes::Process;
use crate::rule::{self, Explanation, Verdict, explanation, to_toml};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Explains each door at this port: one for each protocol, kind of address and program.
#[must_use]
pub fn explain(facts: &ListenerFacts, rules: &Rules, port: u16, now: Timestamp) -> Vec<Explanation> {
    let mut doors: BTreeMap<Door, Vec<(&Listener, Option<&Process>)>> = BTreeMap::new();
    for listener in facts.listeners.iter().filter(|listener| listener.port == port) {
        for owner in owners(listener).into_iter().map(|owner| owner.map(AsRef::as_ref)) {
            doors.entry(Door::of(listener, owner, facts)).or_default().push((listener, owner));
        }
    }
    doors.iter().filter_map(|(door, sockets)| one(door, sockets, facts, rules, now)).collect()
}

fn one(
    door: &Door,
    sockets: &[(&Listener, Option<&Process>)],
    facts: &ListenerFacts,
    rules: &Rules,
    now: Timestamp,
) -> Option<Explanation> {
    let (listener, owner) = *sockets.first()?;
    let addresses: Vec<String> = sockets.iter().map(|(listener, _)| listener.place()).collect();
    let by = owner.map_or(String::new(), |owner| format!(", opened by {} ({})", owner.user, owner.pid));
    let head = format!("{}: {}{by}\n", door.subject(), addresses.join(", "));
    let (is_allowed, verdict) = match rule::ask(&rules.listener, now, |rule| {
        compare(rule, listener, owner, facts)
    }) {
        Verdict::Allowed(placed) => {
            let why = explanation::because(placed.rule.why.as_deref());
            (true, explanation::allowed(placed, "") + &why)
        }
        Verdict::Refused(_) if is_handed_out_well(listener, facts, &RuleIndex::of(&rules.listener, now)) => {
            (true, "  allowed: it was handed to others, and each of them may have it\n".to_owned())
        }
        Verdict::Refused(nearest) => {
            let narrow = to_toml("[[listener]]", &learn::rule_for(door, "…", None));
            let refused = explanation::refused(nearest.as_ref());
            (false, format!("{refused}  this would allow it:\n{narrow}"))
        }
    };
    Some(Explanation { is_allowed, text: head + &verdict })
}
