//! What the watchdog itself costs.

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
        let stat = std::fs::read("/proc/self/stat").unwrap_or_default();
        let ticks = rustix::param::clock_ticks_per_second().max(1);
        if let Some(used) = parse::parse_cpu_ticks(&stat) {
            self.cpu_ms = used * 1000 / ticks;
            self.last_pass_cpu_ms = self.cpu_ms.saturating_sub(before);
        }
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        if let Some(pages) = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok())
        {
            self.resident_kb = pages * rustix::param::page_size() as u64 / 1024;
        }
        self.took_ms = took.map(|(name, ms)| (name.to_owned(), ms)).collect();
    }
}
