//! Reading whole lines from a place on.

use super::print::STRETCH;
use super::{Print, Step};
use std::io::{self, Read, Seek, SeekFrom};

/// A line longer than this is passed over and counted.
pub const LONGEST: usize = 1024 * 1024;

const CHUNK: usize = 256 * 1024;

/// How much was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes, with those of a last line that has no end yet.
    pub bytes: u64,
    /// Lines that were too long.
    pub too_long: u64,
}

/// Hands each whole line (without its end) and its offset to `each`, and moves the place behind the last one. A
/// last line without an end waits for the next time. Reads no further than the file went when it was opened.
/// `now` is in seconds since 1970; `buffer` is kept by the caller so that it is made only once.
///
/// # Errors
/// The system's; what was handed over before stays counted, and the place is right.
pub fn read_lines(
    step: &mut Step,
    now: i64,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(&[u8], u64),
) -> io::Result<Amount> {
    let Step { open, place } = step;
    let mut amount = Amount::default();
    let mut trail = Trail::new(place.offset);
    let mut left = open.len.saturating_sub(place.offset);
    let mut filled = 0;
    if buffer.len() < CHUNK {
        buffer.resize(CHUNK, 0);
    }
    let mut file = &open.file;
    let mut result = file.seek(SeekFrom::Start(place.offset)).map(|_| ());
    while left > 0 && result.is_ok() {
        if filled == buffer.len() && buffer.len() <= LONGEST {
            buffer.resize(buffer.len() * 2, 0);
        }
        let free = buffer.get_mut(filled..).unwrap_or_default();
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(free.len());
        let read = match file.read(free.get_mut(..most).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                result = Err(error);
                break;
            }
        };
        amount.bytes += read as u64;
        left -= (read as u64).min(left);
        filled += read;

        let held = buffer.get(..filled).unwrap_or_default();
        let done = match memchr::memrchr(b'\n', held) {
            Some(end) => {
                let mut start = 0;
                for at in memchr::memchr_iter(b'\n', held.get(..=end).unwrap_or_default()) {
                    let line = held.get(start..at).unwrap_or_default();
                    if place.skipping {
                        place.skipping = false;
                    } else if line.len() > LONGEST {
                        amount.too_long += 1;
                    } else {
                        each(line, place.offset + start as u64);
                    }
                    start = at + 1;
                }
                end + 1
            }
            None if place.skipping => filled,
            None if filled > LONGEST => {
                place.skipping = true;
                amount.too_long += 1;
                filled
            }
            None => 0,
        };
        trail.pass(held.get(..done).unwrap_or_default());
        place.offset += done as u64;
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
    if let Some(mark) = trail.mark() {
        place.mark = mark;
        place.grew = now;
    }
    if let Some(head) = trail.head() {
        place.head = head;
    }
    result.map(|()| amount)
}

/// The first and the last bytes that were passed. They are kept rather than read again: the file may have been
/// cut short meanwhile.
struct Trail {
    first: Option<Vec<u8>>,
    last: Vec<u8>,
}

impl Trail {
    fn new(offset: u64) -> Self {
        let first = (offset == 0).then(Vec::new);
        Self { first, last: Vec::new() }
    }

    fn pass(&mut self, bytes: &[u8]) {
        if let Some(first) = self.first.as_mut().filter(|first| first.len() < STRETCH) {
            first.extend(bytes.iter().take(STRETCH - first.len()));
        }
        self.last.extend(bytes.get(bytes.len().saturating_sub(STRETCH)..).unwrap_or_default());
        let surplus = self.last.len().saturating_sub(STRETCH);
        self.last.drain(..surplus);
    }

    fn mark(&self) -> Option<Print> {
        (!self.last.is_empty()).then(|| Print::of(&self.last))
    }

    fn head(&self) -> Option<Print> {
        self.first.as_ref().filter(|first| !first.is_empty()).map(|first| Print::of(first))
    }
}
