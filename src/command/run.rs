//! `watchdog run`: the service; with nothing prepared it prepares itself, with something wrong it goes on as well as
//! it can.

use crate::command::{Files, learn_policy, load_policy};
use crate::learn::ReadyMade;
use crate::observe::Rules;
use crate::policy::Policy;
use crate::service::kept::{self, Kept};
use crate::service::{self, Delivery, Plan, Show};
use crate::settings::Setup;
use crate::{file, text};
use anyhow::{Context, Result};
use std::process::ExitCode;

/// How long it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// For one pass.
    Once,
    /// Until it is told to stop.
    Stopped,
}

pub fn run(files: &Files, until: Until, delivery: Delivery) -> Result<ExitCode> {
    let read = || {
        let setup = files.setup()?;
        let policy = policy_of(&setup)?;
        Ok((setup, policy))
    };
    if until == Until::Once {
        let (setup, policy) = read()?;
        service::run_once(plan(setup, Some(policy), None, delivery))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (setup, wrong) = match files.setup() {
        Ok(setup) => (setup, None),
        // A service that ends because of a typo is a silent one.
        Err(error) => (stand_in(files)?, Some(error)),
    };
    let plan = match (policy_of(&setup), wrong) {
        (Ok(policy), wrong) => {
            let wrong = wrong.map(|error| format!("{error:#}"));
            plan(setup, Some(policy), wrong, delivery)
        }
        (Err(error), wrong) => {
            let error = format!("{:#}", wrong.unwrap_or(error));
            let policy = kept::recall(&setup.state_dir).as_ref().and_then(Kept::policy);
            plan(setup, policy, Some(error), delivery)
        }
    };
    service::run(plan, read)?;
    Ok(ExitCode::SUCCESS)
}

fn plan(setup: Setup, policy: Option<Policy>, wrong: Option<String>, delivery: Delivery) -> Plan {
    let show = if setup.file.is_some() { Show::Nothing } else { Show::Terminal };
    let plan = Plan { setup, policy, wrong, show, delivery };
    say_what_comes(&plan);
    plan
}

/// The settings from before, or those that hold where nothing is written.
fn stand_in(files: &Files) -> Result<Setup> {
    let plain = files.setup_of(None)?;
    let kept = kept::recall(&plain.state_dir).and_then(|kept| kept.settings());
    Ok(kept.and_then(|text| files.setup_of(Some(text)).ok()).unwrap_or(plain))
}

/// The policy on disk; the very first time it is learned.
fn policy_of(setup: &Setup) -> Result<Policy> {
    let is_new = is_new(setup);
    let observes = setup.settings.observe.span().is_some();
    if is_new || observes {
        file::make_private_folder(&setup.state_dir)
            .with_context(|| format!("cannot make the state folder {}", setup.state_dir.display()))?;
        file::must_be_ours(&setup.state_dir)
            .with_context(|| format!("cannot keep anything in {}", setup.state_dir.display()))?;
    }
    if is_new {
        learn_policy(setup, ReadyMade::Named)?;
    }
    if observes {
        Rules::at(&setup.state_dir).make()?;
    }
    load_policy(&setup.policy)
}

/// True if there never was a policy. One that was there and is gone is not learned anew: nobody would notice what it allows
/// then.
pub fn is_new(setup: &Setup) -> bool {
    matches!(file::is_there(&setup.policy), Ok(false)) && kept::recall(&setup.state_dir).is_none()
}

fn say_what_comes(plan: &Plan) {
    if let Some(policy) = &plan.policy {
        let digest = policy.digest.get(..12).unwrap_or_default();
        let files = policy.files.join(", ");
        tracing::info!("policy {digest}, {} rules from {}", policy.rules(), text::clean(&files));
    }
    if let Some(wrong) = &plan.wrong {
        let holds = if plan.policy.is_some() { "what was right before holds" } else { "NOBODY IS WATCHING" };
        tracing::error!("the settings or the policy are wrong; until they are right, {holds}: {wrong}");
    }
    if let Some(file) = &plan.setup.file {
        tracing::info!("settings from {}", file.display());
    } else {
        let folder = plan.setup.mail_folder();
        tracing::info!("no settings: each mail is shown here and kept in {}", folder.display());
    }
}
