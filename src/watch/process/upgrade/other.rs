//! Systems without dpkg: nothing to follow.

use crate::processes::Process;
use crate::watch::process::{ProcessFacts, Rules, file::Contents, package::Packages};
use crate::watch::{Look, Memory};
use std::sync::Arc;

/// There are no transactions here.
pub fn look(
    _packages: &mut Packages,
    _contents: &mut Contents,
    _look: &Look<Rules>,
    _memory: &mut Memory,
    _kinds: &[Arc<Process>],
    _facts: &mut ProcessFacts,
) {
}
