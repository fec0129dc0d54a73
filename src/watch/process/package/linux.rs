//! The packages of dpkg, and of rpm where dpkg knows a file not.

use super::{Package, State};
use crate::digest;
use crate::dpkg::{self, DIVERSIONS, Digests, INFO, Owner, STATUS, Stamp};
use crate::host::Host;
use crate::processes::Version;
use crate::rpm;
use crate::text::Text;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// After rpm could not be asked it is left alone for so many passes.
const REST: u64 = 30;

/// What rpm said, of files that dpkg does not know.
#[derive(Debug, Default)]
struct Rpm {
    database: Option<[Option<Stamp>; 4]>,
    owners: BTreeMap<Vec<u8>, Option<rpm::Owned>>,
    digests: digest::Digests<Sha256>,
    /// Why it could not be asked, and when it is asked again.
    fault: Option<(String, u64)>,
}

/// The packages of executables, remembered from pass to pass: the lists are read only when a path is new or
/// something was installed, a file only when it changed.
#[derive(Debug, Default)]
pub struct Packages {
    database: Option<[Option<Stamp>; 3]>,
    owners: dpkg::Owners,
    known: BTreeMap<(Vec<u8>, Stamp), Package>,
    vouched: BTreeMap<Text, (Text, Vec<u8>, Version)>,
    looks: u64,
    /// Why the lists of dpkg could not be read at the last look.
    fault: Option<String>,
    rpm: Rpm,
    pub(in crate::watch::process) digests: Digests,
}

impl Packages {
    /// The packages of `exes`, absolute paths of the host without links. What belongs to no package, or cannot be
    /// told as the host has no package manager we know, is left out.
    pub fn of(&mut self, host: &Host, exes: &BTreeSet<Text>) -> BTreeMap<Text, Package> {
        self.looks += 1;
        let database = Some([STATUS, INFO, DIVERSIONS].map(|path| Stamp::of(host, path)));
        let is_other = self.database != database;
        let paths: BTreeMap<Vec<u8>, &Text> = exes.iter().map(|exe| (exe.to_bytes(), exe)).collect();
        let new: BTreeSet<Vec<u8>> =
            paths.keys().filter(|path| is_other || !self.owners.contains_key(*path)).cloned().collect();
        self.fault = None;
        if is_other || !new.is_empty() {
            match self.ask_dpkg(host, new) {
                Ok(found) => {
                    if is_other {
                        // Digests stay: they are of files, not of the database.
                        (self.owners, self.known) = (dpkg::Owners::new(), BTreeMap::new());
                        self.database = database;
                    }
                    // What is not running any more need not be remembered.
                    self.owners.retain(|path, _| paths.contains_key(path));
                    self.known.retain(|(path, _), _| paths.contains_key(path));
                    self.vouched.retain(|path, _| exes.contains(path));
                    self.owners.extend(found);
                }
                // What was known holds on, and the next look asks again.
                Err(error) => self.fault = Some(error.to_string()),
            }
        }
        self.ask_rpm(host, &paths);
        let package = |(path, exe): (Vec<u8>, &Text)| Some((exe.clone(), self.package(host, path, exe)?));
        paths.into_iter().filter_map(package).collect()
    }

    /// Asks dpkg about files. Of a host that never had it nothing is dpkg's.
    fn ask_dpkg(&self, host: &Host, new: BTreeSet<Vec<u8>>) -> io::Result<dpkg::Owners> {
        match dpkg::owners(host, &new) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && self.owners.values().all(Vec::is_empty) =>
            {
                Ok(new.into_iter().map(|path| (path, Vec::new())).collect())
            }
            answer => answer,
        }
    }

    /// Why the lists of dpkg could not be read, if so: then what was known before still is said.
    pub fn dpkg_fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// True if the lists could not be read, and never were.
    pub fn is_blind(&self) -> bool {
        self.fault.is_some() && self.owners.is_empty()
    }

    /// Why packages of rpm could not be asked about, if so.
    pub fn fault(&self) -> Option<&str> {
        self.rpm.fault.as_ref().map(|(why, _)| &**why)
    }

    /// Asks rpm about what dpkg does not know, each file once as long as its database does not change.
    fn ask_rpm(&mut self, host: &Host, paths: &BTreeMap<Vec<u8>, &Text>) {
        let database = rpm::stamp(host);
        if self.rpm.database != database {
            self.known.retain(|(path, _), _| !self.rpm.owners.contains_key(path));
            let digests = std::mem::take(&mut self.rpm.digests);
            self.rpm = Rpm { database, digests, ..Rpm::default() };
        }
        if database.is_none() || self.rpm.fault.as_ref().is_some_and(|(_, again)| self.looks < *again) {
            return;
        }
        self.rpm.owners.retain(|path, _| paths.contains_key(path));
        let is_nobodys = |path: &&Vec<u8>| self.owners.get(*path).is_some_and(Vec::is_empty);
        let new: BTreeSet<Vec<u8>> = paths
            .keys()
            .filter(is_nobodys)
            .filter(|path| !self.rpm.owners.contains_key(*path))
            .cloned()
            .collect();
        if new.is_empty() {
            return;
        }
        match rpm::owners(host, &new) {
            Ok(mut found) => {
                self.rpm.fault = None;
                self.rpm.owners.extend(new.into_iter().map(|path| {
                    let owned = found.remove(&path);
                    (path, owned)
                }));
            }
            Err(error) => self.rpm.fault = Some((error.to_string(), self.looks + REST)),
        }
    }

    /// Whether a file of an rpm is as it was brought.
    pub fn verify_rpm(&mut self, host: &Host, path: &[u8], owned: &rpm::Owned) -> State {
        let (expected, is) = match &owned.digest {
            None => return State::Unknown,
            Some(rpm::Digest::Sha256(expected)) => (expected, self.rpm.digests.of(host, path)),
            Some(rpm::Digest::Md5(expected)) => (expected, self.digests.of(host, path)),
        };
        match is {
            Ok(digest) if digest == *expected => State::Unmodified,
            Ok(_) => State::Modified,
            Err(_) => State::Unknown,
        }
    }

    /// How often it was asked.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// The files that were found unmodified, with their packages and digests: programs that go on running from them
    /// after an upgrade are known by that.
    pub fn vouched(&self) -> impl Iterator<Item = (&Text, &Text, &[u8], Version)> {
        self.vouched.iter().map(|(path, (package, digest, version))| (path, package, &**digest, *version))
    }

    /// The packages of a file that was asked about, and the digests with which they brought it, whatever lies there now.
    pub fn brought(&self, host: &Host, path: &Text) -> Vec<(Text, dpkg::Md5Sum)> {
        let owners = self.owners.get(&path.to_bytes()).map(Vec::as_slice).unwrap_or_default();
        let digest = |owner: &Owner| Some((Text::from(owner.name()), dpkg::expected(host, owner)?));
        owners.iter().filter_map(digest).collect()
    }

    fn package(&mut self, host: &Host, path: Vec<u8>, exe: &Text) -> Option<Package> {
        let owners = self.owners.get(&path).cloned().unwrap_or_default();
        let rpm = self.rpm.owners.get(&path).cloned().flatten();
        if owners.is_empty() && rpm.is_none() {
            return None;
        }
        // A file that is not to be seen has the default stamp; its state is unknown and costs nothing to find out.
        let stamp = Stamp::of(host, dpkg::system_path(path.clone())).unwrap_or_default();
        if let Some(known) = self.known.get(&(path.clone(), stamp)) {
            return Some(known.clone());
        }
        let dpkgs = best(&owners, |owner| dpkg::verify(host, &path, owner, &mut self.digests));
        let package = match (dpkgs, rpm) {
            (Some(package), _) => package,
            (None, Some(owned)) => {
                let state = self.verify_rpm(host, &path, &owned);
                Package { name: owned.package, state }
            }
            (None, None) => return None,
        };
        if package.state == State::Unmodified
            && let Ok(digest) = self.digests.of(host, &path)
        {
            self.vouched.insert(exe.clone(), (package.name.clone(), digest, stamp.version()));
        }
        self.known.insert((path, stamp), package.clone());
        Some(package)
    }
}

/// Of several owners the one whose file it is, as its digest shows.
fn best(owners: &[Owner], mut verify: impl FnMut(&Owner) -> State) -> Option<Package> {
    let package = |owner: &Owner| Package { name: Text::from(owner.name()), state: verify(owner) };
    owners.iter().map(package).min_by_key(|package| package.state)
}

#[cfg(test)]
mod tests;
