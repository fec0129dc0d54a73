//! Web requests.

mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RequestFacts {}

/// Watches requests.
#[derive(Default)]
pub struct RequestWatch {}

impl Watch for RequestWatch {
    const NAME: &'static str = "request";
    type Facts = RequestFacts;
    type Rules = Rules;

    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<RequestFacts> {
        Seen::Facts(RequestFacts::default())
    }

    fn check(_seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        Vec::new()
    }

    fn learn(_facts: &RequestFacts, _by: &str, _now: Timestamp) -> String {
        String::new()
    }

    fn summary(_facts: &RequestFacts) -> String {
        String::new()
    }
}
