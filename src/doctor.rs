//! The doctor: what this host lacks for the watchdog to see and to be heard, and what to do about it.
//!
//! A table of checks. Each reads a little and judges it, apart from each other: the judgement is pure. A check that
//! cannot be made is a line like any other, and one that fails in itself takes none of the others with it. What the
//! service could not see is taken from what the service has written down: we, started by a person, see from another place.

#[cfg(target_os = "linux")]
mod clock;
mod disk;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod logs;
#[cfg(target_os = "linux")]
pub mod mail;
pub mod mail_test;
mod mailer;
mod outbox;
#[cfg(target_os = "linux")]
pub mod rights;
mod service;
pub mod stored;
mod web;
#[cfg(any(windows, test))]
mod windows;
mod zone;

use crate::host::Host;
use crate::program::{self, Output};
use crate::settings::Setup;
use crate::system::Room;
#[cfg(target_os = "linux")]
use linux as system;
use serde::Serialize;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::Duration;
use stored::Stored;
#[cfg(windows)]
use windows as system;

/// So long a program that is asked something may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// No more than this of its answer is read.
const MOST: usize = 64 * 1024;

/// What a check comes to, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is to be done.
    Note,
    /// It could not be checked.
    Unknown,
    /// The watchdog works, but sees or says less than it could.
    Warning,
    /// Something is not seen, or nobody hears of it.
    Fault,
}

impl Verdict {
    /// The word that is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Check {
    /// Its name.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// One line a person understands.
    pub says: String,
    /// What to do about it: commands, or lines to write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedy: Vec<String>,
}

impl Check {
    fn new(check: &'static str, verdict: Verdict, says: impl Into<String>) -> Self {
        Self { check, verdict, says: says.into(), remedy: Vec::new() }
    }

    fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, says)
    }

    fn note(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Note, says)
    }

    fn unknown(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Unknown, says)
    }

    fn warning(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, says)
    }

    fn fault(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fault, says)
    }

    fn remedy(mut self, line: impl Into<String>) -> Self {
        self.remedy.push(line.into());
        self
    }
}

/// Runs a program with these arguments and gives what came of it.
pub type Ask<'a> = dyn Fn(&str, &[&str]) -> io::Result<Output> + 'a;

/// The room on the file system of a folder.
pub type Measure<'a> = dyn Fn(&Path) -> io::Result<Room> + 'a;

/// What the checks look at.
pub struct Case<'a> {
    /// The host.
    pub host: &'a Host,
    /// The settings, or what is wrong with them.
    pub setup: Result<&'a Setup, &'a str>,
    /// What the service has written down.
    pub stored: &'a Stored,
    /// Asks a program.
    pub ask: &'a Ask<'a>,
    /// Measures room.
    pub room: &'a Measure<'a>,
}

type Checks = fn(&Case) -> Vec<Check>;

/// Makes every check but the test of the mail, and hands over the lines of each as it is done.
pub fn examine(case: &Case, mut found: impl FnMut(Check)) {
    for (name, check) in system::TABLE {
        let checked = panic::catch_unwind(AssertUnwindSafe(|| check(case)));
        let fault = || vec![Check::unknown(name, "a fault in the watchdog itself, please report it")];
        checked.unwrap_or_else(|_| fault()).into_iter().for_each(&mut found);
    }
}

/// Asks a program of this host.
///
/// # Errors
/// As [`program::run`].
pub fn ask(program: &str, args: &[&str]) -> io::Result<Output> {
    program::run(program, args, DEADLINE, MOST)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
