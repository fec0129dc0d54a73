//! Comparing logins with the policy.

mod failures;

use super::{Hours, Login, LoginFacts, LoginRule, Logins, Method, Names, Rules, Source, Unlogged, Zone};
use super::{change, is_meant, written};
use crate::finding::{Code, Finding, Nearest};
use crate::rule::{self, Comparison, Placed, Rule, Verdict};
use crate::text::Text;
use crate::watch::Memory;
pub use failures::{FAILURES, most_failures};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// So many names and sources are shown of failed logins.
const SHOWN: usize = 5;
/// So many times of one finding are shown.
const MOST_TIMES: usize = 20;

/// Compares `facts` with `rules`.
pub fn check(facts: &LoginFacts, rules: &Rules, now: Timestamp, memory: &mut Memory) -> Vec<Finding> {
    let asked = Asked::new(facts, rules, now);
    let mut findings = successes(facts, &asked);
    findings.extend(failures::check(facts, &asked, memory));
    findings.extend(silence(&facts.unlogged));
    findings.extend(change::check(facts, &rules.change, now));
    findings
}

/// What logins are held against.
pub(super) struct Asked<'a> {
    rules: &'a Rules,
    logins: Logins,
    expired: bool,
    zone: Zone,
    names: Names,
    now: Timestamp,
}

impl<'a> Asked<'a> {
    pub(super) fn new(facts: &LoginFacts, rules: &'a Rules, now: Timestamp) -> Self {
        let logins = rules.logins.as_ref().map(|placed| placed.rule.clone()).unwrap_or_default();
        let expired = !logins.holds(now);
        let zone = logins.time_zone.clone().unwrap_or_else(|| Zone::of_facts(facts.time_zone.as_ref()));
        Self { rules, logins, expired, zone, names: facts.names, now }
    }

    /// True if the hours that hold for all allow a login at this moment.
    fn in_hours(&self, at: Timestamp) -> bool {
        !self.expired && (self.logins.hours.is_empty() || self.within(&self.logins.hours, at))
    }

    fn within(&self, hours: &[Hours], at: Timestamp) -> bool {
        let wall = self.zone.wall(at).datetime();
        hours.iter().any(|hours| hours.contains(wall))
    }

    pub(super) fn compare(&self, rule: &LoginRule, login: &Login) -> Comparison {
        let mut comparison = self.compare_but_hours(rule, login);
        if rule.hours.is_empty() {
            comparison.condition(self.in_hours(login.at), || self.outside(login.at));
        } else {
            comparison.condition(self.within(&rule.hours, login.at), || self.outside_of(rule, login.at));
        }
        comparison
    }

    fn compare_but_hours(&self, rule: &LoginRule, login: &Login) -> Comparison {
        let mut comparison = Comparison::default();
        if !rule.users.is_empty() {
            let holds = rule.users.iter().any(|user| is_meant(user, &login.user, self.names));
            comparison.condition(holds, || format!("the user is {}", login.user));
        }
        if !rule.from.is_empty() {
            let holds = rule.from.iter().any(|source| source.matches(&login.from));
            comparison.condition(holds, || format!("it came from {}", login.from));
        }
        if !rule.methods.is_empty() {
            let holds = rule.methods.iter().any(|method| login.method == method.as_str());
            comparison.condition(holds, || format!("the method was {}", login.method));
        }
        comparison
    }

    fn outside_of(&self, rule: &LoginRule, at: Timestamp) -> String {
        format!("it was {}, the rule's hours are {}", self.shown(at), join(&rule.hours))
    }

    fn outside(&self, at: Timestamp) -> String {
        if self.expired {
            return "the hours of [logins] have expired".to_owned();
        }
        format!("it was {}, the hours are {}", self.shown(at), join(&self.logins.hours))
    }

    /// A moment as the clock of the policy's zone shows it.
    pub(super) fn shown(&self, at: Timestamp) -> String {
        let wall = self.zone.wall(at);
        format!("{} ({})", wall.strftime("%a %Y-%m-%d %H:%M:%S"), self.zone.name())
    }
}

fn join(hours: &[Hours]) -> String {
    hours.iter().map(Hours::to_string).collect::<Vec<_>>().join(", ")
}

/// What is refused of one user and source.
#[derive(Default)]
struct Refused<'a> {
    all: Vec<&'a Login>,
    unknown: Vec<&'a Login>,
    unknown_nearest: Option<Nearest>,
    off_hours: Vec<&'a Login>,
    off_hours_nearest: Option<Nearest>,
}

/// One finding per user and source, of each code.
pub(super) fn successes(facts: &LoginFacts, asked: &Asked) -> Vec<Finding> {
    let mut refused: BTreeMap<(&Text, &Text), Refused> = BTreeMap::new();
    for login in &facts.logins {
        let verdict = rule::ask(&asked.rules.login, asked.now, |rule| asked.compare(rule, login));
        let Verdict::Refused(nearest) = verdict else { continue };
        let group = refused.entry((&login.user, &login.from)).or_default();
        group.all.push(login);
        let but_hours = rule::ask(&asked.rules.login, asked.now, |rule| asked.compare_but_hours(rule, login));
        let known = match but_hours {
            Verdict::Allowed(placed) => Some(placed),
            Verdict::Refused(_) => None,
        };
        if known.is_none() {
            group.unknown.push(login);
            group.unknown_nearest = group.unknown_nearest.take().or(nearest);
        }
        if known.is_some() || !asked.in_hours(login.at) {
            group.off_hours.push(login);
            let nearest = || match known.filter(|placed| !placed.rule.hours.is_empty()) {
                Some(placed) => {
                    let why_not = asked.outside_of(&placed.rule, login.at);
                    Some(Nearest { rule: describe(placed), why_not })
                }
                None => hours_rule(asked, login.at),
            };
            group.off_hours_nearest = group.off_hours_nearest.take().or_else(nearest);
        }
    }
    let both = refused.into_iter().flat_map(|((user, from), refused)| {
        let unknown = (!refused.unknown.is_empty()).then(|| unknown_login(user, from, &refused, asked));
        let off_hours = (!refused.off_hours.is_empty()).then(|| off_hours_login(user, from, &refused, asked));
        unknown.into_iter().chain(off_hours)
    });
    both.collect()
}

/// `[logins]` as the rule that refuses a moment.
fn hours_rule(asked: &Asked, at: Timestamp) -> Option<Nearest> {
    let placed = asked.rules.logins.as_ref()?;
    Some(Nearest { rule: describe(placed), why_not: asked.outside(at) })
}

fn describe<R: Rule>(placed: &Placed<R>) -> String {
    format!("{} ({})", placed.rule.describe(), placed.origin)
}

fn unknown_login(user: &Text, from: &Text, refused: &Refused, asked: &Asked) -> Finding {
    let subject = format!("{user} from {from}");
    let logins = &refused.unknown;
    let methods = methods(logins);
    let title = format!("{user} logged in from {from} by {}{}", methods.join(", "), times(logins));
    let rule = LoginRule { methods: named(&methods), ..narrow(user, from, asked.names) };
    evidence(Finding::new(Code::UnknownLogin, subject, title), logins, asked)
        .nearest(refused.unknown_nearest.clone())
        .suggest(rule::to_toml("[[login]]", &rule))
}

fn off_hours_login(user: &Text, from: &Text, refused: &Refused, asked: &Asked) -> Finding {
    let subject = format!("{user} from {from}");
    let logins = &refused.off_hours;
    let last = logins.last().map(|login| asked.shown(login.at)).unwrap_or_default();
    let title = format!("{user} logged in from {from} outside the hours, {last}{}", times(logins));
    // A rule for this user and source makes all that was refused of them a matter of hours, so it covers all.
    let walls = refused.all.iter().map(|login| asked.zone.wall(login.at).datetime());
    let methods = named(&methods(&refused.all));
    let rule = LoginRule { methods, hours: Hours::covering(walls), ..narrow(user, from, asked.names) };
    evidence(Finding::new(Code::OffHoursLogin, subject, title), logins, asked)
        .nearest(refused.off_hours_nearest.clone())
        .suggest(rule::to_toml("[[login]]", &rule))
}

fn narrow(user: &Text, from: &Text, names: Names) -> LoginRule {
    let (users, from) = (vec![written(user, names)], vec![Source::exactly(from)]);
    LoginRule { users, from, why: Some("…".to_owned()), ..LoginRule::default() }
}

pub(super) fn methods<'a>(logins: &[&'a Login]) -> Vec<&'a str> {
    let mut methods: Vec<&str> = logins.iter().map(|login| login.method.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

/// The methods as a rule names them; one that no rule can name leaves the rule open to any.
fn named(methods: &[&str]) -> Vec<Method> {
    methods.iter().map(|method| Method::named(method)).collect::<Option<_>>().unwrap_or_default()
}

fn times(logins: &[&Login]) -> String {
    if logins.len() > 1 { format!(", {} times", logins.len()) } else { String::new() }
}

fn evidence(finding: Finding, logins: &[&Login], asked: &Asked) -> Finding {
    let skipped = logins.len().saturating_sub(MOST_TIMES);
    let all = |field: fn(&Login) -> Option<&Text>| {
        let mut values: Vec<&Text> = logins.iter().filter_map(|login| field(login)).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let Some(last) = logins.last() else { return finding };
    finding
        .with("user", &last.user)
        .with("from", &last.from)
        .with("method", methods(logins))
        .with("at", logins.iter().skip(skipped).map(|login| asked.shown(login.at)).collect::<Vec<_>>())
        .with("times", logins.len())
        .with("key", all(|login| login.key.as_ref()))
        .with("terminal", all(|login| login.terminal.as_ref()))
        .with("told by", all(|login| Some(&login.told_by)))
        .with("asked for by", all(|login| login.asked_by.as_ref()))
        .with("client calls itself", all(|login| login.client.as_ref()))
        .with("rights", logins.iter().any(|login| login.administrator).then_some("an administrator's"))
}

/// Logs that keep silent about logins that there were.
fn silence(unlogged: &[Unlogged]) -> Vec<Finding> {
    let mut logs: BTreeMap<&Text, Vec<&Unlogged>> = BTreeMap::new();
    for login in unlogged {
        logs.entry(&login.log).or_default().push(login);
    }
    let finding = |(log, logins): (&Text, Vec<&Unlogged>)| {
        let plural = if logins.len() == 1 { "" } else { "s" };
        let users: std::collections::BTreeSet<&str> =
            logins.iter().map(|login| login.user.as_str()).collect();
        let users: Vec<&str> = users.into_iter().take(SHOWN).collect();
        let title =
            format!("{log} does not tell of {} SSH login{plural} ({})", logins.len(), users.join(", "));
        let shown = logins.iter().take(MOST_TIMES).map(|login| {
            let from = login.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
            let pid = login.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
            format!(
                "{}{from} at {} (told by {}{pid})",
                login.user,
                login.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                login.told_by
            )
        });
        Finding::new(Code::SourceSilent, log.as_str(), title)
            .with("log", log)
            .with("logins", shown.collect::<Vec<_>>())
            .with("what to look at", "is the logging service running, is sshd's LogLevel at least INFO, was the log tampered with?")
    };
    logs.into_iter().map(finding).collect()
}

#[cfg(test)]
#[path = "check/tests.rs"]
mod tests;
