//! New settings and a new policy while the service runs, and what it shows of itself meanwhile.

use super::own::unwatched;
use super::{HANGS, Rejected, Service, UNWATCHED, kept};
use crate::alert;
use crate::mail::Route;
use crate::policy::Policy;
use crate::settings::Setup;
use anyhow::Result;
use std::sync::Arc;
use std::time::Instant;

impl Service {
    /// Somebody asks for it.
    pub(super) fn reload(&mut self, read: &impl Fn() -> Result<(Setup, Policy)>) {
        self.notify.reloading();
        self.renew(read());
        self.notify.ready();
        self.settles = Some(Instant::now());
    }

    /// Takes new settings and a new policy, or keeps the old ones if the new are wrong.
    pub(super) fn renew(&mut self, read: Result<(Setup, Policy)>) {
        match read {
            Ok((setup, policy)) => {
                let digest = policy.digest.get(..12).unwrap_or_default().to_owned();
                let mail_settings = setup.mail_settings();
                self.envelope = Route::new(&mail_settings, &self.host.name()).envelope().clone();
                if let Some(mailer) = &mut self.mailer {
                    mailer.change(&mail_settings);
                }
                // Whoever has changed something wants to see what comes of it: all look at once.
                for looker in &mut self.lookers {
                    looker.change_schedule(setup.settings.schedule_named(looker.name()));
                }
                if setup.state_dir == self.setup.state_dir {
                    keep(&setup, &policy);
                } else {
                    tracing::warn!("another state-dir is used only after a restart");
                }
                self.telemetry = self.telemetry.changed(&setup.settings.telemetry, &setup.state_dir);
                self.observing.changed(&setup, &policy);
                self.observing.complain(&setup, self.host.now());
                if let Some(starts) = self.processes.starts() {
                    starts.forget_known();
                }
                (self.setup, self.policy, self.rejected) = (setup, Some(Arc::new(policy)), None);
                tracing::info!("settings and policy read anew; policy {digest} is in force");
                self.see_again();
            }
            Err(error) => {
                let why = format!("{error:#}");
                if self.rejected.as_ref().is_none_or(|before| before.why != why) {
                    tracing::error!("the new settings or policy are wrong, the old stay in force: {why}");
                }
                self.rejected = Some(Rejected { why, read: Instant::now() });
                self.settle(Vec::new());
            }
        }
    }

    /// There is a policy now, or we stop: what passed without one is a time in which nobody was watching.
    pub(super) fn see_again(&mut self) {
        let Some(from) = self.blind_since.take() else { return };
        let now = self.host.now();
        if now.duration_since(from) > UNWATCHED.signed() {
            let why = "the settings or the policy were wrong".to_owned();
            self.was_blind(&alert::Blind { from, until: now, why });
        }
    }

    pub(super) fn was_blind(&mut self, blind: &alert::Blind) {
        self.notes.push(unwatched(blind));
        if let Err(error) = self.store.was_blind(blind) {
            tracing::warn!("{error}");
        }
    }

    /// Tells the service manager that we are alive, unless every watch hangs: then a restart may help, and nothing
    /// else will. That a turn of the loop ends here is the proof that it turns.
    pub(super) fn show_life(&mut self) {
        let limit = self.notify.interval().map_or(HANGS, |interval| interval * 2);
        if self.lookers.iter().any(|looker| looker.silent_for() < limit) {
            self.notify.alive();
        }
        // Every user of the host can read this: it says nothing of what was found, or of what the policy says.
        let status = match (&self.policy, &self.rejected, &self.unstored) {
            (None, ..) => format!("NOT WATCHING: {WRONG}"),
            (_, _, Some(_)) => "watching, but what is seen cannot be stored; the log says why".to_owned(),
            (_, Some(_), _) => format!("watching with the policy from before: {WRONG}"),
            (Some(policy), None, None) => {
                let digest = policy.digest.get(..12).unwrap_or_default();
                format!("watching with policy {digest} ({} rules)", policy.rules())
            }
        };
        self.notify.status(&status);
    }
}

/// Where to read what is wrong.
const WRONG: &str = "the settings or the policy are wrong; see `watchdog validate` and the log";

/// For a start at which the files are wrong.
pub fn keep(setup: &Setup, policy: &Policy) {
    if let Err(error) = kept::keep(setup, policy) {
        tracing::warn!("no copy of the settings and the policy can be kept: {error}");
    }
}
