//! The libraries that an environment has loaded into a program, and whether somebody else may write them.

use crate::processes::Process;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// So many libraries of one environment are looked at.
const MOST: usize = 64;

/// What loads libraries, in the words of the dynamic loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// `LD_PRELOAD`: loaded before all others.
    Preload,
    /// `LD_AUDIT`: told of all that is loaded.
    Audit,
    /// `LD_LIBRARY_PATH`: folders that are searched first.
    LibraryPath,
}

impl Variable {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preload => "LD_PRELOAD",
            Self::Audit => "LD_AUDIT",
            Self::LibraryPath => "LD_LIBRARY_PATH",
        }
    }
}

/// The paths in an environment from which libraries are loaded. A bare name is looked for where libraries are, and an
/// empty part, which many leave behind by mistake, is nothing.
#[must_use]
pub fn parse_libraries(environment: &[u8]) -> Vec<(Variable, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in environment.split(|byte| *byte == 0) {
        for variable in [Variable::Preload, Variable::Audit, Variable::LibraryPath] {
            let value = entry.strip_prefix(variable.as_str().as_bytes());
            let Some(value) = value.and_then(|rest| rest.strip_prefix(b"=")) else { continue };
            let parts = value.split(|byte| match variable {
                Variable::Preload => matches!(byte, b':' | b' '),
                Variable::Audit => *byte == b':',
                Variable::LibraryPath => matches!(byte, b':' | b';'),
            });
            let is_path = |part: &&[u8]| match variable {
                Variable::Preload | Variable::Audit => part.contains(&b'/'),
                Variable::LibraryPath => !part.is_empty(),
            };
            found.extend(parts.filter(is_path).map(|part| (variable, part.to_vec())));
        }
    }
    found.truncate(MOST);
    found
}

/// True if somebody other than root and the process's own user may put something else at this path. What lies in a
/// folder for everybody counts too if it is loaded into a program by name: nobody honest keeps libraries there.
#[must_use]
pub fn others_may_write(host_folder: &Path, process: &Process, variable: Variable, path: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    // `$ORIGIN` and the like stand for places of the program itself.
    if path.as_os_str().as_bytes().contains(&b'$') {
        return false;
    }
    let base = if path.is_absolute() { "root" } else { "cwd" };
    let mut place: PathBuf = host_folder.join(base);
    let mut is_shared = is_open(&place, process, variable);
    for part in path.components() {
        match part {
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
    is_shared
}

fn is_open(place: &Path, process: &Process, variable: Variable) -> bool {
    std::fs::metadata(place).is_ok_and(|metadata| is_writable(&metadata, process, variable))
}

fn is_sticky(folder: Option<&Path>) -> bool {
    let metadata = folder.and_then(|folder| std::fs::metadata(folder).ok());
    metadata.is_some_and(|metadata| metadata.is_dir() && metadata.mode() & 0o1002 == 0o1002)
}

fn is_writable(metadata: &Metadata, process: &Process, variable: Variable) -> bool {
    const STICKY: u32 = 0o1000;
    let is_for_all = metadata.mode() & 0o002 != 0
        && (variable != Variable::LibraryPath || metadata.mode() & STICKY == 0 || !metadata.is_dir());
    // The users of a container are others than the host's: whose a file is there says nothing.
    is_for_all || (!process.container && metadata.uid() != 0 && metadata.uid() != process.uid)
}
