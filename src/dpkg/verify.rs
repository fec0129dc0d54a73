//! Whether a file is still as its package brought it.

use super::files::Owner;
use super::status::{field, paragraphs};
use super::{INFO, STATUS};
use crate::digest;
use crate::host::Host;
use md5::Md5;
use serde::{Deserialize, Serialize};

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

/// What dpkg has of each file.
pub type Md5Sum = [u8; 16];

/// The digests of files that were read before, as dpkg computes them.
pub type Digests = digest::Digests<Md5>;

/// Compares the file at `path` with what its `owner` brought.
#[must_use]
pub fn verify(host: &Host, path: &[u8], owner: &Owner, digests: &mut Digests) -> State {
    let Some(expected) = expected(host, owner) else { return State::Unknown };
    match digests.of(host, path) {
        Ok(digest) if *digest == expected => State::Unmodified,
        Ok(_) => State::Modified,
        Err(_) => State::Unknown,
    }
}

/// The digest of a file as its package brought it.
#[must_use]
pub fn expected(host: &Host, owner: &Owner) -> Option<Md5Sum> {
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
