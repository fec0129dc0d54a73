//! What happens to accounts, groups and the logs of logins themselves: facts of Windows, and the rules for them.

use super::{LoginFacts, Names, is_meant, written};
use crate::finding::{Code, Finding, Severity};
use crate::rule::{self, Comparison, Day, Placed, Rule, Verdict};
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many times of one finding are shown.
const SHOWN: usize = 20;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A log was cleared. No rule can allow it.
    AuditLogCleared,
    /// An account was created.
    AccountCreated,
    /// An account was deleted.
    AccountDeleted,
    /// An account was locked after too many wrong passwords.
    AccountLocked,
    /// An account was added to a group.
    GroupChanged,
}

impl ChangeKind {
    fn code(self) -> Code {
        match self {
            Self::AuditLogCleared => Code::AuditLogCleared,
            Self::AccountCreated => Code::AccountCreated,
            Self::AccountDeleted => Code::AccountDeleted,
            Self::AccountLocked => Code::AccountLocked,
            Self::GroupChanged => Code::GroupChanged,
        }
    }
}

/// One such change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// When.
    pub at: Timestamp,
    /// The account it happened to; of a cleared log, the log.
    pub what: Text,
    /// The security identifier of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Text>,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Text>,
    /// The security identifier of the group, which is the same in every language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_sid: Option<Text>,
    /// Who did it, if Windows says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Text>,
    /// The computer from which wrong passwords came, by its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Text>,
    /// Which log told of it.
    pub told_by: Text,
}

/// Allows accounts and groups to be changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChangeRule {
    /// What may happen: `account-created`, …; none named: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Allowed>,
    /// The accounts it may happen to; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The groups, by name or security identifier, they may be added to; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Who may do it; none named: anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<String>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

/// A change that a rule may allow, by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Allowed(ChangeKind);

const ALLOWED: [ChangeKind; 4] = [
    ChangeKind::AccountCreated,
    ChangeKind::AccountDeleted,
    ChangeKind::AccountLocked,
    ChangeKind::GroupChanged,
];

impl TryFrom<String> for Allowed {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        let known = ALLOWED.into_iter().find(|kind| kind.code().as_str() == name);
        known.map(Self).ok_or_else(|| {
            let all = ALLOWED.map(|kind| kind.code().as_str()).join(", ");
            format!("{name:?} is no change that a rule can allow, they are: {all}")
        })
    }
}

impl From<Allowed> for String {
    fn from(allowed: Allowed) -> Self {
        allowed.0.code().as_str().to_owned()
    }
}

impl Rule for ChangeRule {
    fn describe(&self) -> String {
        let changes: Vec<&str> = self.changes.iter().map(|change| change.0.code().as_str()).collect();
        if changes.is_empty() { "account-change".to_owned() } else { changes.join(", ") }
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// Groups that give power over the host or the domain: by the end of their security identifier.
fn is_powerful(group_sid: Option<&Text>) -> bool {
    let Some(sid) = group_sid else { return true };
    if let Some(builtin) = sid.strip_prefix("S-1-5-32-") {
        // Administrators; the operators of accounts, servers, printing and backup; Remote Desktop Users; the
        // builders of trusts; Distributed COM Users; Hyper-V Administrators; Remote Management Users.
        return ["544", "548", "549", "550", "551", "555", "557", "562", "578", "580"].contains(&builtin);
    }
    // Admins of the domain, its schema, its forest and its keys; owners of policies; computers that are controllers.
    let last = sid.rsplit('-').next().unwrap_or_default();
    sid.starts_with("S-1-5-21-") && ["512", "516", "518", "519", "520", "526", "527"].contains(&last)
}

/// One finding for each thing that happened, however often.
pub fn check(facts: &LoginFacts, rules: &[Placed<ChangeRule>], now: Timestamp) -> Vec<Finding> {
    let mut refused: BTreeMap<(ChangeKind, &Text, Option<&Text>), Refused> = BTreeMap::new();
    for change in &facts.changes {
        let verdict = rule::ask(rules, now, |rule| compare(rule, change, facts.names));
        let Verdict::Refused(nearest) = verdict else { continue };
        let group = change.group_sid.as_ref().or(change.group.as_ref());
        let entry = refused.entry((change.kind, &change.what, group)).or_default();
        entry.0.push(change);
        entry.1 = entry.1.take().or(nearest);
    }
    refused.into_values().filter_map(|(changes, nearest)| finding(&changes, nearest, facts.names)).collect()
}

type Refused<'a> = (Vec<&'a Change>, Option<crate::finding::Nearest>);

fn compare(rule: &ChangeRule, change: &Change, names: Names) -> Comparison {
    let mut comparison = Comparison::default();
    let code = change.kind.code();
    let is_among = |list: &[String], name: &Text| list.iter().any(|listed| is_meant(listed, name, names));
    if change.kind == ChangeKind::AuditLogCleared {
        comparison.condition(false, || "no rule allows a log to be cleared".to_owned());
        return comparison;
    }
    if !rule.changes.is_empty() {
        let holds = rule.changes.iter().any(|allowed| allowed.0 == change.kind);
        comparison.condition(holds, || format!("it is {code}"));
    }
    if !rule.accounts.is_empty() {
        let sid = change.sid.as_ref().is_some_and(|sid| is_among(&rule.accounts, sid));
        comparison.condition(sid || is_among(&rule.accounts, &change.what), || {
            format!("the account is {}", change.what)
        });
    }
    if !rule.groups.is_empty() {
        let is_listed = |name: &Option<Text>| name.as_ref().is_some_and(|name| is_among(&rule.groups, name));
        comparison.condition(is_listed(&change.group) || is_listed(&change.group_sid), || {
            format!("the group is {}", change.group.as_deref().unwrap_or("none"))
        });
    }
    if !rule.actors.is_empty() {
        let holds = change.actor.as_ref().is_some_and(|actor| is_among(&rule.actors, actor));
        comparison.condition(holds, || {
            format!("it was done by {}", change.actor.as_deref().unwrap_or("nobody that is named"))
        });
    }
    comparison
}

fn finding(changes: &[&Change], nearest: Option<crate::finding::Nearest>, names: Names) -> Option<Finding> {
    let last = changes.last()?;
    let what = &last.what;
    let by = last.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let times = if changes.len() > 1 { format!(", {} times", changes.len()) } else { String::new() };
    let group = last.group.as_ref().or(last.group_sid.as_ref());
    let (subject, title) = match last.kind {
        ChangeKind::AuditLogCleared => (what.to_string(), format!("the log {what} was cleared{by}{times}")),
        ChangeKind::AccountCreated => (what.to_string(), format!("account {what} was created{by}{times}")),
        ChangeKind::AccountDeleted => (what.to_string(), format!("account {what} was deleted{by}{times}")),
        ChangeKind::AccountLocked => {
            let client = last.client.as_ref().map(|client| format!(" (wrong passwords from {client})"));
            (what.to_string(), format!("account {what} was locked{}{times}", client.unwrap_or_default()))
        }
        ChangeKind::GroupChanged => {
            let group = group.map_or("a group", |group| group.as_str());
            (format!("{what} in {group}"), format!("{what} was added to {group}{by}{times}"))
        }
    };
    let all = |field: fn(&Change) -> Option<&Text>| {
        let mut values: Vec<&Text> = changes.iter().filter_map(|change| field(change)).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let at = |change: &&&Change| change.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let skipped = changes.len().saturating_sub(SHOWN);
    let finding = Finding::new(last.kind.code(), subject, title)
        .with(if last.kind == ChangeKind::AuditLogCleared { "log" } else { "account" }, what)
        .with("sid", all(|change| change.sid.as_ref()))
        .with("group", all(|change| change.group.as_ref()))
        .with("group's sid", all(|change| change.group_sid.as_ref()))
        .with("done by", all(|change| change.actor.as_ref()))
        .with("client calls itself", all(|change| change.client.as_ref()))
        .with("at", changes.iter().skip(skipped).map(|change| at(&change)).collect::<Vec<_>>())
        .with("times", changes.len())
        .with("told by", all(|change| Some(&change.told_by)))
        .nearest(nearest);
    if last.kind == ChangeKind::AuditLogCleared {
        return Some(finding);
    }
    let rule = ChangeRule {
        changes: vec![Allowed(last.kind)],
        accounts: vec![written(what, names)],
        groups: last.group_sid.iter().map(|sid| written(sid, names)).collect(),
        actors: all(|change| change.actor.as_ref()).into_iter().map(|actor| written(actor, names)).collect(),
        why: Some("…".to_owned()),
        ..ChangeRule::default()
    };
    // To open a door of power is not to be slept over.
    let urgent = last.kind == ChangeKind::GroupChanged && is_powerful(last.group_sid.as_ref());
    let finding = if urgent { finding.severity(Severity::Urgent) } else { finding };
    Some(finding.suggest(rule::to_toml("[[account-change]]", &rule)))
}

#[cfg(test)]
#[path = "change/tests.rs"]
mod tests;
