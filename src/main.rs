//! The program: reads the command line, does what it says, and ends with the exit code of the contract.

use clap::Parser;
use host_watchdog::{cli, command, complain};
use std::process::ExitCode;

fn main() -> ExitCode {
    command::start_log();
    match command::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            complain!("watchdog: {error:#}");
            ExitCode::from(command::COULD_NOT)
        }
    }
}
