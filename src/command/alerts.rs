//! `watchdog alerts` and `watchdog show`: what is open, and one with all its evidence.

use crate::alert::{Alert, words};
use crate::command::{COULD_NOT, print};
use crate::host::Host;
use crate::settings::Setup;
use crate::store::{self, Reader};
use crate::{complain, say};
use anyhow::{Result, bail};
use std::process::ExitCode;

pub fn list(setup: &Setup, json: bool) -> Result<ExitCode> {
    let alerts = reader(setup)?.open_alerts()?;
    let now = Host::this().now();
    for alert in &alerts {
        if json {
            say!("{}", serde_json::to_string(alert)?);
        } else {
            let since = words::ago(alert.opened, now);
            print::alert_line(alert, &since);
        }
    }
    if alerts.is_empty() && !json {
        say!("no open alerts");
    }
    Ok(ExitCode::SUCCESS)
}

pub fn show(setup: &Setup, id: &str, json: bool) -> Result<ExitCode> {
    let found = reader(setup)?.find(id)?;
    let alert: &Alert = match found.as_slice() {
        [] => bail!("there is no alert {id:?}; `watchdog alerts` lists those that are open"),
        [alert] => alert,
        several => {
            complain!("{id} is the beginning of several:");
            for alert in several {
                complain!("  {}  {}", alert.id, alert.finding.title);
            }
            return Ok(ExitCode::from(COULD_NOT));
        }
    };
    if json {
        say!("{}", serde_json::to_string(alert)?);
    } else {
        print::finding(&alert.finding);
        print::life(alert, Host::this().now());
    }
    Ok(ExitCode::SUCCESS)
}

fn reader(setup: &Setup) -> Result<Reader> {
    let path = setup.state_dir.join(store::FILE);
    if !path.exists() {
        bail!("nothing has been watched with {} yet: `watchdog run` begins it", setup.state_dir.display());
    }
    Ok(Reader::open(&path)?)
}
