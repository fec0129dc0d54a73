//! The Startup folders: whose files start when somebody logs in.

use super::super::Kind;
use super::super::command::Command;
use super::{EVERYONE, Eyes};
use crate::coverage::Gap;
use crate::file;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const STARTUP: &str = r"Microsoft\Windows\Start Menu\Programs\Startup";

/// More files than anybody wants to start, and more things of any kind than anybody keeps there.
const MOST: usize = 1000;
const MOST_ENTRIES: usize = 20_000;

/// Links have some kilobytes. To read larger ones at every look costs us, and nothing whoever put them there.
const LARGEST_LINK: u64 = 1 << 20;

/// Adds all of them.
pub fn read(eyes: &mut Eyes) {
    let common = format!(r"{}\{STARTUP}", eyes.folders.expand("%ProgramData%"));
    let own = eyes
        .profiles
        .iter()
        .map(|profile| (format!(r"{}\AppData\Roaming\{STARTUP}", profile.folder), profile.name.to_string()));
    let all: Vec<(String, String)> = [(common, EVERYONE.to_owned())].into_iter().chain(own).collect();
    let mut unread: Option<(u64, String)> = None;
    for (folder, user) in &all {
        // A profile on another host is not looked at: that would tell the other host who we are.
        let listed = if folder.as_bytes().get(1) == Some(&b':') {
            list(Path::new(folder))
        } else {
            Err(io::Error::other("it does not lie on this host"))
        };
        match listed {
            Ok((files, is_whole)) => {
                if !is_whole {
                    let (count, _) = unread.take().unwrap_or_default();
                    unread = Some((count + 1, format!("{folder}: more is in it than is looked at")));
                }
                for path in files {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let exe = path.to_string_lossy().into_owned();
                    let command = Command { exe, arguments: digest(&path), unquoted: false };
                    eyes.add(Kind::Startup, &name, &command, user, folder);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let (count, _) = unread.take().unwrap_or_default();
                unread = Some((count + 1, format!("{folder}: {error}")));
            }
        }
    }
    if let Some((count, why)) = unread {
        let of = all.len() as u64;
        eyes.gaps.push(Gap { gap: "startup-folders".to_owned(), seen: of - count, of, why });
    }
}

/// The files in a folder, and whether those are all.
fn list(folder: &Path) -> io::Result<(Vec<PathBuf>, bool)> {
    let mut files = Vec::new();
    // Folders do not count as files: a thousand empty ones must not hide one file behind them.
    for (at, entry) in fs::read_dir(folder)?.enumerate() {
        if at >= MOST_ENTRIES || files.len() >= MOST {
            return Ok((files, false));
        }
        let entry = entry?;
        // What tells the folder its icon starts nothing.
        if entry.file_type()?.is_file() && !entry.file_name().eq_ignore_ascii_case("desktop.ini") {
            files.push(entry.path());
        }
    }
    Ok((files, true))
}

/// A link to another file is told by its digest: whatever it leads to after a change is another thing.
fn digest(path: &Path) -> String {
    let is_link = path
        .extension()
        .is_some_and(|ending| ["lnk", "url", "pif"].iter().any(|link| ending.eq_ignore_ascii_case(link)));
    if !is_link {
        return String::new();
    }
    match file::read_at_most(path, file::Links::Refuse, LARGEST_LINK) {
        Ok(bytes) => {
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{digest}")
        }
        Err(error) => format!("(cannot be read: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_told_by_its_digest_unless_it_is_larger_than_any() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("x.LNK");
        fs::write(&link, "x").unwrap();
        assert!(digest(&link).starts_with("sha256:2d711642b726b044"), "{}", digest(&link));
        fs::File::create(&link).unwrap().set_len(LARGEST_LINK + 1).unwrap();
        assert!(digest(&link).starts_with("(cannot be read: "), "{}", digest(&link));
        assert_eq!(digest(&folder.path().join("x.exe")), "");
    }

    #[test]
    fn folders_hide_no_file_and_too_many_files_are_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=MOST {
            fs::create_dir(folder.path().join(format!("a{number}"))).unwrap();
        }
        let evil = folder.path().join("z.exe");
        fs::write(&evil, "x").unwrap();
        assert_eq!(list(folder.path()).unwrap(), (vec![evil], true));
        for number in 0..MOST {
            fs::write(folder.path().join(format!("b{number}")), "x").unwrap();
        }
        let (files, is_whole) = list(folder.path()).unwrap();
        assert_eq!((files.len(), is_whole), (MOST, false));
    }
}
