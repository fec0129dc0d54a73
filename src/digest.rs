//! Digests of files, each computed once: what has not changed is not read again.

use crate::dpkg::{Stamp, system_path};
use crate::host::Host;
use crate::system::{self, Links};
use sha2::Digest;
use std::collections::HashMap;
use std::io::{self, Read};
use std::marker::PhantomData;

/// Nobody can make us read for hours. What is larger has no digest.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// So many bytes may still be read in this pass, and then one file more.
#[derive(Debug, Clone, Copy)]
pub struct Budget(u64);

impl Budget {
    /// Whatever there is to read.
    pub const NONE: Self = Self(u64::MAX);

    /// So many bytes.
    #[must_use]
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Takes what a file needs, if anything is left. So each is read at some time, however large.
    fn spend(&mut self, bytes: u64) -> io::Result<()> {
        if self.0 == 0 {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.0 = self.0.saturating_sub(bytes);
        Ok(())
    }
}

/// A file, and the state it was in. Where a stamp does not tell one file from all others, its path does.
type Key = (Stamp, Option<Vec<u8>>);

/// The digests of files that were read before, by device, inode, size and times.
#[derive(Debug)]
pub struct Digests<D> {
    known: HashMap<Key, Vec<u8>>,
    reads: u64,
    kind: PhantomData<D>,
}

impl<D> Default for Digests<D> {
    fn default() -> Self {
        Self { known: HashMap::new(), reads: 0, kind: PhantomData }
    }
}

impl<D: Digest> Digests<D> {
    /// So many are kept; a host that starts more different programs than this has some read again.
    const MOST: usize = 10_000;

    /// How many files were read.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// The digest of a file, computed once as long as it does not change.
    ///
    /// # Errors
    /// The system's; `InvalidInput` if it is no file, `FileTooLarge` over a gibibyte.
    pub fn of(&mut self, host: &Host, path: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Budget::NONE;
        self.within(host, path, &mut all).map(|(digest, _)| digest)
    }

    /// The digest of a file, if it was computed before or there still is room for it; and of which state it is, unless it changed
    /// meanwhile.
    ///
    /// # Errors
    /// As of [`Digests::of`]; `QuotaExceeded` if enough was read for now.
    pub fn within(
        &mut self,
        host: &Host,
        path: &[u8],
        budget: &mut Budget,
    ) -> io::Result<(Vec<u8>, Option<Stamp>)> {
        let mut file = system::open(&host.path(system_path(path.to_vec())), Links::Follow)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if metadata.len() > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let stamp = Stamp::new(&metadata);
        let key = (stamp, (!cfg!(unix)).then(|| path.to_vec()));
        if let Some(known) = self.known.get(&key) {
            return Ok((known.clone(), Some(stamp)));
        }
        budget.spend(metadata.len())?;
        self.reads += 1;
        let mut digest = D::new();
        let mut buffer = vec![0; 128 * 1024];
        // No further than it was long at first, so that a file that grows cannot hold us.
        let mut rest = (&mut file).take(metadata.len());
        loop {
            let length = rest.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            digest.update(buffer.get(..length).unwrap_or_default());
        }
        let digest = digest.finalize().to_vec();
        // A file that changed while it was read is read again next time.
        let is_same = Stamp::new(&file.metadata()?) == stamp;
        if is_same {
            if self.known.len() >= Self::MOST {
                self.known.clear();
            }
            self.known.insert(key, digest.clone());
        }
        Ok((digest, is_same.then_some(stamp)))
    }
}

/// In hexadecimal.
#[must_use]
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use sha2::Sha256;
    use std::fs;

    #[test]
    fn when_enough_was_read_the_rest_waits_and_what_is_known_does_not() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(root.path().join(name), [name; 100].concat()).unwrap();
        }
        let host = Host::at(root.path());
        let mut digests = Digests::<Sha256>::default();
        // The last one may be larger than what is left: else it would never be read.
        for (read, waits) in [(&[&b"/a"[..], b"/b"][..], &[&b"/c"[..]][..]), (&[b"/a", b"/b", b"/c"], &[])] {
            let mut budget = Budget::of(150);
            for path in read {
                digests.within(&host, path, &mut budget).unwrap();
            }
            for path in waits {
                let error = digests.within(&host, path, &mut budget).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
            }
        }
        assert_eq!(digests.reads(), 3);
    }

    #[test]
    fn a_digest_is_computed_once_and_again_when_the_file_changes() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("a"), root.path().join("b"));
        fs::write(&file, "foo").unwrap();
        fs::hard_link(&file, &link).unwrap();
        let host = Host::at(root.path());
        let mut digests = Digests::<Sha256>::default();
        let of = |digests: &mut Digests<Sha256>, path: &[u8]| hex(&digests.of(&host, path).unwrap());
        let foo = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        for path in [&b"/a"[..], b"/a", b"/b"] {
            assert_eq!(of(&mut digests, path), foo);
        }
        assert_eq!(digests.reads(), 1, "the same file by another name");
        let times = fs::FileTimes::new().set_modified(fs::metadata(&file).unwrap().modified().unwrap());
        fs::write(&file, "bar").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
        assert_ne!(of(&mut digests, b"/a"), foo, "its size and its time of writing are as before");
        assert_eq!(digests.reads(), 2);
        assert!(digests.of(&host, b"/").is_err());
        assert!(digests.of(&host, b"/none").is_err());
    }
}
