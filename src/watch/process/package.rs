//! Which package each running executable belongs to, and whether it is still as the package brought it. On Windows, who
//! signed it.

#[cfg(not(windows))]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
pub use linux::Packages;
#[cfg(windows)]
pub use windows::Packages;

use crate::text::Text;
use serde::{Deserialize, Serialize};

pub use crate::dpkg::State;

/// The package a file belongs to, or its signer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Package {
    /// Its name, without version or architecture; of a signer, that in its certificate.
    pub name: Text,
    /// Whether the file is as the package brought it, or as it was signed.
    pub state: State,
}

impl Package {
    /// For a person.
    #[must_use]
    pub fn words(&self) -> String {
        match self.state {
            State::Unmodified => format!("{}, unmodified", self.name),
            State::Modified => format!("{}, but the file is not as the package brought it", self.name),
            State::Unknown => format!("{}, not verified", self.name),
        }
    }
}
