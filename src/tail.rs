//! Following a file that grows, over rotation and over restarts, so that no line is lost and none comes twice;
//! and finding where a time begins in it without reading what is older.
//!
//! A file is known by what it holds: a digest of its first bytes and one of the bytes before the place that was
//! reached. The inode is only the first guess, because it is reused, and a log that is copied and cut short
//! (`copytruncate`) keeps its inode while its lines move elsewhere. A rotated file is followed for an hour more,
//! because servers go on writing to it until they are told to open the new one.
//!
//! Some logs never rename a file but begin a new one for each day or hour: of such the caller says which files there are.
//!
//! This module knows nothing of what the lines say; where a time is needed, the caller brings the parser.

mod back;
mod print;
mod read;
mod siblings;
#[cfg(test)]
mod tests;

pub use back::{Begun, begin};
pub use print::{Open, Print};
pub use read::{Amount, LONGEST, read_lines};
pub use siblings::{Packed, is_rotation_of};

use serde::{Deserialize, Serialize};
use siblings::Siblings;
use std::io;
use std::path::{Path, PathBuf};

/// A rotated file that has not grown for so many seconds is not followed any longer.
const QUIET: i64 = 3600;

/// Where the lines of a log lie.
#[derive(Debug, Clone, Copy)]
pub enum Files<'a> {
    /// In a file that is renamed or copied when it is rotated; its rotated forms lie beside it.
    Rotated(&'a Path),
    /// In these, the oldest first: a new one is begun each time, and the last is the present one.
    Begun(&'a [PathBuf]),
}

impl Files<'_> {
    /// The present file, if there is one.
    fn current(self) -> io::Result<Option<Open>> {
        let path = match self {
            Self::Rotated(path) => Some(path),
            Self::Begun(files) => files.last().map(PathBuf::as_path),
        };
        path.map_or(Ok(None), Open::regular)
    }

    /// The others. One that vanishes or cannot be opened meanwhile is left out.
    fn others(self) -> io::Result<Siblings> {
        match self {
            Self::Rotated(path) => siblings::list(path),
            Self::Begun(files) => {
                let others = files.split_last().map_or(&[][..], |(_, others)| others);
                let plain = others.iter().filter_map(|file| Open::regular(file).ok().flatten()).collect();
                Ok(Siblings { plain, packed: Vec::new() })
            }
        }
    }
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Files<'a> {
    fn from(path: &'a P) -> Self {
        Self::Rotated(path.as_ref())
    }
}

/// How far one file has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file system it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// The bytes that were read: the next line begins here.
    pub offset: u64,
    /// True if `offset` lies within a line that is passed over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipping: bool,
    /// The beginning of the file.
    pub head: Print,
    /// The bytes just before `offset`.
    pub mark: Print,
    /// When it was last seen to grow, in seconds since 1970.
    pub grew: i64,
}

impl Place {
    /// The beginning of a file nothing was read of.
    #[must_use]
    pub fn start(open: &Open, now: i64) -> Self {
        Self { device: open.device, inode: open.inode, grew: now, ..Self::default() }
    }

    fn is_inode_of(&self, open: &Open) -> bool {
        (self.device, self.inode) == (open.device, open.inode)
    }

    /// True if `open` holds what was read, whatever its name and inode are now.
    fn is_in(&self, open: &Open) -> bool {
        if self.offset == 0 {
            return self.is_inode_of(open);
        }
        self.offset <= open.len && self.head.is_at(open, 0) && self.mark.is_before(open, self.offset)
    }
}

/// What is remembered of a log from pass to pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    /// The files that may still grow, the oldest first; the last is the present one.
    pub places: Vec<Place>,
    /// Rotated files that are done with.
    pub known: Vec<Known>,
}

/// A rotated file that is done with. Inodes are reused, and logs may begin alike: it is known by both.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Known {
    device: u64,
    inode: u64,
    head: Print,
}

impl Known {
    fn of(open: &Open) -> Self {
        Self { device: open.device, inode: open.inode, head: open.head().unwrap_or_default() }
    }

    fn is(&self, open: &Open) -> bool {
        let same = if self.head.bytes == 0 { open.len == 0 } else { self.head.is_at(open, 0) };
        (self.device, self.inode) == (open.device, open.inode) && same
    }
}

/// One file to read from a place on.
#[derive(Debug)]
pub struct Step {
    /// The file.
    pub open: Open,
    /// From where; [`read_lines`] moves it.
    pub place: Place,
}

/// Lines that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// How many bytes, if that is known.
    pub bytes: Option<u64>,
    /// What became of them.
    pub why: String,
}

/// What there is to read now.
#[derive(Debug, Default)]
pub struct Resumed {
    /// The files, the oldest first.
    pub steps: Vec<Step>,
    /// What is gone.
    pub lost: Vec<Lost>,
    /// Files that began since the last time.
    pub rotations: u64,
    known: Vec<Known>,
}

/// Looks where a log goes on from where it was left: in the same file, in its rotated forms, in new files.
/// `now` is in seconds since 1970.
///
/// # Errors
/// If the present file or its folder cannot be read. That the file is not there is no error: it may be about to
/// be made anew.
pub fn resume<'a>(files: impl Into<Files<'a>>, before: &Followed, now: i64) -> io::Result<Resumed> {
    let files = files.into();
    let current = files.current()?;
    if let ([place], Some(_)) = (before.places.as_slice(), &current)
        && let Some(open) = current.as_ref().filter(|open| place.offset > 0 && place.is_inode_of(open))
        && place.is_in(open)
    {
        // The usual case: it only grew. The folder is not even listed.
        let steps = current.into_iter().map(|open| Step { open, place: place.clone() }).collect();
        return Ok(Resumed { steps, known: before.known.clone(), ..Resumed::default() });
    }
    let siblings = files.others()?;
    Ok(decide(current, siblings, before, now))
}

fn decide(current: Option<Open>, siblings: Siblings, before: &Followed, now: i64) -> Resumed {
    let mut out = Resumed::default();
    let Siblings { plain, packed } = siblings;
    let current_at = current.as_ref().map(|open| (open.device, open.inode));
    // It may have been rotated between opening it and listing the folder: then it is in both.
    let mut files: Vec<Open> =
        plain.into_iter().filter(|open| Some((open.device, open.inode)) != current_at).collect();
    files.extend(current);

    // A copy is made only of a log that keeps its inode. Logs that are renamed may well begin alike.
    let mut copied: Vec<&Place> = Vec::new();
    for place in &before.places {
        let same_inode = files.iter().position(|open| place.is_inode_of(open) && place.is_in(open));
        let Some(at) = same_inode.or_else(|| files.iter().position(|open| place.is_in(open))) else {
            copied.push(place);
            out.lost.extend(lost(place, &files, &packed));
            continue;
        };
        let open = files.remove(at);
        if !place.is_inode_of(&open) || Some((open.device, open.inode)) == current_at {
            copied.push(place);
        }
        let place = Place { device: open.device, inode: open.inode, ..place.clone() };
        out.steps.push(Step { open, place });
    }

    // What is left is new (and read from its beginning), long done with, or a copy of what was followed.
    for open in files {
        let is_current = Some((open.device, open.inode)) == current_at;
        let done = before.known.iter().any(|known| known.is(&open))
            || copied.iter().any(|place| place.offset > 0 && place.head.is_at(&open, 0));
        // An empty one is followed too: the server may write on to it.
        if is_current || !done {
            out.rotations += u64::from(is_current || open.len > 0);
            let place = Place::start(&open, now);
            out.steps.push(Step { open, place });
        } else {
            out.known.push(Known::of(&open));
        }
    }
    let order = |step: &Step| (Some((step.open.device, step.open.inode)) == current_at, step.open.modified);
    out.steps.sort_by_key(order);
    out
}

/// Whether lines that followed `place` were lost with its file: not if a shorter copy shows that all was read, or
/// the size that is noted in its compressed form does.
fn lost(place: &Place, files: &[Open], packed: &[Packed]) -> Option<Lost> {
    if place.offset > 0 && files.iter().any(|open| open.len <= place.offset && place.head.is_at(open, 0)) {
        return None;
    }
    let newest = packed.first();
    if place.offset == 0 {
        // It was empty: something is lost only if it was filled and packed since.
        let packed = newest.filter(|packed| packed.modified > place.grew)?;
        return Some(Lost { bytes: packed.plain_len, why: format!("{} was compressed", packed.name()) });
    }
    let short = place.offset & u64::from(u32::MAX);
    if packed.iter().any(|packed| packed.plain_len == Some(short)) {
        return None;
    }
    let why = match newest {
        Some(packed) => format!("it was rotated and compressed, probably to {}", packed.name()),
        None => "it was cut short or removed, and no rotated form of it is there".to_owned(),
    };
    let bytes = newest.and_then(|packed| packed.plain_len?.checked_sub(short)).filter(|_| packed.len() == 1);
    Some(Lost { bytes, why: format!("{why}, after it was read to byte {}", place.offset) })
}

/// What to remember after the steps were read: the present file, and those that may still grow.
#[must_use]
pub fn settle(steps: Vec<Step>, mut known: Vec<Known>, now: i64) -> Followed {
    let last = steps.len().saturating_sub(1);
    let mut places = Vec::new();
    for (at, step) in steps.into_iter().enumerate() {
        if at == last || now.saturating_sub(step.place.grew) < QUIET {
            places.push(step.place);
        } else {
            known.push(Known::of(&step.open));
        }
    }
    known.sort();
    known.dedup();
    Followed { places, known }
}

impl Resumed {
    /// Takes apart: the steps to read, and what [`settle`] wants besides.
    #[must_use]
    pub fn into_steps(self) -> (Vec<Step>, Vec<Known>) {
        (self.steps, self.known)
    }
}
