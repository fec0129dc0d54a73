//! Package updates.

mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UpdateFacts {}

/// Watches updates.
#[derive(Default)]
pub struct UpdateWatch {}

impl Watch for UpdateWatch {
    const NAME: &'static str = "update";
    type Facts = UpdateFacts;
    type Rules = Rules;

    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<UpdateFacts> {
        Seen::Facts(UpdateFacts::default())
    }

    fn check(_seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        Vec::new()
    }

    fn learn(_facts: &UpdateFacts, _by: &str, _now: Timestamp) -> String {
        String::new()
    }

    fn summary(_facts: &UpdateFacts) -> String {
        String::new()
    }
}
