//! `watchdog metrics`: the counts of the store as it is.

use crate::settings::Setup;
use crate::telemetry::Metrics;
use crate::{say, store};
use anyhow::{Result, bail};
use std::process::ExitCode;

pub fn print(setup: &Setup) -> Result<ExitCode> {
    if !setup.state_dir.join(store::FILE).exists() {
        bail!("nothing has been watched with {} yet: `watchdog run` begins it", setup.state_dir.display());
    }
    say!("{}", Metrics::gather(&setup.state_dir)?.render().trim_end());
    Ok(ExitCode::SUCCESS)
}
