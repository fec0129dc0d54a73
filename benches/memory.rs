//! How much memory the service takes: the real program, run for two passes over so many processes.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

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
        let folder = std::env::temp_dir().join(format!("watchdog-bench-{}", std::process::id()));
        let mut service = start(&folder);
        let first = after_pass(&mut service, &folder, 1);
        let second = after_pass(&mut service, &folder, 2);
        let _ = service.kill();
        let _ = service.wait();
        let _ = std::fs::remove_dir_all(&folder);
        let own = |(total, own, _): (f64, f64, f64)| format!("{total:.1} ({own:.1})");
        println!("{count:>9}  {:>12}  {:>12}  {:>12.1}  {budget:>8.1}", own(first), own(second), second.2);
    }
}

/// The service with all it writes in `folder`, and a policy learned before, so that learning does not count.
fn start(folder: &Path) -> Child {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir(folder).unwrap();
    let policy = folder.join("policy.toml");
    let learned = common::command(env!("CARGO_BIN_EXE_watchdog"))
        .args(["snapshot", "--state-dir", folder.to_str().unwrap(), "-o", policy.to_str().unwrap()])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(learned.success());
    let mut service = common::command(env!("CARGO_BIN_EXE_watchdog"));
    service.args(["run", "--state-dir", folder.to_str().unwrap()]);
    service.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Resident, of that not backed by a file, and resident at the peak, once the process watch has looked so often.
fn after_pass(service: &mut Child, folder: &Path, pass: u64) -> (f64, f64, f64) {
    let begun = Instant::now();
    let mut looks = std::collections::BTreeSet::new();
    while (looks.len() as u64) < pass {
        assert!(begun.elapsed() < Duration::from_mins(5), "the service does not look");
        assert!(service.try_wait().unwrap().is_none(), "the service has ended");
        std::thread::sleep(Duration::from_millis(500));
        let status = common::command(env!("CARGO_BIN_EXE_watchdog"))
            .args(["status", "--json", "--state-dir", folder.to_str().unwrap()])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let Ok(status) = serde_json::from_slice::<serde_json::Value>(&status.stdout) else { continue };
        if let Some(looked) = status.pointer("/watches/process/looked").and_then(|looked| looked.as_str()) {
            looks.insert(looked.to_owned());
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    };
    (field("VmRSS:"), field("RssAnon:"), field("VmHWM:"))
}
