//! Processes.

mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProcessFacts {}

/// Watches processes.
#[derive(Default)]
pub struct ProcessWatch {}

impl Watch for ProcessWatch {
    const NAME: &'static str = "process";
    type Facts = ProcessFacts;
    type Rules = Rules;

    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<ProcessFacts> {
        Seen::Facts(ProcessFacts::default())
    }

    fn check(_seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        Vec::new()
    }

    fn learn(_facts: &ProcessFacts, _by: &str, _now: Timestamp) -> String {
        String::new()
    }

    fn summary(_facts: &ProcessFacts) -> String {
        String::new()
    }
}
