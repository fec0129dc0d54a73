//! `watchdog metrics --http`: the answer to one request for the counts.

use crate::command::COULD_NOT;
use crate::complain;
use crate::file::{self, Links};
use crate::settings::Setup;
use crate::telemetry::{DEFAULT_FILE, Metrics, Surroundings, http};
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;

/// More than so many bytes are no counts of ours.
const MOST: u64 = 1024 * 1024;

/// Answers one request. The asked user needs no right to the store where the service writes its file.
pub fn serve(setup: Result<Setup>) -> ExitCode {
    let metrics = || {
        let setup = setup.map_err(|error| format!("{error:#}"))?;
        published(&setup).or_else(|why| {
            let counted = Metrics::gather(&setup.state_dir).map(|metrics| metrics.render());
            counted.map_err(|error| format!("{why}; and the store cannot be read: {error:#}"))
        })
    };
    match http::serve(std::io::stdin(), std::io::stdout(), http::DEADLINE, metrics) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain!("watchdog: the request could not be answered: {error}");
            ExitCode::from(COULD_NOT)
        }
    }
}

/// What the service wrote after its last pass.
fn published(setup: &Setup) -> Result<String, String> {
    let installed =
        Surroundings { runtime_dir: PathBuf::from(DEFAULT_FILE).parent().map(Into::into), log: None };
    let Some(file) = setup.settings.telemetry.file(&installed) else {
        return Err("the settings say that no file of counts is written".to_owned());
    };
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    let bytes = file::read_at_most(&file, Links::Follow, MOST).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| format!("{} is no text", file.display()))
}
