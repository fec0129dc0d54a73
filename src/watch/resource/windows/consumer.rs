//! What each process of a Windows host uses.

use super::MOMENT;
use crate::host::Host;
use crate::processes::Listing;
use crate::watch::resource::Consumer;
use crate::watch::resource::consumer::most;
use crate::win32::usage;
use std::collections::HashMap;

/// Units of 100 nanoseconds in a second.
const SECOND: f64 = 10_000_000.0;

/// Those that used most processor time in a moment, as shares of all processors.
pub fn busiest(_host: &Host, listing: &Listing, processors: u32) -> Vec<Consumer> {
    let read = || -> HashMap<u32, u64> { read_all(listing, usage::process_time).collect() };
    let before = read();
    std::thread::sleep(MOMENT);
    let used =
        read().into_iter().filter_map(|(pid, time)| Some((pid, time.checked_sub(*before.get(&pid)?)?)));
    most(listing, used.collect(), SECOND * MOMENT.as_secs_f64() * f64::from(processors.max(1)))
}

/// Those that hold most memory.
pub fn biggest(_host: &Host, listing: &Listing, total: u64) -> Vec<Consumer> {
    most(listing, read_all(listing, usage::process_memory).collect(), total as f64)
}

/// Windows does not say which process has how much in the page files.
pub fn most_swapped(_host: &Host, _listing: &Listing, _total: u64) -> Vec<Consumer> {
    Vec::new()
}

fn read_all(listing: &Listing, read: fn(u32) -> Option<u64>) -> impl Iterator<Item = (u32, u64)> {
    // The first is what is idle. Those that ended meanwhile use nothing any more.
    let pids = listing.processes.iter().map(|process| process.pid).filter(|pid| *pid != 0);
    pids.filter_map(move |pid| Some((pid, read(pid)?)))
}
