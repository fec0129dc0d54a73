//! Who looks into whom: the kernel names a tracer in the status of the traced. That may come at any time in the life of a
//! process, so a part of all processes is asked in each pass, and those that are new or traced in every one.

use super::find;
use crate::host::Host;
use crate::processes::{Executable, Listing};
use crate::text::Text;
use crate::watch::deception::{Deceit, Kind};
use std::collections::BTreeSet;

/// So many processes are asked in a pass besides.
const SHARE: usize = 256;

/// Which processes are traced, and how far the round has come.
#[derive(Default)]
pub struct Tracers {
    traced: BTreeSet<u32>,
    next: u32,
}

impl Tracers {
    /// Every process that is traced, as far as it was asked.
    pub fn look(&mut self, host: &Host, listing: &Listing, new: &[u32]) -> Vec<Deceit> {
        let programs = listing.processes.iter().filter(|process| process.exe != Executable::Kernel);
        let pids: Vec<u32> = programs.map(|process| process.pid).collect();
        let from = pids.partition_point(|pid| *pid < self.next);
        let share: Vec<u32> = pids.iter().cycle().skip(from).take(SHARE.min(pids.len())).copied().collect();
        self.next = share.last().map_or(0, |last| last.saturating_add(1));
        let mut asked: BTreeSet<u32> = share.into_iter().collect();
        asked.extend(new);
        asked.extend(&self.traced);
        self.traced.clear();
        let mut deceits = Vec::new();
        for pid in asked {
            let Some(traced) = listing.get(pid) else { continue };
            let status = host.read(format!("/proc/{pid}/status")).unwrap_or_default();
            let Some(by) = parse_tracer(&status).filter(|by| *by != 0) else { continue };
            self.traced.insert(pid);
            let what = match &traced.exe {
                Executable::Path(path) | Executable::Deleted(path) | Executable::Memory(path) => path.clone(),
                Executable::Kernel | Executable::Unreadable(_) => traced.name.clone(),
            };
            let note = format!("process {pid} of user {} is traced by process {by}", traced.user);
            let (process, note) = (find(listing, by), Some(Text::new(note)));
            deceits.push(Deceit { kind: Kind::Tracer, what, process, note });
        }
        deceits
    }
}

/// The number of the tracer; 0 if there is none.
fn parse_tracer(status: &[u8]) -> Option<u32> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"TracerPid:"))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}
