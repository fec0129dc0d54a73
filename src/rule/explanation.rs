//! What is said of one thing that is there, by `watchdog explain`: the rule that allows it, or the one that came nearest.

use super::{Placed, Rule};
use crate::finding::Nearest;

/// What there is to say of one kind of thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// True if a rule allows it.
    pub is_allowed: bool,
    /// All of it, for a person, in whole lines.
    pub text: String,
}

/// The line on the rule that allows it, with `more` that is to be said of it.
#[must_use]
pub fn allowed<R: Rule>(placed: &Placed<R>, more: &str) -> String {
    format!("  allowed as {} ({}){more}\n", placed.rule.describe(), placed.origin)
}

/// The line on why a rule is there, if it says so.
#[must_use]
pub fn because(why: Option<&str>) -> String {
    why.map_or(String::new(), |why| format!("  because: {why}\n"))
}

/// The lines on no rule's allowing it.
#[must_use]
pub fn refused(nearest: Option<&Nearest>) -> String {
    let nearest = nearest
        .map_or(String::new(), |nearest| format!("  nearest: {}: {}\n", nearest.rule, nearest.why_not));
    format!("  not allowed\n{nearest}")
}
