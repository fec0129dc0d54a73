//! What is wrong with a policy: where, what, and a caret under it.

use crate::text;
use std::fmt;
use std::io;
use std::path::Path;

/// Something wrong with a policy or settings file.
#[derive(Debug)]
pub struct PolicyError(String);

impl PolicyError {
    /// The file could not be read.
    #[must_use]
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self(format!("cannot read {}: {error}", path.display()))
    }

    /// TOML that does not parse, or has a key or value that is not known: with the line and a caret.
    #[must_use]
    pub fn toml(file: &str, source: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        // What everybody writes first: "C:\Program Files".
        let escape = source.get(span.start.saturating_sub(1)..span.end).is_some_and(|at| at.contains('\\'));
        let advice = if escape && error.message().contains("escape") {
            "; a path with backslashes stands in single quotes: 'C:\\Folder'"
        } else {
            ""
        };
        Self::at(file, source, span, &format!("{}{advice}", error.message()))
    }

    /// Something wrong at a place in a file.
    #[must_use]
    pub fn at(file: &str, source: &str, span: std::ops::Range<usize>, message: &str) -> Self {
        let start = span.start.min(source.len());
        let line_start = source.get(..start).and_then(|s| s.rfind('\n')).map_or(0, |at| at + 1);
        let line = source.get(line_start..).and_then(|s| s.lines().next()).unwrap_or_default();
        let before = source.get(line_start..start).unwrap_or_default().chars().count();
        let marked = source.get(start..span.end.min(line_start + line.len()).max(start)).unwrap_or_default();
        let number =
            memchr::memchr_iter(b'\n', source.get(..start).unwrap_or_default().as_bytes()).count() + 1;
        let gutter = " ".repeat(number.to_string().len());
        // A line so long that its caret would be out of sight helps nobody.
        let shown = if line.len() > 400 {
            "(a very long line)".to_owned()
        } else {
            text::clean(&line.replace('\t', " ")).into_owned()
        };
        let mut lines: Vec<_> = message.split('\n').map(text::clean).collect();
        lines.retain(|line| !line.trim().is_empty());
        let mut out = format!("{file}:{number}:{}: {}", before + 1, lines.join("\n  "));
        if line.len() <= 400 && line.is_ascii() || line.chars().count() <= 200 {
            let caret = "^".repeat(marked.chars().count().max(1));
            out += &format!("\n{gutter} |\n{number} | {shown}\n{gutter} | {}{caret}", " ".repeat(before));
        }
        Self(out)
    }

    /// Something wrong with a file as a whole.
    #[must_use]
    pub fn whole(file: &str, message: impl fmt::Display) -> Self {
        Self(format!("{file}: {message}"))
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}
