//! Following a log over passes, restarts, rotation and truncation: each byte once.
//!
//! How far it was read is remembered as the file's inode, the offset, and a mark: the digest of the bytes just
//! before the offset. The mark tells a file that was cut and grew again, or that took a freed inode, from the one
//! that was read; and it finds the rest of a file that was copied away.

use crate::host::Host;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Read at once.
const BLOCK: usize = 256 * 1024;
/// Read at most in one pass, and looked back at most when nothing is remembered.
pub const MOST: u64 = 64 * 1024 * 1024;
/// A line longer than this is passed over.
const LONGEST: usize = 1024 * 1024;
const MARK: u64 = 64;

/// How far a log was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    device: u64,
    inode: u64,
    offset: u64,
    mark: String,
    /// The end of a line too long to read has not come yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    inside: bool,
    /// The time of the last thing read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

/// What a log is made of.
pub trait Grain {
    /// How many of `bytes`, from the beginning, are whole.
    fn whole(&self, bytes: &[u8]) -> usize;
    /// The moment of the first thing in `bytes` that has one.
    fn first_time(&self, bytes: &[u8]) -> Option<Timestamp>;
    /// Where the first thing begins in bytes that were read from `offset` of the file.
    fn align(&self, bytes: &[u8], offset: u64) -> usize;
}

/// What came of following a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// How far it was read now.
    pub place: Place,
    /// How many bytes were read.
    pub bytes: u64,
    /// Why something may have been lost.
    pub lost: Option<String>,
    /// True if what was asked for begins before what was read.
    pub shortened: bool,
}

/// Reads what is new in the log `path` since `place`, or with none what is newer than `since`, and hands it in
/// order and in whole pieces to `each`, with the moment before which nothing in them is meant. Of an old file just
/// as much is read as reaches back to `since`.
///
/// # Errors
/// If the log cannot be opened or read.
pub fn follow(
    host: &Host,
    path: &str,
    place: Option<&Place>,
    since: Timestamp,
    grain: &impl Grain,
    each: &mut dyn FnMut(&[u8], Timestamp),
) -> io::Result<Followed> {
    // Between rotation and the next line there may be no file of that name.
    let current = match Log::open(&host.path(path)) {
        Ok(log) => Some(log),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut lost = None;
    let mut shortened = false;
    let mut meant_from = Timestamp::MIN;
    let mut left = MOST;
    let logs = match (place, current) {
        (Some(place), Some(log)) if log.continues(place)? => vec![(log, place.offset)],
        (Some(place), current) => {
            let mut logs = rotated(host, path)?;
            logs.extend(current);
            let read = logs.iter().rposition(|log| log.continues(place).unwrap_or(false));
            if let Some(at) = read {
                let rest = logs.into_iter().skip(at).enumerate();
                rest.map(|(n, log)| (log, if n == 0 { place.offset } else { 0 })).collect()
            } else if let Some(log) = logs.pop() {
                lost = Some(format!(
                    "{path} was replaced or cut, and what it held at its end is in no file beside it"
                ));
                meant_from = place.last.unwrap_or(since);
                let from = log.reach(meant_from, grain, &mut left)?;
                vec![(log, from.offset)]
            } else {
                Vec::new()
            }
        }
        (None, current) => {
            meant_from = since;
            let mut logs = Vec::new();
            let older = rotated(host, path)?.into_iter().filter(|log| log.modified >= since);
            let newest_first: Vec<Log> = older.chain(current).rev().collect();
            for log in newest_first {
                let from = log.reach(since, grain, &mut left)?;
                shortened = from.shortened;
                logs.insert(0, (log, from.offset));
                if from.offset > 0 {
                    break;
                }
            }
            logs
        }
    };
    let place = place.cloned().unwrap_or_default();
    let mut followed = Followed { place, bytes: 0, lost, shortened };
    if logs.is_empty() && followed.place == Place::default() {
        return Err(ErrorKind::NotFound.into());
    }
    let mut left = MOST;
    for (log, from) in logs {
        let inside = followed.place.inside && from == followed.place.offset;
        followed.place = Place { inside, ..log.place(from) };
        let done = log.read(&mut followed.place, grain, &mut left, &mut |bytes| each(bytes, meant_from))?;
        followed.bytes += followed.place.offset - from;
        followed.place.mark = log.mark(followed.place.offset)?;
        if !done {
            break;
        }
    }
    Ok(followed)
}

struct Reach {
    offset: u64,
    shortened: bool,
}

struct Log {
    file: File,
    device: u64,
    inode: u64,
    size: u64,
    modified: Timestamp,
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a file"));
        }
        let modified = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or_default();
        Ok(Self { file, device: meta.dev(), inode: meta.ino(), size: meta.size(), modified })
    }

    fn place(&self, offset: u64) -> Place {
        Place { device: self.device, inode: self.inode, offset, ..Place::default() }
    }

    /// True if this holds what was read up to `place`. A copy has another inode and the same bytes, so for it
    /// there must be bytes to know it by.
    fn continues(&self, place: &Place) -> io::Result<bool> {
        let same = (self.device, self.inode) == (place.device, place.inode);
        Ok((same || place.offset > 0) && self.size >= place.offset && self.mark(place.offset)? == place.mark)
    }

    fn mark(&self, offset: u64) -> io::Result<String> {
        let from = offset.saturating_sub(MARK);
        let mut bytes = vec![0; usize::try_from(offset - from).unwrap_or(0)];
        match self.file.read_exact_at(&mut bytes, from) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => bytes.clear(),
            other => other?,
        }
        Ok(Sha256::digest(&bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    fn block(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.file.read_at(room, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Looks from the end backwards, in growing steps, for a place from which everything since a moment follows.
    fn reach(&self, since: Timestamp, grain: &impl Grain, left: &mut u64) -> io::Result<Reach> {
        let mut step = BLOCK as u64;
        let begin = self.size.saturating_sub(*left);
        loop {
            let offset = self.size.saturating_sub(step).max(begin);
            if offset == 0 {
                *left -= self.size;
                return Ok(Reach { offset: 0, shortened: false });
            }
            let bytes = self.block(offset, BLOCK)?;
            let start = grain.align(&bytes, offset);
            let first = grain.first_time(bytes.get(start..).unwrap_or_default());
            let early_enough = first.is_some_and(|first| first < since);
            if early_enough || offset == begin {
                *left = 0;
                return Ok(Reach { offset: offset + start as u64, shortened: !early_enough });
            }
            step = step.saturating_mul(2);
        }
    }

    /// Reads on from `place` and says whether the end was reached. What is not whole at the end stays for later.
    fn read(
        &self,
        place: &mut Place,
        grain: &impl Grain,
        left: &mut u64,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<bool> {
        let mut length = BLOCK;
        while *left > 0 {
            let bytes = self.block(place.offset, length)?;
            let mut bytes = bytes.as_slice();
            let full = bytes.len() == length;
            if place.inside {
                // The rest of a line too long to read, up to its end.
                let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                place.inside = end == bytes.len() && bytes.last() != Some(&b'\n');
                place.offset += end as u64;
                bytes = bytes.get(end..).unwrap_or_default();
            }
            let whole = grain.whole(bytes);
            if whole > 0 {
                each(bytes.get(..whole).unwrap_or_default());
                place.offset += whole as u64;
                *left = left.saturating_sub(whole as u64);
                length = BLOCK;
            } else if bytes.len() >= LONGEST {
                place.inside = true;
                place.offset += bytes.len() as u64;
                *left = left.saturating_sub(bytes.len() as u64);
            } else if full {
                length = (length * 2).min(LONGEST);
            }
            if !full {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// When the log `path`, or the newest file that rotation made of it, was written last; nothing if there is none.
#[must_use]
pub fn written(host: &Host, path: &str) -> Option<Timestamp> {
    let mut paths = rotated_paths(host, path).unwrap_or_default();
    paths.insert(0, host.path(path));
    let modified = |path: PathBuf| Timestamp::try_from(path.metadata().ok()?.modified().ok()?).ok();
    paths.into_iter().filter_map(modified).max()
}

/// The files that rotation made of `path` and that can be read as they are, the oldest first.
fn rotated(host: &Host, path: &str) -> io::Result<Vec<Log>> {
    // One of them may be packed or removed at this moment.
    let mut logs: Vec<Log> =
        rotated_paths(host, path)?.iter().filter_map(|path| Log::open(path).ok()).collect();
    logs.sort_by_key(|log| log.modified);
    Ok(logs)
}

/// `auth.log.1`, `secure-20261122`; not copies that people make, nor what is packed.
fn rotated_paths(host: &Host, path: &str) -> io::Result<Vec<PathBuf>> {
    let path = Path::new(path);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let is_rotated = |found: &str| {
        let suffix = found.strip_prefix(name).and_then(|suffix| suffix.strip_prefix(['.', '-']));
        suffix.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(host.path(folder))? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_rotated) {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Lines that end with a line break.
pub struct Lines<F>(pub F);

impl<F: Fn(&[u8]) -> Option<Timestamp>> Grain for Lines<F> {
    fn whole(&self, bytes: &[u8]) -> usize {
        memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1)
    }
    fn first_time(&self, bytes: &[u8]) -> Option<Timestamp> {
        (self.0)(bytes)
    }
    fn align(&self, bytes: &[u8], _offset: u64) -> usize {
        memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
    }
}

/// Records of one length.
pub struct Records<F>(pub usize, pub F);

impl<F: Fn(&[u8]) -> Option<Timestamp>> Grain for Records<F> {
    fn whole(&self, bytes: &[u8]) -> usize {
        bytes.len() - bytes.len() % self.0
    }
    fn first_time(&self, bytes: &[u8]) -> Option<Timestamp> {
        (self.1)(bytes)
    }
    fn align(&self, _bytes: &[u8], offset: u64) -> usize {
        let over = usize::try_from(offset % self.0 as u64).unwrap_or(0);
        (self.0 - over) % self.0
    }
}

#[cfg(test)]
#[path = "follow/tests.rs"]
mod tests;
