//! `watchdog lend-events`: what `host-watchdog-events@.service` runs, on kernels that tell of processes only to who may change
//! the network. It reads nothing, and ends once it has asked the kernel and lent what it got.

use crate::processes::events;
use anyhow::{Context, Result};
use std::process::ExitCode;

pub fn run() -> Result<ExitCode> {
    events::lend(std::io::stdin()).context("standard input takes no socket: systemd starts this")?;
    Ok(ExitCode::SUCCESS)
}
