//! What a process was started with, read once: its environment, and the network namespace it is in.

use super::environment::{others_may_write, parse_libraries};
use crate::host::Host;
use crate::processes::origin::read_environment;
use crate::processes::{Executable, Listing, Process, living_folder, parse};
use crate::text::Text;
use crate::watch::deception::{Deceit, Kind};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Younger than this a process is looked at again: it may enter a namespace, or start its program proper.
const YOUNG: SignedDuration = SignedDuration::from_mins(2);

/// An old one may do so too: all are asked again after this.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A process that was just started has no environment yet, however long that takes on a busy host.
const NEWBORN: SignedDuration = SignedDuration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(10);

/// Each folder on the way to a place of code is looked at: so many of one environment, of one place, and so many places are told of.
const LOOKS: usize = 4096;
const DEEP: usize = 64;
const TOLD: usize = 16;

/// So long the environments of a look are read. Whoever makes theirs long has the others wait for the next one.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the loader finds the libraries that every program loads.
const EVERYWHERE: &str = "/etc/ld.so.preload";

/// What is known of the processes.
#[derive(Default)]
pub struct Known {
    processes: HashMap<u32, Of>,
    all_asked: Option<Timestamp>,
}

struct Of {
    /// As the listing had it: it is another object once anything in it changed.
    process: Arc<Process>,
    namespace: Option<u64>,
    libraries: Vec<Text>,
    is_bare: bool,
    is_old: bool,
}

/// What came of asking.
#[derive(Default)]
pub struct Asked {
    /// Those that were not known, or are young.
    pub new: Vec<u32>,
    /// How many told.
    pub read: u64,
    /// How many may not be asked by us.
    pub refused: u64,
    /// For how many no time was left.
    pub put_off: u64,
}

impl Known {
    /// Looks at the processes that are new, and tells of all.
    pub fn look(
        &mut self,
        host: &Host,
        listing: &Listing,
        now: Timestamp,
        deceits: &mut Vec<Deceit>,
    ) -> Asked {
        let mut asked = Asked::default();
        if self.all_asked.is_none_or(|then| now.duration_since(then).abs() >= AGAIN) {
            self.all_asked = Some(now);
            self.processes.clear();
        }
        let begun = Instant::now();
        let mut kept = HashMap::with_capacity(listing.processes.len());
        for process in &listing.processes {
            match process.exe {
                Executable::Kernel => continue,
                // Whoever does not show what it runs shows nothing else.
                Executable::Unreadable(_) => {
                    asked.refused += 1;
                    continue;
                }
                Executable::Path(_) | Executable::Deleted(_) | Executable::Memory(_) => {}
            }
            let known = self.processes.remove(&process.pid);
            let is_same = |known: &Of| known.is_old && Arc::ptr_eq(&known.process, process);
            let of = if let Some(known) = known.filter(is_same) {
                known
            } else if begun.elapsed() > PATIENCE {
                asked.put_off += 1;
                continue;
            } else {
                asked.new.push(process.pid);
                let Some(of) = read(host, process, now, &mut asked) else { continue };
                of
            };
            asked.read += 1;
            let deceit =
                |kind, what: Text| Deceit { kind, what, process: Some(Arc::clone(process)), note: None };
            deceits.extend(of.libraries.iter().map(|what| deceit(Kind::Preload, what.clone())));
            if of.is_bare {
                deceits.push(deceit(Kind::NoEnvironment, Text::default()));
            }
            kept.insert(process.pid, of);
        }
        self.processes = kept;
        asked
    }

    /// The network namespaces they are in, with some processes of each.
    pub fn namespaces(&self) -> BTreeMap<u64, Vec<u32>> {
        const SOME: usize = 4;
        let mut namespaces: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for (pid, of) in &self.processes {
            if let Some(namespace) = of.namespace {
                let pids = namespaces.entry(namespace).or_default();
                if pids.len() < SOME {
                    pids.push(*pid);
                }
            }
        }
        namespaces
    }
}

/// The number of the network namespace that this process is in.
pub fn namespace(host: &Host, pid: &str) -> Option<u64> {
    std::fs::metadata(host.path(format!("/proc/{pid}/ns/net"))).ok().map(|namespace| namespace.ino())
}

/// None if it has ended or may not be asked.
fn read(host: &Host, process: &Arc<Process>, now: Timestamp, asked: &mut Asked) -> Option<Of> {
    let folder = living_folder(host, process.pid);
    let stat = || parse::parse_stat(&host.read(format!("{folder}/stat")).ok()?);
    let before = stat()?;
    let environment = match read_environment(host, &folder) {
        Ok(environment) => environment,
        Err(error) => {
            asked.refused += u64::from(error.kind() == ErrorKind::PermissionDenied);
            return None;
        }
    };
    let libraries = libraries(&host.path(&folder), process, &environment);
    let age = now.duration_since(process.since);
    // One that has ended shows nothing, and one whose number is another's by now shows what is not its own.
    let stat = stat()?;
    if stat.is_ending() || crate::processes::alive::start(host, process.pid) != Some(process.start) {
        return None;
    }
    // Of one that is starting a program, nothing is there for a moment. So it counts only if it was laid out before, is laid
    // out there still, and is as empty a moment later.
    let is_empty = || {
        std::thread::sleep(MOMENT);
        read_environment(host, &folder).is_ok_and(|environment| environment.is_empty())
    };
    let is_settled = age > NEWBORN && before.has_environment() && before.layout == stat.layout;
    let is_bare = environment.is_empty() && is_settled && is_empty();
    Some(Of {
        process: Arc::clone(process),
        namespace: namespace(host, folder.trim_start_matches("/proc/")),
        libraries,
        is_bare,
        is_old: age > YOUNG,
    })
}

/// The places in an environment where others may put code.
fn libraries(proc: &Path, process: &Process, environment: &[u8]) -> Vec<Text> {
    let mut libraries = Vec::new();
    let mut left = LOOKS;
    for (variable, path) in parse_libraries(environment) {
        let looks = 1 + memchr::memchr_iter(b'/', path).count();
        if looks > left || looks > DEEP {
            // Nobody honest has so many, behind which another may stand.
            libraries.push(Text::new(format!("{} with more than can be looked at", variable.name)));
            break;
        }
        left -= looks;
        if others_may_write(proc, process, variable, path) {
            libraries.push(Text::cut(&[variable.name.as_bytes(), b"=", path].concat(), 512));
        }
        if libraries.len() >= TOLD {
            break;
        }
    }
    libraries
}

/// The libraries that every program loads, whoever may write them.
pub fn everywhere_preloaded(host: &Host) -> Vec<Deceit> {
    let text = host.read(EVERYWHERE).unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default());
    let names = lines.flat_map(|line| line.split(|byte| matches!(byte, b' ' | b'\t' | b':' | b'\r')));
    let names = names.filter(|name| !name.is_empty()).take(64);
    let deceit = |name: &[u8]| Deceit {
        kind: Kind::Preload,
        what: Text::cut(name, 512),
        process: None,
        note: Some(Text::from(EVERYWHERE)),
    };
    names.map(deceit).collect()
}
