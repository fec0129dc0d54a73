//! What became of the tries of one mail.

use crate::mail::MailAddress;
use crate::mail::route::{Acceptance, Failure, Permanence, Scope, one_line};
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The pauses between tries, in minutes; the last goes on for ever: a mail is never given up.
const PAUSES: [i64; 6] = [1, 2, 5, 15, 30, 60];
/// The longest of them.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// What became of the tries of one mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this.
    pub next_try: Option<Timestamp>,
    /// Why not everyone's server has accepted it yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<Failure>,
    /// Since when it waits to be given to the `sendmail` program.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handed_over: Option<Timestamp>,
    /// For whom it has been accepted: they do not get it again.
    pub accepted: Vec<Accepted>,
}

/// A server has accepted a mail for someone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The address as in the settings.
    #[serde(deserialize_with = "one_line")]
    pub to: String,
    /// What the server said.
    pub reply: Text,
    /// When.
    pub at: Timestamp,
}

impl State {
    /// True if it may be tried. A time further ahead than any pause was set by a clock that has gone back since.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_try.is_none_or(|next| next <= now || next.duration_since(now) > LONGEST)
    }

    /// True if the last try failed for a reason that has nothing to do with this mail.
    pub fn waits_for_route(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.scope == Scope::Route)
    }

    /// Those who do not have it yet.
    pub fn left_of(&self, everyone: &[MailAddress]) -> Vec<MailAddress> {
        let has_it = |to: &String| self.accepted.iter().any(|accepted| accepted.to == *to);
        everyone.iter().filter(|address| !has_it(&address.to_string())).cloned().collect()
    }

    /// Notes whom a server took it for.
    pub fn accept(&mut self, acceptance: &Acceptance, now: Timestamp) {
        for to in &acceptance.accepted {
            let (to, reply) = (to.to_string(), acceptance.reply.clone());
            self.accepted.push(Accepted { to, reply, at: now });
        }
    }

    /// Notes a try that failed.
    pub fn fail(&mut self, failure: Failure, now: Timestamp) {
        let step = usize::try_from(self.attempts).unwrap_or(usize::MAX);
        let pause = match failure.permanence {
            Permanence::Permanent => LONGEST,
            Permanence::Temporary => {
                PAUSES.get(step).map_or(LONGEST, |minutes| SignedDuration::from_mins(*minutes))
            }
        };
        self.attempts = self.attempts.saturating_add(1);
        self.put_off(failure, now.saturating_add(pause).unwrap_or(now));
    }

    /// Notes that it was not even tried, because another mail's try showed that the route is closed.
    pub fn put_off(&mut self, failure: Failure, until: Timestamp) {
        self.next_try = Some(until);
        self.failure = Some(failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(permanence: Permanence) -> Failure {
        Failure { scope: Scope::Mail, permanence, reason: "no".to_owned() }
    }

    #[test]
    fn pauses_grow_to_an_hour_and_never_end() {
        let mut state = State::default();
        let mut now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert!(state.is_due(now));
            state.fail(failure(Permanence::Temporary), now);
            let next = state.next_try.unwrap();
            assert!(!state.is_due(now) && state.is_due(next));
            pauses.push(next.duration_since(now).as_mins());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 5, 15, 30, 60, 60, 60, 60]);
        state.attempts = u32::MAX;
        state.fail(failure(Permanence::Temporary), now);
        assert_eq!(state.next_try.unwrap().duration_since(now).as_mins(), 60);
    }

    #[test]
    fn what_is_refused_for_good_is_tried_every_hour() {
        let mut state = State::default();
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        state.fail(failure(Permanence::Permanent), now);
        assert_eq!(state.next_try.unwrap().duration_since(now).as_mins(), 60);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_hold_a_mail_up() {
        let mut state = State::default();
        state.fail(failure(Permanence::Temporary), "2031-01-01T00:00:00Z".parse().unwrap());
        assert!(state.is_due("2026-11-22T12:00:00Z".parse().unwrap()));
        state.fail(failure(Permanence::Temporary), Timestamp::MAX);
        assert!(state.is_due(Timestamp::MAX));
    }
}
