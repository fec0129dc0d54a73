//! Listening sockets.

mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListenerFacts {}

/// Watches listeners.
#[derive(Default)]
pub struct ListenerWatch {}

impl Watch for ListenerWatch {
    const NAME: &'static str = "listener";
    type Facts = ListenerFacts;
    type Rules = Rules;

    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<ListenerFacts> {
        Seen::Facts(ListenerFacts::default())
    }

    fn check(_seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        Vec::new()
    }

    fn learn(_facts: &ListenerFacts, _by: &str, _now: Timestamp) -> String {
        String::new()
    }

    fn summary(_facts: &ListenerFacts) -> String {
        String::new()
    }
}
