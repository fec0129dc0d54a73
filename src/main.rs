//! The program: reads the command line, does what it says, and ends with the exit code of the contract.

use clap::Parser;
use host_watchdog::{cli, command, complain};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    command::start_log(&cli);
    match command::run(cli) {
        Ok(code) => code,
        Err(error) => {
            complain!("watchdog: {error:#}");
            ExitCode::from(command::COULD_NOT)
        }
    }
}
