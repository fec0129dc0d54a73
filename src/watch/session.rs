//! SSH sessions.

mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SessionFacts {}

/// Watches sessions.
#[derive(Default)]
pub struct SessionWatch {}

impl Watch for SessionWatch {
    const NAME: &'static str = "session";
    type Facts = SessionFacts;
    type Rules = Rules;

    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<SessionFacts> {
        Seen::Facts(SessionFacts::default())
    }

    fn check(_seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        Vec::new()
    }

    fn learn(_facts: &SessionFacts, _by: &str, _now: Timestamp) -> String {
        String::new()
    }

    fn summary(_facts: &SessionFacts) -> String {
        String::new()
    }
}
