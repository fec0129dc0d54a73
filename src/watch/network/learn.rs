//! Writing rules from the network as it is set up now.

use super::firewall::{Block, Firewall};
use super::{
    Address, FirewallRule, Gateway, GatewayRule, Link, LinkRule, MAIN, Network, NetworkFacts, Part, Route,
    RouteRule, To, check,
};
use crate::rule::{Pattern, to_toml};
use crate::watch::connection::Destination;

/// How links are called that containers and virtual machines bring along and take away again. A rule for one is one for
/// all of them.
const PASSING: [&str; 8] = ["veth", "cali", "lxc", "vnet", "tap", "ve-", "vb-", "br-"];

/// Chains and sets that daemons fill and empty all day.
const BUSY: [&str; 11] = [
    "chain f2b-",
    "set addr-set-",
    "chain DOCKER",
    "chain KUBE-",
    "chain cali-",
    "chain CNI-",
    "chain NETAVARK",
    "set crowdsec",
    "chain crowdsec",
    "chain sshguard",
    "set sshguard",
];

const UNREAD: &str =
    "# The firewall could not be read. Once it can be, add \"firewall\" and what the finding suggests.\n";

/// True if it is the host's end of a container's or a virtual machine's link. The other end, in a container, is none.
#[must_use]
pub fn comes_and_goes(link: &Link) -> bool {
    match link.kind.as_deref() {
        Some("veth") if link.master.is_some() => true,
        Some("veth" | "tun" | "macvtap") => PASSING.iter().any(|start| link.name.starts_with(start)),
        _ => false,
    }
}

/// The sections for all of it.
#[must_use]
pub fn learn(facts: &NetworkFacts, by: &str) -> String {
    let why = "so it was when this policy was learned";
    let is_read = matches!(facts.firewall, Firewall::Blocks(_));
    // What nobody could learn would be all new once it can be read.
    let watch = Part::ALL.into_iter().filter(|part| is_read || *part != Part::Firewall).collect();
    let table = Network { watch, why: None, by: Some(by.to_owned()), expires: None };
    let mut rules = vec![to_toml("[network]", &table)];
    let links = facts.links.iter().filter(|link| !link.loopback || counts(link));
    let mut links: Vec<LinkRule> = links.map(|link| link_rule(link, why, Some(by))).collect();
    links.dedup_by(|a, b| a == b);
    let mut routes: Vec<RouteRule> = Vec::new();
    for route in facts.routes.iter().filter(|route| check::route_counts(route, facts)) {
        let rule = route_rule(route, why, Some(by));
        if !routes.contains(&rule) {
            routes.push(rule);
        }
    }
    rules.extend(links.iter().map(|rule| to_toml("[[link]]", rule)));
    rules.extend(routes.iter().map(|rule| to_toml("[[route]]", rule)));
    rules
        .extend(facts.gateways.iter().map(|seen| to_toml("[[gateway]]", &gateway_rule(seen, why, Some(by)))));
    if let Firewall::Blocks(blocks) = &facts.firewall {
        let mut parts: Vec<FirewallRule> = Vec::new();
        for block in blocks {
            let rule = firewall_rule(block, why, Some(by));
            if !parts.contains(&rule) {
                parts.push(rule);
            }
        }
        rules.extend(parts.iter().map(|rule| to_toml("[[firewall]]", rule)));
    }
    let unread = if is_read { "" } else { UNREAD };
    format!(
        "# How this host is connected. What [network] names needs a rule.\n{unread}\n{}",
        rules.join("\n")
    )
}

/// True if a loopback has more than every loopback has.
fn counts(link: &Link) -> bool {
    !link.addresses.is_empty() || link.promiscuous
}

/// The narrowest rule for a link.
#[must_use]
pub fn link_rule(link: &Link, why: &str, by: Option<&str>) -> LinkRule {
    let passing = PASSING.iter().find(|start| {
        link.name.starts_with(*start) && (comes_and_goes(link) || link.kind.as_deref() == Some("bridge"))
    });
    let mut addresses: Vec<Destination> = link.addresses.iter().copied().map(destination).collect();
    addresses.sort();
    addresses.dedup();
    LinkRule {
        name: passing
            .map_or_else(|| Pattern::literal(&link.name), |start| Pattern::from(&*format!("{start}*"))),
        addresses,
        promiscuous: link.promiscuous,
        required: false,
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}

/// What a rule says of an address: itself, or its net if the next lease may bring another.
#[must_use]
pub fn destination(address: Address) -> Destination {
    if address.leased { Destination::net(address.net) } else { Destination::one(address.net.addr()) }
}

/// The narrowest rule for a route.
#[must_use]
pub fn route_rule(route: &Route, why: &str, by: Option<&str>) -> RouteRule {
    RouteRule {
        to: To::of(route.to),
        via: route.via.map(Destination::one),
        link: route.link.as_deref().map(Pattern::literal),
        table: Some(route.table).filter(|table| *table != MAIN),
        required: false,
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}

/// The narrowest rule for a gateway.
#[must_use]
pub fn gateway_rule(seen: &Gateway, why: &str, by: Option<&str>) -> GatewayRule {
    GatewayRule {
        address: seen.address,
        link: Some(Pattern::literal(&seen.link)),
        macs: vec![Pattern::literal(&seen.mac)],
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}

/// The narrowest rule for a chain or a set; for what daemons change all day, one that lets them.
#[must_use]
pub fn firewall_rule(block: &Block, why: &str, by: Option<&str>) -> FirewallRule {
    let busy = BUSY.iter().find(|start| block.name.starts_with(*start));
    let part = match busy {
        Some(start) => {
            Pattern::from(&*format!("{}*", Pattern::literal(&format!("{} {start}", block.table)).as_str()))
        }
        None => Pattern::literal(&block.called()),
    };
    // Whoever publishes a container's port adds a rule there.
    let of_containers = ["docker0", "\"br-", "KUBE-", "CNI-", "podman"];
    let translates = &*block.name == "chain POSTROUTING"
        && block.rules.iter().any(|rule| of_containers.iter().any(|word| rule.contains(word)));
    let changes = translates || busy.is_some() || block.changes_itself();
    let digest = (!changes).then(|| block.digest());
    let remark = if changes { "; it changes by itself" } else { "" };
    FirewallRule {
        part,
        digest,
        why: Some(format!("{why}{remark}")),
        by: by.map(str::to_owned),
        expires: None,
    }
}
