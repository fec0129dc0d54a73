//! Comparing the network set-up with the policy.
//!
//! What moves by itself is no finding. Addresses that only count on the link, and the temporary ones of IPv6, are not
//! even facts. A leased address is allowed by its net. Links of containers (`veth` and the like) need no rule while they
//! are part of a bridge that has one. Routes that follow from an address need none, nor do those over a container's link.
//! That something required is gone, or the firewall differs, must be seen in two looks one after the other: carriers
//! flap, leases are renewed, and whoever reloads rules takes the old ones away first.

mod firewall;
mod route;

pub use route::counts as route_counts;

use super::learn::{self, comes_and_goes};
use super::{Gateway, Link, LinkRule, NetworkFacts, Part, Rules};
use crate::finding::{Code, Finding};
use crate::rule::{self, Comparison, Placed, Rule as _, Verdict, to_toml};
use crate::text::Text;
use crate::watch::Memory;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered from look to look.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    /// What was seen in the last look and has to be seen again.
    unsettled: BTreeSet<String>,
    /// What gateways answered with first of which no rule says it.
    macs: BTreeMap<String, Text>,
    /// The firewall as it was when it was as the policy wants it, to tell what changed.
    firewall: BTreeMap<String, Vec<Text>>,
}

/// All that differs.
pub fn check(facts: &NetworkFacts, rules: &Rules, now: Timestamp, memory: &mut Memory) -> Vec<Finding> {
    let is_first = memory.is_empty();
    let mut remembered: Remembered = memory.recall();
    let counts = |part: Part| {
        rules
            .network
            .as_ref()
            .is_some_and(|placed| placed.rule.holds(now) && placed.rule.watch.contains(&part))
    };
    let mut findings = Vec::new();
    if let Some(placed) = rules.network.as_ref().filter(|placed| !placed.rule.holds(now)) {
        let title =
            "the [network] table of the policy has expired, and nothing of the network needs a rule any more";
        findings.push(
            Finding::new(Code::CoverageGap, "expired network", title).with("rule", placed.origin.to_string()),
        );
    }
    if counts(Part::Links) {
        findings.extend(facts.links.iter().filter_map(|link| new_link(link, facts, rules, now)));
    }
    // Whoever listens in is told of, whatever else of the network counts.
    findings.extend(facts.links.iter().filter_map(|link| promiscuous(link, rules, now)));
    if counts(Part::Addresses) {
        // The finding of a new link tells its addresses, and the rule for it allows them.
        let is_known = |link: &&Link| !counts(Part::Links) || new_link(link, facts, rules, now).is_none();
        findings.extend(facts.links.iter().filter(is_known).flat_map(|link| new_addresses(link, rules, now)));
    }
    if counts(Part::Routes) {
        findings.extend(route::new(facts, rules, now));
    }
    if counts(Part::Gateways) {
        findings
            .extend(facts.gateways.iter().filter_map(|one| gateway(one, rules, now, &mut remembered.macs)));
    }
    let mut passing: Vec<Finding> = missing_links(facts, rules, now);
    passing.extend(route::missing(facts, rules, now));
    if counts(Part::Firewall) {
        passing.extend(firewall::check(&facts.firewall, rules, now, &mut remembered.firewall));
    }
    let before = std::mem::take(&mut remembered.unsettled);
    remembered.unsettled = passing.iter().map(Finding::key).collect();
    findings.extend(passing.into_iter().filter(|finding| is_first || before.contains(&finding.key())));
    memory.keep(&remembered);
    findings
}

fn fits_name(rule: &LinkRule, link: &Link) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.condition(rule.name.matches_text(&link.name), || format!("it is for {}", rule.name.as_str()));
    comparison
}

fn is_allowed(link: &Link, rules: &Rules, now: Timestamp) -> bool {
    link.loopback || matches!(rule::ask(&rules.link, now, |rule| fits_name(rule, link)), Verdict::Allowed(_))
}

/// True if it is a container's end on a bridge that may be there.
fn is_of_a_bridge(link: &Link, facts: &NetworkFacts, rules: &Rules, now: Timestamp) -> bool {
    let master = link.master.as_ref().and_then(|name| facts.links.iter().find(|other| other.name == *name));
    comes_and_goes(link) && master.is_some_and(|master| is_allowed(master, rules, now))
}

fn new_link(link: &Link, facts: &NetworkFacts, rules: &Rules, now: Timestamp) -> Option<Finding> {
    if is_allowed(link, rules, now) || is_of_a_bridge(link, facts, rules, now) {
        return None;
    }
    let kind = link.kind.as_ref().map_or("network", |kind| kind);
    let title = format!("a {kind} link {} is there that no rule allows", link.name);
    Some(
        evidence(Finding::new(Code::NewLink, format!("link {}", link.name), title), link)
            .suggest(to_toml("[[link]]", &learn::link_rule(link, "…", None))),
    )
}

fn evidence(finding: Finding, link: &Link) -> Finding {
    finding
        .with("link", &link.name)
        .with("kind", &link.kind)
        .with("up", link.up)
        .with("part of", &link.master)
        .with("hardware address", &link.mac)
        .with("addresses", link.addresses.iter().map(|address| address.net.to_string()).collect::<Vec<_>>())
}

fn promiscuous(link: &Link, rules: &Rules, now: Timestamp) -> Option<Finding> {
    if !link.promiscuous {
        return None;
    }
    let compare = |rule: &LinkRule| {
        let mut comparison = fits_name(rule, link);
        comparison.condition(rule.promiscuous, || {
            "it does not allow it to take in the packets of others".to_owned()
        });
        comparison
    };
    let Verdict::Refused(nearest) = rule::ask(&rules.link, now, compare) else { return None };
    let title =
        format!("link {} takes in the packets of others (promiscuous): somebody listens in", link.name);
    let mut allowing = learn::link_rule(link, "…", None);
    allowing.addresses.clear();
    Some(
        evidence(Finding::new(Code::PromiscuousLink, format!("link {}", link.name), title), link)
            .with("to see who", "ss -0 -p; ip -d link show")
            .nearest(nearest)
            .suggest(to_toml("[[link]]", &allowing)),
    )
}

fn new_addresses(link: &Link, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let is_new = |rule: &LinkRule, address: std::net::IpAddr| {
        let mut comparison = fits_name(rule, link);
        let fits = rule.addresses.iter().any(|allowed| allowed.covers(address));
        let all = || rule.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        comparison.condition(fits, || {
            if rule.addresses.is_empty() {
                "it allows the link no address".to_owned()
            } else {
                format!("it is for {}", all())
            }
        });
        comparison
    };
    let asked = link.addresses.iter().filter_map(|address| {
        match rule::ask(&rules.link, now, |rule| is_new(rule, address.net.addr())) {
            Verdict::Allowed(_) => None,
            Verdict::Refused(nearest) => Some((address, nearest)),
        }
    });
    asked
        .map(|(address, nearest)| {
            let title = format!("link {} has the address {} that no rule allows", link.name, address.net);
            let mut allowing = learn::link_rule(link, "…", None);
            allowing.addresses = vec![learn::destination(*address)];
            allowing.promiscuous = false;
            let subject = format!("address {} link {}", learn::destination(*address), link.name);
            evidence(Finding::new(Code::NewAddress, subject, title), link)
                .with("address", address.net.to_string())
                .with("given", if address.leased { "for a time" } else { "for good" })
                .nearest(nearest)
                .suggest(to_toml("[[link]]", &allowing))
        })
        .collect()
}

/// A gateway of which a rule speaks must answer as it says; any other as it did when it was seen first.
fn gateway(
    seen: &Gateway,
    rules: &Rules,
    now: Timestamp,
    macs: &mut BTreeMap<String, Text>,
) -> Option<Finding> {
    let key = format!("{} link {}", seen.address, seen.link);
    let is_about = |rule: &super::GatewayRule| {
        rule.address == seen.address && rule.link.as_ref().is_none_or(|link| link.matches_text(&seen.link))
    };
    let about: Vec<_> =
        rules.gateway.iter().filter(|placed| is_about(&placed.rule) && placed.rule.holds(now)).collect();
    if about.iter().any(|placed| placed.rule.macs.iter().any(|mac| mac.matches_text(&seen.mac))) {
        macs.remove(&key);
        return None;
    }
    let before = if about.is_empty() {
        let first = macs.entry(key.clone()).or_insert_with(|| seen.mac.clone());
        if *first == seen.mac {
            return None;
        }
        first.to_string()
    } else {
        let all = about.iter().flat_map(|placed| &placed.rule.macs).map(|mac| mac.as_str().to_owned());
        all.collect::<Vec<_>>().join(", ")
    };
    let title = format!("the gateway {} answers as {}, and not as {before}", seen.address, seen.mac);
    Some(
        Finding::new(Code::GatewayChanged, format!("gateway {key}"), title)
            .with("gateway", seen.address.to_string())
            .with("link", &seen.link)
            .with("hardware address", &seen.mac)
            .with("before", before)
            .with("rule", about.first().map(|placed| placed.origin.to_string()))
            .suggest(to_toml("[[gateway]]", &learn::gateway_rule(seen, "…", None))),
    )
}

fn missing_links(facts: &NetworkFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let required = rules.link.iter().filter(|placed| placed.rule.required && placed.rule.holds(now));
    required.filter_map(|placed| missing_link(placed, facts)).collect()
}

fn missing_link(placed: &Placed<LinkRule>, facts: &NetworkFacts) -> Option<Finding> {
    let rule = &placed.rule;
    let there: Vec<&Link> = facts.links.iter().filter(|link| rule.name.matches_text(&link.name)).collect();
    if there.iter().any(|link| link.up) {
        return None;
    }
    let state = if there.is_empty() { "is not there" } else { "is not up" };
    let title = format!("link {} {state}, as it must be", rule.name.as_str());
    let changed = LinkRule { required: false, ..rule.clone() };
    Some(
        Finding::new(Code::MissingLink, format!("link {}", rule.name.as_str()), title)
            .with("rule", placed.origin.to_string())
            .with("why the rule", &rule.why)
            .suggest(format!(
                "# instead of the rule at {}\n{}",
                placed.origin,
                to_toml("[[link]]", &changed)
            )),
    )
}
