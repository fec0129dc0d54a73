//! `watchdog explain`: which rule allows what runs, listens or logged in, and how strong that is.

use crate::command::DIFFERS;
use crate::host::Host;
use crate::rule::{Explanation, is_windows_path};
use crate::say;
use crate::settings::Setup;
use crate::watch::{Seen, listener, login, process};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

pub fn run(setup: &Setup, policy: Option<PathBuf>, what: &str) -> Result<ExitCode> {
    let policy = super::load_policy(&policy.unwrap_or_else(|| setup.policy.clone()))?;
    // As if nothing were allowed yet: so that all there is to know of the files is looked at.
    let (_, snapshot) = super::look_to_learn(&[]);
    let now = Host::this().now();
    let explanations: Vec<Explanation> = match Asked::of(what)? {
        Asked::Port(port) => {
            listener::explain(seen("sockets", snapshot.listeners.as_ref())?, &policy.listener, port, now)
        }
        Asked::Login(user, source) => {
            login::explain(seen("logins", snapshot.logins.as_ref())?, &policy.login, (user, source), now)
        }
        Asked::Process => {
            process::explain(seen("processes", snapshot.processes.as_ref())?, &policy.process, what, now)
        }
    };
    if explanations.is_empty() {
        match Asked::of(what)? {
            Asked::Port(port) => bail!("nothing listens on port {port}"),
            Asked::Login(..) => bail!("no login like {what:?} was seen in the last seven days"),
            Asked::Process => bail!("no process with this number, executable or script runs: {what:?}"),
        }
    }
    for (at, explanation) in explanations.iter().enumerate() {
        if at > 0 {
            say!("");
        }
        say!("{}", explanation.text.trim_end());
    }
    let all = explanations.iter().all(|explanation| explanation.is_allowed);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

/// What a person asks about.
enum Asked<'a> {
    Port(u16),
    /// User and source; empty: any.
    Login(&'a str, &'a str),
    Process,
}

impl<'a> Asked<'a> {
    fn of(what: &'a str) -> Result<Self> {
        if let Some(port) = what.strip_prefix(':') {
            let Ok(port) = port.parse() else { bail!("{what:?} is no port; one is written as :443") };
            return Ok(Self::Port(port));
        }
        // A file may have a sign like that in its name, and is written with its folder then.
        match what.rsplit_once('@').filter(|_| !what.contains('/') && !is_windows_path(what)) {
            Some((user, source)) => Ok(Self::Login(user, source)),
            None => Ok(Self::Process),
        }
    }
}

fn seen<'a, T>(what: &str, seen: Option<&'a Seen<T>>) -> Result<&'a T> {
    match seen {
        Some(Seen::Facts(facts)) => Ok(facts),
        Some(Seen::NoData(why) | Seen::Failed(why)) => bail!("{what} were not seen: {why}"),
        None => bail!("{what} were not looked at"),
    }
}
