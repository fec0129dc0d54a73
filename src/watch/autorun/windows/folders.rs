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

/// More files than anybody wants to start.
const MOST: usize = 1000;

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
            Ok(files) => {
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

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.take(MOST) {
        let entry = entry?;
        // What tells the folder its icon starts nothing.
        if entry.file_type()?.is_file() && !entry.file_name().eq_ignore_ascii_case("desktop.ini") {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// A link to another file is told by its digest: whatever it leads to after a change is another thing.
fn digest(path: &Path) -> String {
    let is_link = path
        .extension()
        .is_some_and(|ending| ["lnk", "url", "pif"].iter().any(|link| ending.eq_ignore_ascii_case(link)));
    if !is_link {
        return String::new();
    }
    match file::read(path, file::Links::Refuse) {
        Ok(bytes) => {
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("sha256:{digest}")
        }
        Err(error) => format!("(cannot be read: {error})"),
    }
}
