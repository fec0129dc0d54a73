//! `watchdog look-for-updates`: asks the update agent of Windows and prints its answer for the service, which runs this with
//! a deadline. Not for people.

use crate::win32::update_agent;
use anyhow::Result;
use std::io::Write as _;
use std::process::ExitCode;

pub fn print(unless: Option<&str>) -> Result<ExitCode> {
    let answer = serde_json::to_string(&update_agent::ask(unless))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
