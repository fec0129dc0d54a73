//! Who signed each running executable, and whether the file is still as it was signed. The signer stands where elsewhere a
//! package does: an upgrade brings another file of the same signer.

use super::{Package, State};
use crate::host::Host;
use crate::processes::nt::is_of_another_host;
use crate::system::{self, Links};
use crate::text::Text;
use crate::win32::file::{Stamp, stamp};
use crate::win32::trust::{Signature, verify};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is not surely good is asked about again after this: its catalog may be installed after the file.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// To verify a file all of it is read. Nobody may keep us busy with ever larger ones, which cost whoever makes them nothing.
const LARGEST: u64 = 1 << 30;

/// The signers of executables, remembered from pass to pass: a file is verified once.
#[derive(Debug, Default)]
pub struct Packages {
    known: BTreeMap<Text, Known>,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    at: Timestamp,
    package: Option<Package>,
}

impl Packages {
    /// The signers of `exes`. What is not signed, cannot be opened or is too large is left out, and so is what lies on another
    /// host: whoever has it there can change it after it was looked at.
    pub fn of(&mut self, host: &Host, exes: &BTreeSet<Text>) -> BTreeMap<Text, Package> {
        // What is not running any more need not be remembered.
        self.known.retain(|exe, _| exes.contains(exe));
        let now = host.now();
        exes.iter().filter_map(|exe| Some((exe.clone(), self.package(host, exe, now)?))).collect()
    }

    fn package(&mut self, host: &Host, exe: &Text, now: Timestamp) -> Option<Package> {
        let exe_path = String::from_utf8(exe.to_bytes()).ok()?;
        if is_of_another_host(&exe_path) {
            return None;
        }
        let path = host.path(exe_path);
        let file = system::open(Path::new(&path), Links::Follow).ok()?;
        if file.metadata().ok()?.len() > LARGEST {
            return None;
        }
        let stamp = stamp(&file).ok()?;
        if let Some(known) = self.known.get(exe).filter(|known| known.stamp == stamp) {
            let is_good = known.package.as_ref().is_some_and(|package| package.state == State::Unmodified);
            if is_good || now.duration_since(known.at).abs() < AGAIN {
                return known.package.clone();
            }
        }
        let package = package(verify(&path, &file));
        self.known.insert(exe.clone(), Known { stamp, at: now, package: package.clone() });
        package
    }
}

fn package(signature: Signature) -> Option<Package> {
    let (signer, state) = match signature {
        Signature::Valid(signer) => (signer, State::Unmodified),
        Signature::Broken(signer) => (signer, State::Modified),
        Signature::Unproven(signer) => (signer, State::Unknown),
        Signature::Absent => return None,
    };
    Some(Package { name: Text::from(&*signer), state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signature_that_windows_believes_vouches_for_a_file() {
        let signer = || "Example Ltd".to_owned();
        let state = |signature| package(signature).map(|package| package.state);
        assert_eq!(state(Signature::Valid(signer())), Some(State::Unmodified));
        assert_eq!(state(Signature::Broken(signer())), Some(State::Modified));
        assert_eq!(state(Signature::Unproven(signer())), Some(State::Unknown));
        assert_eq!(state(Signature::Absent), None);
    }

    #[test]
    fn what_is_too_large_or_of_another_host_is_not_even_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.exe");
        std::fs::File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        let large = Text::from(large.to_str().unwrap());
        let asked = BTreeSet::from([large, Text::from(r"\localhost\c$\windows\system32\cmd.exe")]);
        let mut packages = Packages::default();
        assert_eq!(packages.of(&Host::this(), &asked), BTreeMap::new());
        assert!(packages.known.is_empty());
    }

    #[test]
    fn what_nobody_signed_has_no_package_and_what_is_gone_is_passed_over() {
        let own = Text::from(std::env::current_exe().unwrap().to_str().unwrap());
        let mut packages = Packages::default();
        let asked = BTreeSet::from([own.clone(), Text::from(r"C:\not there\x.exe")]);
        assert_eq!(packages.of(&Host::this(), &asked), BTreeMap::new());
        assert_eq!(packages.known.keys().collect::<Vec<_>>(), [&own]);
        packages.of(&Host::this(), &BTreeSet::new());
        assert!(packages.known.is_empty());
    }
}
