//! Observing: for a stated time after its first start the service learns what is not known yet, instead of alarming.
//!
//! Only processes and sockets that no rule knows become rules ([`learnable()`]), in a file of their own in the state
//! folder ([`Rules`]), which the policy includes. All else alarms as ever. What was learned is told by mail
//! ([`letter`]): when it begins, once a day, and at the end. [`Record`] is what must outlive the program.

mod learnable;
pub mod letter;
mod rules;

pub use learnable::learnable;
pub use rules::{Learned, Rules, by};

use crate::rule::Span;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The file in the state folder that holds the rules that were learned while observing.
pub use crate::policy::OBSERVED as FILE;

/// The name under which the record is remembered.
pub const MEMORY: &str = "service.observe";

/// So many rules are learned. A host on which more is new is not one to learn from.
pub const MOST: usize = 500;

/// Nobody watches a host that is observed for longer.
const LONGEST: Span = Span::days(90);

/// What was learned is told once in so long.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// For how long to observe: `"7d"`; `"none"` or no time at all is not to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Length(Option<Span>);

impl Length {
    /// The time, if any.
    #[must_use]
    pub const fn span(self) -> Option<Span> {
        self.0
    }
}

impl TryFrom<String> for Length {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        if written == "none" {
            return Ok(Self(None));
        }
        let span = Span::try_from(written)?;
        if span > LONGEST {
            let message =
                format!("\"{span}\" is too long: nobody watches a host meanwhile, write \"90d\" or less");
            return Err(message);
        }
        Ok(Self(Some(span).filter(|span| *span > Span::seconds(0))))
    }
}

/// What must outlive the program: since when and until when, and what was learned and told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// The first start.
    pub began: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// When it ended. From then on it never begins again.
    pub over: Option<Timestamp>,
    /// All that was ever learned, in words, in the order in which it was.
    pub learned: Vec<String>,
    /// How many of these a mail has told.
    pub told: usize,
    /// When the last mail was written.
    pub last_told: Option<Timestamp>,
}

/// Where observing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    On,
    /// It ends just now.
    Ends,
    /// It has ended.
    Over,
}

/// What a mail is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// That it has begun.
    Begun,
    /// What was learned since the last mail.
    Daily,
    /// That it is over.
    Over,
}

impl Record {
    /// The record of a service that starts for the first time.
    #[must_use]
    pub fn begin(now: Timestamp, span: Span) -> Self {
        Self {
            began: now,
            until: later(now, span),
            over: None,
            learned: Vec::new(),
            told: 0,
            last_told: None,
        }
    }

    /// Where it stands, with what the settings say now.
    #[must_use]
    pub fn state(&self, now: Timestamp, length: Length) -> State {
        if self.over.is_some() {
            return State::Over;
        }
        // The clock may have been set back since: nobody gets more time by that.
        let goes_on = |span| now < later(self.began.min(now), span);
        if length.span().is_some_and(goes_on) { State::On } else { State::Ends }
    }

    /// Goes on to `now`; says where it stands then.
    pub fn pass(&mut self, now: Timestamp, length: Length) -> State {
        let state = self.state(now, length);
        if state == State::Over {
            return state;
        }
        self.began = self.began.min(now);
        self.last_told = self.last_told.map(|last| last.min(now));
        self.until = length.span().map_or(self.until, |span| later(self.began, span));
        self.over = (state == State::Ends).then_some(now);
        state
    }

    /// Notes what was learned, each once.
    pub fn note<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) {
        let mut known: BTreeSet<String> = self.learned.iter().cloned().collect();
        self.learned
            .extend(words.into_iter().filter(|words| known.insert((*words).to_owned())).map(str::to_owned));
    }

    /// True if this was learned once, even if a person has taken it out of the file since.
    #[must_use]
    pub fn knows(&self, words: &str) -> bool {
        self.learned.iter().any(|known| known == words)
    }

    /// What has been learned and not yet told.
    #[must_use]
    pub fn untold(&self) -> &[String] {
        self.learned.get(self.told..).unwrap_or_default()
    }

    /// What is to be told now, if anything.
    #[must_use]
    pub fn news(&self, now: Timestamp, state: State) -> Option<News> {
        match (state, self.last_told) {
            (State::Over, _) => None,
            (State::Ends, _) => Some(News::Over),
            (State::On, None) => Some(News::Begun),
            (State::On, Some(last)) => {
                let is_due = !self.untold().is_empty() && now.duration_since(last) >= DAILY;
                is_due.then_some(News::Daily)
            }
        }
    }

    /// Notes that a mail has told all.
    pub fn tell(&mut self, now: Timestamp) {
        (self.told, self.last_told) = (self.learned.len(), Some(now));
    }
}

fn later(moment: Timestamp, span: Span) -> Timestamp {
    moment.checked_add(span.signed()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
