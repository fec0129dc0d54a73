//! The subcommands, one file each.

mod alerts;
mod check;
mod deliver;
mod doctor;
#[cfg(windows)]
mod event_lines;
mod explain;
#[cfg(target_os = "linux")]
mod firewall;
#[cfg(target_os = "linux")]
mod lend_events;
#[cfg(windows)]
mod look_for_updates;
mod mail_test;
mod metrics;
#[cfg(target_os = "linux")]
mod metrics_http;
mod print;
mod run;
#[cfg(windows)]
mod service;
mod snapshot;
mod status;
mod step_down;
mod validate;

use crate::cli::{Cli, Command, Extra, MailCommand};
use crate::file::{self, Existing};
use crate::host::Host;
use crate::learn::{self, How, ReadyMade};
use crate::observe;
use crate::pass::{self, At, Memories};
use crate::policy::Policy;
use crate::processes::Processes;
use crate::say;
use crate::service::Delivery;
use crate::settings::Setup;
use crate::snapshot::Snapshot;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// The exit code for: something differs.
pub const DIFFERS: u8 = 1;
/// The exit code for: could not do it.
pub const COULD_NOT: u8 = 2;

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for a person; the exit code is then [`COULD_NOT`].
pub fn run(cli: Cli) -> Result<ExitCode> {
    let files = Files { config: cli.config, state_dir: cli.state_dir };
    let setup = || files.setup();
    // Not every command needs the settings, but a file that somebody names must be there and right; a service copes
    // with one that is wrong.
    let copes = match cli.command {
        Command::Run { .. } | Command::Deliver { .. } => true,
        Command::Doctor { .. } => true,
        #[cfg(windows)]
        Command::Service { .. } => true,
        #[cfg(target_os = "linux")]
        Command::Metrics { http: true } => true,
        _ => false,
    };
    if files.config.is_some() && !copes {
        setup()?;
    }
    match cli.command {
        Command::Snapshot { output, facts: true, force, with, .. } => {
            snapshot::facts(output.as_deref(), force, &with)
        }
        Command::Snapshot { output, force, ready_made: true, with, .. } => {
            snapshot::policy(output.as_deref(), force, &with, &how(ReadyMade::Included, Some(&setup()?)))
        }
        Command::Snapshot { output, force, with, .. } => {
            snapshot::policy(output.as_deref(), force, &with, &how(ReadyMade::Named, None))
        }
        Command::Check { policy, facts, json } => check::run(&setup()?, policy, facts.as_deref(), json),
        Command::Explain { what, policy } => explain::run(&setup()?, policy, &what),
        Command::Run { once, no_deliver } => {
            let until = if once { run::Until::Once } else { run::Until::Stopped };
            let delivery = if no_deliver { Delivery::Elsewhere } else { Delivery::Here };
            run::run(&files, until, delivery)
        }
        #[cfg(windows)]
        Command::Service { purge: true } => service::purge(),
        #[cfg(windows)]
        Command::Service { .. } => service::run(files),
        Command::Deliver { stay, handed_over } => {
            let what = match (stay, handed_over) {
                (true, _) => deliver::What::AllThatComes,
                (_, true) => deliver::What::HandedOver,
                _ => deliver::What::All,
            };
            deliver::run(&files, what)
        }
        #[cfg(target_os = "linux")]
        Command::LendEvents => lend_events::run(),
        Command::Validate { files } => validate::run(setup, &files),
        #[cfg(windows)]
        Command::LookForUpdates { unless } => look_for_updates::print(unless.as_deref()),
        Command::Alerts { json } => alerts::list(&setup()?, json),
        Command::Show { id, json } => alerts::show(&setup()?, &id, json),
        #[cfg(target_os = "linux")]
        Command::Firewall => firewall::answer(),
        Command::Status { json } => status::run(&setup()?, json),
        Command::Doctor { json, no_mail } => Ok(doctor::run(setup(), json, no_mail)),
        #[cfg(target_os = "linux")]
        Command::Metrics { http: true } => Ok(metrics_http::serve(setup())),
        Command::Metrics { .. } => metrics::print(&setup()?),
        Command::Mail { command: MailCommand::Test } => mail_test::run(&setup()?),
    }
}

/// The files that the command line names.
struct Files {
    config: Option<PathBuf>,
    state_dir: Option<PathBuf>,
}

impl Files {
    /// The settings.
    fn setup(&self) -> Result<Setup> {
        Setup::load(self.config.as_deref(), self.state_dir.as_deref()).context("the settings are wrong")
    }

    /// The settings if their file said this; or with the default of every key.
    fn setup_of(&self, text: Option<String>) -> Result<Setup> {
        Ok(Setup::of_text(self.config.as_deref(), self.state_dir.as_deref(), text)?)
    }
}

/// What the program says of itself goes to standard error, one line each; under systemd the journal adds the time. The
/// service of Windows has no standard error, and says it to the event log.
pub fn start_log(cli: &Cli) {
    #[cfg(windows)]
    if matches!(cli.command, Command::Service { purge: false }) {
        return event_lines::start();
    }
    #[cfg(not(windows))]
    let _ = cli;
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::INFO).with_writer(std::io::stderr);
    let log = log.with_target(false).with_ansi(false).log_internal_errors(false);
    // The only other logger there can be is one a test has set.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().try_init()
    } else {
        log.try_init()
    };
}

/// One pass over this host with nothing remembered.
fn look_once(policy: &Policy) -> (Vec<Box<dyn pass::Watching>>, Snapshot) {
    let host = Host::this();
    let processes = Processes::default();
    let mut watches = pass::watches();
    let at = At { host: &host, processes: &processes, now: host.now() };
    let snapshot = pass::look_all(&mut watches, &at, policy, &mut Memories::default());
    (watches, snapshot)
}

/// One pass over all that can be learned, and over what is asked for besides.
fn look_to_learn(with: &[Extra]) -> (Vec<Box<dyn pass::Watching>>, Snapshot) {
    let mut policy = Policy::default();
    policy.network.to_learn = true;
    policy.unix_listener.to_learn = with.contains(&Extra::UnixListeners);
    policy.connection.to_learn = with.contains(&Extra::Connections);
    look_once(&policy)
}

/// How a policy is learned on this host.
fn how(ready_made: ReadyMade, setup: Option<&Setup>) -> How {
    let installed = installed();
    let is_asked = |setup: &&Setup| setup.settings.observe.span().is_some();
    let observed = setup.filter(is_asked).map(|setup| setup.state_dir.join(observe::FILE));
    How { ready_made, installed, observed }
}

/// The packages by which ready-made policies are chosen: a host without dpkg has none that fit.
#[cfg(target_os = "linux")]
fn installed() -> BTreeSet<String> {
    let installed = crate::dpkg::read_installed(&Host::this()).unwrap_or_default();
    installed.into_iter().map(|package| package.name.to_string()).collect()
}

/// The roles by which ready-made policies are chosen.
#[cfg(windows)]
fn installed() -> BTreeSet<String> {
    BTreeSet::new()
}

/// A learned policy, which must be a valid one.
fn learned(watches: &[Box<dyn pass::Watching>], snapshot: &Snapshot, how: &How) -> Result<(String, Policy)> {
    let text = learn::policy(watches, snapshot, how).context("a policy to include is wrong")?;
    let policy = Policy::from_text("the learned policy", &text)
        .context("a fault in the watchdog itself, please report it")?;
    Ok((text, policy))
}

/// Loads a policy, or says how to get one.
fn load_policy(file: &Path) -> Result<Policy> {
    if matches!(file::is_there(file), Ok(false)) {
        anyhow::bail!(
            "there is no policy {0}: `watchdog snapshot -o {0}` writes one from what runs now",
            file.display()
        );
    }
    Ok(Policy::load(file)?)
}

/// Writes a policy from what runs now, and says so.
fn learn_policy(setup: &Setup, ready_made: ReadyMade) -> Result<()> {
    let file = &setup.policy;
    let (watches, snapshot) = look_to_learn(&[]);
    let (text, policy) = learned(&watches, &snapshot, &how(ready_made, Some(setup)))?;
    file::write(file, text.as_bytes(), Existing::Keep)
        .with_context(|| format!("cannot write the learned policy to {}", file.display()))?;
    let seen: Vec<String> = watches.iter().filter_map(|watch| watch.summary(&snapshot)).collect();
    say!(
        "There was no policy yet, so one was learned from what is here now ({}): {} rules, in\n  {}\n\
         Read it: whatever should not run here is in it too. From now on all else is a finding.",
        seen.join(", "),
        policy.rules(),
        file.display(),
    );
    Ok(())
}
