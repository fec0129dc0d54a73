//! What differs between two states of the database.

use crate::dpkg::Installed;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One package that was installed, upgraded or removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Its name.
    pub name: Text,
    /// Its architecture.
    pub arch: Text,
    /// The version that was installed; none: it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Text>,
    /// The version that is installed; none: it is not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{} {from} → {to}", self.name),
            (None, Some(to)) => write!(f, "{} {to} (new)", self.name),
            (Some(from), None) => write!(f, "{} {from} (removed)", self.name),
            (None, None) => write!(f, "{}", self.name),
        }
    }
}

/// Before and after.
type Versions<'a> = (Option<&'a Text>, Option<&'a Text>);

/// What changed, by name and architecture.
#[must_use]
pub fn differences(before: &[Installed], after: &[Installed]) -> Vec<Change> {
    let mut versions: BTreeMap<(&Text, &Text), Versions> = BTreeMap::new();
    for package in before {
        versions.entry((&package.name, &package.arch)).or_default().0 = Some(&package.version);
    }
    for package in after {
        versions.entry((&package.name, &package.arch)).or_default().1 = Some(&package.version);
    }
    let changed = versions.into_iter().filter(|(_, (from, to))| from != to);
    changed
        .map(|((name, arch), (from, to))| Change {
            name: name.clone(),
            arch: arch.clone(),
            from: from.cloned(),
            to: to.cloned(),
        })
        .collect()
}
