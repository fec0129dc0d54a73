//! The file of the rules that were learned while observing.

use crate::file::{self, Existing};
use crate::policy::{Policy, PolicyError};
use crate::watch::listener::ListenerRule;
use crate::watch::process::ProcessRule;
use std::io;
use std::path::{Path, PathBuf};

/// How every rule of the program's own hand in it is signed; the day follows.
const BY: &str = "watchdog observe";

const HEAD: &str = "# What the watchdog learned while it observed this host, instead of alarming. Whatever ran or listened then is in it,
# also what should not: read it, take out what does not belong here, and let the service read it anew. What is taken out
# is not learned again. You may also move rules from here to your policy.

schema = 1
";

/// A rule that was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// What it allows, for a person; different rules never have the same words.
    pub words: String,
    /// The rule.
    pub toml: String,
}

/// The file, and which rules it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    path: PathBuf,
    words: Vec<String>,
}

impl Rules {
    /// The file in this state folder, as far as it has been read.
    #[must_use]
    pub fn at(state_dir: &Path) -> Self {
        Self { path: state_dir.join(super::FILE), words: Vec::new() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The rules in it that the program wrote, in words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// True if this policy holds what the file says.
    #[must_use]
    pub fn is_part_of(&self, policy: &Policy) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let own = real(&self.path);
        policy.files.iter().any(|file| real(Path::new(file)) == own)
    }

    /// Reads the file; one that is not there holds nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&mut self) -> Result<(), PolicyError> {
        self.words = match self.text()? {
            Some(text) => {
                let policy = Policy::from_text(&self.path.to_string_lossy(), &text)?;
                words(&policy).collect()
            }
            None => Vec::new(),
        };
        Ok(())
    }

    /// Makes the file, if it is not there, so that it can be read from the first moment on.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn make(&mut self) -> Result<(), PolicyError> {
        if self.text()?.is_none() { self.add(&[]) } else { Ok(()) }
    }

    /// Adds rules, so that a crash leaves either all of them in the file or none.
    ///
    /// # Errors
    /// Why the file could not be read or written; then nothing has changed.
    pub fn add(&mut self, learned: &[Learned]) -> Result<(), PolicyError> {
        let mut text = self.text()?.unwrap_or_else(|| HEAD.to_owned());
        for rule in learned {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push('\n');
            text.push_str(&rule.toml);
        }
        // What a person did to the file must not become a policy that is refused.
        Policy::from_text(&self.path.to_string_lossy(), &text)?;
        file::write(&self.path, text.as_bytes(), Existing::Replace).map_err(|error| {
            PolicyError::whole(&self.path.to_string_lossy(), format!("cannot be written: {error}"))
        })?;
        self.words.extend(learned.iter().map(|rule| rule.words.clone()));
        Ok(())
    }

    fn text(&self) -> Result<Option<String>, PolicyError> {
        match file::read_text(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PolicyError::unreadable(&self.path, &error)),
        }
    }
}

/// What the program wrote into a policy while observing, in words.
fn words(policy: &Policy) -> impl Iterator<Item = String> {
    let is_ours = |by: &Option<String>| by.as_deref().is_some_and(|by| by.starts_with(BY));
    let processes = policy.process.process.iter().filter(move |placed| is_ours(&placed.rule.by));
    let listeners = policy.listener.listener.iter().filter(move |placed| is_ours(&placed.rule.by));
    processes.map(|placed| process(&placed.rule)).chain(listeners.map(|placed| listener(&placed.rule)))
}

/// How a rule that is learned on this day is signed.
#[must_use]
pub fn by(day: jiff::civil::Date) -> String {
    format!("{BY} {day}")
}

/// What a rule for processes allows.
pub fn process(rule: &ProcessRule) -> String {
    let mut words = format!("process {}", rule.exe.as_str());
    if let Some(script) = &rule.script {
        words += &format!(" running {}", script.as_str());
    }
    words += &run_by(&rule.users);
    words += &rule.package.as_ref().map_or(String::new(), |package| format!(", of package {package}"));
    words += &rule.unit.as_ref().map_or(String::new(), |unit| format!(", in {}", unit.as_str()));
    words + if rule.container { ", in a container" } else { "" }
}

/// What a rule for sockets allows.
pub fn listener(rule: &ListenerRule) -> String {
    let mut words = format!("{} port {} on {}", rule.protocol, rule.port, rule.bind.words());
    words += &rule.exe.as_ref().map_or(String::new(), |exe| format!(", opened by {}", exe.as_str()));
    words += &rule.script.as_ref().map_or(String::new(), |script| format!(" running {}", script.as_str()));
    words += &run_by(&rule.users);
    words + if rule.container { ", in a container" } else { "" }
}

fn run_by(users: &[String]) -> String {
    if users.is_empty() { String::new() } else { format!(", as {}", users.join(" and ")) }
}
