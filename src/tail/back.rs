//! Beginning to follow a log: back in time just as far as is asked, without reading what is older.

use super::siblings::{self, Siblings};
use super::{Files, Known, LONGEST, Open, Place, Print, Step};
use std::io;

/// Lines stand in the order in which requests ended, and may carry the time at which they began: so far back is
/// looked for late ones.
const SLACK: i64 = 600;

/// Where the search ends and reading begins.
const BLOCK: u64 = 64 * 1024;

/// How far is searched for a line that shows its time, before a stretch counts as holding none.
const BLIND: u64 = LONGEST as u64 + 2 * BLOCK;

/// How a log is begun.
#[derive(Debug, Default)]
pub struct Begun {
    /// What to read, the oldest first, the present file last.
    pub steps: Vec<Step>,
    /// For [`super::settle`].
    pub known: Vec<Known>,
    /// The time of the last line there is, however old, in seconds since 1970.
    pub last: Option<i64>,
    /// The bytes it took to find that out.
    pub bytes: u64,
    /// Why not everything of the asked time can be read, if so.
    pub short: Option<String>,
}

struct Search<'a> {
    since: i64,
    most: u64,
    stamp: &'a dyn Fn(&[u8]) -> Option<i64>,
    bytes: u64,
    short: Option<String>,
}

/// Finds where the time from `since` (seconds since 1970) begins: in the present file, or in rotated ones if that
/// is younger. Reads at most `most` bytes back in each file. `stamp` tells the time of a line.
///
/// # Errors
/// If the present file or its folder cannot be read.
pub fn begin<'a>(
    files: impl Into<Files<'a>>,
    since: i64,
    most: u64,
    now: i64,
    stamp: &dyn Fn(&[u8]) -> Option<i64>,
) -> io::Result<Begun> {
    let mut search = Search { since: since.saturating_sub(SLACK), most, stamp, bytes: 0, short: None };
    let mut begun = Begun::default();
    let files = files.into();
    let current = files.current()?;
    let current_at = current.as_ref().map(|open| (open.device, open.inode));
    let mut going_back = true;
    if let Some(open) = current {
        begun.last = search.last(&open)?;
        let (place, whole) = search.start(&open, now)?;
        going_back = whole;
        begun.steps.push(Step { open, place });
    }
    let Siblings { mut plain, packed } = files.others()?;
    plain.retain(|open| Some((open.device, open.inode)) != current_at);
    plain.sort_by_key(|open| std::cmp::Reverse(open.modified));
    let mut oldest = i64::MAX;
    for open in plain {
        if going_back && open.len > 0 {
            // A rotated file that cannot be read is left out; that the time is not covered is said below.
            let last = search.last(&open).unwrap_or_default();
            begun.last = begun.last.or(last);
            if last.is_some_and(|last| last >= search.since)
                && let Ok((place, whole)) = search.start(&open, open.modified)
            {
                going_back = whole;
                oldest = open.modified;
                begun.steps.push(Step { open, place });
                continue;
            }
            going_back = false;
        }
        begun.known.push(Known::of(&open));
    }
    begun.steps.reverse();
    let reached = |packed: &&siblings::Packed| packed.modified >= since && packed.modified <= oldest;
    if let Some(packed) = packed.iter().find(reached).filter(|_| going_back) {
        search.short = Some(format!("older lines are compressed already, in {}", packed.name()));
    }
    begun.bytes = search.bytes;
    begun.short = search.short;
    Ok(begun)
}

impl Search<'_> {
    /// Where to begin in `open`, and whether the whole file is younger than the time that is asked for.
    fn start(&mut self, open: &Open, grew: i64) -> io::Result<(Place, bool)> {
        let mut place = Place::start(open, grew);
        let floor = open.len.saturating_sub(self.most);
        let (mut low, mut high) = (floor, open.len);
        while high.saturating_sub(low) > BLOCK {
            let middle = low + (high - low) / 2;
            match self.first_after(open, middle, high)? {
                Found::Line(time) if time >= self.since => high = middle,
                Found::Line(_) => low = middle,
                Found::None => high = middle,
                Found::Blind => {
                    self.short = Some(format!("no line shows its time from byte {middle} on"));
                    low = middle;
                }
            }
        }
        if low == 0 {
            // An old beginning of a short file is read along: its lines are told by their time.
            let first = self.first_after(open, 0, open.len)?;
            return Ok((place, !matches!(first, Found::Line(time) if time < self.since)));
        }
        if low == floor {
            self.short = Some(format!("only the last {} bytes were read back", self.most));
        }
        place.offset = low;
        // What stands at `low` is the rest of a line that is older still.
        place.skipping = true;
        place.head = open.head().unwrap_or_default();
        let mark = low.min(super::print::STRETCH as u64);
        place.mark = Print::of(&open.block(low - mark, mark)?);
        Ok((place, false))
    }

    /// The time of the first line that begins after `from` (or at 0).
    fn first_after(&mut self, open: &Open, from: u64, until: u64) -> io::Result<Found> {
        let mut size = BLOCK / 4;
        loop {
            let block = open.block(from, size.min(until - from))?;
            self.bytes += block.len() as u64;
            let skip = usize::from(from > 0);
            // The last piece has no end yet, or is empty.
            let lines = block.split(|b| *b == b'\n').count().saturating_sub(1 + skip);
            let found = block.split(|b| *b == b'\n').skip(skip).take(lines).find_map(self.stamp);
            match found {
                Some(time) => return Ok(Found::Line(time)),
                None if size >= until - from => return Ok(Found::None),
                None if size >= BLIND => return Ok(Found::Blind),
                None => size = if size < BLOCK { BLOCK } else { BLIND },
            }
        }
    }

    /// The time of the last line.
    fn last(&mut self, open: &Open) -> io::Result<Option<i64>> {
        for size in [BLOCK / 4, BLIND] {
            let block = open.block(open.len.saturating_sub(size), size)?;
            self.bytes += block.len() as u64;
            let found = block.rsplit(|b| *b == b'\n').find_map(self.stamp);
            if found.is_some() || size >= open.len {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

enum Found {
    Line(i64),
    /// There is no whole line up to the end that was given.
    None,
    /// There are more bytes without one than are worth reading.
    Blind,
}
