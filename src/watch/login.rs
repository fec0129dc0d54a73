//! Logins.

mod policy;

pub use policy::*;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LoginFacts {}

/// Watches logins.
#[derive(Default)]
pub struct LoginWatch {}

impl Watch for LoginWatch {
    const NAME: &'static str = "login";
    type Facts = LoginFacts;
    type Rules = Rules;

    fn collect(&mut self, _look: &mut Look<Rules>) -> Seen<LoginFacts> {
        Seen::Facts(LoginFacts::default())
    }

    fn check(_seen: &Facts<Self>, _memory: &mut Memory) -> Vec<Finding> {
        Vec::new()
    }

    fn learn(_facts: &LoginFacts, _by: &str, _now: Timestamp) -> String {
        String::new()
    }

    fn summary(_facts: &LoginFacts) -> String {
        String::new()
    }
}
