//! Observing, as the service does it: before what was found becomes alerts, what is only not known yet becomes rules.

use crate::alert::{About, Looked};
use crate::finding::{Code, Finding};
use crate::host::Host;
use crate::letter::Letter;
use crate::observe::{self, Learned, Length, Record, Rules, State, letter};
use crate::policy::Policy;
use crate::settings::Setup;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// Where observing stands.
pub struct Observing {
    length: Length,
    record: Option<Record>,
    rules: Rules,
    /// False if nothing can be learned, as the policy does not hold what is written.
    included: bool,
}

impl Observing {
    /// `record` is what was remembered; `first` is true if the service was never run here before.
    pub fn starting(
        setup: &Setup,
        policy: &Policy,
        record: Option<Record>,
        first: bool,
        now: Timestamp,
    ) -> Self {
        let rules = Rules::at(&setup.state_dir);
        let mut observing = Self { length: setup.settings.observe, record, rules, included: false };
        observing.changed(setup, policy);
        if let (Some(span), None) = (observing.length.span(), &observing.record) {
            // Rules that were learned tell that a lost database is not a first start.
            if first && observing.rules.words().is_empty() {
                observing.record = Some(Record::begin(now, span));
            } else {
                tracing::warn!(
                    "observe = \"{span}\" does nothing: it begins with the first start, and this host was watched before"
                );
            }
        }
        observing.complain(setup, now);
        observing
    }

    /// Takes other settings, or another policy.
    pub fn changed(&mut self, setup: &Setup, policy: &Policy) {
        self.length = setup.settings.observe;
        self.included = self.rules.is_part_of(policy);
        if let Err(error) = self.rules.read() {
            tracing::error!("{error}");
        }
    }

    /// Says in the log what keeps it from learning.
    pub fn complain(&self, setup: &Setup, now: Timestamp) {
        if let Some(finding) = self.not_included(setup, now) {
            tracing::error!("{}: add {} to its include", finding.title, self.rules.path().display());
        }
    }

    /// That it is to learn and cannot.
    pub fn not_included(&self, setup: &Setup, now: Timestamp) -> Option<Finding> {
        if self.included || self.record.as_ref()?.state(now, self.length) != State::On {
            return None;
        }
        let (policy, rules) = (setup.policy.display(), self.rules.path().display());
        let title =
            format!("the settings say observe, but the policy {policy} does not include what is learned");
        let finding = Finding::new(Code::PolicyRejected, "observe", title)
            .with(
                "what is wrong",
                format!("nothing is learned: all that is not known is reported, as {rules} is not included"),
            )
            .with(
                "what to do",
                format!(
                    "add \"{rules}\" to the include of the policy and reload, or write observe = \"none\""
                ),
            );
        Some(finding)
    }

    /// The line of each mail that says so.
    pub fn foot(&self, now: Timestamp, zone: &TimeZone) -> Option<String> {
        let is_on = |record: &&Record| record.state(now, self.length) == State::On && self.included;
        let record = self.record.as_ref().filter(is_on)?;
        let until = crate::alert::words::moment(record.until, now, zone);
        Some(format!(
            "observing until {until}: processes and sockets that are not known yet are learned, not reported"
        ))
    }

    /// Takes out of what was found what is learned instead. `take_anew` puts the policy on disk in force.
    pub fn learn(
        &mut self,
        host: &Host,
        looked: &mut [Looked],
        now: Timestamp,
        take_anew: impl FnOnce() -> Result<(), String>,
    ) {
        let Some(record) = &self.record else { return };
        if record.state(now, self.length) != State::On || !self.included {
            return;
        }
        let by = observe::by(now.to_zoned(TimeZone::system()).date());
        let mut new: Vec<Learned> = Vec::new();
        let mut keys = BTreeSet::new();
        for finding in looked.iter_mut().flat_map(|looked| &mut looked.findings) {
            let Some(learned) = observe::learnable(host, finding, &by) else { continue };
            let asked = learned.and_then(|rule| match rule.words {
                // Two findings may be one to a rule.
                ref words if new.iter().any(|new| new.words == *words) => Ok(None),
                ref words if record.knows(words) || self.rules.words().contains(words) => {
                    Err("it was learned before, and its rule was taken out or does not hold".to_owned())
                }
                _ if self.rules.words().len() + new.len() >= observe::MOST => {
                    Err(format!("{} rules were learned, and no more are", observe::MOST))
                }
                _ => Ok(Some(rule)),
            });
            match asked {
                Ok(rule) => {
                    new.extend(rule);
                    keys.insert(finding.key());
                }
                Err(why) => refuse(finding, &why),
            }
        }
        if new.is_empty() {
            return;
        }
        let done = self.rules.add(&new).map_err(|error| error.to_string()).and_then(|()| take_anew());
        match done {
            Ok(()) => {
                for rule in &new {
                    tracing::info!("observing: learned {}", rule.words);
                }
                for looked in looked {
                    looked.findings.retain(|finding| !keys.contains(&finding.key()));
                }
            }
            Err(error) => {
                tracing::error!("observing: {error}");
                let findings = looked.iter_mut().flat_map(|looked| &mut looked.findings);
                findings.filter(|finding| keys.contains(&finding.key())).for_each(|f| refuse(f, &error));
            }
        }
    }

    /// What is to be remembered after this pass, and the mail that tells of it, if one is due. Both belong into the
    /// same transaction; [`Observing::done`] is to be called after it.
    pub fn tell(&self, setup: &Setup, now: Timestamp, about: &About) -> Option<(Record, Option<Letter>)> {
        let mut record = self.record.clone().filter(|record| record.over.is_none())?;
        let state = record.pass(now, self.length);
        record.note(self.rules.words().iter().map(String::as_str));
        let news = record.news(now, state).filter(|_| self.included);
        let places = letter::Places { rules: self.rules.path(), settings: setup.file.as_deref() };
        let letter = news.map(|news| letter::write(news, &record, now, places, about));
        if letter.is_some() {
            record.tell(now);
        }
        Some((record, letter))
    }

    /// The record was stored.
    pub fn done(&mut self, record: Option<Record>) {
        self.record = record.or_else(|| self.record.take());
    }
}

fn refuse(finding: &mut Finding, why: &str) {
    finding.evidence.insert("not learned".to_owned(), why.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Span;
    use crate::settings::Settings;
    use std::path::Path;

    fn setup(folder: &Path) -> Setup {
        let settings = Settings { observe: "7d".to_owned().try_into().unwrap(), ..Settings::default() };
        let (state_dir, policy) = (folder.to_owned(), folder.join("policy.toml"));
        std::fs::write(&policy, "schema = 1\ninclude = [\"observed.toml\"]\n").unwrap();
        Setup { settings, file: None, text: None, state_dir, policy }
    }

    fn observing(setup: &Setup, record: Option<Record>, first: bool, now: Timestamp) -> Observing {
        Observing::starting(setup, &Policy::load(&setup.policy).unwrap(), record, first, now)
    }

    /// Findings of programs with these numbers, in a container: so their files need not be there.
    fn found(numbers: std::ops::Range<usize>) -> Vec<Looked> {
        let finding = |number: usize| {
            let rule = format!("[[process]]\nexe = \"/app/{number}\"\ncontainer = true\nwhy = \"…\"\n");
            Finding::new(Code::UnknownProcess, number.to_string(), "unknown process").suggest(rule)
        };
        vec![Looked { watch: "process".to_owned(), saw: true, findings: numbers.map(finding).collect() }]
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    #[test]
    fn what_comes_after_five_hundred_rules_is_an_alarm_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let setup = setup(folder.path());
        let mut observing = observing(&setup, None, true, now());
        let mut looked = found(0..observe::MOST + 2);
        observing.learn(&Host::this(), &mut looked, now(), || Ok(()));
        let left = &looked[0].findings;
        assert_eq!(left.len(), 2);
        assert_eq!(left[0].evidence["not learned"], "500 rules were learned, and no more are");
        assert_eq!(Policy::load(&setup.policy).unwrap().process.process.len(), observe::MOST);
    }

    #[test]
    fn a_policy_that_cannot_be_taken_anew_leaves_the_findings() {
        let folder = tempfile::tempdir().unwrap();
        let setup = setup(folder.path());
        let mut observing = observing(&setup, None, true, now());
        let mut looked = found(0..2);
        observing.learn(&Host::this(), &mut looked, now(), || Err("it is wrong".to_owned()));
        let whys: Vec<_> =
            looked[0].findings.iter().map(|finding| &finding.evidence["not learned"]).collect();
        assert_eq!(whys, ["it is wrong", "it is wrong"]);
    }

    /// Killed between the writing of a rule and the transaction: the rule is told all the same.
    #[test]
    fn what_was_learned_and_not_stored_is_told_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let setup = setup(folder.path());
        let first = Some(Record::begin(now(), Span::days(7)));
        observing(&setup, first.clone(), false, now())
            .learn(&Host::this(), &mut found(0..1), now(), || Ok(()));
        let again = observing(&setup, first, false, now());
        let mut record = again.record.clone().unwrap();
        record.note(again.rules.words().iter().map(String::as_str));
        assert_eq!(record.untold(), ["process /app/0, in a container"]);
    }

    #[test]
    fn a_lost_database_is_no_first_start() {
        let folder = tempfile::tempdir().unwrap();
        let setup = setup(folder.path());
        let mut begun = observing(&setup, None, true, now());
        begun.learn(&Host::this(), &mut found(0..1), now(), || Ok(()));
        assert!(begun.record.is_some());
        assert!(observing(&setup, None, true, now()).record.is_none(), "rules were learned here before");
        std::fs::remove_file(setup.state_dir.join(observe::FILE)).unwrap();
        assert!(observing(&setup, None, false, now()).record.is_none(), "it was run here before");
    }
}
