//! `watchdog deliver`: the mailer alone, once, as a service, or for what was laid aside for the `sendmail` program.

use crate::command::step_down::step_down;
use crate::command::{COULD_NOT, Files};
use crate::file::{self, Links};
use crate::host::Host;
use crate::mail::{self, DeliveryReport, Outbox, Route, Sandbox};
use crate::service;
use crate::settings::Setup;
use crate::{complain, say};
use anyhow::{Context, Result, bail};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// All that waits, once.
    All,
    /// All that comes.
    AllThatComes,
    /// What was laid aside for the `sendmail` program.
    HandedOver,
}

/// As long as anything lies there, the service manager starts us again at once, however we ended.
const BREATH: Duration = Duration::from_secs(20);

/// Waits, unless a person has called and waits with us.
fn take_breath() {
    if std::env::var_os("INVOCATION_ID").is_some() && !std::io::stdin().is_terminal() {
        std::thread::sleep(BREATH);
    }
}

/// Whether a mail has left the place where it was laid aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    None,
    Some,
}

pub fn run(files: &Files, what: What) -> Result<ExitCode> {
    match what {
        What::All => {
            let setup = files.setup()?;
            step_down(&setup)?;
            once(&setup)
        }
        What::AllThatComes => {
            let (setup, wrong) = setup_or_before(files)?;
            service::stay(&setup, wrong, || {
                let setup = files.setup()?;
                keep(&setup);
                Ok(setup)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        What::HandedOver => {
            let given = setup_or_before(files).and_then(|(setup, _)| handed_over(&setup));
            if !matches!(given, Ok(Given::Some)) {
                take_breath();
            }
            given.map(|_| ExitCode::SUCCESS)
        }
    }
}

fn once(setup: &Setup) -> Result<ExitCode> {
    let host = Host::this();
    let outbox = open(setup)?;
    let route = Route::new(&setup.mail_settings(), &host.name()).within(Sandbox::here());
    let report = mail::deliver_all(&outbox, &route, host.now()).context("cannot read the outbox")?;
    if report.busy {
        say!("another watchdog is delivering just now");
        return Ok(ExitCode::SUCCESS);
    }
    tell(&report);
    for name in &report.handed_over {
        say!("{name} was laid aside for the sendmail program, which cannot be run in this sandbox");
    }
    say!("{} accepted, {} still waiting", report.delivered.len(), report.waiting);
    Ok(if report.waiting == 0 { ExitCode::SUCCESS } else { ExitCode::from(COULD_NOT) })
}

fn handed_over(setup: &Setup) -> Result<Given> {
    if Sandbox::here() == Sandbox::NoNewPrivileges {
        bail!("the sendmail program cannot work where NoNewPrivileges is set: take that out of this unit");
    }
    let host = Host::this();
    let outbox = open(setup)?;
    let route = Route::new(&setup.mail_settings(), &host.name());
    let report =
        mail::deliver_handed_over(&outbox, &route, || host.now()).context("cannot read the outbox")?;
    if report.busy {
        say!("another watchdog is at it just now");
    }
    tell(&report);
    for name in &report.foreign {
        complain!("{name} is no mail of ours: it was moved to the queue, where it is left alone");
    }
    Ok(if report.delivered.is_empty() { Given::None } else { Given::Some })
}

fn open(setup: &Setup) -> Result<Outbox> {
    let folder = setup.state_dir.join("outbox");
    Outbox::open(&folder).with_context(|| format!("cannot open the outbox {}", folder.display()))
}

fn tell(report: &DeliveryReport) {
    for delivered in &report.delivered {
        say!("{} accepted: {}", delivered.name, delivered.reply);
    }
    for failed in &report.failed {
        complain!("{} not accepted: {}", failed.name, failed.failure.reason);
    }
}

/// The copy of the settings with which mail went the last time, in a folder of the outbox that is the mailer's own.
const BEFORE: (&str, &str) = ("settings", "settings.last");

/// The settings; if they are wrong those from before, or those that hold where nothing is written: the mail that
/// says what is wrong has to go as well. Those from before are the mailer's words: root has stepped down by then.
fn setup_or_before(files: &Files) -> Result<(Setup, Option<String>)> {
    let error = match files.setup() {
        Ok(setup) => {
            step_down(&setup)?;
            keep(&setup);
            return Ok((setup, None));
        }
        Err(error) => format!("{error:#}"),
    };
    let plain = files.setup_of(None)?;
    step_down(&plain)?;
    let before = file::read(&before_of(&plain), Links::Refuse).ok();
    let before = before.and_then(|bytes| files.setup_of(Some(String::from_utf8(bytes).ok()?)).ok());
    let holds = if before.is_some() { "those from before hold" } else { "mail goes to root on this host" };
    tracing::error!("the settings are wrong; until they are right, {holds}: {error}");
    Ok((before.unwrap_or(plain), Some(error)))
}

fn before_of(setup: &Setup) -> PathBuf {
    setup.state_dir.join("outbox").join(BEFORE.0).join(BEFORE.1)
}

/// Only the mailer itself keeps them, and only in an outbox that is there; without them there is the default.
fn keep(setup: &Setup) {
    let Some(text) = &setup.text else { return };
    let path = before_of(setup);
    let (Some(folder), true) = (path.parent(), setup.state_dir.join("outbox").is_dir()) else { return };
    // Where root has not made it, it is made if the outbox is our own.
    let _ = file::make_private_folder(folder);
    if file::read(&path, Links::Refuse).is_ok_and(|before| before == text.as_bytes()) {
        return;
    }
    let temporary = path.with_extension("new");
    if file::write_new(&temporary, text.as_bytes()).is_ok() {
        let _ = file::rename_durably(&temporary, &path);
    }
}
