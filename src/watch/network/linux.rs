//! Asking a Linux for its network set-up.

pub mod helper;
mod nft;
pub mod rtnetlink;

use super::firewall::Firewall;
use super::{Address, Gateway, Link, NetworkFacts, Part, Route, Rules};
use crate::coverage::Gap;
use crate::host::Host;
use crate::text::Text;
use crate::watch::listener::linux::{Ours, namespace};
use crate::watch::{Look, Seen};
use rtnetlink::{Item, RawLink, RawRoute};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

/// What is remembered from pass to pass.
#[derive(Default)]
pub struct Eyes {
    rules: nft::Rules,
}

impl Eyes {
    /// All of it.
    pub fn look(&mut self, look: &mut Look<Rules>) -> Seen<NetworkFacts> {
        if look.host.path("/proc") != Path::new("/proc") {
            return Seen::NoData("the kernel tells of the network of this machine only".to_owned());
        }
        if namespace::home(look.host).is_ours == Ours::Other {
            return Seen::Failed("the watchdog is in another network namespace than the host".to_owned());
        }
        let items = match rtnetlink::read() {
            Ok(items) => items,
            Err(error) => return Seen::Failed(format!("the kernel does not list links and routes: {error}")),
        };
        let mut facts = put_together(items);
        facts.firewall = self.firewall(look);
        Seen::Facts(facts)
    }

    /// The firewall, if anybody asks for it: to read it takes a right that the rest does not.
    fn firewall(&mut self, look: &mut Look<Rules>) -> Firewall {
        let asked = look.rules.to_learn
            || look.rules.network.as_ref().is_some_and(|placed| placed.rule.watch.contains(&Part::Firewall));
        if !asked {
            return Firewall::Unread("nobody asked for it".to_owned());
        }
        if has_legacy_tables(look.host) {
            look.gaps.push(Gap {
                gap: "firewall-legacy".to_owned(),
                seen: 0,
                of: 1,
                why: "there are rules of the old iptables, which are not read: use the iptables that writes nftables (update-alternatives --set iptables /usr/sbin/iptables-nft)".to_owned(),
            });
        }
        match self.rules.read() {
            Ok(blocks) => Firewall::Blocks(blocks),
            Err(why) => {
                look.gaps.push(Gap { gap: "firewall".to_owned(), seen: 0, of: 1, why: why.clone() });
                Firewall::Unread(why)
            }
        }
    }
}

/// True if the old iptables has tables: what it filters does not stand in nftables.
fn has_legacy_tables(host: &Host) -> bool {
    let names = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];
    names.iter().any(|file| host.read(file).is_ok_and(|names| !names.trim_ascii().is_empty()))
}

/// Names stand for the kernel's numbers from here on.
fn put_together(items: Vec<Item>) -> NetworkFacts {
    let mut links: BTreeMap<u32, RawLink> = BTreeMap::new();
    let mut addresses: BTreeMap<u32, BTreeSet<Address>> = BTreeMap::new();
    let mut routes: Vec<RawRoute> = Vec::new();
    let mut neighbours: Vec<(u32, IpAddr, Text)> = Vec::new();
    for item in items {
        match item {
            Item::Link(link) => drop(links.insert(link.index, link)),
            Item::Address { index, address } => drop(addresses.entry(index).or_default().insert(address)),
            Item::Route(route) => routes.push(route),
            Item::Neighbour { index, address, mac } => neighbours.push((index, address, mac)),
        }
    }
    let name = |index: u32| {
        links.get(&index).map_or_else(|| Text::new(format!("#{index}")), |link| link.name.clone())
    };
    let mut facts = NetworkFacts::default();
    for link in links.values() {
        // A port of a bridge is promiscuous, and so is what lies below something that is.
        let of_master = link.master.and_then(|master| links.get(&master)).is_some_and(|master| {
            let bridges = ["bridge", "openvswitch", "hsr", "batadv"];
            master.promiscuity > 0
                || master.kind.as_ref().is_some_and(|kind| bridges.contains(&kind.as_str()))
        });
        let above = links.values().filter(|other| other.lower == Some(link.index) && other.promiscuity > 0);
        let explained = above.count() + usize::from(of_master);
        facts.links.push(Link {
            name: link.name.clone(),
            kind: link.kind.clone(),
            loopback: link.loopback,
            up: link.up,
            promiscuous: link.promiscuity as usize > explained,
            master: link.master.map(name),
            mac: link.mac.clone(),
            addresses: addresses.remove(&link.index).unwrap_or_default().into_iter().collect(),
        });
    }
    facts.links.sort_by(|a, b| a.name.cmp(&b.name));
    let ways = routes.iter().filter(|route| route.to.prefix_len() == 0);
    let ways: BTreeSet<(u32, IpAddr)> = ways.filter_map(|route| Some((route.link?, route.via?))).collect();
    let gateways = neighbours.into_iter().filter(|(index, address, _)| ways.contains(&(*index, *address)));
    facts.gateways =
        gateways.map(|(index, address, mac)| Gateway { address, link: name(index), mac }).collect();
    facts.gateways.sort();
    let routes = routes.into_iter().map(|route| Route {
        to: route.to,
        via: route.via,
        link: route.link.map(name),
        table: route.table,
        metric: route.metric,
        by: route.by,
    });
    facts.routes = routes.collect();
    facts.routes.sort();
    facts.routes.dedup();
    facts
}
