//! What each process of a Linux host uses.

use super::{MOMENT, parse};
use crate::host::Host;
use crate::processes::Listing;
use crate::watch::resource::Consumer;
use crate::watch::resource::consumer::most;
use std::collections::HashMap;

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
