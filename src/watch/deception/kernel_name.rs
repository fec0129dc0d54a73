//! Names that only threads of the kernel have. A program takes one so that a person who reads a list of processes looks
//! past it.

use crate::processes::{Executable, Listing, Process};
use crate::text::Text;
use std::collections::BTreeSet;

/// How names of the kernel's own threads begin, on every host, and names of nothing else.
const KERNEL: &[&str] = &[
    "cpuhp/",
    "idle_inject/",
    "irq/",
    "jbd2/",
    "kauditd",
    "kblockd",
    "kcompactd",
    "kdevtmpfs",
    "khugepaged",
    "khungtaskd",
    "kintegrityd",
    "ksoftirqd",
    "kswapd",
    "kthreadd",
    "kthrotld",
    "kworker",
    "migration/",
    "oom_reaper",
    "rcu_gp",
    "rcu_par_gp",
    "rcu_preempt",
    "rcu_sched",
    "rcu_tasks",
    "scsi_eh_",
];

/// So long a name may be that a process has in the kernel.
const LONGEST: usize = 15;

/// What the threads of the kernel of this host are called, with every number as 0.
#[must_use]
pub fn threads(listing: &Listing) -> BTreeSet<String> {
    let kernel = listing.processes.iter().filter(|process| process.exe == Executable::Kernel);
    kernel.map(|process| shape(&process.name)).collect()
}

/// True if a thread of the kernel may be called so.
#[must_use]
pub fn is_like_one(name: &str, threads: &BTreeSet<String>) -> bool {
    begins_like_one(name) || threads.contains(&shape(name))
}

fn begins_like_one(name: &str) -> bool {
    KERNEL.iter().any(|begin| name.starts_with(begin))
}

/// The name of a thread of the kernel that this program took, if it did. `threads` are [those of the host](threads).
#[must_use]
pub fn taken(process: &Process, threads: &BTreeSet<String>) -> Option<Text> {
    let path = match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) | Executable::Memory(path) => path,
        Executable::Kernel | Executable::Unreadable(_) => return None,
    };
    let file = path.rsplit('/').next().unwrap_or_default();
    // A program may be called like one: there is a watchdogd of the kernel and another of Debian.
    let is_own = |name: &str| name.chars().take(LONGEST).eq(file.chars().take(LONGEST));
    let is_kernels = |name: &str| begins_like_one(name) || (threads.contains(&shape(name)) && !is_own(name));
    if is_kernels(&process.name) {
        return Some(process.name.clone());
    }
    let first = process.args.first()?;
    match first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // Lists show a process without arguments like that, which are the kernel's.
        Some(inner) if is_kernels(inner) || (process.args.len() == 1 && is_word(inner)) => {
            Some(first.clone())
        }
        None if KERNEL.iter().any(|begin| begin.ends_with('/') && first.starts_with(begin))
            || first.starts_with("kworker/") =>
        {
            Some(first.clone())
        }
        _ => None,
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_whitespace)
}

/// The name with each number as 0: they count processors and devices.
fn shape(name: &str) -> String {
    let mut shape = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '0'..='9' if shape.ends_with('0') => {}
            '0'..='9' => shape.push('0'),
            c => shape.push(c),
        }
    }
    shape
}
