//! Explaining: which rule allows the logins of somebody, or which came nearest.

use super::check::{Asked, methods, successes};
use super::{Login, LoginFacts, Rules, is_meant};
use crate::rule::{self, Explanation, Verdict, explanation};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Explains the logins of `user` from `source`, as far as they were seen; either may be empty, which means any.
#[must_use]
pub fn explain(
    facts: &LoginFacts,
    rules: &Rules,
    (user, source): (&str, &str),
    now: Timestamp,
) -> Vec<Explanation> {
    let asked = Asked::new(facts, rules, now);
    let is_named = |login: &&Login| {
        (user.is_empty() || is_meant(user, &login.user, facts.names))
            && (source.is_empty() || login.from == *source)
    };
    let mut allowed: BTreeMap<(&Text, &Text, String), Vec<&Login>> = BTreeMap::new();
    let mut others = LoginFacts { logins: Vec::new(), ..facts.clone() };
    for login in facts.logins.iter().filter(is_named) {
        match rule::ask(&rules.login, now, |rule| asked.compare(rule, login)) {
            Verdict::Allowed(placed) => {
                let by = explanation::allowed(placed, "") + &explanation::because(placed.rule.why.as_deref());
                allowed.entry((&login.user, &login.from, by)).or_default().push(login);
            }
            Verdict::Refused(_) => others.logins.push(login.clone()),
        }
    }
    let allowed = allowed.into_iter().map(|((user, from, by), logins)| {
        let last = logins.last().map(|login| asked.shown(login.at)).unwrap_or_default();
        let (count, plural) = (logins.len(), if logins.len() == 1 { "" } else { "s" });
        let methods = methods(&logins).join(", ");
        let text = format!(
            "{user} from {from} by {methods}: {count} login{plural} in seven days, last {last}\n{by}"
        );
        Explanation { is_allowed: true, text }
    });
    let refused = successes(&others, &asked).into_iter().map(|finding| {
        let narrow = finding.suggest.unwrap_or_default();
        let refused = explanation::refused(finding.nearest.as_ref());
        let text = format!("{}\n{refused}  this would allow it:\n{narrow}", finding.title);
        Explanation { is_allowed: false, text }
    });
    allowed.chain(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use expect_test::expect;

    const POLICY: &str = r#"schema = 1

[logins]
time-zone = "UTC"
hours = ["Mon-Fri 09:00-18:00"]

[[login]]
users = ["alice"]
from = ["10.8.0.0/24"]
methods = ["publickey"]
why = "the office"
"#;

    fn login(user: &str, from: &str, method: &str, at: &str) -> Login {
        let (user, from, method) = (user.into(), from.into(), method.into());
        Login { user, from, method, at: at.parse().unwrap(), ..Login::default() }
    }

    fn explained(user: &str, source: &str) -> (Vec<bool>, String) {
        let facts = LoginFacts {
            logins: vec![
                login("alice", "10.8.0.3", "publickey", "2026-11-20T12:00:00Z"),
                login("alice", "10.8.0.3", "publickey", "2026-11-20T13:30:00Z"),
                login("alice", "10.8.0.3", "publickey", "2026-11-21T03:00:00Z"),
                login("alice", "203.0.113.9", "password", "2026-11-20T12:00:00Z"),
                login("root", "console", "console", "2026-11-20T12:00:00Z"),
            ],
            ..LoginFacts::default()
        };
        let policy = Policy::from_text("policy.toml", POLICY).unwrap();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let explanations = explain(&facts, &policy.login, (user, source), now);
        let allowed = explanations.iter().map(|explanation| explanation.is_allowed).collect();
        (allowed, explanations.into_iter().map(|explanation| explanation.text).collect())
    }

    #[test]
    fn each_login_is_told_with_the_rule_that_allows_it_or_came_nearest() {
        let (allowed, text) = explained("alice", "");
        assert_eq!(allowed, [true, false, false]);
        expect![[r#"
            alice from 10.8.0.3 by publickey: 2 logins in seven days, last Fri 2026-11-20 13:30:00 (UTC)
              allowed as login alice from 10.8.0.0/24 (policy.toml:7)
              because: the office
            alice logged in from 10.8.0.3 outside the hours, Sat 2026-11-21 03:00:00 (UTC)
              not allowed
              nearest: logins (policy.toml:3): it was Sat 2026-11-21 03:00:00 (UTC), the hours are Mon-Fri 09:00-18:00
              this would allow it:
            [[login]]
            users   = ["alice"]
            from    = ["10.8.0.3"]
            methods = ["publickey"]
            hours   = ["Sat 03:00-04:00"]
            why     = "…"
            alice logged in from 203.0.113.9 by password
              not allowed
              nearest: login alice from 10.8.0.0/24 (policy.toml:7): it came from 203.0.113.9; the method was password
              this would allow it:
            [[login]]
            users   = ["alice"]
            from    = ["203.0.113.9"]
            methods = ["password"]
            why     = "…"
        "#]].assert_eq(&text);
    }

    #[test]
    fn only_those_are_told_that_were_asked_for() {
        for (user, source, logins) in
            [("alice", "10.8.0.3", 2), ("", "console", 1), ("root", "", 1), ("", "", 4), ("bob", "", 0)]
        {
            assert_eq!(explained(user, source).0.len(), logins, "{user}@{source}");
        }
    }
}
