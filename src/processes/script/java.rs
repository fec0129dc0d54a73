//! What `java` runs: a jar, a source file, or a main class or module with the places it is loaded from, as the same name
//! in another place is another program.

use super::name::{file, inline, unclear, without_dots};
use super::{Folder, Invocation};
use crate::text::Text;

/// Options that load nothing: as they are, or as beginnings.
const PLAIN: &[&str] = &[
    "-server",
    "-client",
    "-ea",
    "-esa",
    "-da",
    "-dsa",
    "-enableassertions",
    "-disableassertions",
    "--enable-preview",
    "-showversion",
    "-version",
    "--version",
];
const BEGINNINGS: &[&str] = &[
    "-Xm",
    "-Xs",
    "-XX:",
    "-D",
    "-verbose",
    "-ea:",
    "-da:",
    "-Xlog:",
    "-Xint",
    "-Xrs",
    "--add-opens=",
    "--add-exports=",
    "--add-reads=",
    "--add-modules=",
    "--enable-native-access=",
    "--illegal-access=",
    "--sun-misc-unsafe-memory-access=",
];

/// Of these beginnings, what loads or starts something all the same.
const LOADING: &[&str] = &[
    "-Djava.class.path",
    "-Djava.ext.dirs",
    "-Djava.endorsed.dirs",
    "-Djava.library.path",
    "-Djava.home",
    "-Djava.system.class.loader",
    "-Djdk.module.",
    "-Dsun.boot.",
    "-XX:AOT",
    "-XX:CRaC",
    "-XX:OnError",
    "-XX:OnOutOfMemoryError",
    "-XX:Flags",
    "-XX:SharedArchiveFile",
    "-XX:VMOptionsFile",
];

/// The same, with the value as the next argument.
const VALUED: &[&str] =
    &["--add-opens", "--add-exports", "--add-reads", "--add-modules", "--enable-native-access"];

/// So many lists of places are read.
const MOST: usize = 8;

/// What these arguments make it run; without its own name.
pub fn find(args: &[&[u8]], invocation: &Invocation) -> Option<Text> {
    let is = |arg: &[u8], names: &[&str]| names.iter().any(|name| name.as_bytes() == arg);
    let begins = |arg: &[u8], names: &[&str]| names.iter().any(|name| arg.starts_with(name.as_bytes()));
    let mut from: Vec<(&str, &[u8])> = Vec::new();
    let mut rest = args.iter().copied();
    while let Some(arg) = rest.next() {
        let (name, value) =
            match arg.iter().position(|byte| *byte == b'=').and_then(|at| arg.split_at_checked(at)) {
                Some((name, value)) if arg.starts_with(b"--") => (name, value.get(1..)),
                _ => (arg, None),
            };
        match name {
            b"-cp" | b"-classpath" | b"--class-path" | b"-p" | b"--module-path" => {
                let Some(value) = value.or_else(|| rest.next()) else { return Some(unclear(args)) };
                let option = if name.starts_with(b"-p") || name == b"--module-path" { "-p" } else { "-cp" };
                if from.len() >= MOST {
                    return Some(unclear(args));
                }
                from.push((option, value));
            }
            b"-m" | b"--module" => {
                let Some(module) = value.or_else(|| rest.next()) else { return Some(unclear(args)) };
                return Some(
                    named(&[b"-m ", module].concat(), &from, invocation).unwrap_or_else(|| unclear(args)),
                );
            }
            // The class path is not used with a jar.
            b"-jar" => {
                return Some(
                    rest.next().and_then(|jar| file(jar, invocation)).unwrap_or_else(|| unclear(args)),
                );
            }
            _ if is(arg, VALUED) => {
                rest.next();
            }
            _ if begins(arg, LOADING) => return Some(unclear(args)),
            _ if is(arg, PLAIN) || begins(arg, BEGINNINGS) => {}
            [b'-' | b'@', ..] => return Some(unclear(args)),
            source if source.ends_with(b".java") || from.is_empty() => {
                return Some(file(source, invocation).unwrap_or_else(|| unclear(args)));
            }
            class => return Some(named(class, &from, invocation).unwrap_or_else(|| unclear(args))),
        }
    }
    // It says how it is used, and ends.
    None
}

/// A class or module, behind the places it is loaded from.
fn named(what: &[u8], from: &[(&str, &[u8])], invocation: &Invocation) -> Option<Text> {
    let place = |(option, places): &(&str, &[u8])| {
        Some([option.as_bytes(), b" ", &whole(places, invocation)?].concat())
    };
    let places: Vec<Vec<u8>> = from.iter().map(place).collect::<Option<_>>()?;
    let what = Text::cut(what, 256);
    Some(match places.join(&b' ').as_slice() {
        [] => what,
        places => Text::new([&inline(b"", places).to_bytes(), &b" "[..], &what.to_bytes()].concat()),
    })
}

/// A list of places, those that are relative from the folder the process is in. Each way up in them is looked at, so there may be so
/// many only.
fn whole(places: &[u8], invocation: &Invocation) -> Option<Vec<u8>> {
    const UP: usize = 256;
    if memchr::memmem::find_iter(places, b"..").count() > UP {
        return None;
    }
    let folder = match (invocation.folder)() {
        Folder::At(folder) => folder,
        Folder::Unseen => return Some(places.to_vec()),
        Folder::Lost => return None,
    };
    let place = |place: &[u8]| match place {
        [b'/', ..] => without_dots(place, invocation),
        relative => without_dots(&[&folder, &b"/"[..], relative].concat(), invocation),
    };
    let places = places.split(|byte| *byte == b':').map(place);
    Some(places.collect::<Option<Vec<_>>>()?.join(&b':'))
}
