//! Comparing listening sockets with the rules.

use super::compare::compare;
use super::door::{Door, is_handed_out, owners};
use super::index::{RuleIndex, SocketIndex};
use super::refused::Refused;
use super::{Listener, ListenerFacts, Rules, missing};
use crate::finding::Finding;
use crate::rule::{self, Rule as _, Verdict};
use jiff::Timestamp;
use std::collections::BTreeMap;

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
                Refused::new(nearest)
            });
            refused.add(listener, owner);
        }
    }
    let mut findings: Vec<Finding> =
        unknown.into_iter().map(|(door, refused)| refused.finding(&door, facts)).collect();
    let mut required =
        rules.listener.iter().filter(|placed| placed.rule.required && placed.rule.holds(now)).peekable();
    if required.peek().is_some() {
        let sockets = SocketIndex::of(&facts.listeners);
        findings.extend(required.filter_map(|placed| missing::finding(placed, facts, &sockets)));
    }
    findings
}
