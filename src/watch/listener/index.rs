//! Rules and sockets by their port: of a thousand rules, a socket is compared with the few for its port. Only what no
//! rule allows is compared with all, to name the one that comes nearest.

use super::compare::compare;
use super::{Listener, ListenerFacts, ListenerRule, Ports, Protocol};
use crate::processes::Process;
use crate::rule::{Placed, Rule as _};
use jiff::Timestamp;
use std::collections::HashMap;

type Door = (Protocol, u16);

/// The rules that hold, by port.
pub struct RuleIndex<'a> {
    /// Sorted, which is had for less than a table where there are a thousand.
    one_port: Vec<(Door, &'a ListenerRule)>,
    /// Ranges, and those for whatever port the system hands out.
    many_ports: Vec<&'a ListenerRule>,
}

impl<'a> RuleIndex<'a> {
    pub fn of(rules: &'a [Placed<ListenerRule>], now: Timestamp) -> Self {
        let mut index = Self { one_port: Vec::new(), many_ports: Vec::new() };
        for rule in rules.iter().map(|placed| &placed.rule).filter(|rule| rule.holds(now)) {
            match rule.port {
                Ports::Range(first, last) if first == last => {
                    index.one_port.push(((rule.protocol, first), rule));
                }
                _ => index.many_ports.push(rule),
            }
        }
        index.one_port.sort_by_key(|(door, _)| *door);
        index
    }

    /// True if a rule lets this owner have the socket open.
    pub fn allows(&self, listener: &Listener, owner: Option<&Process>, facts: &ListenerFacts) -> bool {
        let door = (listener.protocol, listener.port);
        let first = self.one_port.partition_point(|(other, _)| *other < door);
        let from_here = self.one_port.iter().skip(first);
        let of_port = from_here.take_while(|(other, _)| *other == door).map(|(_, rule)| *rule);
        of_port
            .chain(self.many_ports.iter().copied())
            .any(|rule| compare(rule, listener, owner, facts).fits())
    }
}

/// The sockets, by port.
pub struct SocketIndex<'a> {
    all: &'a [Listener],
    by_port: HashMap<Door, Vec<&'a Listener>>,
}

impl<'a> SocketIndex<'a> {
    pub fn of(all: &'a [Listener]) -> Self {
        let mut by_port: HashMap<Door, Vec<&Listener>> = HashMap::new();
        for listener in all {
            by_port.entry((listener.protocol, listener.port)).or_default().push(listener);
        }
        Self { all, by_port }
    }

    /// The sockets that a rule for this port may be about.
    pub fn on(&self, protocol: Protocol, ports: Ports) -> Vec<&'a Listener> {
        match ports {
            Ports::Range(first, last) if first == last => {
                self.by_port.get(&(protocol, first)).cloned().unwrap_or_default()
            }
            _ => self.all.iter().filter(|listener| listener.protocol == protocol).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::rule::{self, Verdict};
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    fn rule() -> impl Strategy<Value = String> {
        let protocol = prop::sample::select(vec!["tcp", "udp"]);
        let port =
            prop::sample::select(vec!["80", "81", "40000", "\"80-81\"", "\"79-50000\"", "\"ephemeral\""]);
        let rest = prop::sample::select(vec![
            "",
            "exe = \"/a\"",
            "exe = \"/b\"",
            "expires = 2026-02-28",
            "expires = 2026-03-01",
            "required = true",
            "exe = \"/a\"\nrequired = true",
        ]);
        (protocol, port, rest).prop_map(|(protocol, port, rest)| {
            format!("[[listener]]\nprotocol = \"{protocol}\"\nbind = \"any\"\nport = {port}\n{rest}\n")
        })
    }

    fn socket() -> impl Strategy<Value = Listener> {
        let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
        let port = prop::sample::select(vec![79_u16, 80, 81, 40_000]);
        let owner = prop::sample::select(vec![None, Some("/a"), Some("/b")]);
        (protocol, port, owner).prop_map(|(protocol, port, owner)| {
            let owners: Vec<serde_json::Value> = owner
                .iter()
                .map(|exe| serde_json::json!({ "pid": 7, "start": 1, "since": now(), "parent": 1, "exe": { "path": exe },
                    "name": "x", "args": [], "uid": 0, "user": "root", "container": false }))
                .collect();
            serde_json::from_value(serde_json::json!({ "protocol": protocol.as_str(), "address": "0.0.0.0",
                "port": port, "user": "root", "inode": 1, "owners": owners }))
            .unwrap()
        })
    }

    proptest! {
        /// What is found by port is what would be found by comparing everything with everything.
        #[test]
        fn the_index_changes_nothing_but_the_time(
            rules in prop::collection::vec(rule(), 0..8),
            sockets in prop::collection::vec(socket(), 0..8),
        ) {
            let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{}", rules.concat())).unwrap();
            let rules = &policy.listener.listener;
            let facts = ListenerFacts { listeners: sockets, ephemeral: (32_768, 60_999), sees_all: true, transaction: None };
            let index = RuleIndex::of(rules, now());
            let by_port = SocketIndex::of(&facts.listeners);
            for listener in &facts.listeners {
                let owner = listener.owners.first().map(AsRef::as_ref);
                let asked = rule::ask(rules, now(), |rule| compare(rule, listener, owner, &facts));
                let allowed = matches!(asked, Verdict::Allowed(_));
                prop_assert_eq!(index.allows(listener, owner, &facts), allowed);
            }
            for placed in rules {
                let fits = |listener: &&Listener| {
                    let owner = listener.owners.first().map(AsRef::as_ref);
                    compare(&placed.rule, listener, owner, &facts).fits()
                };
                let all: Vec<&Listener> = facts.listeners.iter().filter(fits).collect();
                let on: Vec<&Listener> =
                    by_port.on(placed.rule.protocol, placed.rule.port).into_iter().filter(|l| fits(l)).collect();
                prop_assert_eq!(on, all);
            }
        }
    }
}
