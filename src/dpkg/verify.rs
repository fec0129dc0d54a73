//! Whether a file is still as its package brought it.

use super::files::Owner;
use super::status::{field, paragraphs};
use super::{INFO, STATUS, Stamp, system_path};
use crate::host::Host;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};

/// Whether a file is as its package brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has the digest the package's database has.
    Unmodified,
    /// It has another.
    Modified,
    /// The package brought no digest for it, or we may not read it.
    Unknown,
}

type Md5Sum = [u8; 16];

/// The digests of files that were read before: what has not changed is not read again.
#[derive(Debug, Default)]
pub struct Digests(HashMap<Stamp, Md5Sum>);

impl Digests {
    /// So many are kept; a host that starts more different programs than this has some read again.
    const MOST: usize = 10_000;

    fn of(&mut self, host: &Host, path: &[u8]) -> io::Result<Md5Sum> {
        let mut file = File::open(host.path(system_path(path.to_vec())))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let stamp = Stamp::new(&metadata);
        if let Some(known) = self.0.get(&stamp) {
            return Ok(*known);
        }
        let mut md5 = Md5::new();
        let mut buffer = vec![0; 128 * 1024];
        // No further than it was long at first, so that a file that grows cannot hold us.
        let mut rest = (&mut file).take(metadata.len());
        loop {
            let length = rest.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            md5.update(buffer.get(..length).unwrap_or_default());
        }
        let digest: Md5Sum = md5.finalize().into();
        // A file that changed while it was read is read again next time.
        if Stamp::new(&file.metadata()?) == stamp {
            if self.0.len() >= Self::MOST {
                self.0.clear();
            }
            self.0.insert(stamp, digest);
        }
        Ok(digest)
    }
}

/// Compares the file at `path` with what its `owner` brought.
#[must_use]
pub fn verify(host: &Host, path: &[u8], owner: &Owner, digests: &mut Digests) -> State {
    let Some(expected) = expected(host, owner) else { return State::Unknown };
    match digests.of(host, path) {
        Ok(digest) if digest == expected => State::Unmodified,
        Ok(_) => State::Modified,
        Err(_) => State::Unknown,
    }
}

/// The digest of a file as its package brought it.
fn expected(host: &Host, owner: &Owner) -> Option<Md5Sum> {
    let sums = host.read(format!("{INFO}/{}.md5sums", owner.stem)).unwrap_or_default();
    let relative = owner.recorded.strip_prefix(b"/")?;
    let found = parse_md5sums(&sums).find(|(path, _)| *path == relative).map(|(_, digest)| digest);
    found.or_else(|| conffile_digest(&host.read(STATUS).ok()?, owner.name().as_bytes(), &owner.recorded))
}

/// Parses a package's `md5sums`: paths without the first slash, and digests. Lines that are not so are passed over.
pub fn parse_md5sums(sums: &[u8]) -> impl Iterator<Item = (&[u8], Md5Sum)> {
    sums.split(|b| *b == b'\n').filter_map(|line| {
        let (digest, path) = line.split_at_checked(32)?;
        Some((path.strip_prefix(b"  ")?, parse_digest(digest)?))
    })
}

/// The digest that the status file has for a settings file of a package, as the package brought it.
#[must_use]
pub fn conffile_digest(status: &[u8], package: &[u8], path: &[u8]) -> Option<Md5Sum> {
    let own = paragraphs(status).filter(|paragraph| field(paragraph, b"Package") == Some(package));
    let parse = |line: &[u8]| {
        let rest = line.strip_prefix(b" ")?.strip_prefix(path)?.strip_prefix(b" ")?;
        parse_digest(rest.get(..32)?)
    };
    let conffiles = |paragraph: &[u8]| {
        let lines = paragraph.split(|b| *b == b'\n');
        let after = lines.skip_while(|line| *line != b"Conffiles:").skip(1);
        after.take_while(|line| line.first() == Some(&b' ')).find_map(parse)
    };
    own.into_iter().find_map(conffiles)
}

fn parse_digest(hex: &[u8]) -> Option<Md5Sum> {
    let mut digest = [0; 16];
    let pairs = hex.chunks_exact(2);
    if hex.len() != 32 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let nibble = |at: usize| char::from(*pair.get(at)?).to_digit(16);
        *byte = u8::try_from(nibble(0)? * 16 + nibble(1)?).ok()?;
    }
    Some(digest)
}
