//! Which script an interpreter runs. An interpreter's own path says nothing: `/usr/bin/python3` is whatever it was
//! told to read. So it is named with its script: a path, `-c COMMAND` for a command given as text, `-m MODULE`,
//! or `(standard input)` if it reads its program from a pipe or a file. An interpreter at a terminal has none. A command
//! line that is not wholly understood is `(unclear) …` with a digest of all its arguments: never another's name. One
//! without any argument, even its own name, is `(unclear) no arguments`: nobody types there, it was made to say nothing.
//!
//! The arguments are what the process shows of itself and it may rewrite them: a script narrows a rule, and is
//! never the whole of it.

mod arguments;
mod family;
mod java;
mod name;
mod windows;

pub use windows::find as find_on_windows;

use crate::text::Text;
use arguments::{Named, from_arguments};
pub use family::is_version_of;
use family::{Family, Operand, does_more_than_filter};
use name::{HANDED_OVER, UNCLEAR, file, from_input, inline, unclear};

/// What an interpreter is said to run that shows no arguments at all.
pub const NO_ARGUMENTS: &str = "(unclear) no arguments";

/// The working folder of a process.
pub enum Folder {
    /// It lies here.
    At(Vec<u8>),
    /// It is not to be seen.
    Unseen,
    /// It lies nowhere, or something else lies where it says.
    Lost,
}

/// What else is known of how the interpreter was started; asked only where it matters.
pub struct Invocation<'a> {
    /// Its working folder, for a script named by a relative path.
    pub folder: &'a dyn Fn() -> Folder,
    /// What its standard input is.
    pub input: &'a dyn Fn() -> Option<Vec<u8>>,
    /// The whole path without the `..` in it, if it can be told that it is the same file.
    pub without_dots: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

/// What is known of a script by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file, by its whole path.
    File,
    /// Text that a shell was given.
    ShellText,
    /// Text of a language that filters lines, and does nothing else by itself.
    Filter,
    /// Anything else: text of a whole language, a module, what came from a pipe, or what is not understood.
    Other,
}

/// True if what runs there does what a script says, or a person who types.
#[must_use]
pub fn is_interpreter(exe: &str) -> bool {
    let base = exe.rsplit('/').next().unwrap_or_default().as_bytes();
    Family::of(base).is_some_and(|family| family.operand == Operand::Script)
}

/// What kind of script this is that the executable at `exe` runs.
#[must_use]
pub fn kind(exe: &str, script: &str) -> Kind {
    let base = exe.rsplit('/').next().unwrap_or_default().as_bytes();
    match Family::of(base) {
        Some(family) if family.operand == Operand::Script && script.starts_with('/') => Kind::File,
        // Text, which was looked at; not what a file holds.
        Some(family)
            if family.operand == Operand::Text
                && ![UNCLEAR, HANDED_OVER, "-f "].iter().any(|begin| script.starts_with(begin)) =>
        {
            Kind::Filter
        }
        Some(family) if (family.is_shell() || family.is("fish")) && script.starts_with("-c ") => {
            Kind::ShellText
        }
        _ => Kind::Other,
    }
}

/// How shell text is named that is given with `-c`.
#[must_use]
pub fn shell_text(text: &[u8]) -> Text {
    inline(b"-c ", text)
}

/// The script that the executable at `exe` runs, given its arguments; `None` if `exe` is no interpreter or runs
/// nothing but what a person types.
#[must_use]
pub fn find(exe: &[u8], args: &[&[u8]], invocation: &Invocation) -> Option<Text> {
    let base = exe.rsplit(|b| *b == b'/').next()?;
    let base = base.strip_suffix(b" (deleted)").unwrap_or(base);
    if base == b"busybox" {
        return if args.is_empty() { Some(NO_ARGUMENTS.into()) } else { applet(args) };
    }
    of_family(base, args, invocation)
}

/// What an interpreter of this name runs, given all of its arguments.
fn of_family(base: &[u8], args: &[&[u8]], invocation: &Invocation) -> Option<Text> {
    let family = Family::of(base)?;
    if args.is_empty() {
        return Some(NO_ARGUMENTS.into());
    }
    let args = args.get(1..).unwrap_or_default();
    if family.is("java") {
        return java::find(args, invocation);
    }
    let mut stays = false;
    match from_arguments(family, args, &mut stays) {
        Named::Unclear => Some(unclear(args)),
        // Once that has ended it goes on with what comes next.
        Named::Text(..) | Named::Module(_) | Named::Operand(_) | Named::Script(_)
            if stays && from_input(invocation).is_some() =>
        {
            Some(unclear(args))
        }
        Named::Text(option, text) => Some(inline(&[b'-', option, b' '], text)),
        Named::Module(name) => Some(Text::cut(&[b"-m ", name].concat(), 256)),
        Named::Operand(text) if family.operand == Operand::Text && does_more_than_filter(text) => {
            Some(unclear(args))
        }
        Named::Operand(text) if family.operand == Operand::Text => Some(inline(b"", text)),
        Named::Operand(path) | Named::Script(path) => {
            let path = file(path, invocation);
            match path {
                // What it says there is text, which may begin with a slash as well.
                Some(path) if family.operand == Operand::Text => Some(Text::new(format!("-f {path}"))),
                path => Some(path.unwrap_or_else(|| unclear(args))),
            }
        }
        Named::Nothing if family.operand == Operand::Script => from_input(invocation),
        Named::Nothing => None,
    }
}

/// busybox is what it is called: by a link to it, or by its first argument.
fn applet(args: &[&[u8]]) -> Option<Text> {
    let called = args.first()?.rsplit(|b| *b == b'/').next()?;
    let by_itself = called.strip_prefix(b"-").unwrap_or(called) == b"busybox";
    let name = if by_itself { args.get(1)? } else { called };
    match name.strip_prefix(b"-").unwrap_or(name) {
        // A shell or an interpreter of its own: what it runs is in the rest.
        b"sh" | b"ash" | b"hush" | b"awk" | b"env" | b"nsenter" | b"chroot" if args.len() > 1 => {
            Some(unclear(args))
        }
        name => Some(Text::cut(name, 256)),
    }
}

#[cfg(test)]
mod tests;
