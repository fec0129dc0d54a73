//! Which logs there are: those that the rules name, and those in the places where web servers keep theirs.

use super::form::Form;
use super::policy::{LogPath, RequestRule, separator, split};
use super::series::shown;
use super::{dated, system};
use crate::host::Host;
use crate::tail::{Open, is_rotation_of};
use crate::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

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
///
/// # Errors
/// `NotFound` for a path of another kind of system: here it would mean something beside the present folder.
pub fn path_of(host: &Host, log: &str) -> io::Result<PathBuf> {
    let path = host.path(os(&shown(log).to_bytes()));
    if path.is_absolute() { Ok(path) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// The files of a log that begins a new one each time, the oldest first; none: it is a file that is rotated.
///
/// # Errors
/// If its folder cannot be read.
pub fn files_of(host: &Host, log: &Text) -> io::Result<Option<Vec<PathBuf>>> {
    let (folder, name) = split(log);
    if !dated::is_log(name) {
        return Ok(None);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path_of(host, folder)?)? {
        files.push(entry?.path());
    }
    Ok(Some(dated::files_of(name, files.into_iter())))
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
                let with_star = rule.log.as_str().contains('*');
                let of_star = with_star.then(|| as_logs(names));
                let names = of_star.as_ref().unwrap_or(names);
                let fitting: Vec<&Text> = names.iter().filter(|name| rule.log.fits(name)).collect();
                if fitting.is_empty() {
                    found.missing.insert(rule.log.clone());
                }
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

/// The same names, with all files of one log as that log.
fn as_logs(names: &[Text]) -> Vec<Text> {
    let log = |path: &Text| {
        let (folder, name) = split(path);
        let (log, _) = dated::log_of(name)?;
        Some(joined(folder, log.as_bytes()))
    };
    let mut logs: Vec<Text> = names.iter().map(|name| log(name).unwrap_or_else(|| name.clone())).collect();
    logs.sort();
    logs.dedup();
    logs
}

/// The logs that lie where web servers keep theirs and look like access logs. One that cannot be read or is empty
/// counts by its name.
#[must_use]
pub fn discover(host: &Host) -> BTreeSet<Text> {
    let mut found = BTreeSet::new();
    for folder in system::folders(host) {
        let Ok(names) = list(host, &folder) else { continue };
        let names = as_logs(&names);
        for path in names.iter().filter(|name| !is_rotated(name, &names)) {
            let (_, name) = split(path);
            let access = name.contains("access") || dated::is_log(name);
            let candidate = access || (folder.ends_with("nginx") && name.rsplit('.').next() == Some("log"));
            if candidate && looks_right(host, path).unwrap_or(access) {
                found.insert(path.clone());
            }
        }
    }
    found
}

/// Whether the last lines are those of an access log; `None` if there are none, or they cannot be read.
fn looks_right(host: &Host, log: &Text) -> Option<bool> {
    const TAIL: u64 = 16 * 1024;
    let path = match files_of(host, log).ok()? {
        Some(files) => files.last()?.clone(),
        None => path_of(host, log).ok()?,
    };
    let open = match Open::regular(&path) {
        Ok(open) => open?,
        // A pipe or a link to a terminal is no log that could be followed.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Some(false),
        Err(_) => return None,
    };
    let begin = open.len.saturating_sub(TAIL);
    let tail = open.block(begin, TAIL).ok()?;
    let form = Form::of(&open, open.len, None).ok()?;
    let mut lines =
        tail.split(|b| *b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#")).peekable();
    lines.peek()?;
    Some(lines.any(|line| form.read(line).is_some()))
}

fn is_rotated(name: &Text, names: &[Text]) -> bool {
    let packed = [".gz", ".xz", ".bz2", ".zst", ".lz4"].iter().any(|end| name.ends_with(end));
    packed || names.iter().any(|log| log != name && is_rotation_of(log.as_bytes(), name.as_bytes()))
}

fn list(host: &Host, folder: &Text) -> io::Result<Vec<Text>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path_of(host, folder)?)? {
        names.push(joined(folder, entry?.file_name().as_encoded_bytes()));
    }
    names.sort();
    Ok(names)
}

/// A name within a folder, which is in its shown form.
fn joined(folder: &str, name: &[u8]) -> Text {
    let mut path = shown(folder).to_bytes();
    if !folder.ends_with(separator(folder)) {
        path.extend_from_slice(separator(folder).to_string().as_bytes());
    }
    path.extend_from_slice(name);
    Text::new(path)
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
