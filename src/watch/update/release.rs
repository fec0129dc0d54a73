//! The Release files of the fetched package lists: whose they are, when they were made, until when they hold.

use super::List;
use crate::host::Host;
use crate::text::Text;
use jiff::Timestamp;
use std::io;
use std::path::Path;

/// Where apt keeps the lists it fetched.
pub const LISTS: &str = "/var/lib/apt/lists";

/// Touched after an update of the lists in which at least one archive answered, where the host is set up so.
const STAMP: &str = "/var/lib/apt/periodic/update-success-stamp";

/// A name longer than this is not one.
const LONGEST: usize = 200;

/// What a Release file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Who made it for what: `Debian-Security`.
    pub label: Text,
    /// `stable-security`.
    pub suite: Text,
    /// `bookworm-security`.
    pub codename: Text,
    /// `12`.
    pub version: Text,
    /// When it was made.
    pub date: Option<Timestamp>,
    /// Until when its maker stands by it.
    pub valid_until: Option<Timestamp>,
}

impl Release {
    /// True if apt names this archive `origin` when it says where a package comes from.
    #[must_use]
    pub fn is_origin(&self, origin: &str) -> bool {
        let suite = origin.strip_prefix(&*self.label).and_then(|rest| rest.strip_prefix(':'));
        let suite = if self.label.is_empty() { Some(origin) } else { suite };
        let version = if self.version.is_empty() { String::new() } else { format!("{}/", self.version) };
        !self.suite.is_empty() && suite == Some(&format!("{version}{}", self.suite))
    }

    /// The archive in a few words: `Debian-Security bookworm-security`.
    #[must_use]
    pub fn name(&self, file: &str) -> Text {
        let suite = if self.codename.is_empty() { &self.suite } else { &self.codename };
        match (self.label.is_empty(), suite.is_empty()) {
            (true, true) => Text::from(file),
            (false, true) => self.label.clone(),
            (true, false) => suite.clone(),
            (false, false) => Text::new([self.label.to_bytes(), suite.to_bytes()].join(&b' ')),
        }
    }
}

/// Parses a Release file, signed around or not. Fields it does not have stay empty.
#[must_use]
pub fn parse_release(file: &[u8]) -> Release {
    let mut release = Release::default();
    for line in file.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let text = || Text::cut(value, LONGEST);
        match name {
            b"Label" => release.label = text(),
            b"Suite" => release.suite = text(),
            b"Codename" => release.codename = text(),
            b"Version" => release.version = text(),
            b"Date" => release.date = parse_date(value),
            b"Valid-Until" => release.valid_until = parse_date(value),
            _ => {}
        }
    }
    release
}

/// `Fri, 20 Nov 2026 00:12:41 UTC`.
fn parse_date(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value.get(..value.len().min(60))?).ok()?;
    let zoned = text.strip_suffix(" UTC").map(|rest| format!("{rest} +0000"));
    jiff::fmt::rfc2822::parse(zoned.as_deref().unwrap_or(text)).ok().map(|date| date.timestamp())
}

/// The Release files of the host, by file name.
///
/// # Errors
/// If the folder cannot be read; a single file that cannot is named in the error too.
pub fn read_releases(host: &Host) -> io::Result<Vec<(Text, Release)>> {
    let mut releases = Vec::new();
    let entries = match std::fs::read_dir(host.path(LISTS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(releases),
        entries => entries?,
    };
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if !(name.ends_with("_InRelease") || name.ends_with("_Release")) {
            continue;
        }
        let path = Path::new(LISTS).join(&name);
        let mut release = parse_release(&host.read(&path)?);
        // One without a date is as old as the file; apt gives it the time at which the archive made it.
        release.date = release.date.or_else(|| modified(host, &path));
        releases.push((Text::from(&*name), release));
    }
    releases.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(releases)
}

/// When a file of the host was last written.
pub fn modified(host: &Host, path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(std::fs::metadata(host.path(path)).ok()?.modified().ok()?).ok()
}

/// The lists that were fetched, and the last moment of which we know that each was up to date.
///
/// An archive that has not changed leaves no trace when it is asked again. So the newest sign of a success counts for
/// all: the newest date of any list, or the stamp of the last success. But a list whose maker does not stand by it
/// any more has certainly not been renewed: it counts from its own date.
#[must_use]
pub fn lists(host: &Host, releases: &[(Text, Release)], now: Timestamp) -> Vec<List> {
    let dates = releases.iter().filter_map(|(_, release)| release.date);
    let newest = dates.chain(modified(host, Path::new(STAMP))).max().unwrap_or(now).min(now);
    let list = |(file, release): &(Text, Release)| {
        let made = release.date.unwrap_or_default().min(now);
        let expired = release.valid_until.is_some_and(|until| until < now);
        let name = release.name(file);
        List { name, made, valid_until: release.valid_until, good: if expired { made } else { newest } }
    };
    let mut lists: Vec<List> = releases.iter().map(list).collect();
    lists.sort();
    lists
}
