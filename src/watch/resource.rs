//! Processor, memory and disk use.
//!
//! A limit of the whole host is passed only after a time of passes that all saw it passed: see `sustained.rs`. A
//! full disk is reported at once.

mod asking;
mod check;
mod consumer;
mod learn;
#[cfg(target_os = "linux")]
pub mod linux;
mod policy;
mod sustained;
#[cfg(any(windows, test))]
mod times;
#[cfg(windows)]
mod windows;

pub use policy::*;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

use super::{Facts, Look, Memory, Seen, Watch};
use crate::finding::Finding;
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How much of the host is in use. What could not be read is missing, and a gap says so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceFacts {
    /// How many processors there are.
    pub processors: u32,
    /// How busy they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// Memory in bytes; what can be given back counts as available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Room>,
    /// Swap in bytes, if there is any; on Windows the page files, as large as they are now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Room>,
    /// Tasks that run or wait, of all processors: over one, five and fifteen minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<[f64; 3]>,
    /// How much work stood still for want of something, if the kernel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// The processes that used most processor time, if there was too much of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busiest: Vec<Consumer>,
    /// The processes that used most memory, if there was too little left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub biggest: Vec<Consumer>,
    /// The processes that used most swap, if there was too little left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub most_swapped: Vec<Consumer>,
    /// The file systems, by where they are mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
}

/// Processor time, as shares of all processors in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cpu {
    /// Not idle and not waiting for a disk; stolen time counts, as nobody else could have it.
    pub used: f64,
    /// Idle, but waiting for a disk.
    pub waiting: f64,
    /// Taken by other machines on the same hardware.
    pub stolen: f64,
    /// Over so many seconds.
    pub seconds: f64,
}

/// Something of which there is so much and so much left: bytes or inodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Room {
    /// In all. Of a disk, without what is kept back for root, as `df` counts it.
    pub total: u64,
    /// Left.
    pub available: u64,
}

impl Room {
    /// The share in use, in percent.
    #[must_use]
    pub fn used(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        self.total.saturating_sub(self.available) as f64 / self.total as f64 * 100.0
    }
}

/// The share of the last minute in which some task stood still for want of it, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pressure {
    /// Processor time.
    pub cpu: f64,
    /// Memory.
    pub memory: f64,
    /// Disks.
    pub io: f64,
}

/// A process that uses much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Consumer {
    /// Its number.
    pub pid: u32,
    /// Its executable.
    pub executable: Text,
    /// Its user.
    pub user: Text,
    /// Its share of all there is, in percent.
    pub share: f64,
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Disk {
    /// Where it is mounted.
    pub mount: Text,
    /// What is mounted there.
    pub device: Text,
    /// The kind of file system.
    pub kind: Text,
    /// Its space in bytes; missing if it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Room>,
    /// Its inodes; missing if it has no limit of them, or did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inodes: Option<Room>,
}

impl Disk {
    /// True if it lives in memory: such come and go, and what fills them fills the memory.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.kind == "tmpfs" || self.kind == "ramfs"
    }
}

/// To one decimal, as nobody reads more.
fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Watches resources.
#[derive(Default)]
pub struct ResourceWatch {
    asking: system::Asking,
}

impl Watch for ResourceWatch {
    const NAME: &'static str = "resource";
    type Facts = ResourceFacts;
    type Rules = Rules;

    fn collect(&mut self, look: &mut Look<Rules>) -> Seen<ResourceFacts> {
        system::look(look, &mut self.asking)
    }

    fn check(seen: &Facts<Self>, memory: &mut Memory) -> Vec<Finding> {
        check::check(seen.facts, seen.rules, seen.now, memory)
    }

    fn learn(facts: &ResourceFacts, by: &str, _now: Timestamp) -> String {
        learn::learn(facts, by)
    }

    fn summary(facts: &ResourceFacts) -> String {
        let mut words = Vec::new();
        words.extend(facts.cpu.map(|cpu| format!("cpu {:.0}%", cpu.used)));
        words.extend(facts.memory.map(|memory| format!("memory {:.0}%", memory.used())));
        words.push(if facts.disks.len() == 1 {
            "1 disk".to_owned()
        } else {
            format!("{} disks", facts.disks.len())
        });
        words.join(", ")
    }
}
