//! The groups whose members have power over a Windows host. They are known by a number that is the same on every host,
//! as their names are not: each language has its own.

use serde::{Deserialize, Serialize};

/// Each with its SID and its English name, by the number.
pub const GROUPS: &[(&str, &str)] = &[
    ("S-1-5-32-544", "Administrators"),
    ("S-1-5-32-547", "Power Users"),
    ("S-1-5-32-548", "Account Operators"),
    ("S-1-5-32-549", "Server Operators"),
    ("S-1-5-32-550", "Print Operators"),
    ("S-1-5-32-551", "Backup Operators"),
    ("S-1-5-32-555", "Remote Desktop Users"),
    ("S-1-5-32-556", "Network Configuration Operators"),
    ("S-1-5-32-562", "Distributed COM Users"),
    ("S-1-5-32-569", "Cryptographic Operators"),
    ("S-1-5-32-578", "Hyper-V Administrators"),
    ("S-1-5-32-580", "Remote Management Users"),
    ("S-1-5-32-582", "Storage Replica Administrators"),
];

/// A powerful group in a rule: its English name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

impl GroupName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for GroupName {
    type Error = String;
    /// A group that is not looked at would be a rule that allows nothing and looks as if it did.
    fn try_from(written: String) -> Result<Self, String> {
        let known = GROUPS.iter().find(|(sid, name)| name.eq_ignore_ascii_case(&written) || *sid == written);
        known.map(|(_, name)| Self((*name).to_owned())).ok_or_else(|| {
            let names: Vec<&str> = GROUPS.iter().map(|(_, name)| *name).collect();
            format!(
                "{written:?} is not a group that is watched, by its English name; there are {}",
                names.join(", ")
            )
        })
    }
}

impl From<GroupName> for String {
    fn from(group: GroupName) -> Self {
        group.0
    }
}
