//! The policy that requires the variable of every session, but for those that lack it now.

use super::{SessionFacts, SessionRule, Sessions, Variable};
use crate::rule;
use crate::text::Text;
use crate::watch::login::{Source, written};
use jiff::Timestamp;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// `[sessions]` with the required variable, and for each account that has sessions without it an exception of a
/// week: what is already there when the policy is learned is no news, what comes later is.
pub fn learn(facts: &SessionFacts, by: &str, now: Timestamp) -> String {
    let sessions = Sessions {
        require_env: Variable::try_from(facts.variable.to_string()).ok(),
        why: Some("every session must name who holds its key".to_owned()),
        by: Some(by.to_owned()),
        ..Sessions::default()
    };
    let mut out = format!(
        "# What every SSH session must have. A [[keyholder]] with name, keys and accounts for each person makes it a proof.\n\n{}",
        rule::to_toml("[sessions]", &sessions)
    );
    for rule in exceptions(facts, by, rule::today(now).date()) {
        out.push('\n');
        out.push_str(&rule::to_toml("[[session]]", &rule));
    }
    out
}

fn exceptions(facts: &SessionFacts, by: &str, today: Date) -> Vec<SessionRule> {
    let mut lacking: BTreeMap<(&Text, bool), BTreeSet<Source>> = BTreeMap::new();
    for session in &facts.sessions {
        if session.value.as_ref().is_none_or(|value| value.is_empty()) {
            // A session of an unknown address fits only a rule that names none.
            let from = session.from.as_ref().map(|from| Source::exactly(from));
            lacking.entry((&session.account, from.is_some())).or_default().extend(from);
        }
    }
    let rule = |((account, _), from): ((&Text, bool), BTreeSet<Source>)| SessionRule {
        accounts: vec![written(account, facts.names)],
        from: from.into_iter().collect(),
        why: Some(format!("had no {} when this policy was learned; remove this rule", facts.variable)),
        by: Some(by.to_owned()),
        expires: today.checked_add(jiff::Span::new().days(7)).ok().map(Into::into),
    };
    lacking.into_iter().map(rule).collect()
}
