//! `watchdog run`: the service; with nothing prepared it prepares itself.

use crate::command::{learn_policy, load_policy};
use crate::observe::Rules;
use crate::policy::Policy;
use crate::service::{self, Show};
use crate::settings::Setup;
use crate::{file, text};
use anyhow::{Context, Result};
use std::process::ExitCode;

pub fn run(read: impl Fn() -> Result<Setup>, once: bool) -> Result<ExitCode> {
    let setup = read()?;
    file::make_private_folder(&setup.state_dir)
        .with_context(|| format!("cannot make the state folder {}", setup.state_dir.display()))?;
    file::must_be_ours(&setup.state_dir)
        .with_context(|| format!("cannot keep anything in {}", setup.state_dir.display()))?;
    if matches!(file::is_there(&setup.policy), Ok(false)) {
        learn_policy(&setup)?;
    }
    if setup.settings.observe.span().is_some() {
        Rules::at(&setup.state_dir).make()?;
    }
    let policy = load_policy(&setup.policy)?;
    let show = if setup.file.is_some() { Show::Nothing } else { Show::Terminal };
    say_what_comes(&setup, &policy);
    if once {
        service::run_once(setup, policy, show)?;
    } else {
        let reload = || {
            let setup = read()?;
            let policy = load_policy(&setup.policy)?;
            Ok((setup, policy))
        };
        service::run(setup, policy, show, reload)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say_what_comes(setup: &Setup, policy: &Policy) {
    let digest = policy.digest.get(..12).unwrap_or_default();
    tracing::info!(
        "policy {digest}, {} rules from {}",
        policy.rules(),
        text::clean(&policy.files.join(", "))
    );
    if let Some(file) = &setup.file {
        tracing::info!("settings from {}", file.display());
    } else {
        tracing::info!("no settings: each mail is shown here and kept in {}", setup.mail_folder().display());
    }
}
