//! What was seen becomes alerts and mails.

use super::early::Hurry;
use super::looker::Report;
use super::own::{InForce, SELF, hanging, policy_rejected};
use super::{Covered, HANGS, Rejected, Service, Show, renew};
use crate::alert::{self, About, Looked, Pass};
use crate::mail::{self, Letter};
use crate::observe;
use crate::pass::Memories;
use crate::policy::Policy;
use crate::processes::events::Pool;
use crate::say;
use crate::telemetry::{self, View};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Instant;

impl Service {
    /// Turns what was seen into alerts and mails, in one transaction. If it cannot be stored, nothing has
    /// happened, and the watches look again from where they were.
    pub(super) fn settle(&mut self, reports: Vec<Report>) {
        let now = self.host.now();
        let mut memories = Memories::default();
        let mut looked = Vec::new();
        let is_early = reports.iter().any(|report| report.hurry == Hurry::Told);
        for report in reports {
            memories.add(report.memories);
            let covered = Covered { saw: report.summary, gaps: report.gaps, took_ms: report.took_ms };
            self.coverage.insert(report.watch, covered);
            looked.push(Looked {
                watch: report.watch.to_owned(),
                saw: report.saw,
                findings: report.findings,
            });
        }
        self.learn(&mut looked, now);
        let mut own = self.notes.clone();
        if self.policy.is_some() {
            own.extend(self.observing.not_included(&self.setup, now));
        }
        let in_force = if self.policy.is_some() { InForce::Before } else { InForce::Nothing };
        own.extend(self.rejected.as_ref().map(|rejected| policy_rejected(&rejected.why, in_force)));
        own.extend(self.lookers.iter().filter(|looker| looker.silent_for() > HANGS).map(hanging));
        looked.push(Looked { watch: SELF.to_owned(), saw: true, findings: own });
        self.cost.measure(self.coverage.iter().map(|(name, covered)| (*name, covered.took_ms)));
        memories.keep(telemetry::COST, &self.cost);
        memories.keep(telemetry::VIEW, &self.view());
        let pass = Pass { now, host: self.host.name().to_string(), looked };
        let step = alert::step(&self.book, &pass, &self.setup.settings.alerts);
        let records = telemetry::records(&self.book, &step);
        let about = self.about();
        let (record, told) = self.observing.tell(&self.setup, now, &about).unzip();
        if let Some(record) = &record {
            memories.keep(observe::MEMORY, record);
        }
        let composed = alert::digest::compose(step, &about).and(told.flatten());
        let letters: Vec<Letter> = composed.letters().cloned().collect();
        if let Err(error) = self.store.commit(&mut self.book, &pass, composed, &memories) {
            tracing::error!("what this pass saw could not be stored, and will be looked at again: {error}");
            self.unstored = Some(error.to_string());
            return;
        }
        self.unstored = None;
        self.notes.clear();
        self.telemetry.publish(records);
        self.observing.done(record);
        if is_early && !letters.is_empty() {
            self.early.mailed();
        }
        if self.show == Show::Terminal {
            letters.iter().for_each(show);
        }
        self.post();
    }

    /// While observing, what is only not known yet becomes rules.
    fn learn(&mut self, looked: &mut [Looked], now: Timestamp) {
        let Self { observing, policy, setup, rejected, .. } = self;
        observing.learn(&self.host, looked, now, || {
            let loaded = Policy::load(&setup.policy).map_err(|error| error.to_string());
            let reject = |why: &String| Rejected { why: why.clone(), read: Instant::now() };
            let loaded = loaded.inspect_err(|why| *rejected = Some(reject(why)))?;
            renew::keep(setup, &loaded);
            *policy = Some(Arc::new(loaded));
            Ok(())
        });
    }

    /// Puts every mail that was composed into the outbox. What cannot be put in now is tried in the next pass.
    fn post(&mut self) {
        let letters = match self.store.unqueued() {
            Ok(letters) => letters,
            Err(error) => return tracing::error!("{error}"),
        };
        for letter in letters {
            let message = mail::compose(&letter, &self.envelope);
            let done = self.outbox.enqueue(&message).map_err(anyhow::Error::from);
            if let Err(error) = done.and_then(|_| Ok(self.store.queued(&letter.message_id)?)) {
                return tracing::error!("a mail could not be put into the outbox yet: {error:#}");
            }
            if let Some(mailer) = &self.mailer {
                mailer.wake();
            }
        }
    }

    /// What the service says of itself, for commands beside it.
    fn view(&self) -> View {
        let gaps = self.coverage.iter().map(|(watch, covered)| ((*watch).to_owned(), covered.gaps.clone()));
        let digest = self.policy.as_ref().map(|policy| policy.digest.as_str()).unwrap_or_default();
        let starts = self.processes.starts().map(Pool::in_all);
        View { starts, ..View::of_this_process(digest, gaps, self.telemetry.lost()) }
    }

    fn about(&self) -> About {
        let policy = self.policy.as_deref();
        About {
            zone: self.zone.clone(),
            host: self.host.name().to_string(),
            policy_digest: policy.map(|policy| policy.digest.clone()).unwrap_or_default(),
            policy_files: policy.map(|policy| policy.files.clone()).unwrap_or_default(),
            add_to: self.setup.policy.display().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            saw: self.coverage.values().filter_map(|covered| covered.saw.clone()).collect(),
            gaps: self.coverage.values().flat_map(|covered| covered.gaps.clone()).collect(),
            blind: self.store.blind().unwrap_or_default(),
            observing: self.observing.foot(self.host.now(), &self.zone),
        }
    }
}

/// A digest on the terminal, as it is mailed.
fn show(letter: &Letter) {
    let line = "─".repeat(72);
    say!("{line}\n{}\n{line}\n{}", letter.subject, letter.body);
}
