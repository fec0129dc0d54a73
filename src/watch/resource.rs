//! Processor, memory and disk use.

mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceFacts {}

/// Watches resources.
#[derive(Default)]
pub struct ResourceWatch {}

impl Watch for ResourceWatch {
    const NAME: &'static str = "resource";
    type Facts = ResourceFacts;
    type Rules = Rules;

    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<ResourceFacts> {
        Seen::Facts(ResourceFacts::default())
    }

    fn check(_seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        Vec::new()
    }

    fn learn(_facts: &ResourceFacts, _by: &str, _now: Timestamp) -> String {
        String::new()
    }

    fn summary(_facts: &ResourceFacts) -> String {
        String::new()
    }
}
