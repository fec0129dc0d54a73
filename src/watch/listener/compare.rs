//! How one rule fits one socket and one of its owners.

use super::door::{is_outside, program_name};
use super::{Bind, Listener, ListenerFacts, ListenerRule};
use crate::processes::Process;
use crate::rule::Comparison;

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
    let hidden = own.is_none() && facts.may_hide_owner(listener);
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
