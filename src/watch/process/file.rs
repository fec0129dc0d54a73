//! What is known of an executable as a file: its content where no package vouches for it, and what is odd about it. Looked
//! at only where a rule asks or no rule allows what runs.

#[cfg(target_os = "linux")]
mod linux;

use super::{Process, ProcessFacts, ProcessRule, Rules, State, strangers};
use crate::digest::{Budget, Digests, hex};
use crate::dpkg;
use crate::file;
use crate::host::Host;
use crate::processes::{Files, Version};
use crate::text::Text;
use crate::watch::Look;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many states of files are remembered.
const VERSIONS: usize = 10_000;

/// Clocks of file servers differ by a little.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// So much is read in one pass of files that nothing but a finding asks about: about a second. Whoever starts copies of large files
/// could keep us from looking for as long as they liked.
const BYTES: u64 = 256 * 1024 * 1024;

/// So much of files of which a rule asks for the content: what a policy names is to be known at once.
const ASKED: u64 = 2 * 1024 * 1024 * 1024;

/// What is known of an executable as a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileFacts {
    /// Its SHA-256 in hexadecimal, if no package vouches for it or a rule asks, and it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Text>,
    /// True if it is still to be computed: as much was read in this pass as one may take.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// What it was when those were started that run it or did, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Content>,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub oddities: BTreeSet<Oddity>,
}

/// What a file held in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Content {
    /// The state.
    pub version: Version,
    /// Its SHA-256 in hexadecimal.
    pub sha256: Text,
}

impl FileFacts {
    /// The SHA-256 of what a process ran from it. What lies there now may be another file; only of processes of which the file is not
    /// known, as of older facts and other systems, it is taken for the same.
    #[must_use]
    pub fn content(&self, files: Option<Files>, which: impl Fn(Files) -> Option<Version>) -> Option<&Text> {
        let Some(files) = files else { return self.sha256.as_ref() };
        let was = which(files)?;
        self.contents.iter().find(|is| is.version == was).map(|content| &content.sha256)
    }
}

/// What a program's file need not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oddity {
    /// Whoever starts it becomes its owner or group.
    SetId,
    /// Everybody may write it, or put another in its place.
    Replaceable,
    /// Not everybody may do that, but somebody who is not root.
    Others,
    /// It is gone with the next boot: a file system in memory, from which programs may be run.
    Temporary,
    /// It was changed later than now.
    FromTheFuture,
}

impl Oddity {
    /// For a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SetId => "set-user-id or set-group-id",
            Self::Replaceable => "everybody may put another file in its place",
            Self::Others => "others than root may put another file in its place",
            Self::Temporary => "on a temporary file system",
            Self::FromTheFuture => "changed later than now",
        }
    }
}

/// The contents of files, remembered from pass to pass.
#[derive(Debug, Default)]
pub struct Contents {
    digests: Digests<Sha256>,
    /// Of files in a state that they may have no more.
    versions: HashMap<Version, Text>,
}

impl Contents {
    /// The SHA-256 of a file of the host.
    pub fn of(&mut self, host: &Host, path: &Text) -> Option<Text> {
        self.digests.of(host, &path.to_bytes()).ok().map(|digest| Text::new(hex(&digest)))
    }

    /// Adds the SHA-256 of a file of the host, or that it is still to be computed.
    fn add(&mut self, facts: &mut FileFacts, host: &Host, path: &Text, budget: &mut Budget) {
        let read = self.digests.within(host, &path.to_bytes(), budget);
        facts.unread = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::QuotaExceeded);
        facts.sha256 = read.ok().map(|(digest, stamp)| {
            let sha256 = Text::new(hex(&digest));
            if let Some(stamp) = stamp {
                if self.versions.len() >= VERSIONS {
                    self.versions.clear();
                }
                self.versions.insert(stamp.version(), sha256.clone());
            }
            sha256
        });
    }

    /// Adds what is known of the files that these ran.
    fn add_versions(&self, facts: &mut ProcessFacts, kinds: &[Arc<Process>]) {
        let all = kinds.iter().chain(facts.ended.iter().chain(&facts.earlier).map(|past| &past.process));
        for process in all {
            let Some(Files { exe, script }) = process.files else { continue };
            let exe = process.present_file().zip(exe);
            let script = process.script_file().zip(script);
            for (path, version) in exe.into_iter().chain(script) {
                if let Some(file) = facts.files.get_mut(path)
                    && let Some(sha256) = self.versions.get(&version)
                    && !file.contents.iter().any(|content| content.version == version)
                {
                    file.contents.push(Content { version, sha256: sha256.clone() });
                }
            }
        }
    }
}

/// Adds what is known of files to the facts.
pub fn look(contents: &mut Contents, look: &Look<Rules>, kinds: &[Arc<Process>], facts: &mut ProcessFacts) {
    let asked = asked(facts, kinds, look.rules);
    // A policy that is to be learned has no rules yet: all is read for it, however long it takes.
    let is_learned = look.rules.process.is_empty() && look.rules.command.is_empty();
    let [mut for_rules, mut for_findings] =
        [ASKED, BYTES].map(|bytes| if is_learned { Budget::NONE } else { Budget::of(bytes) });
    // A rule that asks for a content refuses until it is known; so these are looked at first.
    for path in &asked {
        let file = facts.files.entry(path.clone()).or_default();
        contents.add(file, look.host, path, &mut for_rules);
    }
    contents.add_versions(facts, kinds);
    for path in strangers::files(facts, kinds, look.rules, look.now) {
        let package = facts.packages.get(&path);
        let is_vouched = package.is_some_and(|package| package.state == State::Unmodified);
        let entry = facts.files.entry(path.clone()).or_default();
        if !is_vouched && !asked.contains(&path) {
            contents.add(entry, look.host, &path, &mut for_findings);
        }
        entry.oddities = oddities(look.host, &path, look.now);
    }
    contents.add_versions(facts, kinds);
}

/// The files of which a rule wants to know the content.
fn asked(facts: &ProcessFacts, kinds: &[Arc<Process>], rules: &Rules) -> BTreeSet<Text> {
    let asks = |rule: &ProcessRule| rule.sha256.is_some() || rule.script_sha256.is_some();
    let rules: Vec<_> = rules.process.iter().filter(|placed| asks(&placed.rule)).collect();
    if rules.is_empty() {
        return BTreeSet::new();
    }
    let mut asked = BTreeSet::new();
    for process in kinds.iter().chain(facts.past().map(|ended| &ended.process)) {
        let Some(exe) = process.present_file() else { continue };
        let mut fitting = rules.iter().filter(|placed| placed.rule.exe.matches_path(exe)).peekable();
        if fitting.peek().is_none() {
            continue;
        }
        let (mut of_exe, mut of_script) = (false, false);
        for placed in fitting {
            of_exe |= placed.rule.sha256.is_some();
            of_script |= placed.rule.script_sha256.is_some();
        }
        let script = process.script_file().filter(|_| of_script);
        for path in script.into_iter().chain(of_exe.then_some(exe)) {
            if !asked.contains(path) {
                asked.insert(path.clone());
            }
        }
    }
    asked
}

fn oddities(host: &Host, path: &Text, now: Timestamp) -> BTreeSet<Oddity> {
    let path = host.path(dpkg::system_path(path.to_bytes()));
    let mut oddities = BTreeSet::new();
    let Ok(metadata) = std::fs::metadata(&path) else { return oddities };
    let parts: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
    if file::others_may_replace(&parts).unwrap_or(false) {
        oddities.insert(Oddity::Replaceable);
    }
    let changed = dpkg::Stamp::new(&metadata).modified().max(dpkg::Stamp::new(&metadata).changed());
    if changed.duration_since(now) > TOLERANCE {
        oddities.insert(Oddity::FromTheFuture);
    }
    #[cfg(target_os = "linux")]
    oddities.extend(linux::oddities(&path, &metadata));
    if oddities.contains(&Oddity::Replaceable) {
        oddities.remove(&Oddity::Others);
    }
    oddities
}
