//! Comparing accounts and members with the rules. An account and all its memberships are one thing to a person, and
//! one finding.

use super::{Account, AccountFacts, AccountRule, GROUPS, Member, Rules, learn};
use crate::finding::{Code, Finding, Severity};
use crate::rule::{self, Comparison, Rule as _, Verdict, to_toml};
use crate::text::Text;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// An account of the host, a member of its groups, or both.
pub struct Holder<'a> {
    /// Its name; with the domain's if it is not of this host.
    pub name: &'a Text,
    /// What it is to Windows.
    pub sid: &'a Text,
    /// The account, if it is one of the host.
    pub account: Option<&'a Account>,
    /// What it is in a group.
    pub member: Option<&'a Member>,
    /// The powerful groups it belongs to, in English.
    pub groups: Vec<&'a Text>,
}

/// Everybody of whom the facts tell, accounts first.
pub fn holders(facts: &AccountFacts) -> Vec<Holder<'_>> {
    fn of_account(account: &Account) -> Holder<'_> {
        let Account { name, sid, .. } = account;
        Holder { name, sid, account: Some(account), member: None, groups: Vec::new() }
    }
    let mut holders: Vec<Holder> = facts.accounts.iter().map(of_account).collect();
    // An account whose SID could not be told is not taken for another.
    let known = holders.iter().enumerate().filter(|(_, holder)| !holder.sid.is_empty());
    let mut by_sid: BTreeMap<&Text, usize> = known.map(|(at, holder)| (holder.sid, at)).collect();
    for group in &facts.groups {
        for member in &group.members {
            let at = *by_sid.entry(&member.sid).or_insert_with(|| {
                let Member { name, sid, .. } = member;
                holders.push(Holder { name, sid, account: None, member: None, groups: Vec::new() });
                holders.len() - 1
            });
            if let Some(holder) = holders.get_mut(at) {
                holder.member = Some(member);
                holder.groups.push(&group.group);
            }
        }
    }
    holders
}

/// All differences between the accounts and the rules.
pub fn check(facts: &AccountFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    holders(facts).iter().filter_map(|holder| check_holder(holder, rules, now)).collect()
}

/// The same facts without what `rules` allow, for a policy that includes these.
#[must_use]
pub fn without_allowed(facts: &AccountFacts, rules: &Rules, now: Timestamp) -> AccountFacts {
    let is_allowed = |holder: &Holder| {
        matches!(rule::ask(&rules.account, now, |rule| compare(rule, holder)), Verdict::Allowed(_))
    };
    let allowed: Vec<&Text> =
        holders(facts).iter().filter(|holder| is_allowed(holder)).map(|holder| holder.sid).collect();
    let is_left = |sid: &Text| sid.is_empty() || !allowed.contains(&sid);
    let mut left = facts.clone();
    left.accounts.retain(|account| is_left(&account.sid));
    for group in &mut left.groups {
        group.members.retain(|member| is_left(&member.sid));
    }
    left
}

/// How one rule fits one account with all its groups.
fn compare(rule: &AccountRule, holder: &Holder) -> Comparison {
    let mut comparison = Comparison::default();
    let is_named = rule.name.matches(holder.name);
    comparison.condition(is_named, || format!("it is for {}", rule.name.as_str()));
    if !is_named {
        return comparison;
    }
    if let Some(sid) = &rule.sid {
        comparison.condition(sid.matches(holder.sid), || {
            format!("the SID is {}, not {}: it is another account of that name", holder.sid, sid.as_str())
        });
    }
    let beyond: Vec<&str> =
        holder.groups.iter().filter(|group| !allows(rule, group)).map(|g| &***g).collect();
    if !holder.groups.is_empty() {
        comparison.condition(beyond.is_empty(), || match rule.groups.as_slice() {
            [] => format!("it allows no powerful group, not {}", beyond.join(", ")),
            groups => {
                let groups: Vec<&str> = groups.iter().map(super::GroupName::as_str).collect();
                format!("it allows {}, not {}", groups.join(", "), beyond.join(", "))
            }
        });
    }
    if let Some(account) = holder.account {
        comparison.condition(rule.enabled || !account.enabled, || {
            "it allows the account only while it is disabled".to_owned()
        });
        comparison.condition(rule.empty_password || account.password_required, || {
            "it does not allow an empty password".to_owned()
        });
    }
    comparison
}

fn allows(rule: &AccountRule, group: &str) -> bool {
    rule.groups.iter().any(|allowed| allowed.as_str() == group)
}

fn check_holder(holder: &Holder, rules: &Rules, now: Timestamp) -> Option<Finding> {
    let nearest = match rule::ask(&rules.account, now, |rule| compare(rule, holder)) {
        Verdict::Allowed(_) => return None,
        Verdict::Refused(nearest) => nearest,
    };
    let code = code(holder, rules, now);
    let finding = Finding::new(code, subject(holder, code), title(holder, code))
        .with("name", holder.name)
        .with("sid", holder.sid)
        .with("kind", holder.member.map(|member| &member.kind).filter(|kind| !kind.is_empty()))
        .with("groups", &holder.groups);
    let finding = match holder.account {
        Some(account) => finding
            .with("full name", &account.full_name)
            .with("enabled", account.enabled)
            .with("password required", account.password_required)
            .with("password expires", account.password_expires)
            .with("password set", account.password_set.map(|at| at.to_string()))
            .with("last login", account.last_login.map_or("never".to_owned(), |at| at.to_string())),
        None => finding,
    };
    let harmless = holder.groups.is_empty() && holder.account.is_some_and(|account| !account.enabled);
    let severity = if harmless { Severity::Notice } else { code.severity() };
    let rule = learn::rule_for(holder, "…", None);
    Some(finding.severity(severity).nearest(nearest).suggest(to_toml("[[account]]", &rule)))
}

/// What differs most, of an account that some rule names.
fn code(holder: &Holder, rules: &Rules, now: Timestamp) -> Code {
    let unknown = if holder.account.is_some() { Code::UnknownAccount } else { Code::UnknownMember };
    let is_named = |rule: &&AccountRule| {
        rule.name.matches(holder.name) && rule.sid.as_ref().is_none_or(|sid| sid.matches(holder.sid))
    };
    let holding = rules.account.iter().map(|placed| &placed.rule).filter(|rule| rule.holds(now));
    let naming: Vec<&AccountRule> = holding.filter(is_named).collect();
    if naming.is_empty() {
        return unknown;
    }
    if !naming.iter().any(|rule| holder.groups.iter().all(|group| allows(rule, group))) {
        return Code::UnknownMember;
    }
    let Some(account) = holder.account else { return unknown };
    if account.enabled && !naming.iter().any(|rule| rule.enabled) {
        return Code::EnabledAccount;
    }
    if !account.password_required && !naming.iter().any(|rule| rule.empty_password) {
        return Code::PasswordNotRequired;
    }
    unknown
}

/// The groups are part of it: who was an administrator and is now a backup operator too is another difference.
fn subject(holder: &Holder, code: Code) -> String {
    let mut subject = format!("{} {}", holder.name, holder.sid);
    if matches!(code, Code::UnknownAccount | Code::UnknownMember) {
        subject += &holder.groups.iter().map(|group| format!(" {}", number(group))).collect::<String>();
    }
    subject
}

/// The last number of a group's SID.
fn number(group: &str) -> &str {
    let known = GROUPS.iter().find(|(_, name)| *name == group);
    known.and_then(|(sid, _)| sid.rsplit('-').next()).unwrap_or(group)
}

fn title(holder: &Holder, code: Code) -> String {
    let name = holder.name;
    let groups = holder.groups.iter().map(|group| group.as_str()).collect::<Vec<_>>().join(", ");
    match (code, holder.account) {
        (Code::EnabledAccount, _) => format!("account {name} is enabled"),
        (Code::PasswordNotRequired, _) => format!("account {name} may have an empty password"),
        (Code::UnknownAccount, Some(account)) => {
            let mut title = format!("unknown account {name}");
            if !account.enabled {
                title += ", disabled";
            }
            if !groups.is_empty() {
                title += &format!(", in {groups}");
            }
            if !account.password_required {
                title += ", may have an empty password";
            }
            title
        }
        _ => format!("{name} is in {groups}"),
    }
}
