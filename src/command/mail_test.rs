//! `watchdog mail test`: one mail at once, and the server's own words.

use crate::command::COULD_NOT;
use crate::host::Host;
use crate::mail::{self, Route};
use crate::settings::Setup;
use crate::{complain, say};
use std::process::ExitCode;

pub fn run(setup: &Setup) -> ExitCode {
    let host = Host::this();
    let route = Route::new(&setup.mail_settings(), &host.name());
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
