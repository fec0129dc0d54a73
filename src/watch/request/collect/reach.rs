//! How far back the rules look.

use super::super::policy::{Per, RequestRule};
use serde::{Deserialize, Serialize};

/// Rules without a time are checked for the last hour at first.
const HOUR: u32 = 60;

/// How many minutes back the rules want each kind of count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    pub client: u32,
    pub user: u32,
    pub all: u32,
    /// True if no rule asks: then nothing is remembered by the check.
    pub learning: bool,
}

impl Reach {
    pub fn of<'a>(rules: impl Iterator<Item = &'a RequestRule>) -> Self {
        let mut reach = Self::default();
        for rule in rules {
            let limit = rule.limit.as_ref().map(|limit| (limit.per, limit.r#in.minutes()));
            // A spike wants the present hour from its beginning.
            let spike = rule.spike.as_ref().map(|spike| (spike.per, HOUR));
            for (per, minutes) in limit.into_iter().chain(spike) {
                let kind = match per {
                    Per::Client => &mut reach.client,
                    Per::User => &mut reach.user,
                    Per::All => &mut reach.all,
                };
                *kind = minutes.max(*kind);
            }
        }
        reach
    }

    pub fn longest(self) -> u32 {
        self.client.max(self.user).max(self.all).max(HOUR)
    }

    pub fn is_within(self, other: Self) -> bool {
        self.learning == other.learning
            && self.client <= other.client
            && self.user <= other.user
            && self.all <= other.all
    }
}
