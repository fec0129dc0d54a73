//! Reading a system log from where it was left: each line once, over rotation and restarts.

use super::sshd::{Message, parse_message, speaks_of_logins};
use super::stamp::{Clock, parse_line, parse_stamp};
use crate::host::Host;
use crate::tail::{self, Followed, is_rotation_of};
use jiff::Timestamp;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Looked back at most, in each file, when nothing is remembered.
const MOST: u64 = 64 * 1024 * 1024;

/// What came of reading a log.
#[derive(Debug)]
pub struct Read {
    /// How far it was read now.
    pub followed: Followed,
    /// How many bytes were read.
    pub bytes: u64,
    /// Why lines were lost.
    pub lost: Option<String>,
    /// Why what was asked for could not be read back in full.
    pub short: Option<String>,
    /// The time of the first line, of any program, that was read.
    pub first: Option<Timestamp>,
    /// The time of the last line of a program that speaks of logins.
    pub last: Option<Timestamp>,
}

/// Hands what the log `path` tells of logins to `each`: from where `before` left it, or what is not older than
/// `since`. If lines were lost, what is still there is told from `since` on too, as some of it may be known.
///
/// # Errors
/// If the log or its folder cannot be read.
pub fn read(
    host: &Host,
    path: &str,
    before: Option<&Followed>,
    since: Timestamp,
    clock: &Clock,
    mut each: impl FnMut(Timestamp, Option<u32>, u64, Message),
) -> io::Result<Read> {
    let (path, now) = (host.path(path), clock.now.as_second());
    let (mut lost, mut short) = (None, None);
    let (mut steps, known) = if let Some(before) = before {
        let resumed = tail::resume(&path, before, now)?;
        lost = resumed.lost.first().map(|lost| lost.why.clone());
        resumed.into_steps()
    } else {
        let stamp = |line: &[u8]| Some(parse_stamp(parse_line(line)?.stamp, clock)?.as_second());
        let begun = tail::begin(&path, since.as_second(), MOST, now, &stamp)?;
        short = begun.short;
        (begun.steps, begun.known)
    };
    let meant_from = if before.is_some() && lost.is_none() { Timestamp::MIN } else { since };
    let (mut first, mut newest, mut bytes) = (None, None, 0);
    let mut buffer = Vec::new();
    for file in &mut steps {
        let amount = tail::read_lines(file, now, &mut buffer, |line, _| {
            let Some(line) = parse_line(line) else { return };
            let speaks = speaks_of_logins(line.program);
            if !speaks && first.is_some() {
                return;
            }
            let Some(at) = parse_stamp(line.stamp, clock) else { return };
            first = first.or(Some(at));
            if speaks {
                newest = Some(at).max(newest);
                if let Some(message) = parse_message(line.program, line.message).filter(|_| at >= meant_from)
                {
                    each(at, line.pid, line.times, message);
                }
            }
        })?;
        bytes += amount.bytes;
    }
    Ok(Read { followed: tail::settle(steps, known, now), bytes, lost, short, first, last: newest })
}

/// When `path`, or the newest file that rotation made of it, was written last; nothing if there is none.
#[must_use]
pub fn written(path: &Path) -> Option<Timestamp> {
    let modified = |path: PathBuf| Timestamp::try_from(path.metadata().ok()?.modified().ok()?).ok();
    rotated(path).into_iter().chain([path.to_owned()]).filter_map(modified).max()
}

/// The files that rotation made of `path`, packed or not.
#[must_use]
pub fn rotated(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let is_rotated = |found: &OsStr| is_rotation_of(name.as_encoded_bytes(), found.as_encoded_bytes());
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| is_rotated(&entry.file_name())).map(|entry| entry.path()).collect()
}
