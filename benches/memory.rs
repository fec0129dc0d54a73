//! How much memory the service takes: the real program, run for two passes over so many processes.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::Daemon;
use std::path::Path;
use std::time::Duration;

/// Of the design: processes, and megabytes.
const BUDGETS: [(usize, f64); 2] = [(300, 8.0), (10_000, 24.0)];

fn main() {
    if !common::wanted() {
        return;
    }
    println!("resident memory of `watchdog run` with a learned policy, in MB, and how much of it is its own");
    println!(
        "{:>9}  {:>12}  {:>12}  {:>12}  {:>8}",
        "processes", "first pass", "second pass", "at its peak", "budget"
    );
    for (count, budget) in BUDGETS {
        let others = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
        let _sleepers = common::Running::start("sleepers", count.saturating_sub(others.count()));
        let folder = tempfile::tempdir().unwrap();
        // Learning does not count.
        common::learn_into(folder.path());
        let mut service = common::service(folder.path());
        let first = after_pass(&mut service, folder.path(), 1);
        let second = after_pass(&mut service, folder.path(), 2);
        let own = |(total, own, _): (f64, f64, f64)| format!("{total:.1} ({own:.1})");
        println!("{count:>9}  {:>12}  {:>12}  {:>12.1}  {budget:>8.1}", own(first), own(second), second.2);
    }
}

/// Resident, of that not backed by a file, and resident at the peak, once the process watch has looked so often.
fn after_pass(service: &mut Daemon, folder: &Path, pass: usize) -> (f64, f64, f64) {
    common::wait_for_looks(service, folder, pass);
    std::thread::sleep(Duration::from_secs(1));
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.0.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    };
    (field("VmRSS:"), field("RssAnon:"), field("VmHWM:"))
}
