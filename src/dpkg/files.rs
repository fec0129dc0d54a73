//! Which package a file belongs to: the lists in `/var/lib/dpkg/info`, read for the asked paths only.
//!
//! The lists name files as the packages do. So `/usr/bin/cat` may stand there as `/bin/cat` where the host has
//! `/bin` as a link to `usr/bin`, and a file that one package has diverted lies elsewhere than the list says.

use super::{DIVERSIONS, INFO};
use crate::host::Host;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::io;

/// One package that owns a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The stem of the package's files in the database: its name, with `:arch` where several may be installed.
    pub stem: String,
    /// The path as the package names it.
    pub recorded: Vec<u8>,
}

impl Owner {
    /// The package's name, without the architecture.
    #[must_use]
    pub fn name(&self) -> &str {
        self.stem.split_once(':').map_or(&*self.stem, |(name, _)| name)
    }
}

/// One file that is put elsewhere so that a package can have its own in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Where other packages think their file is.
    pub from: Vec<u8>,
    /// Where it is.
    pub to: Vec<u8>,
    /// Whose file is at `from`; none if the administrator made the diversion.
    pub package: Option<Vec<u8>>,
}

/// Parses `/var/lib/dpkg/diversions`: three lines each. Lines without their two companions are passed over.
#[must_use]
pub fn parse_diversions(diversions: &[u8]) -> Vec<Diversion> {
    let lines: Vec<&[u8]> = diversions.split(|b| *b == b'\n').collect();
    let parse = |three: &[&[u8]]| match three {
        [from, to, package] => Some(Diversion {
            from: from.to_vec(),
            to: to.to_vec(),
            package: (*package != b":").then(|| package.to_vec()),
        }),
        _ => None,
    };
    lines.chunks_exact(3).filter_map(parse).collect()
}

/// The lines of `list` that are among `wanted`.
pub fn lines_wanted<'a, V, S: BuildHasher>(
    list: &'a [u8],
    wanted: &'a HashMap<Vec<u8>, V, S>,
) -> impl Iterator<Item = (&'a [u8], &'a V)> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', list).chain(std::iter::once(list.len()));
    ends.filter_map(move |end| {
        let line = list.get(start..end).unwrap_or_default();
        start = end + 1;
        Some((line, wanted.get(line)?))
    })
}

/// Who may own what a list names: whom a diversion says, or anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    Anybodys,
    Only(Vec<u8>),
    AllBut(Option<Vec<u8>>),
}

impl Whose {
    fn may_be(&self, package: &str) -> bool {
        match self {
            Self::Anybodys => true,
            Self::Only(name) => name == package.as_bytes(),
            Self::AllBut(name) => name.as_deref() != Some(package.as_bytes()),
        }
    }
}

/// The packages that own each path; of a path that none owns, an empty list.
pub type Owners = BTreeMap<Vec<u8>, Vec<Owner>>;

/// Finds the packages that own `paths`, absolute and free of links, by one look at all lists.
///
/// # Errors
/// If the folder of the lists cannot be read: `NotFound` if the host has no dpkg.
pub fn owners(host: &Host, paths: &BTreeSet<Vec<u8>>) -> io::Result<Owners> {
    let diversions = parse_diversions(&host.read(DIVERSIONS).unwrap_or_default());
    let merged = merged_folders(host);
    let mut wanted: HashMap<Vec<u8>, Vec<(&Vec<u8>, Whose)>> = HashMap::new();
    for path in paths {
        for (recorded, whose) in recorded_as(path, &merged, &diversions) {
            wanted.entry(recorded).or_default().push((path, whose));
        }
    }
    let mut owners: Owners = paths.iter().map(|path| (path.clone(), Vec::new())).collect();
    for entry in std::fs::read_dir(host.path(INFO))? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let Some(stem) = name.strip_suffix(".list") else { continue };
        // A package that is being removed at this moment owns nothing any more.
        let Ok(list) = host.read(format!("{INFO}/{name}")) else { continue };
        for (recorded, asked) in lines_wanted(&list, &wanted) {
            let owner = Owner { stem: stem.to_owned(), recorded: recorded.to_vec() };
            for (path, whose) in asked {
                if whose.may_be(owner.name())
                    && let Some(list) = owners.get_mut(*path)
                {
                    list.push(owner.clone());
                }
            }
        }
    }
    for list in owners.values_mut() {
        list.sort();
    }
    Ok(owners)
}

/// The top folders that are links into `/usr`.
fn merged_folders(host: &Host) -> Vec<&'static str> {
    let merged = |name: &&str| {
        let link = std::fs::read_link(host.path(format!("/{name}"))).unwrap_or_default();
        link.strip_prefix("/").unwrap_or(&link) == std::path::Path::new("usr").join(name)
    };
    ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"].into_iter().filter(merged).collect()
}

/// The names by which the lists may call `path`, and whose file it then is.
fn recorded_as(path: &[u8], merged: &[&str], diversions: &[Diversion]) -> Vec<(Vec<u8>, Whose)> {
    let names = aliases(path, merged);
    let mut recorded = Vec::new();
    for name in &names {
        if let Some(diversion) = diversions.iter().find(|d| d.to == *name && d.from != d.to) {
            recorded.extend(
                aliases(&diversion.from, merged)
                    .into_iter()
                    .map(|from| (from, Whose::AllBut(diversion.package.clone()))),
            );
        }
    }
    let whose = match diversions.iter().find(|d| names.contains(&d.from)) {
        None => Whose::Anybodys,
        // Of a diversion by the administrator, what is in its place is no package's.
        Some(diversion) => Whose::Only(diversion.package.clone().unwrap_or_default()),
    };
    recorded.extend(names.into_iter().map(|name| (name, whose.clone())));
    recorded
}

/// `path`, and the same with or without `/usr`.
fn aliases(path: &[u8], merged: &[&str]) -> Vec<Vec<u8>> {
    let below = |path: &[u8]| {
        let first = path.split(|b| *b == b'/').nth(1).unwrap_or_default();
        merged.iter().any(|folder| folder.as_bytes() == first)
    };
    let mut names = vec![path.to_vec()];
    if below(path) {
        names.push([b"/usr", path].concat());
    }
    if let Some(short) = path.strip_prefix(b"/usr")
        && below(short)
    {
        names.push(short.to_vec());
    }
    names
}
