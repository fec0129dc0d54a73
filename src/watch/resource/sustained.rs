//! "For ten minutes": not one sample, but every sample of ten minutes without a hole.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Passes this near to one another leave no hole, however often they usually come.
const NEAR: SignedDuration = SignedDuration::from_mins(3);

/// So many passes are remembered to know how often they usually come.
const PASSES: usize = 4;

/// Since when limits have been passed without a hole.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sustained {
    passes: Vec<Timestamp>,
    over: BTreeMap<String, Timestamp>,
}

impl Sustained {
    /// Begins a pass. After a hole (the watchdog was not running, the host slept, the clock was set), nobody knows
    /// what was in between: every limit counts as passed only from now.
    pub fn begin(&mut self, now: Timestamp) {
        let follows = self.passes.last().is_some_and(|last| {
            let since = now.duration_since(*last);
            !since.is_negative() && since <= NEAR.max(self.usual().saturating_mul(3))
        });
        if !follows {
            self.over.clear();
        }
        if self.passes.last().is_some_and(|last| *last > now) {
            self.passes.clear();
        }
        self.passes.push(now);
        let surplus = self.passes.len().saturating_sub(PASSES);
        self.passes.drain(..surplus);
    }

    /// How often passes usually come: the middle one of the last three pauses, so that one odd pause says nothing.
    fn usual(&self) -> SignedDuration {
        let mut pauses: Vec<SignedDuration> =
            self.passes.iter().zip(self.passes.iter().skip(1)).map(|(a, b)| b.duration_since(*a)).collect();
        pauses.sort();
        // Of one or two pauses the shorter, so that a hole is not taken for the usual pause.
        pauses.get(pauses.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }

    /// Since when the limit `name` has been passed, if it is now.
    pub fn since(&mut self, name: &str, is_over: bool, now: Timestamp) -> Option<Timestamp> {
        if is_over {
            return Some(*self.over.entry(name.to_owned()).or_insert(now));
        }
        self.over.remove(name);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Minutes at which a pass saw the limit passed (or not), and since which minute it then counted.
    fn play(passes: &[(i64, bool)]) -> Vec<Option<i64>> {
        let mut sustained = Sustained::default();
        let one = |&(minute, is_over): &(i64, bool)| {
            let now = Timestamp::from_second(minute * 60).unwrap();
            sustained.begin(now);
            sustained.since("cpu", is_over, now).map(|since| since.as_second() / 60)
        };
        passes.iter().map(one).collect()
    }

    #[test]
    fn it_counts_from_the_first_of_an_unbroken_row() {
        let row = [(0, false), (1, true), (2, true), (3, false), (4, true), (5, true)];
        assert_eq!(play(&row), [None, Some(1), Some(1), None, Some(4), Some(4)]);
    }

    #[test]
    fn a_hole_begins_anew() {
        let row = [(0, true), (1, true), (2, true), (6, true), (7, true), (60, true), (62, true)];
        assert_eq!(play(&row), [Some(0), Some(0), Some(0), Some(6), Some(6), Some(60), Some(60)]);
    }

    #[test]
    fn a_missed_pass_or_two_is_no_hole() {
        assert_eq!(play(&[(0, true), (1, true), (4, true)]), [Some(0), Some(0), Some(0)]);
    }

    #[test]
    fn who_looks_every_ten_minutes_has_longer_pauses() {
        let row = [(0, true), (10, true), (20, true), (30, true), (60, true), (91, true)];
        assert_eq!(play(&row), [Some(0), Some(10), Some(10), Some(10), Some(10), Some(91)]);
    }

    #[test]
    fn one_long_hole_does_not_make_the_next_one_usual() {
        let row = [(0, true), (1, true), (2, true), (120, true), (121, true), (200, true)];
        assert_eq!(play(&row).last(), Some(&Some(200)));
        assert_eq!(play(&[(0, true), (120, true), (121, true), (240, true)]).last(), Some(&Some(240)));
    }

    #[test]
    fn a_clock_that_was_set_begins_anew() {
        let back = [(100, true), (101, true), (40, true), (41, true)];
        assert_eq!(play(&back), [Some(100), Some(100), Some(40), Some(40)]);
        let forth = [(100, true), (101, true), (500, true), (501, true)];
        assert_eq!(play(&forth), [Some(100), Some(100), Some(500), Some(500)]);
    }

    proptest! {
        #[test]
        fn it_never_counts_from_before_the_row_began(passes in prop::collection::vec((0_i64..500, any::<bool>()), 0..40)) {
            let counted = play(&passes);
            for (at, since) in counted.iter().enumerate() {
                let row = passes[..=at].iter().rev().take_while(|(_, is_over)| *is_over);
                let mut row: Vec<i64> = row.map(|(minute, _)| *minute).collect();
                row.reverse();
                match since {
                    None => prop_assert!(row.is_empty()),
                    Some(since) => prop_assert!(row.contains(since) && *since <= passes[at].0),
                }
            }
        }
    }
}
