//! Looking: what the package manager does, which programs run on from files that it replaced, and which files of what it
//! brought are not as they should be.

use super::verify::verify;
use super::{Modified, Own};
use crate::digest::{Budget, hex};
use crate::dpkg;
use crate::host::Host;
use crate::processes::{Executable, Process};
use crate::text::Text;
use crate::transaction::{Change, Phase, Tracker, Transaction, is_fresh, is_packages_place};
use crate::watch::process::file::Contents;
use crate::watch::process::package::Packages;
use crate::watch::process::{ProcessFacts, Rules, State};
use crate::watch::{Look, Memory};
use jiff::Timestamp;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// So many bytes of new files are verified in one pass; the rest waits for the next one.
const BYTES: u64 = 256 * 1024 * 1024;

/// So many bytes of programs that were deleted while they run are read in one pass.
const RUNNING: u64 = 2 * 1024 * 1024 * 1024;

/// After so many passes the programs of the package manager are read, to know them when they are upgraded themselves.
const SOON: u64 = 4;

/// So many programs are remembered that do not run just now.
const PROGRAMS: usize = 1000;

/// A program that is upgraded time and again while it runs has so many digests.
const DIGESTS: usize = 4;

/// What is remembered from pass to pass.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    tracker: Tracker,
    /// Programs that were as their packages brought them, by path.
    vouched: BTreeMap<Text, Vouched>,
    /// The packages whose files are still to be verified.
    unverified: Vec<Change>,
    /// What is told when they are: one transaction, or also one that ended before all of another was verified.
    changes: Vec<Change>,
    /// When the last of these ended.
    verified: Option<Timestamp>,
    /// Files that were not as they should be.
    modified: BTreeSet<Text>,
    /// What ran while a transaction went on: it is judged at the end, whether it still runs or not.
    ran: BTreeSet<Text>,
}

#[derive(Default, Serialize, Deserialize)]
struct Vouched {
    package: Text,
    /// In hexadecimal, the latest last.
    digests: Vec<String>,
    /// Devices and inodes of the files that had them, the latest last.
    #[serde(default)]
    files: Vec<(u64, u64)>,
}

/// Adds what is seen of packages to the facts.
pub fn look(
    packages: &mut Packages,
    contents: &mut Contents,
    look: &Look<Rules>,
    memory: &mut Memory,
    kinds: &[Arc<Process>],
    facts: &mut ProcessFacts,
) {
    let host = look.host;
    let mut remembered: Remembered = memory.recall();
    let mut transaction = remembered.tracker.look(host, look.now);
    facts.installed = remembered.tracker.has_ended();
    // First of all, as who is about to be started anew may end any moment.
    let mut budget = Budget::of(RUNNING);
    let outdated: Vec<(Arc<Process>, Content)> = facts
        .each()
        .filter(|(process, _)| remembered.may_be_packages(process))
        .filter_map(|(process, _)| {
            Some((Arc::clone(process), content(host, process, packages, &mut budget)?))
        })
        .collect();
    let mut paths = named(kinds, facts);
    // Reading them all is not for the first pass, when so much else is read.
    if transaction.is_some() || packages.looks() > SOON {
        paths.extend(Own::FILES.iter().map(|path| Text::from(*path)));
    }
    paths.extend(remembered.modified.iter().cloned());
    if let Some(transaction) = &mut transaction {
        remembered.verify(host, packages, transaction);
        paths.extend(remembered.modified.iter().cloned());
    }
    remembered.note(transaction.as_ref(), &mut paths);
    let links = links(host, facts);
    paths.extend(links.values().cloned());
    facts.packages = packages.of(host, &paths);
    for (link, path) in links {
        // What is read is the file behind the link.
        match facts.packages.get(&path).cloned() {
            Some(package) => facts.packages.insert(link, package),
            None => facts.packages.remove(&link),
        };
    }
    remembered.vouch(packages, &paths);
    if let Some(transaction) = &mut transaction {
        transaction.fresh = fresh(host, &paths, facts, transaction.since);
    }
    let is_waited_for = transaction.as_ref().is_some_and(Transaction::is_waited_for);
    let replaced = outdated.iter().filter_map(|(process, content)| {
        Some((process.pid, remembered.replaced(host, process, content, packages, is_waited_for)?))
    });
    facts.replaced = replaced.collect();
    remembered.modified.retain(|path| is_modified(facts, path));
    let modified = remembered.modified.iter().filter_map(|path| {
        let package = facts.packages.get(path)?.name.clone();
        Some((path.clone(), Modified { package, sha256: contents.of(host, path) }))
    });
    facts.modified = modified.collect();
    facts.transaction = transaction;
    memory.keep(&remembered);
}

fn is_modified(facts: &ProcessFacts, path: &Text) -> bool {
    facts.packages.get(path).is_some_and(|package| package.state == State::Modified)
}

/// The files that processes of the host run: executables, those that were replaced, and scripts.
fn named(kinds: &[Arc<Process>], facts: &ProcessFacts) -> BTreeSet<Text> {
    let mut paths = BTreeSet::new();
    let ended = facts.past().map(|ended| &ended.process);
    let all = kinds.iter().chain(ended).chain(facts.planned());
    for process in all.filter(|process| !process.container) {
        let exe = match &process.exe {
            Executable::Path(path) | Executable::Deleted(path) => Some(path),
            _ => None,
        };
        let script = process.script.iter().filter(|script| is_packages(script));
        paths.extend(exe.into_iter().chain(script).cloned());
    }
    paths
}

/// The scripts that are links, and where these lead.
fn links(host: &Host, facts: &ProcessFacts) -> BTreeMap<Text, Text> {
    let all = facts.each().map(|(process, _)| process).chain(facts.planned());
    let scripts: BTreeSet<&Text> =
        all.filter_map(|process| process.script_file()).filter(|script| is_packages(script)).collect();
    let link = |script: &Text| {
        let path = host.path(dpkg::system_path(script.to_bytes()));
        let is_link = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        let real = path.canonicalize().ok().filter(|_| is_link)?;
        let below = real
            .strip_prefix(host.path("/").canonicalize().ok()?)
            .ok()?
            .as_os_str()
            .as_encoded_bytes()
            .to_vec();
        Some((script.clone(), Text::new([b"/", &below[..]].concat())))
    };
    scripts.into_iter().filter_map(link).collect()
}

/// Each new name costs a look at all lists of packages, and scripts are often made for once.
fn is_packages(script: &Text) -> bool {
    is_packages_place(script) || script.starts_with("/etc/")
}

/// What changed since, where packages put their files.
fn fresh(
    host: &Host,
    paths: &BTreeSet<Text>,
    facts: &ProcessFacts,
    since: Timestamp,
) -> BTreeMap<Text, Option<Text>> {
    let package = |path: &Text| facts.packages.get(path).map(|package| package.name.clone());
    paths
        .iter()
        .filter(|path| is_fresh(host, path, since))
        .map(|path| (path.clone(), package(path)))
        .collect()
}

impl Remembered {
    /// Verifies what a transaction that has ended brought, a part in each pass.
    fn verify(&mut self, host: &Host, packages: &mut Packages, transaction: &mut Transaction) {
        let Phase::Ended(at) = transaction.phase else { return };
        if self.verified != Some(at) {
            self.verified = Some(at);
            if self.unverified.is_empty() {
                self.changes.clear();
            }
            self.changes.extend(transaction.changes.iter().cloned());
            let is_there = |change: &&Change| change.to.is_some();
            self.unverified.extend(transaction.changes.iter().filter(is_there).cloned());
        }
        transaction.changes.clone_from(&self.changes);
        let mut bytes = 0;
        while bytes < BYTES
            && let Some(change) = self.unverified.pop()
        {
            let Ok(verified) = verify(host, &change, packages) else {
                // rpm waits for another transaction, or fails: then a gap says so, and the next pass asks again.
                self.unverified.push(change);
                break;
            };
            bytes += verified.bytes;
            self.modified.extend(verified.modified);
        }
        transaction.unverified = self.unverified.len();
    }

    /// Asks about what has run since the transaction began, too.
    fn note(&mut self, transaction: Option<&Transaction>, paths: &mut BTreeSet<Text>) {
        let is_waited_for = transaction.is_some_and(Transaction::is_waited_for);
        if is_waited_for && self.ran.len() < PROGRAMS {
            self.ran.extend(paths.iter().cloned());
        }
        paths.extend(self.ran.iter().cloned());
        if !is_waited_for {
            self.ran.clear();
        }
    }

    /// Remembers what packages vouch for now.
    fn vouch(&mut self, packages: &Packages, running: &BTreeSet<Text>) {
        for (path, package, digest, version) in packages.vouched() {
            let digest = hex(digest);
            let vouched = self.vouched.entry(path.clone()).or_default();
            if vouched.digests.last() != Some(&digest) || vouched.package != *package {
                vouched.package = package.clone();
                vouched.digests.retain(|known| *known != digest);
                vouched.digests.push(digest);
                let surplus = vouched.digests.len().saturating_sub(DIGESTS);
                vouched.digests.drain(..surplus);
            }
            let file = (version.device, version.inode);
            if vouched.files.last() != Some(&file) {
                vouched.files.retain(|known| *known != file);
                vouched.files.push(file);
                let surplus = vouched.files.len().saturating_sub(DIGESTS);
                vouched.files.drain(..surplus);
            }
        }
        if self.vouched.len() > PROGRAMS + running.len() {
            self.vouched.retain(|path, _| running.contains(path));
        }
    }

    /// True if what a process runs is gone and may have been a package's: nothing else need be read.
    fn may_be_packages(&self, process: &Process) -> bool {
        matches!(&process.exe, Executable::Deleted(path) if is_packages_place(path) || self.vouched.contains_key(path))
    }

    /// The package that brought what a process runs, if its file was replaced since.
    fn replaced(
        &self,
        host: &Host,
        process: &Process,
        content: &Content,
        packages: &Packages,
        is_waited_for: bool,
    ) -> Option<Text> {
        let Executable::Deleted(path) = &process.exe else { return None };
        let vouched = self.vouched.get(path);
        match content {
            Content::Is(digest) => {
                let before = vouched.filter(|vouched| vouched.digests.contains(&hex(digest)));
                let package = before.map(|vouched| vouched.package.clone());
                // Or it is what the package has brought just now, and somebody has swapped the file since.
                let brought =
                    || packages.brought(host, path).into_iter().find(|(_, is)| is[..] == digest[..]);
                package.or_else(|| brought().map(|(package, _)| package))
            }
            // In the midst of an upgrade it is as good as if it had ended a moment before, if it ran the very file.
            Content::HasEnded => vouched
                .filter(|vouched| is_waited_for && vouched.had(process))
                .map(|vouched| vouched.package.clone()),
        }
    }
}

impl Vouched {
    /// True if a process ran one of these files. Somebody may have mounted one of their own over its path where only they see it.
    fn had(&self, process: &Process) -> bool {
        let file = process.files.and_then(|files| files.exe).map(|exe| (exe.device, exe.inode));
        // What was remembered by an older version of this program knows no files.
        self.files.is_empty() || file.is_some_and(|file| self.files.contains(&file))
    }
}

/// What a process runs whose file was replaced.
enum Content {
    Is(Vec<u8>),
    HasEnded,
}

/// What runs is read: somebody could start a program of their own in a package's place and put the old file back.
fn content(host: &Host, process: &Process, packages: &mut Packages, budget: &mut Budget) -> Option<Content> {
    if process.container || !matches!(process.exe, Executable::Deleted(_)) {
        return None;
    }
    match packages.digests.within(host, format!("/proc/{}/exe", process.pid).as_bytes(), budget) {
        Ok((digest, _)) => Some(Content::Is(digest)),
        Err(error) => has_ended(&error).then_some(Content::HasEnded),
    }
}

fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_ended_in_the_midst_of_an_upgrade_must_have_run_the_very_file_of_the_package() {
        let process = |inode: Option<u64>| {
            let files = inode
                .map(|inode| serde_json::json!({ "exe": { "device": 1, "inode": inode, "changed": 5 } }));
            let process = serde_json::json!({
                "pid": 7, "start": 1, "since": "2026-01-01T00:00:00Z", "parent": 1,
                "exe": { "deleted": "/usr/bin/x" }, "name": "x", "uid": 0, "user": "root", "files": files
            });
            serde_json::from_value::<Process>(process).unwrap()
        };
        let vouched = Vouched { package: "x".into(), digests: Vec::new(), files: vec![(1, 10), (1, 11)] };
        let remembered =
            Remembered { vouched: [("/usr/bin/x".into(), vouched)].into(), ..Remembered::default() };
        let host = Host::at("/nowhere");
        let packages = Packages::default();
        let is_explained = |inode: Option<u64>, is_waited_for: bool| {
            let process = process(inode);
            remembered.replaced(&host, &process, &Content::HasEnded, &packages, is_waited_for).is_some()
        };
        assert!(is_explained(Some(10), true) && is_explained(Some(11), true));
        assert!(!is_explained(Some(12), true), "another file, mounted over it where only its user sees it");
        assert!(!is_explained(None, true) && !is_explained(Some(10), false));
    }
}
