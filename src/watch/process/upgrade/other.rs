//! Systems without dpkg: nothing to follow.

use crate::watch::process::{ProcessFacts, Rules, file::Contents, package::Packages};
use crate::watch::{Look, Memory};

/// There are no transactions here.
pub fn look(
    _packages: &mut Packages,
    _contents: &mut Contents,
    _look: &Look<Rules>,
    _memory: &mut Memory,
    _facts: &mut ProcessFacts,
) {
}
