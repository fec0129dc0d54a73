//! The text of a policy file, and where in it a rule stands.

use super::PolicyError;
use crate::rule::{Origin, Placed};
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

/// One policy file while it is read.
pub struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
    /// Where each line begins: asked for every rule, of which there may be thousands.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub fn new(file: &Arc<str>, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
        Self { file: Arc::clone(file), text, lines: lines.collect() }
    }

    /// Puts a rule together with the place it stands in.
    pub fn place<R>(&self, spanned: Spanned<R>) -> Placed<R> {
        let start = spanned.span().start;
        let line = self.lines.partition_point(|begin| *begin <= start);
        Placed { origin: Origin { file: Arc::clone(&self.file), line }, rule: spanned.into_inner() }
    }

    /// Something wrong at a place in it.
    pub fn error(&self, span: Range<usize>, message: &str) -> PolicyError {
        PolicyError::at(&self.file, self.text, span, message)
    }
}
