//! How the lines of one file are read: each for itself, or by what the file says of its columns.

use super::line::{Request, parse_line};
use super::w3c::{self, Layout, parse_fields, parse_record};
use crate::tail::Open;
use std::io;

/// How far back a `#Fields:` line is looked for before the place from which a file is read: IIS writes one at the
/// beginning of a file and whenever its service starts.
const BACK: u64 = 64 * 1024 * 1024;
const BLOCK: u64 = 1024 * 1024;

/// The beginning of a file in which its first `#Fields:` line stands.
const HEAD: u64 = 16 * 1024;

/// The form of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Form {
    /// Nginx's and Apache's: a line says all of itself.
    #[default]
    Access,
    /// W3C extended; none: no `#Fields:` was read yet, or not one that can be used.
    W3c(Option<Layout>),
}

impl Form {
    /// The form of a file that is read from `offset` on. `known` is what its columns were there, if that is remembered.
    ///
    /// # Errors
    /// The system's.
    pub fn of(open: &Open, offset: u64, known: Option<Layout>) -> io::Result<Self> {
        if !w3c::is_head(&open.block(0, 16)?) {
            return Ok(Self::Access);
        }
        if offset == 0 || known.is_some() {
            return Ok(Self::W3c(known));
        }
        Ok(Self::W3c(layout_before(open, offset)?))
    }

    /// Takes a line apart; `None` if it is not of this form.
    #[must_use]
    pub fn read<'a>(&self, line: &'a [u8]) -> Option<Request<'a>> {
        match self {
            Self::Access => parse_line(line),
            Self::W3c(layout) => parse_record(line, layout.as_ref()?),
        }
    }

    /// The columns, if the file has such.
    #[must_use]
    pub fn layout(&self) -> Option<&Layout> {
        match self {
            Self::Access => None,
            Self::W3c(layout) => layout.as_ref(),
        }
    }
}

/// The columns that hold at `offset`: those of the last `#Fields:` before it.
fn layout_before(open: &Open, offset: u64) -> io::Result<Option<Layout>> {
    let least = offset.saturating_sub(BACK);
    let mut end = offset;
    while end > least {
        let begin = end.saturating_sub(BLOCK).max(least);
        // With the byte before it, and room for a line that ends behind it.
        let from = begin.saturating_sub(1);
        let block = open.block(from, end - from + HEAD)?;
        let until = usize::try_from(end - from).unwrap_or(usize::MAX);
        if let Some(line) = w3c::last_fields(&block, until, from == 0) {
            return Ok(parse_fields(line));
        }
        end = begin;
    }
    let head = open.block(0, HEAD)?;
    let until = head.len();
    Ok(w3c::last_fields(&head, until, true).and_then(parse_fields))
}
