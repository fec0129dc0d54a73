//! Writing rules from the accounts that are there.

use super::check::{Holder, holders};
use super::{AccountFacts, AccountRule, GroupName};
use crate::rule::{Name, to_toml};

/// The `[[account]]` section: one rule for each account and each member of a powerful group, by name.
#[must_use]
pub fn learn(facts: &AccountFacts, by: &str) -> String {
    let mut all = holders(facts);
    all.sort_by_key(|holder| (holder.account.is_none(), holder.name.to_ascii_lowercase(), holder.sid));
    let rule = |holder: &Holder| {
        to_toml("[[account]]", &rule_for(holder, "was there when this policy was learned", Some(by)))
    };
    let rules: Vec<String> = all.iter().map(rule).collect();
    if rules.is_empty() {
        return String::new();
    }
    format!(
        "# Accounts of this host, and who else may belong to which powerful group. What names no group allows none.\n\n{}",
        rules.join("\n")
    )
}

/// The narrowest rule for somebody.
pub fn rule_for(holder: &Holder, why: &str, by: Option<&str>) -> AccountRule {
    let groups = holder.groups.iter().filter_map(|group| GroupName::try_from(group.to_string()).ok());
    let mut groups: Vec<GroupName> = groups.collect();
    groups.sort();
    groups.dedup();
    AccountRule {
        name: Name::literal(holder.name),
        sid: (!holder.sid.is_empty()).then(|| Name::literal(holder.sid)),
        groups,
        enabled: holder.account.is_none_or(|account| account.enabled),
        empty_password: holder.account.is_some_and(|account| !account.password_required),
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}
