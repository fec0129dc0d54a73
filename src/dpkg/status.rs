//! `/var/lib/dpkg/status`: a paragraph for each package.

use crate::text::Text;
use serde::{Deserialize, Serialize};

/// A package that is installed, as far as dpkg's status file tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Installed {
    /// Its name, without the architecture.
    pub name: Text,
    /// Its architecture, `all` if it has none.
    pub arch: Text,
    /// Its version.
    pub version: Text,
    /// True if somebody has put it on hold.
    pub held: bool,
}

/// A name or version longer than this is not one.
const LONGEST: usize = 200;

/// The packages whose files are on the host, sorted: also those an interrupted installation left half way, not
/// those of which only settings remain. A paragraph that is not one is passed over.
#[must_use]
pub fn parse_status(status: &[u8]) -> Vec<Installed> {
    let mut installed: Vec<Installed> = paragraphs(status).filter_map(parse_paragraph).collect();
    installed.sort();
    installed
}

fn parse_paragraph(paragraph: &[u8]) -> Option<Installed> {
    let mut words = field(paragraph, b"Status")?.split(|b| *b == b' ');
    let (want, state) = (words.next()?, words.nth(1)?);
    if matches!(state, b"not-installed" | b"config-files") {
        return None;
    }
    let text = |name: &[u8]| Some(Text::cut(field(paragraph, name)?, LONGEST));
    Some(Installed {
        name: text(b"Package")?,
        arch: text(b"Architecture").unwrap_or_else(|| Text::from("all")),
        version: text(b"Version")?,
        held: want == b"hold",
    })
}

/// The paragraphs of a control file: what stands between empty lines.
pub(super) fn paragraphs(control: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = control;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memmem::find(rest, b"\n\n");
        let paragraph = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        rest = end.and_then(|end| rest.get(end + 2..)).unwrap_or_default();
        Some(paragraph)
    })
}

/// The first line of a field's value.
pub(super) fn field<'a>(paragraph: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = |line: &'a [u8]| line.strip_prefix(name)?.strip_prefix(b":");
    paragraph.split(|b| *b == b'\n').find_map(value).map(<[u8]>::trim_ascii)
}
