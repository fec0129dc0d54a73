//! What is known of an executable as a file: its content where no package vouches for it, and what is odd about it. Looked
//! at only where a rule asks or no rule allows what runs.

#[cfg(target_os = "linux")]
mod linux;

use super::{Process, ProcessFacts, ProcessRule, Rules, State, check};
use crate::digest::{Digests, hex};
use crate::dpkg;
use crate::file;
use crate::host::Host;
use crate::text::Text;
use crate::watch::Look;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Clocks of file servers differ by a little.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What is known of an executable as a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileFacts {
    /// Its SHA-256 in hexadecimal, if no package vouches for it or a rule asks, and it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Text>,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub oddities: BTreeSet<Oddity>,
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
pub struct Contents(Digests<Sha256>);

impl Contents {
    /// The SHA-256 of a file of the host.
    pub fn of(&mut self, host: &Host, path: &Text) -> Option<Text> {
        self.0.of(host, &path.to_bytes()).ok().map(|digest| Text::new(hex(&digest)))
    }
}

/// Adds what is known of files to the facts.
pub fn look(contents: &mut Contents, look: &Look<Rules>, kinds: &[Arc<Process>], facts: &mut ProcessFacts) {
    let asked = asked(facts, kinds, look.rules);
    // A rule that asks for a content refuses until it is known; so these are looked at first.
    for path in &asked {
        let sha256 = contents.of(look.host, path);
        facts.files.insert(path.clone(), FileFacts { sha256, ..FileFacts::default() });
    }
    for path in check::refused(facts, kinds, look.rules, look.now) {
        let package = facts.packages.get(&path);
        let is_vouched = package.is_some_and(|package| package.state == State::Unmodified);
        let entry = facts.files.entry(path.clone()).or_default();
        if !is_vouched && !asked.contains(&path) {
            entry.sha256 = contents.of(look.host, &path);
        }
        entry.oddities = oddities(look.host, &path, look.now);
    }
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
        let Some(exe) = check::present_file(process) else { continue };
        let mut fitting = rules.iter().filter(|placed| placed.rule.exe.matches_path(exe)).peekable();
        if fitting.peek().is_none() {
            continue;
        }
        let (mut of_exe, mut of_script) = (false, false);
        for placed in fitting {
            of_exe |= placed.rule.sha256.is_some();
            of_script |= placed.rule.script_sha256.is_some();
        }
        let script = check::script_file(process).filter(|_| of_script);
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
