//! Which logs there are: those that the rules name, and those in the places where web servers keep theirs.

use super::line::parse_line;
use super::policy::{LogPath, RequestRule};
use super::series::shown;
use crate::host::Host;
use crate::tail::{Open, is_rotation_of};
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

use std::path::PathBuf;

/// Where nginx and Apache keep their logs on Debian and its like, and on the others.
const FOLDERS: [&str; 3] = ["/var/log/nginx", "/var/log/apache2", "/var/log/httpd"];

/// More logs than this are not followed.
pub const MOST: usize = 1000;

/// The logs of some rules.
#[derive(Default)]
pub struct Named {
    /// Their paths.
    pub logs: BTreeSet<Text>,
    /// What rules name and is not there.
    pub missing: BTreeSet<LogPath>,
    /// Folders that cannot be listed, and why.
    pub unreadable: BTreeMap<Text, String>,
}

/// Where the log with this path lies for us.
#[must_use]
pub fn path_of(host: &Host, log: &Text) -> PathBuf {
    host.path(os(&log.to_bytes()))
}

/// The logs that `rules` name.
pub fn named<'a>(host: &Host, rules: impl Iterator<Item = &'a RequestRule>) -> Named {
    let mut found = Named::default();
    let mut folders: BTreeMap<Text, Result<Vec<Text>, io::Error>> = BTreeMap::new();
    for rule in rules {
        let folder = shown(rule.log.folder());
        let names = folders.entry(folder.clone()).or_insert_with(|| list(host, &folder));
        match names {
            Ok(names) => {
                let fitting: Vec<&Text> = names.iter().filter(|name| rule.log.fits(name)).collect();
                if fitting.is_empty() {
                    found.missing.insert(rule.log.clone());
                }
                let with_star = rule.log.as_str().contains('*');
                let own = fitting.into_iter().filter(|name| !(with_star && is_rotated(name, names)));
                found.logs.extend(own.cloned());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.missing.insert(rule.log.clone());
            }
            Err(error) => {
                found.unreadable.insert(folder, error.to_string());
            }
        }
    }
    found
}

/// The logs that lie where web servers keep theirs and look like access logs. One that cannot be read or is empty
/// counts by its name.
#[must_use]
pub fn discover(host: &Host) -> BTreeSet<Text> {
    let mut found = BTreeSet::new();
    for folder in FOLDERS {
        let Ok(names) = list(host, &Text::from(folder)) else { continue };
        for name in names.iter().filter(|name| !is_rotated(name, &names)) {
            let access = name.rsplit('/').next().is_some_and(|name| name.contains("access"));
            let candidate = if folder.ends_with("nginx") { access || name.ends_with(".log") } else { access };
            if candidate && looks_right(host, name).unwrap_or(access) {
                found.insert(name.clone());
            }
        }
    }
    found
}

/// Whether the last lines are those of an access log; `None` if there are none, or they cannot be read.
fn looks_right(host: &Host, log: &Text) -> Option<bool> {
    const TAIL: u64 = 16 * 1024;
    let open = match Open::regular(&path_of(host, log)) {
        Ok(open) => open?,
        // A pipe or a link to a terminal is no log that could be followed.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Some(false),
        Err(_) => return None,
    };
    let tail = open.block(open.len.saturating_sub(TAIL), TAIL).ok()?;
    let mut lines = tail.split(|b| *b == b'\n').filter(|line| !line.is_empty()).peekable();
    lines.peek()?;
    Some(lines.any(|line| parse_line(line).is_some()))
}

fn is_rotated(name: &Text, names: &[Text]) -> bool {
    let packed = [".gz", ".xz", ".bz2", ".zst", ".lz4"].iter().any(|end| name.ends_with(end));
    packed || names.iter().any(|log| log != name && is_rotation_of(log.as_bytes(), name.as_bytes()))
}

fn list(host: &Host, folder: &Text) -> io::Result<Vec<Text>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path_of(host, folder))? {
        let mut path = folder.to_bytes();
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(entry?.file_name().as_encoded_bytes());
        names.push(Text::new(path));
    }
    names.sort();
    Ok(names)
}

#[cfg(unix)]
fn os(bytes: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(bytes).to_owned()
}

/// Names on Windows are Unicode.
#[cfg(not(unix))]
fn os(bytes: &[u8]) -> std::ffi::OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}
