//! The processes that use most: evidence, read only when something is used up.

use super::{MOMENT, parse};
use crate::host::Host;
use crate::processes::{Executable, Listing, Process};
use crate::text::Text;
use crate::watch::resource::Consumer;
use std::cmp::Reverse;
use std::collections::HashMap;

/// So many are named.
const NAMED: usize = 3;

/// Those that used most processor time in a moment, as shares of all processors.
#[must_use]
pub fn busiest(host: &Host, listing: &Listing, processors: u32) -> Vec<Consumer> {
    let read =
        || -> HashMap<u32, u64> { read_all(host, listing, "stat", parse::parse_process_ticks).collect() };
    let before = read();
    std::thread::sleep(MOMENT);
    let used =
        read().into_iter().filter_map(|(pid, ticks)| Some((pid, ticks.checked_sub(*before.get(&pid)?)?)));
    let per_second = rustix::param::clock_ticks_per_second().max(1) as f64 * f64::from(processors.max(1));
    most(listing, used.collect(), per_second * MOMENT.as_secs_f64())
}

/// Those that have most memory.
pub fn biggest(host: &Host, listing: &Listing, total: u64) -> Vec<Consumer> {
    let page = rustix::param::page_size() as u64;
    let used = read_all(host, listing, "statm", parse::parse_resident_pages);
    most(listing, used.map(|(pid, pages)| (pid, pages.saturating_mul(page))).collect(), total as f64)
}

/// Those that have most swap.
pub fn most_swapped(host: &Host, listing: &Listing, total: u64) -> Vec<Consumer> {
    most(listing, read_all(host, listing, "status", parse::parse_swapped).collect(), total as f64)
}

fn read_all(
    host: &Host,
    listing: &Listing,
    file: &str,
    parse: fn(&[u8]) -> Option<u64>,
) -> impl Iterator<Item = (u32, u64)> {
    listing.processes.iter().filter_map(move |process| {
        let pid = process.pid;
        // Those that ended meanwhile use nothing any more.
        Some((pid, parse(&host.read(format!("/proc/{pid}/{file}")).ok()?)?))
    })
}

fn most(listing: &Listing, mut used: Vec<(u32, u64)>, total: f64) -> Vec<Consumer> {
    used.retain(|(_, used)| *used > 0);
    used.sort_by_key(|(pid, used)| (Reverse(*used), *pid));
    let consumer = |(pid, used): (u32, u64)| {
        let process = listing.get(pid)?;
        let share = parse::tenth((used as f64 / total.max(1.0) * 100.0).min(100.0));
        Some(Consumer { pid, executable: name(process), user: process.user.clone(), share })
    };
    used.into_iter().take(NAMED).filter_map(consumer).collect()
}

/// Where its code comes from; a kernel thread's own name, which only the kernel gives.
fn name(process: &Process) -> Text {
    match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => path.clone(),
        Executable::Memory(name) => Text::new([b"memfd:", &name.to_bytes()[..]].concat()),
        Executable::Kernel => Text::new([b"[", &process.name.to_bytes()[..], b"]"].concat()),
        Executable::Unreadable(_) => Text::new([b"(", &process.name.to_bytes()[..], b")"].concat()),
    }
}
