//! What the watchdog itself costs.

#[cfg(target_os = "linux")]
use crate::processes::parse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name under which it is remembered.
pub const COST: &str = "service.cost";

/// What the watchdog itself costs, as of its last pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cost {
    /// Processor time since its start, in milliseconds.
    pub cpu_ms: u64,
    /// Processor time of the last pass, in milliseconds.
    pub last_pass_cpu_ms: u64,
    /// Memory it holds, in kilobytes.
    pub resident_kb: u64,
    /// How long each watch looked the last time, in milliseconds.
    pub took_ms: BTreeMap<String, f64>,
}

impl Cost {
    /// Measures this process.
    pub fn measure<'a>(&mut self, took: impl Iterator<Item = (&'a str, f64)>) {
        let before = self.cpu_ms;
        let (cpu_ms, resident_kb) = used();
        if let Some(cpu_ms) = cpu_ms {
            self.cpu_ms = cpu_ms;
            self.last_pass_cpu_ms = self.cpu_ms.saturating_sub(before);
        }
        if let Some(resident_kb) = resident_kb {
            self.resident_kb = resident_kb;
        }
        self.took_ms = took.map(|(name, ms)| (name.to_owned(), ms)).collect();
    }
}

/// The processor time in milliseconds and the memory in kilobytes of this process, as far as they can be told.
#[cfg(target_os = "linux")]
fn used() -> (Option<u64>, Option<u64>) {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let stat = std::fs::read("/proc/self/stat").unwrap_or_default();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    let cpu_ms = parse::parse_cpu_ticks(&stat).map(|used| used * 1000 / ticks);
    (cpu_ms, pages.map(|pages| pages * rustix::param::page_size() as u64 / 1024))
}

#[cfg(windows)]
use crate::win32::process::own_cost as used;
