//! The packages of dpkg.

use super::{Package, State};
use crate::dpkg::{self, DIVERSIONS, Digests, INFO, Owner, STATUS, Stamp};
use crate::host::Host;
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// The packages of executables, remembered from pass to pass: the lists are read only when a path is new or
/// something was installed, a file only when it changed.
#[derive(Debug, Default)]
pub struct Packages {
    database: Option<[Option<Stamp>; 3]>,
    owners: dpkg::Owners,
    known: BTreeMap<(Vec<u8>, Stamp), Package>,
    vouched: BTreeMap<Text, (Text, Vec<u8>)>,
    looks: u64,
    pub(in crate::watch::process) digests: Digests,
}

impl Packages {
    /// The packages of `exes`, absolute paths of the host without links. What belongs to no package, or cannot be
    /// told as the host has no package manager we know, is left out.
    pub fn of(&mut self, host: &Host, exes: &BTreeSet<Text>) -> BTreeMap<Text, Package> {
        self.looks += 1;
        let database = Some([STATUS, INFO, DIVERSIONS].map(|path| Stamp::of(host, path)));
        if self.database != database {
            // Digests stay: they are of files, not of the database.
            (self.owners, self.known) = (dpkg::Owners::new(), BTreeMap::new());
            self.database = database;
        }
        let paths: BTreeMap<Vec<u8>, &Text> = exes.iter().map(|exe| (exe.to_bytes(), exe)).collect();
        let new: BTreeSet<Vec<u8>> =
            paths.keys().filter(|path| !self.owners.contains_key(*path)).cloned().collect();
        if !new.is_empty() {
            // What is not running any more need not be remembered.
            self.owners.retain(|path, _| paths.contains_key(path));
            self.known.retain(|(path, _), _| paths.contains_key(path));
            self.vouched.retain(|path, _| exes.contains(path));
            let Ok(found) = dpkg::owners(host, &new) else { return BTreeMap::new() };
            self.owners.extend(found);
        }
        let package = |(path, exe): (Vec<u8>, &Text)| Some((exe.clone(), self.package(host, path, exe)?));
        paths.into_iter().filter_map(package).collect()
    }

    /// How often it was asked.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// The files that were found unmodified, with their packages and digests: programs that go on running from them
    /// after an upgrade are known by that.
    pub fn vouched(&self) -> impl Iterator<Item = (&Text, &Text, &[u8])> {
        self.vouched.iter().map(|(path, (package, digest))| (path, package, &**digest))
    }

    /// The packages of a file that was asked about, and the digests with which they brought it, whatever lies there now.
    pub fn brought(&self, host: &Host, path: &Text) -> Vec<(Text, dpkg::Md5Sum)> {
        let owners = self.owners.get(&path.to_bytes()).map(Vec::as_slice).unwrap_or_default();
        let digest = |owner: &Owner| Some((Text::from(owner.name()), dpkg::expected(host, owner)?));
        owners.iter().filter_map(digest).collect()
    }

    fn package(&mut self, host: &Host, path: Vec<u8>, exe: &Text) -> Option<Package> {
        let owners = self.owners.get(&path).filter(|owners| !owners.is_empty())?;
        // A file that is not to be seen has the default stamp; its state is unknown and costs nothing to find out.
        let stamp = Stamp::of(host, dpkg::system_path(path.clone())).unwrap_or_default();
        if let Some(known) = self.known.get(&(path.clone(), stamp)) {
            return Some(known.clone());
        }
        let package = best(owners, |owner| dpkg::verify(host, &path, owner, &mut self.digests))?;
        if package.state == State::Unmodified
            && let Ok(digest) = self.digests.of(host, &path)
        {
            self.vouched.insert(exe.clone(), (package.name.clone(), digest));
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
