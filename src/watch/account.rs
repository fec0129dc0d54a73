//! Accounts of the host itself, and who belongs to the groups that give power over it: Windows.
//!
//! The members of a group are taken as they stand in it: who is in a group that is a member is not followed.

mod check;
mod group;
mod learn;
mod policy;
#[cfg(windows)]
mod windows;

pub use check::without_allowed;
pub use group::{GROUPS, GroupName};
pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AccountFacts {
    /// The accounts of the host itself, by name.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// The powerful groups that the host has, by their number.
    #[serde(default)]
    pub groups: Vec<Group>,
}

/// An account of the host itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
    /// Its name.
    pub name: Text,
    /// What it is to Windows: it stays when the name is changed, and another account of the same name has another.
    pub sid: Text,
    /// Whose it is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<Text>,
    /// True if one can log in with it.
    pub enabled: bool,
    /// False if its password may be empty.
    pub password_required: bool,
    /// True if its password must be changed now and then.
    #[serde(default)]
    pub password_expires: bool,
    /// When its password was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_set: Option<Timestamp>,
    /// When it last logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
}

/// A powerful group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group {
    /// What it is called in English, as rules name it.
    pub group: Text,
    /// What it is to Windows, the same on every host.
    pub sid: Text,
    /// What it is called here.
    pub name: Text,
    /// Who belongs to it.
    #[serde(default)]
    pub members: Vec<Member>,
}

/// Who belongs to a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    /// The name with that of the domain, `CORP\Domain Admins`; of one that nobody knows any more, the SID.
    pub name: Text,
    /// What it is to Windows.
    pub sid: Text,
    /// What kind of member: `user`, `group`, `well-known group`, `deleted account`, …
    #[serde(default)]
    pub kind: Text,
}

/// Watches accounts.
#[derive(Default)]
pub struct AccountWatch {}

impl Watch for AccountWatch {
    const NAME: &'static str = "account";
    const SCHEDULE: &'static str = "*/5 * * * *";
    const LOOKS_HERE: bool = cfg!(windows);
    type Facts = AccountFacts;
    type Rules = Rules;

    #[cfg(windows)]
    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<AccountFacts> {
        windows::collect(look)
    }

    #[cfg(not(windows))]
    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<AccountFacts> {
        Seen::NoData("accounts and their groups are looked at on Windows only".to_owned())
    }

    fn check(seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now)
    }

    fn learn(facts: &AccountFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &AccountFacts) -> String {
        let enabled = facts.accounts.iter().filter(|account| account.enabled).count();
        let all = facts.accounts.len();
        format!("{all} account{} ({enabled} enabled)", if all == 1 { "" } else { "s" })
    }
}
