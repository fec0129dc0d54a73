//! `watchdog deliver`: the mailer alone.

use crate::command::COULD_NOT;
use crate::host::Host;
use crate::mail::{self, Outbox, Route};
use crate::settings::Setup;
use crate::{complain, say};
use anyhow::{Context, Result};
use std::process::ExitCode;

pub fn run(setup: &Setup) -> Result<ExitCode> {
    let host = Host::this();
    let folder = setup.state_dir.join("outbox");
    let outbox =
        Outbox::open(&folder).with_context(|| format!("cannot open the outbox {}", folder.display()))?;
    let route = Route::new(&setup.mail_settings(), &host.name());
    let report = mail::deliver_all(&outbox, &route, host.now()).context("cannot read the outbox")?;
    if report.busy {
        say!("another watchdog is delivering just now");
        return Ok(ExitCode::SUCCESS);
    }
    for delivered in &report.delivered {
        say!("{} accepted: {}", delivered.name, delivered.reply);
    }
    for failed in &report.failed {
        complain!("{} not accepted: {}", failed.name, failed.failure.reason);
    }
    say!("{} accepted, {} still waiting", report.delivered.len(), report.waiting);
    Ok(if report.waiting == 0 { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT) })
}
