//! How a script is named, so that no two that differ have the same name.

use super::{Folder, Invocation, windows};
use crate::processes::secret;
use crate::rule::is_windows_path;
use crate::text::Text;
use sha2::{Digest, Sha256};

/// How the name of a script begins that is not understood.
pub const UNCLEAR: &str = "(unclear)";

/// What a script is called that has no name: it comes over a descriptor.
pub const HANDED_OVER: &str = "(standard input)";

/// Program text is identity. Where it is cut, where a secret in it is masked, or where a line ends (and a comment with it), something
/// else could stand: then a digest of all of it goes with it. Of its lines the spaces around and between words do not count.
pub fn inline(option: &[u8], text: &[u8]) -> Text {
    const SHOWN: usize = 200;
    let masked = secret::mask(text);
    let lines = flat_lines(&masked);
    let flat = lines.join(&b' ');
    let is_all = flat.len() <= SHOWN && masked == text;
    if is_all && lines.len() <= 1 {
        return Text::new([option, &flat[..]].concat());
    }
    let digest = if is_all { digest(&[&lines.join(&b'\n')]) } else { digest(&[text]) };
    let head = String::from_utf8_lossy(flat.get(..SHOWN).unwrap_or(&flat)).into_owned();
    Text::new([option, head.as_bytes(), format!("… sha256:{digest}").as_bytes()].concat())
}

/// The lines in which something stands, their words with one space between.
fn flat_lines(text: &[u8]) -> Vec<Vec<u8>> {
    let flat = |line: &[u8]| {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(&b' ')
    };
    text.split(|byte| *byte == b'\n').map(flat).filter(|line| !line.is_empty()).collect()
}

/// A command line that is not understood is known by all of its arguments.
pub fn unclear(args: &[&[u8]]) -> Text {
    const SHOWN: usize = 120;
    let shown = secret::masked(args).iter().map(Text::to_bytes).collect::<Vec<_>>().join(&b' ');
    let head = String::from_utf8_lossy(shown.get(..SHOWN).unwrap_or(&shown)).into_owned();
    Text::new(format!("{UNCLEAR} {head}… sha256:{}", digest(args)))
}

fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The file at this path. A descriptor is whatever was handed over under that number: no name at all.
pub fn file(path: &[u8], invocation: &Invocation) -> Option<Text> {
    let path = absolute(path, invocation)?;
    Some(if is_descriptor(&path.to_bytes()) { HANDED_OVER.into() } else { path })
}

/// True if a path is what was handed over under some number.
fn is_descriptor(path: &[u8]) -> bool {
    path.starts_with(b"/dev/fd/")
        || path.starts_with(b"/dev/stdin")
        || path.starts_with(b"/proc/") && memchr::memmem::find(path, b"/fd/").is_some()
}

/// A relative path is one of the folder the process is in. `None` if it cannot be told which file that is.
fn absolute(path: &[u8], invocation: &Invocation) -> Option<Text> {
    if path.starts_with(b"/") {
        return without_dots(path, invocation).map(|path| Text::cut(&path, 4096));
    }
    match (invocation.folder)() {
        Folder::Unseen if is_windows_path(&String::from_utf8_lossy(path)) => {
            Some(Text::cut(&windows::without_dots(path), 4096))
        }
        Folder::At(folder) => {
            without_dots(&[&folder, &b"/"[..], path].concat(), invocation).map(|path| Text::cut(&path, 4096))
        }
        Folder::Unseen => Some(Text::cut(path, 4096)),
        Folder::Lost => None,
    }
}

/// Only the host knows where a link leads, and with it the `..` behind one.
pub fn without_dots(path: &[u8], invocation: &Invocation) -> Option<Vec<u8>> {
    let parts = || path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    if parts().any(|part| part == b"..") {
        return (invocation.without_dots)(path);
    }
    Some([&b"/"[..], &parts().collect::<Vec<_>>().join(&b'/')].concat())
}

/// What it runs if its standard input is nothing where somebody types.
pub fn from_input(invocation: &Invocation) -> Option<Text> {
    let input = (invocation.input)()?;
    let typed = [&b"/dev/pts/"[..], b"/dev/tty", b"/dev/console", b"/dev/null"]
        .iter()
        .any(|dev| input.starts_with(dev));
    (!typed).then(|| HANDED_OVER.into())
}
