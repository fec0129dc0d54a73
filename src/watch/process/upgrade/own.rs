//! The processes of a transaction itself: the package manager, whoever called it by `sudo`, and all below it.

use crate::processes::events::Ended;
use crate::processes::origin::{Ancestor, is_typed};
use crate::processes::{Executable, Process};
use crate::text::Text;
use crate::transaction::Transaction;
use crate::watch::process::{ProcessFacts, State};
use std::collections::{HashMap, HashSet};

/// The packages of package managers. Root's processes of their files hold the lock or wait for whoever does.
const MANAGERS: &[&str] = &[
    "dpkg",
    "apt",
    "aptitude",
    "unattended-upgrades",
    "packagekit",
    "synaptic",
    "nala",
    "rpm",
    "dnf",
    "dnf5",
    "python3-dnf",
    "yum",
    "microdnf",
    "zypper",
    "PackageKit",
];

/// Those by which a person becomes root to call one.
const RAISERS: &[&str] = &["/usr/bin/sudo", "/usr/bin/doas", "/usr/bin/pkexec", "/usr/bin/su"];

/// Where dpkg keeps maintainer scripts, some of which are programs: only root can write there.
const SCRIPTS: &[&str] = &["/var/lib/dpkg/info/", "/var/lib/dpkg/tmp.ci/"];

/// No chain of parents is followed further.
const DEPTH: usize = 64;

/// Which processes are a transaction's own.
pub struct Own<'a> {
    facts: &'a ProcessFacts,
    by_pid: HashMap<u32, &'a Process>,
    /// Those who called a package manager.
    callers: HashSet<u32>,
}

impl<'a> Own<'a> {
    /// Programs that are known before they are upgraded themselves, as a transaction goes on with the old ones.
    pub const FILES: &'static [&'static str] = &[
        "/usr/bin/dpkg",
        "/usr/bin/dpkg-deb",
        "/usr/bin/dpkg-query",
        "/usr/bin/dpkg-split",
        "/usr/bin/dpkg-trigger",
        "/usr/bin/apt",
        "/usr/bin/apt-get",
        "/usr/bin/aptitude-curses",
        "/usr/bin/rpm",
        "/usr/bin/dnf5",
        "/usr/bin/microdnf",
        "/usr/bin/zypper",
        "/usr/bin/sudo",
        "/usr/bin/dash",
        "/usr/bin/bash",
        "/usr/bin/perl",
        "/usr/bin/tar",
        "/usr/bin/rm",
        "/usr/bin/systemctl",
        "/usr/bin/deb-systemd-invoke",
    ];

    /// None, unless a transaction goes on, or has ended since the last pass.
    pub fn of(facts: &'a ProcessFacts) -> Option<Self> {
        if !Self::goes_on(facts) && !facts.installed {
            return None;
        }
        let by_pid = facts.processes.iter().map(|process| (process.pid, process.as_ref())).collect();
        let mut own = Self { facts, by_pid, callers: HashSet::new() };
        let managers: Vec<&Process> =
            facts.processes.iter().map(AsRef::as_ref).filter(|process| own.is_manager(process)).collect();
        for manager in managers {
            let callers: Vec<u32> = own
                .parents(manager)
                .take_while(|parent| own.is_raiser(parent))
                .map(|parent| parent.pid)
                .collect();
            own.callers.extend(callers);
        }
        Some(own)
    }

    fn goes_on(facts: &ProcessFacts) -> bool {
        facts.transaction.as_ref().is_some_and(Transaction::has_processes)
    }

    /// True if this process is part of the transaction, and a package vouches for what it runs. Of one that has ended no part
    /// runs on.
    #[must_use]
    pub fn is_own(&self, process: &Process) -> bool {
        if !Self::goes_on(self.facts) {
            return false;
        }
        // What a person types is not part of it: a pager or dpkg's question about a file gives whoever sits there a shell.
        let parents = || self.parents(process).take_while(|parent| !is_typed(parent));
        let is_below = || parents().any(|parent| self.is_manager(parent));
        self.is_vouched(process)
            && !is_typed(process)
            && (self.callers.contains(&process.pid) || self.is_manager(process) || is_below())
    }

    /// True if these, which have ended, were part of the transaction, and a package vouches for what they ran.
    #[must_use]
    pub fn was_own(&self, ended: &Ended) -> bool {
        let is_manager = |ancestor: &Ancestor| {
            let runs = || self.by_pid.get(&ancestor.pid).is_some_and(|process| self.is_manager(process));
            let package = || self.facts.packages.get(&ancestor.what);
            ancestor.installs() && package().is_some_and(|package| package.state != State::Modified)
                || !ancestor.ended && runs()
        };
        let mut ancestors = ended.origin.ancestors.iter().take_while(|ancestor| !ancestor.typed);
        self.is_vouched(&ended.process)
            && !is_typed(&ended.process)
            && (self.is_manager(&ended.process) || ancestors.any(is_manager))
    }

    fn parents(&self, process: &Process) -> impl Iterator<Item = &'a Process> {
        let parent = |process: &&'a Process| self.by_pid.get(&process.parent).copied();
        std::iter::successors(self.by_pid.get(&process.parent).copied(), parent).take(DEPTH)
    }

    /// A person who is not root can run dpkg too, on a folder of their own and with scripts of their own.
    fn is_manager(&self, process: &Process) -> bool {
        let is_one = |package: &Text| MANAGERS.contains(&package.as_str());
        let script = || {
            let package = self.facts.packages.get(process.script.as_ref()?)?;
            (package.state == State::Unmodified).then_some(&package.name)
        };
        process.uid == 0
            && self.is_vouched(process)
            && (self.package(process).is_some_and(is_one) || script().is_some_and(is_one))
    }

    fn is_raiser(&self, process: &Process) -> bool {
        matches!(&process.exe, Executable::Path(path) if RAISERS.contains(&path.as_str()))
            && self.is_vouched(process)
    }

    /// The package that vouches for what runs.
    fn package(&self, process: &Process) -> Option<&'a Text> {
        let package = || self.facts.package(process).filter(|package| package.state == State::Unmodified);
        package().map(|package| &package.name).or_else(|| self.facts.replaced.get(&process.pid))
    }

    fn is_vouched(&self, process: &Process) -> bool {
        let is_script = |path: &Text| SCRIPTS.iter().any(|folder| path.starts_with(folder));
        let is_maintainers =
            matches!(&process.exe, Executable::Path(path) | Executable::Deleted(path) if is_script(path));
        !process.container && (is_maintainers || self.package(process).is_some())
    }
}
