//! Scheduled tasks: the files of the Task Scheduler, held against the list that it keeps in the registry. A task whose
//! entry there has no descriptor is shown by no tool, and runs.

use super::super::task::{self, Asking};
use super::super::{Autorun, Kind, UNKNOWN};
use super::{Eyes, is_file};
use crate::coverage::Gap;
use crate::file;
use crate::text::Text;
use crate::win32::registry::{Root, bytes, key, keys, text};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use windows_registry::Key;

const TREE: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tree";

/// More tasks than any host has.
const MOST: usize = 20_000;
/// Folders within folders.
const DEEPEST: usize = 32;

/// Adds all that are enabled.
pub fn read(eyes: &mut Eyes) {
    let folder = PathBuf::from(format!(r"{}\System32\Tasks", eyes.folders.windows));
    let mut files = BTreeMap::new();
    if let Err(error) = list(&folder, "", 0, &mut files) {
        let why = format!("cannot list {}: {error}; run as an administrator", folder.display());
        eyes.gaps.push(Gap {
            gap: "tasks".to_owned(),
            seen: files.len() as u64,
            of: files.len() as u64 + 1,
            why,
        });
    }
    let hidden = hidden(eyes);
    let mut unread: Option<(u64, String)> = None;
    for (name, file) in &files {
        let parsed = read_task(file);
        let place = file.to_string_lossy();
        match parsed {
            Ok(task) => {
                let asking = Asking {
                    folders: &eyes.folders,
                    is_file: &is_file,
                    name_of: &|sid| eyes.name_of(sid),
                    library_of: &library_of,
                };
                let mut found = task::autoruns(name, &place, &task, &asking);
                let is_hidden = hidden.contains(&name.to_lowercase());
                for autorun in &mut found {
                    autorun.hidden = is_hidden;
                }
                eyes.found.extend(found);
            }
            Err(why) => {
                let (count, _) = unread.take().unwrap_or_default();
                unread = Some((count + 1, format!("{name}: {why}")));
            }
        }
    }
    if let Some((count, why)) = unread {
        let of = files.len() as u64;
        eyes.gaps.push(Gap { gap: "task-files".to_owned(), seen: of - count, of, why });
    }
    let known: BTreeSet<String> = files.keys().map(|name| name.to_lowercase()).collect();
    // What it does stands in no file any more.
    for name in hidden.iter().filter(|name| !known.contains(*name)) {
        eyes.found.push(Autorun {
            kind: Kind::Task,
            name: Text::new(name),
            exe: UNKNOWN.into(),
            arguments: Text::default(),
            library: None,
            user: None,
            hidden: true,
            start: None,
            place: Text::new(format!(r"HKLM\{TREE}{name}")),
            unquoted: false,
        });
    }
}

fn read_task(path: &Path) -> Result<task::Task, String> {
    let bytes = file::read_at_most(path, file::Links::Follow, task::LARGEST as u64)
        .map_err(|error| error.to_string())?;
    task::parse_task(&bytes)
}

/// The files below a folder, by the name of the task. What cannot be listed hides nothing else: the first of it is the error.
fn list(folder: &Path, name: &str, depth: usize, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    let mut listed = Ok(());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!(r"{name}\{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let below = if depth < DEEPEST {
                list(&entry.path(), &name, depth + 1, files)
            } else {
                Err(io::Error::other(format!("{name} lies deeper than is looked")))
            };
            listed = listed.and(below);
        } else if kind.is_file() {
            if files.len() >= MOST {
                return Err(io::Error::other(format!("there are more than {MOST} tasks")));
            }
            files.insert(name, entry.path());
        }
    }
    listed
}

/// The tasks that the tools do not show, in small letters: an entry with a number and without a descriptor.
fn hidden(eyes: &mut Eyes) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some(tree) = key(Root::Machine, TREE) {
        walk(&tree, "", 0, &mut found);
    } else {
        let why =
            "the list of tasks in the registry cannot be read, so a hidden one cannot be told".to_owned();
        eyes.gaps.push(Gap { gap: "hidden-tasks".to_owned(), seen: 0, of: 1, why });
    }
    found
}

fn walk(parent: &Key, name: &str, depth: usize, found: &mut BTreeSet<String>) {
    for child in keys(parent) {
        let Ok(key) = parent.open(&child) else { continue };
        let name = format!(r"{name}\{child}");
        if text(&key, "Id").is_some() && bytes(&key, "SD").is_none() && found.len() < MOST {
            found.insert(name.to_lowercase());
        }
        if depth < DEEPEST {
            walk(&key, &name, depth + 1, found);
        }
    }
}

/// The library that brings a class, for the whole host.
fn library_of(class: &str) -> Option<String> {
    let path = format!(r"SOFTWARE\Classes\CLSID\{class}");
    let class = key(Root::Machine, &path)?;
    ["InprocServer32", "LocalServer32"].iter().find_map(|server| text(&class.open(server).ok()?, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_lies_too_deep_is_said_to_and_hides_no_other() {
        let root = tempfile::tempdir().unwrap();
        let deep = (0..=DEEPEST).fold(root.path().to_owned(), |folder, _| folder.join("a"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("hidden"), "x").unwrap();
        fs::write(root.path().join("z"), "x").unwrap();
        let mut files = BTreeMap::new();
        let error = list(root.path(), "", 0, &mut files).unwrap_err();
        assert!(error.to_string().contains("lies deeper than is looked"), "{error}");
        assert_eq!(files.keys().collect::<Vec<_>>(), [r"\z"]);
    }
}
