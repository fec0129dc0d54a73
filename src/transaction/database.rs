//! Whose database is followed: dpkg's, or rpm's on a host that has no dpkg.

use crate::dpkg::{self, INFO, Installed, STATUS, Stamp};
use crate::host::Host;
use crate::rpm;
use std::io;

/// Where dpkg notes what it does until it writes the status file anew.
const UPDATES: &str = "/var/lib/dpkg/updates";

/// Where apt puts what it fetches and makes of it.
const FETCHED_BY_APT: [&str; 3] = ["/var/lib/apt/lists", "/var/lib/apt/lists/partial", "/var/cache/apt"];

/// The same of dnf, of its fifth version, and of zypper.
const FETCHED_BY_DNF: [&str; 3] = ["/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/zypp/raw"];

/// What a database consists of, as far as its state shows.
pub type Stamps = [Option<Stamp>; 4];

/// The database of a package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// dpkg's.
    Dpkg,
    /// rpm's.
    Rpm,
}

impl Database {
    /// That of this host. Where there are both, rpm is a tool to look into packages with.
    #[must_use]
    pub fn of(host: &Host) -> Option<Self> {
        if Stamp::of(host, STATUS).is_some() {
            return Some(Self::Dpkg);
        }
        rpm::stamp(host).map(|_| Self::Rpm)
    }

    /// Its state: another one after each transaction.
    #[must_use]
    pub fn stamps(self, host: &Host) -> Stamps {
        match self {
            Self::Dpkg => {
                let [status, info, updates] = [STATUS, INFO, UPDATES].map(|path| Stamp::of(host, path));
                [status, info, updates, None]
            }
            Self::Rpm => rpm::stamp(host).unwrap_or_default(),
        }
    }

    /// The state of what is fetched for it.
    #[must_use]
    pub fn fetched(self, host: &Host) -> [Option<Stamp>; 3] {
        let folders = match self {
            Self::Dpkg => FETCHED_BY_APT,
            Self::Rpm => FETCHED_BY_DNF,
        };
        folders.map(|path| Stamp::of(host, path))
    }

    /// True while its package manager is at work.
    #[must_use]
    pub fn is_at_work(self, host: &Host) -> bool {
        match self {
            Self::Dpkg => dpkg::is_at_work(host),
            Self::Rpm => rpm::is_at_work(host),
        }
    }

    /// What is installed, by name and architecture.
    ///
    /// # Errors
    /// The system's, or why rpm could not be asked.
    pub fn installed(self, host: &Host) -> io::Result<Vec<Installed>> {
        match self {
            Self::Dpkg => dpkg::read_installed(host),
            Self::Rpm => rpm::installed(host),
        }
    }
}
