//! The rotated forms of a log, beside it: `access.log.1`, `access.log-20261122`, `access.log.2.gz`.

use super::Open;
use std::io;
use std::path::{Path, PathBuf};

/// A compressed rotated form. It is not read; its size tells whether anything in it was missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its name.
    pub path: PathBuf,
    /// When its last line was written, in seconds since 1970 (compressing keeps the time of the file).
    pub modified: i64,
    /// The length of what it holds, modulo 4 GiB; only gzip notes it.
    pub plain_len: Option<u64>,
}

impl Packed {
    /// Its file name, for a person.
    #[must_use]
    pub fn name(&self) -> crate::text::Text {
        crate::text::Text::new(self.path.file_name().unwrap_or_default().as_encoded_bytes())
    }
}

/// Rotated forms.
#[derive(Debug, Default)]
pub struct Siblings {
    /// Those that can be read, in no order.
    pub plain: Vec<Open>,
    /// Those that are compressed, the newest first.
    pub packed: Vec<Packed>,
}

const PACKED: [&[u8]; 6] = [b".gz", b".xz", b".bz2", b".zst", b".lz4", b".Z"];

/// True if the file name `name` is one that a rotation gives to `log`: with a number or a date behind it.
#[must_use]
pub fn is_rotation_of(log: &[u8], name: &[u8]) -> bool {
    let Some(end) = name.strip_prefix(log) else { return false };
    let end = PACKED.iter().find_map(|packed| end.strip_suffix(*packed)).unwrap_or(end);
    matches!(end.first(), Some(b'.' | b'-' | b'_'))
        && end.iter().any(u8::is_ascii_digit)
        && end.iter().all(|b| b.is_ascii_alphanumeric() || b".-_:".contains(b))
}

/// The rotated forms of `path`. One that vanishes or cannot be opened meanwhile is left out.
pub fn list(path: &Path) -> io::Result<Siblings> {
    let mut found = Siblings::default();
    let (Some(folder), Some(log)) = (path.parent(), path.file_name()) else { return Ok(found) };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let name = entry?.file_name();
        if !is_rotation_of(log.as_encoded_bytes(), name.as_encoded_bytes()) {
            continue;
        }
        let Ok(Some(open)) = Open::regular(&folder.join(&name)) else { continue };
        if PACKED.iter().any(|end| name.as_encoded_bytes().ends_with(end)) {
            let plain_len = name.as_encoded_bytes().ends_with(b".gz").then(|| gzip_len(&open)).flatten();
            found.packed.push(Packed { path: open.path, modified: open.modified, plain_len });
        } else {
            found.plain.push(open);
        }
    }
    found.packed.sort_by_key(|packed| std::cmp::Reverse(packed.modified));
    Ok(found)
}

/// The last four bytes of a gzip file: the length of what was packed, modulo 4 GiB.
fn gzip_len(open: &Open) -> Option<u64> {
    let bytes = open.stretch(open.len.checked_sub(4)?, 4).ok()?;
    Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
}
