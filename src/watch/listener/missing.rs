//! Sockets that must listen, and do not.

use super::compare::compare;
use super::door::{called, is_handed_out, owners};
use super::index::SocketIndex;
use super::{Listener, ListenerFacts, ListenerRule, Ports};
use crate::finding::{Code, Finding};
use crate::rule::{Placed, Rule as _, to_toml};

/// So many that listen there instead are named.
const NAMED: usize = 5;

/// The finding, unless a socket listens as the rule wants.
pub fn finding(
    placed: &Placed<ListenerRule>,
    facts: &ListenerFacts,
    sockets: &SocketIndex,
) -> Option<Finding> {
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
