//! Which package an executable belongs to, and whether it is as the package brought it.

use crate::host::Host;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// The package's name.
    pub name: Text,
    /// Whether the file is as the package brought it.
    pub state: State,
}

/// Whether a file is as its package brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its digest is that of the package.
    Unmodified,
    /// It is another.
    Modified,
    /// The package names no digest, or the file could not be read.
    Unknown,
}

/// Finds packages, and remembers what it found.
#[derive(Default)]
pub struct Packages {}

impl Packages {
    /// The packages of those of `exes` that belong to one.
    pub fn of(&mut self, _host: &Host, _exes: &BTreeSet<Text>) -> BTreeMap<Text, Package> {
        BTreeMap::new()
    }
}
