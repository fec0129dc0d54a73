//! `watchdog explain`: which rule allows what runs, and how strong that is.

use crate::command::DIFFERS;
use crate::host::Host;
use crate::say;
use crate::settings::Setup;
use crate::watch::{Seen, process};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

pub fn run(setup: &Setup, policy: Option<PathBuf>, what: &str) -> Result<ExitCode> {
    let policy = super::load_policy(&policy.unwrap_or_else(|| setup.policy.clone()))?;
    // As if nothing were allowed yet: so that all there is to know of the files is looked at.
    let (_, snapshot) = super::look_to_learn(&[]);
    let facts = match snapshot.processes {
        Some(Seen::Facts(facts)) => facts,
        Some(Seen::NoData(why) | Seen::Failed(why)) => bail!("processes were not seen: {why}"),
        None => bail!("processes were not looked at"),
    };
    let explanations = process::explain(&facts, &policy.process, what, Host::this().now());
    if explanations.is_empty() {
        bail!("no process with this number, executable or script runs: {what:?}");
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
