//! `watchdog explain`: which rule allows what runs or listens, and how strong that is.

use crate::command::DIFFERS;
use crate::host::Host;
use crate::rule::Explanation;
use crate::say;
use crate::settings::Setup;
use crate::watch::{Seen, listener, process};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

pub fn run(setup: &Setup, policy: Option<PathBuf>, what: &str) -> Result<ExitCode> {
    let policy = super::load_policy(&policy.unwrap_or_else(|| setup.policy.clone()))?;
    // As if nothing were allowed yet: so that all there is to know of the files is looked at.
    let (_, snapshot) = super::look_to_learn(&[]);
    let now = Host::this().now();
    let explanations: Vec<Explanation> = match what.strip_prefix(':') {
        Some(port) => {
            let Ok(port) = port.parse() else {
                bail!("{what:?} is no port; one is written as :443");
            };
            listener::explain(seen("sockets", snapshot.listeners.as_ref())?, &policy.listener, port, now)
        }
        None => process::explain(seen("processes", snapshot.processes.as_ref())?, &policy.process, what, now),
    };
    if explanations.is_empty() {
        match what.strip_prefix(':') {
            Some(port) => bail!("nothing listens on port {port}"),
            None => bail!("no process with this number, executable or script runs: {what:?}"),
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

fn seen<'a, T>(what: &str, seen: Option<&'a Seen<T>>) -> Result<&'a T> {
    match seen {
        Some(Seen::Facts(facts)) => Ok(facts),
        Some(Seen::NoData(why) | Seen::Failed(why)) => bail!("{what} were not seen: {why}"),
        None => bail!("{what} were not looked at"),
    }
}
