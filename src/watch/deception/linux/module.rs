//! The modules of the kernel. Two places list them, `/proc/modules` and `/sys/module`; one that hides takes itself out of
//! the first, which is what people look at.

use crate::host::Host;
use crate::text::Text;
use crate::watch::deception::Module;
use std::collections::{BTreeMap, BTreeSet};

const LIST: &str = "/proc/modules";
const FOLDER: &str = "/sys/module";

/// Only a kernel that looks at signatures has this, and it marks what is not signed.
const SIGNED: &str = "/sys/module/module/parameters/sig_enforce";

/// Modules come and go: one that seems to hide is looked for so many times.
const LOOKS: usize = 3;

/// The modules by name, and whether the kernel marks those that nobody signed.
#[must_use]
pub fn read_modules(host: &Host) -> (Vec<Module>, bool) {
    let marks = host.path(SIGNED).exists();
    // A kernel without modules has no such list.
    let Ok(list) = host.read(LIST) else { return (Vec::new(), marks) };
    let mut modules = parse_modules(&list);
    let mut missing = missing(host, &modules);
    for _ in 1..LOOKS {
        if missing.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        modules = parse_modules(&host.read(LIST).unwrap_or_default());
        let again = self::missing(host, &modules);
        missing.retain(|name, from| again.get(name) == Some(from));
    }
    let mut all: Vec<Module> = modules
        .into_iter()
        .map(|(name, taint)| {
            let hidden_from = missing.remove(&name).map(Text::from);
            Module { name, taint, hidden_from }
        })
        .collect();
    for (name, from) in missing {
        let taint = host.read(format!("{FOLDER}/{name}/taint")).unwrap_or_default();
        let taint = Text::cut(taint.trim_ascii(), 16);
        all.push(Module { name, taint, hidden_from: Some(from.into()) });
    }
    all.sort();
    (all, marks)
}

/// Names and marks from `/proc/modules`.
#[must_use]
pub fn parse_modules(list: &[u8]) -> BTreeMap<Text, Text> {
    let parse = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
        let name = fields.next()?;
        // The last field may be the marks, in brackets; with them stands `+` or `-` while it comes or goes.
        let end = fields.next_back().unwrap_or_default();
        let inner = end.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")")).unwrap_or_default();
        let taint: Vec<u8> = inner.iter().filter(|mark| mark.is_ascii_uppercase()).copied().collect();
        Some((Text::cut(name, 64), Text::cut(&taint, 16)))
    };
    list.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// What one of the two places has and the other has not, and which.
fn missing(host: &Host, listed: &BTreeMap<Text, Text>) -> BTreeMap<Text, &'static str> {
    let Ok(entries) = std::fs::read_dir(host.path(FOLDER)) else { return BTreeMap::new() };
    let names = entries.filter_map(|entry| Some(Text::cut(entry.ok()?.file_name().as_encoded_bytes(), 64)));
    // What is built in has a folder too, and no state of loading.
    let is_live = |name: &Text| {
        host.read(format!("{FOLDER}/{name}/initstate")).is_ok_and(|state| state.trim_ascii() == b"live")
    };
    let folders: BTreeSet<Text> = names.collect();
    let unlisted = folders.iter().filter(|name| !listed.contains_key(*name) && is_live(name));
    let unlisted = unlisted.map(|name| (name.clone(), LIST));
    // A sandbox may show no folder at all.
    let has_folders = listed.keys().any(|name| folders.contains(name));
    let without_folder = listed.keys().filter(|name| has_folders && !folders.contains(*name));
    unlisted.chain(without_folder.map(|name| (name.clone(), FOLDER))).collect()
}
