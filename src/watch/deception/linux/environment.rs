//! The libraries and modules that an environment has loaded into a program, and whether somebody else may write them.

use crate::processes::Process;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// A variable by which an environment has a program load code.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What stands between the parts of its value.
    between: &'static [u8],
    /// What each part is.
    part: Part,
    /// Who may put code there without being told of.
    trusts: Trust,
    /// If its value is options, how those begin of which the rest, or else the next word, is the part.
    options: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A library; without a `/` it is looked for where libraries are.
    Library,
    /// A file.
    File,
    /// A folder that is searched before others.
    Folder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Root and the process's own user.
    User,
    /// Whoever owns it: services often run what another user installs, and their own code says so as well.
    Owner,
}

const fn variable(name: &'static str, between: &'static [u8], part: Part, trusts: Trust) -> Variable {
    Variable { name, between, part, trusts, options: &[] }
}

const fn options(name: &'static str, part: Part, options: &'static [&'static str]) -> Variable {
    Variable { name, between: b"", part, trusts: Trust::Owner, options }
}

const OF_JAVA: &[&str] = &[
    "-javaagent:",
    "-agentpath:",
    "-Xbootclasspath/a:",
    "-Xbootclasspath/p:",
    "-Xbootclasspath:",
    "-classpath",
    "-cp",
    "--class-path",
    "--module-path",
    "-p",
    "--upgrade-module-path",
    PATCH,
    "@",
];
/// Its path follows the name of a module.
const PATCH: &str = "--patch-module";

/// Of the dynamic loader, the C library, shells and interpreters.
const VARIABLES: &[Variable] = &[
    variable("LD_PRELOAD", b": ", Part::Library, Trust::User),
    variable("LD_AUDIT", b":", Part::Library, Trust::User),
    variable("LD_LIBRARY_PATH", b":;", Part::Folder, Trust::User),
    variable("GCONV_PATH", b":", Part::Folder, Trust::User),
    variable("BASH_ENV", b"", Part::File, Trust::Owner),
    variable("PYTHONPATH", b":", Part::Folder, Trust::Owner),
    variable("PYTHONHOME", b":", Part::Folder, Trust::Owner),
    variable("PERL5LIB", b":", Part::Folder, Trust::Owner),
    variable("RUBYLIB", b":", Part::Folder, Trust::Owner),
    variable("NODE_PATH", b":", Part::Folder, Trust::Owner),
    variable("CLASSPATH", b":", Part::Folder, Trust::Owner),
    options("PERL5OPT", Part::Folder, &["-I", "-Mlib", "-mlib"]),
    options("RUBYOPT", Part::Folder, &["-I", "-r"]),
    options(
        "NODE_OPTIONS",
        Part::File,
        &["-r", "--require", "--import", "--loader", "--experimental-loader"],
    ),
    options("JAVA_TOOL_OPTIONS", Part::File, OF_JAVA),
    options("JDK_JAVA_OPTIONS", Part::File, OF_JAVA),
    options("_JAVA_OPTIONS", Part::File, OF_JAVA),
];

/// The paths in an environment from which code is loaded, one after the other: there may be millions. An empty part, which many leave
/// behind by mistake, is nothing.
pub fn parse_libraries(environment: &[u8]) -> impl Iterator<Item = (&'static Variable, &[u8])> {
    environment.split(|byte| *byte == 0).flat_map(|entry| {
        let end = entry.iter().position(|byte| *byte == b'=').unwrap_or(entry.len());
        let (name, value) = entry.split_at(end);
        let variable = VARIABLES.iter().find(|variable| variable.name.as_bytes() == name);
        variable.into_iter().flat_map(move |variable| {
            let value = value.get(1..).unwrap_or_default();
            let parts: Box<dyn Iterator<Item = &[u8]>> = if variable.options.is_empty() {
                Box::new(value.split(|byte| variable.between.contains(byte)))
            } else {
                Box::new(in_options(variable, value))
            };
            let is_path = |part: &&[u8]| match variable.part {
                Part::Library => part.contains(&b'/'),
                Part::File | Part::Folder => !part.is_empty(),
            };
            parts.filter(is_path).map(move |part| (variable, part))
        })
    })
}

/// The paths that stand in options; a name without a `/` is looked for where modules are.
fn in_options<'a>(variable: &Variable, value: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let parts = std::iter::from_fn(move || {
        let word = words.next()?;
        let rest = |option: &&'static str| Some((*option, word.strip_prefix(option.as_bytes())?));
        let (option, path) = match variable.options.iter().find_map(rest) {
            None => return Some(&b""[..]),
            Some((option, b"")) => (option, words.next()?),
            Some((option, rest)) => (option, rest.strip_prefix(b"=").unwrap_or(rest)),
        };
        let cut = |at: usize| path.splitn(2, |byte| *byte == b'=').nth(at).unwrap_or_default();
        Some(match option {
            PATCH => cut(1),
            // What follows a sign of equality is for the agent that is loaded.
            agent if agent.ends_with(':') && agent.contains("agent") => cut(0),
            _ => path,
        })
    });
    // Quotes may stand around any of them.
    let parts = parts.flat_map(|part| part.split(|byte| matches!(byte, b'"' | b'\'' | b',')));
    parts.flat_map(in_places).filter(|part| part.contains(&b'/'))
}

/// The paths of a list, or that of a URL.
fn in_places(part: &[u8]) -> impl Iterator<Item = &[u8]> {
    let of_url = part.strip_prefix(b"file://").map(|rest| {
        let path = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        rest.get(path..).unwrap_or_default()
    });
    of_url.unwrap_or(part).split(|byte| *byte == b':')
}

/// True if somebody may put something else at this path whom nobody trusts with that. What lies in a folder for everybody counts
/// too if it is loaded by name: nobody honest keeps libraries there.
#[must_use]
pub fn others_may_write(host_folder: &Path, process: &Process, variable: &Variable, path: &[u8]) -> bool {
    // In a URL this stands for another letter.
    if variable.name == "NODE_OPTIONS" && path.contains(&b'%') {
        return true;
    }
    let path = Path::new(OsStr::from_bytes(path));
    // The loader puts the place of the program itself for this, and names of folders for others.
    let is_expanded = variable.trusts == Trust::User;
    if is_expanded && (path.starts_with("$ORIGIN") || path.starts_with("${ORIGIN}")) {
        return false;
    }
    let base = if path.is_absolute() { "root" } else { "cwd" };
    let mut place: PathBuf = host_folder.join(base);
    let mut is_shared = is_open(&place, process, variable);
    for part in path.components() {
        match part {
            Component::Normal(name) if is_expanded && name.as_bytes().contains(&b'$') => {
                return is_shared || is_sticky(Some(&place));
            }
            Component::Normal(name) => place.push(name),
            Component::ParentDir => place.push(".."),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
        }
        match std::fs::metadata(&place) {
            Ok(metadata) => {
                is_shared |= is_writable(&metadata, process, variable);
            }
            // Nobody can take away what lies in a sticky folder, but anybody may put there what is missing.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return is_shared || is_sticky(place.parent());
            }
            Err(_) => return is_shared,
        }
    }
    // What is looked for in a folder is missing there until somebody puts it there.
    is_shared || variable.part == Part::Folder && is_sticky(Some(&place))
}

fn is_open(place: &Path, process: &Process, variable: &Variable) -> bool {
    std::fs::metadata(place).is_ok_and(|metadata| is_writable(&metadata, process, variable))
}

fn is_sticky(folder: Option<&Path>) -> bool {
    let metadata = folder.and_then(|folder| std::fs::metadata(folder).ok());
    metadata.is_some_and(|metadata| metadata.is_dir() && metadata.mode() & 0o1002 == 0o1002)
}

fn is_writable(metadata: &Metadata, process: &Process, variable: &Variable) -> bool {
    const STICKY: u32 = 0o1000;
    // What is written to a device is not there for who reads it, and many have `BASH_ENV=/dev/null`.
    let is_for_all = metadata.mode() & 0o002 != 0
        && !metadata.file_type().is_char_device()
        && (variable.part != Part::Folder || metadata.mode() & STICKY == 0 || !metadata.is_dir());
    // The users of a container are others than the host's: whose a file is there says nothing.
    let is_anothers = variable.trusts == Trust::User
        && !process.container
        && metadata.uid() != 0
        && metadata.uid() != process.uid;
    is_for_all || is_anothers
}
