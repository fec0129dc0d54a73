//! Writing rules from the connections that are open now: few that a person can read.

use super::check::Way;
use super::{ConnectionFacts, ConnectionRule, Destination};
use crate::rule::{Pattern, to_toml};
use crate::watch::listener::Ports;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A program that talks to more places than these by one port talks to anybody there.
const PLACES: usize = 8;

/// What every program does now and then: names, time. One rule serves all of them.
const EVERYBODYS: [u16; 3] = [53, 123, 853];

/// The `[[connection]]` section: one rule for each program and port.
#[must_use]
pub fn learn(facts: &ConnectionFacts, by: &str) -> String {
    let mut ways: BTreeMap<Way, Vec<IpAddr>> = BTreeMap::new();
    for connection in facts.connections.iter().flatten() {
        let mut way = Way::of(connection);
        let to = way.to;
        way.to = IpAddr::from([0, 0, 0, 0]);
        if EVERYBODYS.contains(&way.port) {
            (way.exe, way.script, way.user) = (None, None, None);
        }
        ways.entry(way).or_default().push(to);
    }
    let why = "was connected when this policy was learned";
    let rules: Vec<String> = ways
        .into_iter()
        .map(|(way, mut places)| {
            places.sort();
            places.dedup();
            if places.len() > PLACES {
                places.clear();
            }
            to_toml("[[connection]]", &rule_for(&way, places, why, Some(by)))
        })
        .collect();
    if rules.is_empty() {
        return String::new();
    }
    format!(
        "# Where this host may connect to. Every connection needs a rule while there is one.\n\n{}",
        rules.join("\n")
    )
}

/// The narrowest rule for a way to these places.
#[must_use]
pub fn rule_for(way: &Way, places: Vec<IpAddr>, why: &str, by: Option<&str>) -> ConnectionRule {
    ConnectionRule {
        protocol: way.protocol,
        to: places.into_iter().map(Destination::one).collect(),
        port: Some(Ports::one(way.port)),
        exe: way.exe.as_deref().map(Pattern::literal),
        script: way.script.map(|script| Pattern::literal(script)),
        users: way.user.iter().map(ToString::to_string).collect(),
        container: way.outside,
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}
