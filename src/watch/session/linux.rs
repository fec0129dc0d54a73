//! What the processes of a Linux host were started with.

use super::environment::parse_environment;
use super::look::Environment;
use super::{Because, SessionFacts};
use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::origin;
use crate::processes::{Process, living_folder};
use crate::watch::login::Names;
pub(super) use crate::watch::login::ssh::connections;
use rustix::io::Errno;
use std::io::ErrorKind;

/// How accounts are compared.
pub(super) const NAMES: Names = Names::Exact;
/// What helps where an environment may not be read.
pub(super) const CURE: &str = "run as root, or with CAP_SYS_PTRACE";

/// Desktops are processes like others here.
pub(super) fn desktops(_facts: &mut SessionFacts, _gaps: &mut Vec<Gap>) {}

/// What a process was started with.
pub(super) fn read_environment(host: &Host, process: &Process, variable: &str) -> Environment {
    // Whoever lets its first thread end keeps its session.
    let folder = living_folder(host, process.pid);
    let bytes = match origin::read_environment(host, &folder) {
        Ok(bytes) => bytes,
        Err(error) if has_ended(&error) => return Environment::Gone,
        Err(_) => return Environment::Hidden(Because::Unreadable),
    };
    // Another process may have got its number meanwhile, and one that has ended shows an empty environment.
    let stat_of = |folder: &str| parse_stat(&host.read(format!("{folder}/stat")).ok()?);
    let is_same = stat_of(&format!("/proc/{}", process.pid)).is_some_and(|(_, start)| start == process.start);
    match stat_of(&folder) {
        Some((state, _)) if is_same && state != b'Z' && state != b'X' => {
            Environment::Read(parse_environment(&bytes, variable))
        }
        _ => Environment::Gone,
    }
}

fn has_ended(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// State and start of `/proc/PID/stat`. The name may hold anything, also parentheses.
#[must_use]
pub fn parse_stat(stat: &[u8]) -> Option<(u8, u64)> {
    let rest = stat.get(memchr::memrchr(b')', stat)? + 1..)?;
    let mut fields = rest.split(|b| *b == b' ').filter(|field| !field.is_empty());
    let state = *fields.next()?.first()?;
    // The state is the third field, the start the twenty-second.
    let began = std::str::from_utf8(fields.nth(18)?).ok()?.trim_end().parse().ok()?;
    Some((state, began))
}

#[cfg(test)]
#[path = "linux/tests.rs"]
mod tests;
