//! `watchdog mail test`: one mail at once, and the server's own words.

use crate::command::COULD_NOT;
use crate::command::step_down::step_down;
use crate::host::Host;
use crate::mail::{self, Route, Sandbox};
use crate::settings::Setup;
use crate::{complain, say};
use anyhow::Result;
use std::process::ExitCode;

pub fn run(setup: &Setup) -> Result<ExitCode> {
    // As the one who will deliver: what that one may not read must not work here either.
    step_down(setup)?;
    Ok(send(setup))
}

fn send(setup: &Setup) -> ExitCode {
    let host = Host::this();
    let route = Route::new(&setup.mail_settings(), &host.name()).within(Sandbox::here());
    say!("sending one mail over {} …", route.describe());
    match mail::send_test(&route, &host.name(), host.now()) {
        Ok(acceptance) => {
            for to in &acceptance.accepted {
                say!("accepted for {to}: {}", acceptance.reply);
            }
            for (to, failure) in &acceptance.refused {
                complain!("refused for {to}: {}", failure.reason);
            }
            if acceptance.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT) }
        }
        Err(failure) => {
            complain!("not accepted: {}", failure.reason);
            ExitCode::from(COULD_NOT)
        }
    }
}
