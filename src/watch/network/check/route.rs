//! Where packets go: routes that no rule allows, and ways that are required and not taken.

use super::super::learn::{self, comes_and_goes};
use super::super::{MAIN, NetworkFacts, Route, RouteRule, Rules, To};
use crate::finding::{Code, Finding, Severity};
use crate::rule::{self, Comparison, Placed, Rule as _, Verdict, to_toml};
use ipnet::IpNet;
use jiff::Timestamp;

/// The routes that no rule allows.
pub fn new(facts: &NetworkFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let counting = facts.routes.iter().filter(|route| counts(route, facts));
    let refused =
        counting.filter_map(|route| match rule::ask(&rules.route, now, |rule| compare(rule, route)) {
            Verdict::Allowed(_) => None,
            Verdict::Refused(nearest) => Some((route, nearest)),
        });
    refused
        .map(|(route, nearest)| {
            let allowing = learn::route_rule(route, "…", None);
            let which = if route.is_default() {
                "all packets without another way".to_owned()
            } else {
                format!("packets to {}", route.to)
            };
            let title = format!("{which} go {}, and no rule allows that", way(route));
            Finding::new(Code::NewRoute, format!("route {}", allowing.words()), title)
                .severity(if route.is_default() { Severity::Urgent } else { Severity::Warning })
                .with("to", route.to.to_string())
                .with("by", route.via.map(|via| via.to_string()))
                .with("link", &route.link)
                .with("table", route.table)
                .with("made by", &route.by)
                .nearest(nearest)
                .suggest(to_toml("[[route]]", &allowing))
        })
        .collect()
}

/// True if it says more than that a link has an address, or that a container is there.
pub fn counts(route: &Route, facts: &NetworkFacts) -> bool {
    let link = route.link.as_ref().and_then(|name| facts.links.iter().find(|link| link.name == *name));
    route.by != "kernel" && (route.is_default() || !link.is_some_and(comes_and_goes))
}

fn compare(rule: &RouteRule, route: &Route) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.condition(rule.to.nets().contains(&route.to), || format!("it is for {}", rule.to));
    let differences = ways_differ(rule, route);
    comparison.condition(differences.is_none(), || differences.unwrap_or_default());
    comparison
}

/// How the way of a route differs from that of a rule.
fn ways_differ(rule: &RouteRule, route: &Route) -> Option<String> {
    let via = rule.via.is_none_or(|allowed| route.via.is_some_and(|via| allowed.covers(via)));
    let link = rule
        .link
        .as_ref()
        .is_none_or(|allowed| route.link.as_ref().is_some_and(|link| allowed.matches_text(link)));
    let table = rule.table.unwrap_or(MAIN) == route.table;
    (!(via && link && table)).then(|| format!("it goes {}", wanted(rule)))
}

fn way(route: &Route) -> String {
    let mut words = match (&route.link, route.via) {
        (None, None) => "nowhere".to_owned(),
        (Some(link), None) => format!("over {link}"),
        (None, Some(via)) => format!("by {via}"),
        (Some(link), Some(via)) => format!("by {via} over {link}"),
    };
    if route.table != MAIN {
        words += &format!(" (table {})", route.table);
    }
    words
}

fn wanted(rule: &RouteRule) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(rule.via.map(|via| format!("by {via}")));
    words.extend(rule.link.as_ref().map(|link| format!("over {}", link.as_str())));
    words.extend(rule.table.map(|table| format!("in table {table}")));
    if words.is_empty() { "any way of the main table".to_owned() } else { words.join(" ") }
}

/// The ways that a rule requires and packets do not take, all or some of them.
pub fn missing(facts: &NetworkFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let required = rules.route.iter().filter(|placed| placed.rule.required && placed.rule.holds(now));
    required.filter_map(|placed| missing_one(placed, facts)).collect()
}

fn missing_one(placed: &Placed<RouteRule>, facts: &NetworkFacts) -> Option<Finding> {
    let rule = &placed.rule;
    let table: Vec<&Route> =
        facts.routes.iter().filter(|route| route.table == rule.table.unwrap_or(MAIN)).collect();
    // Of both families one is enough: few hosts have a default route of both.
    let taken: Vec<Vec<&Route>> = rule.to.nets().into_iter().map(|net| taken(net, &table)).collect();
    let is_met = |routes: &Vec<&Route>| {
        !routes.is_empty() && routes.iter().all(|route| ways_differ(rule, route).is_none())
    };
    let is_absent = |routes: &Vec<&Route>| routes.is_empty();
    if taken.iter().any(is_met) && taken.iter().all(|routes| is_met(routes) || is_absent(routes)) {
        return None;
    }
    let others: Vec<String> = taken
        .iter()
        .flatten()
        .filter(|route| ways_differ(rule, route).is_some())
        .map(|route| format!("{} {}", To::of(route.to), way(route)))
        .collect();
    let instead = match others.first() {
        None => "there is no route".to_owned(),
        Some(first) => format!("it is {first}"),
    };
    let title = format!("packets to {} must go {}, and {instead}", rule.to, wanted(rule));
    let changed = RouteRule { required: false, ..rule.clone() };
    Some(
        Finding::new(Code::MissingRoute, format!("route {}", rule.words()), title)
            .with("instead", others)
            .with("rule", placed.origin.to_string())
            .with("why the rule", &rule.why)
            .suggest(format!(
                "# instead of the rule at {}\n{}",
                placed.origin,
                to_toml("[[route]]", &changed)
            )),
    )
}

/// The routes that packets to these addresses take: the narrowest that holds all of them, and all that are narrower. Of
/// everything only the default route itself is meant, as any other leads somewhere.
fn taken<'a>(net: IpNet, table: &[&'a Route]) -> Vec<&'a Route> {
    let holds = |route: &&&Route| route.to.contains(&net);
    let rank = |route: &&'a Route| (std::cmp::Reverse(route.to.prefix_len()), route.metric);
    let best = table.iter().filter(holds).map(rank).min();
    let widest = table.iter().filter(|route| holds(route) && Some(rank(route)) == best);
    let within = |route: &&&Route| net.prefix_len() > 0 && route.to != net && net.contains(&route.to);
    widest.chain(table.iter().filter(within)).copied().collect()
}
