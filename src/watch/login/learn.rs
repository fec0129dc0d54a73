//! The policy that allows just the logins that were seen.

use super::check::{FAILURES, most_failures};
use super::{FailuresIn, Hours, LoginFacts, LoginRule, Logins, Method, Source, Zone, written};
use crate::rule;
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// `[logins]`, and a `[[login]]` for each user and set of methods, with the sources it was seen from.
pub fn learn(facts: &LoginFacts, by: &str) -> String {
    let seen = most_failures(facts, FailuresIn::default().span());
    let tolerated = if seen <= FAILURES { FAILURES } else { (seen + seen / 2).next_multiple_of(10) };
    let logins = Logins {
        time_zone: Some(Zone::of_facts(facts.time_zone.as_ref())),
        hours: vec![Hours::always()],
        failures: Some(tolerated),
        failures_in: Some(FailuresIn::default()),
        why: Some(format!("at most {seen} logins failed within an hour when this policy was learned")),
        by: Some(by.to_owned()),
        ..Logins::default()
    };
    let mut out = format!(
        "# Who may log in, from where and how. Narrow the hours, like \"Mon-Fri 09:00-18:00\".\n\n{}",
        rule::to_toml("[logins]", &logins)
    );
    for rule in rules(facts, by) {
        out.push('\n');
        out.push_str(&rule::to_toml("[[login]]", &rule));
    }
    out
}

fn rules(facts: &LoginFacts, by: &str) -> Vec<LoginRule> {
    // Sources of the same methods stand together; so no pair of source and method is allowed that was not seen.
    let mut seen: BTreeMap<(&Text, &Text), BTreeSet<&str>> = BTreeMap::new();
    for login in &facts.logins {
        seen.entry((&login.user, &login.from)).or_default().insert(&login.method);
    }
    let mut grouped: BTreeMap<(&Text, BTreeSet<&str>), BTreeSet<Source>> = BTreeMap::new();
    for ((user, from), methods) in seen {
        grouped.entry((user, methods)).or_default().insert(Source::exactly(from));
    }
    let times = |user: &Text| facts.logins.iter().filter(|login| login.user == *user).count();
    let rule = |((user, methods), from): ((&Text, BTreeSet<&str>), BTreeSet<Source>)| LoginRule {
        users: vec![written(user, facts.names)],
        from: from.into_iter().collect(),
        methods: methods
            .iter()
            .map(|method| Method::named(method))
            .collect::<Option<_>>()
            .unwrap_or_default(),
        why: Some(format!(
            "{user} logged in {} times in the week before this policy was learned",
            times(user)
        )),
        by: Some(by.to_owned()),
        ..LoginRule::default()
    };
    grouped.into_iter().map(rule).collect()
}
