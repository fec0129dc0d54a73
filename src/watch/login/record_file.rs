//! Reading wtmp and btmp from where they were left. They are replaced once a month, and nobody goes on writing
//! to the file before.

use super::log::rotated;
use super::records::{LENGTH, first_time};
use crate::tail::Open;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Read at once: some hundred kilobytes.
const BLOCK: u64 = 1000 * LENGTH as u64;

/// How far a file of records was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    device: u64,
    inode: u64,
    offset: u64,
}

/// What came of reading one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// How far it was read now.
    pub place: Place,
    /// How many bytes were read.
    pub bytes: u64,
    /// Why records were lost.
    pub lost: Option<String>,
    /// True if what is there may be known in part: it is meant from the asked moment on only.
    pub begun: bool,
}

/// Hands the whole records of `path` to `each`, in order: from `place` on, or from a little before `since`. A
/// record that is not whole yet waits.
///
/// # Errors
/// If the file cannot be read.
pub fn read(
    path: &Path,
    place: Option<&Place>,
    since: Timestamp,
    now: Timestamp,
    mut each: impl FnMut(&[u8]),
) -> io::Result<Read> {
    let current = Open::regular(path)?;
    let mut out =
        Read { place: place.cloned().unwrap_or_default(), begun: place.is_none(), ..Read::default() };
    let mut files: Vec<(Open, u64)> = Vec::new();
    match (place, current) {
        (Some(place), Some(open)) if place.is_in(&open) => files.push((open, place.offset)),
        (Some(place), current) => {
            let before = older(path).into_iter().find(|open| place.is_in(open));
            if before.is_none() && place.offset > 0 {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                out.lost = Some(format!("{name} was cut or replaced, and no file beside it holds its end"));
                out.begun = true;
            }
            files.extend(before.map(|open| (open, place.offset)));
            files.extend(current.map(|open| (open, 0)));
        }
        (None, current) => {
            let from = current.as_ref().map_or(Ok(0), |open| reach(open, since, now))?;
            if from == 0 {
                let newest = older(path).into_iter().max_by_key(|open| open.modified);
                if let Some(open) = newest {
                    let from = reach(&open, since, now)?;
                    files.push((open, from));
                }
            }
            files.extend(current.map(|open| (open, from)));
        }
    }
    for (open, from) in files {
        let end = open.len - open.len % LENGTH as u64;
        let mut offset = from;
        while offset < end {
            let bytes = block(&open, offset, BLOCK.min(end - offset))?;
            each(&bytes);
            offset += bytes.len() as u64;
            out.bytes += bytes.len() as u64;
        }
        out.place = Place { device: open.device, inode: open.inode, offset };
    }
    Ok(out)
}

impl Place {
    fn is_in(&self, open: &Open) -> bool {
        (self.device, self.inode) == (open.device, open.inode) && self.offset <= open.len
    }
}

/// From which record on everything since a moment follows: looked for from the end backwards.
fn reach(open: &Open, since: Timestamp, now: Timestamp) -> io::Result<u64> {
    let mut offset = open.len - open.len % LENGTH as u64;
    while offset > 0 {
        let length = BLOCK.min(offset);
        offset -= length;
        let first = block(open, offset, LENGTH as u64)?;
        if first_time(&first, now).is_some_and(|at| at < since) {
            break;
        }
    }
    Ok(offset)
}

fn block(open: &Open, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    open.file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn older(path: &Path) -> Vec<Open> {
    // One of them may be packed or removed at this moment.
    rotated(path).iter().filter_map(|path| Open::regular(path).ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::login::records::{parse_wtmp, record};
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    const NOON: i64 = 1_795_348_800;

    struct Fixture {
        folder: tempfile::TempDir,
        place: Option<Place>,
    }

    impl Fixture {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), place: None }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("wtmp")
        }

        fn append(&self, users: &[&str]) {
            let bytes: Vec<u8> = users.iter().flat_map(|user| one(user, NOON)).collect();
            self.append_bytes(&bytes);
        }

        fn append_bytes(&self, bytes: &[u8]) {
            let file = fs::OpenOptions::new().create(true).append(true).open(self.file());
            file.unwrap().write_all(bytes).unwrap();
        }

        fn pass(&mut self) -> (String, Read) {
            let now = Timestamp::from_second(NOON).unwrap();
            let since = Timestamp::from_second(NOON - 100).unwrap();
            let mut users = Vec::new();
            let read = read(&self.file(), self.place.as_ref(), since, now, |bytes| {
                users
                    .extend(parse_wtmp(bytes, now).records.into_iter().map(|record| record.user.to_string()));
            });
            let read = read.unwrap();
            self.place = Some(read.place.clone());
            (users.join(" "), read)
        }
    }

    fn one(user: &str, at: i64) -> Vec<u8> {
        record(7, 1, "tty1", user, "", [0; 4], at)
    }

    #[test]
    fn each_record_is_read_once_and_half_a_record_waits() {
        let mut wtmp = Fixture::new();
        wtmp.append(&["a", "b"]);
        let last = one("c", NOON);
        wtmp.append_bytes(&last[..100]);
        assert_eq!(wtmp.pass().0, "a b");
        wtmp.append_bytes(&last[100..]);
        assert_eq!((wtmp.pass().0, wtmp.pass().0), ("c".to_owned(), String::new()));
    }

    #[test]
    fn rotation_loses_and_doubles_nothing() {
        let mut wtmp = Fixture::new();
        wtmp.append(&["a"]);
        wtmp.pass();
        wtmp.append(&["b"]);
        fs::rename(wtmp.file(), wtmp.folder.path().join("wtmp.1")).unwrap();
        assert_eq!(wtmp.pass().0, "b", "before there is a new one");
        wtmp.append(&["c"]);
        assert_eq!(wtmp.pass(), ("c".to_owned(), Read { bytes: LENGTH as u64, ..wtmp.pass().1 }));
    }

    #[test]
    fn a_file_that_was_cut_is_told_and_read_anew() {
        let mut wtmp = Fixture::new();
        wtmp.append(&["a", "b"]);
        wtmp.pass();
        fs::write(wtmp.file(), one("c", NOON)).unwrap();
        let (users, read) = wtmp.pass();
        assert!(users == "c" && read.lost.is_some() && read.begun);
        assert_eq!(wtmp.pass().1.lost, None);
    }

    #[test]
    fn at_first_only_the_end_is_read_and_the_file_before_if_it_reaches_back_that_far() {
        let mut wtmp = Fixture::new();
        let old: Vec<u8> = (0..5000).flat_map(|n| one("old", NOON - 100_000 + n)).collect();
        wtmp.append_bytes(&old);
        wtmp.append(&["a"]);
        let (users, read) = wtmp.pass();
        assert!(users.ends_with("old a") && read.bytes <= BLOCK, "{}", read.bytes);
        fs::rename(wtmp.file(), wtmp.folder.path().join("wtmp.1")).unwrap();
        wtmp.append(&["b"]);
        wtmp.place = None;
        assert!(wtmp.pass().0.ends_with("old a b"));
    }
}
