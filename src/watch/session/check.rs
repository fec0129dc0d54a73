//! Comparing sessions with the policy.

use super::{Keyholder, NO_KEY, Rules, Session, SessionFacts, SessionRule, ToldBy};
use crate::finding::{Code, Finding, Nearest};
use crate::rule::{self, Comparison, Rule as _, Verdict};
use crate::text::Text;
use crate::watch::login::{Names, Source, is_meant, written};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// So many sessions of one finding are shown.
const SHOWN: usize = 20;

/// Sessions that are refused for the same reason, and the rule that came nearest to allowing the first.
type Refused<'a> = (Vec<&'a Session>, Option<Nearest>);

/// Compares `facts` with `rules`.
pub fn check(facts: &SessionFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let Some(sessions) = &rules.sessions else { return Vec::new() };
    let Some(variable) = &sessions.rule.require_env else { return Vec::new() };
    if facts.variable != variable.as_str() {
        let title =
            format!("the facts tell of {}, the policy requires {}", facts.variable, variable.as_str());
        return vec![Finding::new(Code::CoverageGap, "session variable", title)];
    }
    // Past its last day the limit to some accounts no longer holds.
    let limited = sessions.rule.holds(now);
    let accounts = if limited { sessions.rule.accounts.as_slice() } else { &[] };
    let concerned =
        |session: &&Session| accounts.is_empty() || is_among(accounts, &session.account, facts.names);
    let mut missing: BTreeMap<(&Text, Option<&Text>), Refused> = BTreeMap::new();
    let mut wrong: BTreeMap<(&Text, &Text, Option<&Text>), Refused> = BTreeMap::new();
    for session in facts.sessions.iter().filter(concerned) {
        match session.value.as_ref().filter(|value| !value.is_empty()) {
            None => {
                if let Verdict::Refused(nearest) =
                    rule::ask(&rules.session, now, |rule| may_lack(rule, session, facts.names))
                {
                    let group = missing.entry((&session.account, session.from.as_ref())).or_default();
                    group.0.push(session);
                    group.1 = group.1.take().or(nearest);
                }
            }
            Some(_) if rules.keyholder.is_empty() => {}
            Some(value) => {
                if let Verdict::Refused(nearest) =
                    rule::ask(&rules.keyholder, now, |rule| holds(rule, session, value, facts.names))
                {
                    let group = wrong.entry((value, &session.account, session.key.as_ref())).or_default();
                    group.0.push(session);
                    group.1 = group.1.take().or(nearest);
                }
            }
        }
    }
    let missing =
        missing.into_values().map(|(sessions, nearest)| missing_keyholder(&sessions, nearest, facts));
    let wrong = wrong
        .into_iter()
        .map(|((value, _, _), (sessions, nearest))| wrong_keyholder(value, &sessions, nearest, facts, rules));
    missing.flatten().chain(wrong.flatten()).collect()
}

fn is_among(accounts: &[String], account: &Text, names: Names) -> bool {
    accounts.iter().any(|written| is_meant(written, account, names))
}

fn may_lack(rule: &SessionRule, session: &Session, names: Names) -> Comparison {
    let mut comparison = Comparison::default();
    if !rule.accounts.is_empty() {
        let holds = is_among(&rule.accounts, &session.account, names);
        comparison.condition(holds, || format!("the account is {}", session.account));
    }
    if !rule.from.is_empty() {
        let holds = session.from.as_ref().is_some_and(|from| rule.from.iter().any(|s| s.matches(from)));
        comparison.condition(holds, || format!("it came from {}", from(session)));
    }
    comparison
}

fn holds(rule: &Keyholder, session: &Session, value: &Text, names: Names) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.condition(*value == *rule.name, || format!("the holder is {value}"));
    if !rule.accounts.is_empty() {
        let holds = is_among(&rule.accounts, &session.account, names);
        comparison.condition(holds, || format!("the account is {}", session.account));
    }
    if !rule.keys.is_empty() {
        // Where the log does not tell of the login nothing can be held against it: that is a gap, not a lie.
        let holds = match (&session.key, &session.method) {
            (Some(key), _) => rule.keys.iter().any(|known| *key == *known.as_str()),
            (None, Some(_)) => rule.keys.iter().any(|known| known.as_str() == NO_KEY),
            (None, None) => true,
        };
        comparison.condition(holds, || came_in(session));
    }
    comparison
}

fn came_in(session: &Session) -> String {
    match (&session.key, &session.method) {
        (Some(key), _) => format!("the key was {key}"),
        (None, Some(method)) => format!("it came in by {method}, with no key"),
        (None, None) => "the key is not known".to_owned(),
    }
}

fn from(session: &Session) -> &str {
    session.from.as_deref().unwrap_or("an unknown address")
}

fn missing_keyholder(
    sessions: &[&Session],
    nearest: Option<Nearest>,
    facts: &SessionFacts,
) -> Option<Finding> {
    let variable = &facts.variable;
    let first = sessions.first()?;
    let (account, from) = (&first.account, from(first));
    let empty = sessions.iter().all(|session| session.value.is_some());
    let lacks = if empty { format!("an empty {variable}") } else { format!("no {variable}") };
    let title = match sessions {
        [one] => {
            let terminal = one.terminal.as_deref().unwrap_or("no terminal");
            format!("SSH session of {account} from {from} ({terminal}) has {lacks}")
        }
        all => format!("{} SSH sessions of {account} from {from} have {lacks}", all.len()),
    };
    let rule = SessionRule {
        accounts: vec![written(account, facts.names)],
        from: first.from.iter().map(|from| Source::exactly(from)).collect(),
        why: Some("…".to_owned()),
        ..SessionRule::default()
    };
    let finding = Finding::new(Code::MissingKeyholder, format!("{account} from {from}"), title);
    Some(evidence(finding, sessions).nearest(nearest).suggest(rule::to_toml("[[session]]", &rule)))
}

fn wrong_keyholder(
    value: &Text,
    sessions: &[&Session],
    nearest: Option<Nearest>,
    facts: &SessionFacts,
    rules: &Rules,
) -> Option<Finding> {
    let variable = &facts.variable;
    let first = sessions.first()?;
    let account = &first.account;
    let count = if sessions.len() == 1 {
        "SSH session".to_owned()
    } else {
        format!("{} SSH sessions", sessions.len())
    };
    let named: Vec<&Keyholder> =
        rules.keyholder.iter().map(|k| &k.rule).filter(|k| *value == *k.name).collect();
    let may_enter =
        |rule: &&Keyholder| rule.accounts.is_empty() || is_among(&rule.accounts, account, facts.names);
    let wrong = if named.is_empty() {
        "whom the policy does not know".to_owned()
    } else if !named.iter().any(may_enter) {
        format!("who may not enter {account}")
    } else {
        format!("but {}", came_in(first))
    };
    let title = format!("{count} of {account} from {}: {variable} is {value}, {wrong}", from(first));
    let no_key = first.method.as_ref().map(|_| NO_KEY);
    let key = first.key.as_deref().or(no_key);
    let keys = key.into_iter().filter_map(|key| key.to_owned().try_into().ok()).collect();
    let rule = Keyholder {
        name: value.to_string(),
        keys,
        accounts: vec![written(account, facts.names)],
        why: Some("…".to_owned()),
        ..Keyholder::default()
    };
    let key = first.key.as_deref().unwrap_or("no key");
    let finding = Finding::new(Code::WrongKeyholder, format!("{value} as {account} with {key}"), title);
    let finding = evidence(finding.with("holder", value), sessions);
    Some(finding.nearest(nearest).suggest(rule::to_toml("[[keyholder]]", &rule)))
}

fn evidence(finding: Finding, sessions: &[&Session]) -> Finding {
    let Some(first) = sessions.first() else { return finding };
    let told_by = match first.told_by {
        Some(ToldBy::Log) => "the log",
        Some(ToldBy::Environment) => "the session's own environment, which its owner can change",
        None => "nothing",
    };
    let shown = sessions.iter().take(SHOWN).map(|session| {
        let Session { leader, terminal, .. } = session;
        let terminal = terminal.as_deref().unwrap_or("no terminal");
        let since = leader.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        let port = session.port.map(|port| format!(", port {port}")).unwrap_or_default();
        format!("{} as {}, {terminal}{port}, since {since}, process {}", leader.exe, leader.user, leader.pid)
    });
    finding
        .with("account", &first.account)
        .with("from", from(first))
        .with("address told by", told_by)
        .with("sessions", shown.collect::<Vec<_>>())
        .with("method", &first.method)
        .with("key", &first.key)
}

#[cfg(test)]
#[path = "check/tests.rs"]
mod tests;
