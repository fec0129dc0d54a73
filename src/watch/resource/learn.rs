//! Writing limits from what is in use now.

use super::{Disk, DiskRule, Limit, Load, LoadLimit, ResourceFacts, Resources};
use crate::rule::{Pattern, Percent, Span, to_toml};
use std::fmt::Write as _;

/// File systems in memory that belong to every host; others come and go, and are limited only by hand.
const LASTING: &[&str] = &["/", "/dev/shm", "/run", "/run/lock", "/tmp", "/var/tmp"];

/// The `[resources]` and `[[disk]]` sections.
#[must_use]
pub fn learn(facts: &ResourceFacts, by: &str) -> String {
    let usual = |least: f64, used: Option<f64>, minutes| Limit {
        max: with_headroom(least, used),
        r#for: Span::minutes(minutes),
    };
    let load =
        |load: f64| LoadLimit { max: Load::new((load * 1.5).ceil().max(4.0)), r#for: Span::minutes(15) };
    let resources = Resources {
        cpu: Some(usual(90.0, facts.cpu.map(|cpu| cpu.used), 10)),
        memory: Some(usual(90.0, facts.memory.map(|memory| memory.used()), 5)),
        swap: facts.swap.map(|swap| usual(80.0, Some(swap.used()), 10)),
        // Windows does not count it.
        load: facts.load_per_processor().map(load),
        why: Some("usual limits, above what was in use when this policy was learned".to_owned()),
        by: Some(by.to_owned()),
        expires: None,
    };
    let of_load = if facts.load.is_some() { "; load is tasks per processor" } else { "" };
    let mut out = format!(
        "# How much of the host may be in use, and for how long{of_load}.\n\n{}",
        to_toml("[resources]", &resources)
    );
    let lasts = |disk: &&Disk| !disk.is_in_memory() || LASTING.contains(&disk.mount.as_str());
    let mut disks: Vec<&Disk> = facts.disks.iter().filter(lasts).collect();
    disks.sort_by(|a, b| a.mount.cmp(&b.mount));
    if !disks.is_empty() {
        out += "\n# Disks, and how full they may be. One that no rule names, or that is not mounted, is reported.\n";
    }
    for disk in disks {
        let why = "a usual limit, above what was in use when this policy was learned";
        // Writing to a String cannot fail.
        let _ = write!(out, "\n{}", to_toml("[[disk]]", &rule_for(disk, why, Some(by))));
    }
    out
}

/// The usual limits of a disk.
#[must_use]
pub fn rule_for(disk: &Disk, why: &str, by: Option<&str>) -> DiskRule {
    DiskRule {
        mount: Pattern::literal(&disk.mount),
        max: Some(with_headroom(85.0, disk.space.map(|space| space.used()))),
        inodes: disk.inodes.map(|inodes| with_headroom(85.0, Some(inodes.used()))),
        why: Some(why.to_owned()),
        by: by.map(str::to_owned),
        expires: None,
    }
}

/// The usual limit, or if more is in use, five more than that or half of what is left. It is never all: what is
/// full is full, also on the day a policy is learned.
fn with_headroom(usual: f64, used: Option<f64>) -> Percent {
    let used = used.unwrap_or_default();
    if used <= usual {
        return Percent::new(usual);
    }
    let limit = used + ((100.0 - used) / 2.0).min(5.0);
    let limit = if limit < 98.0 { limit.ceil() } else { ((limit * 10.0).ceil() / 10.0).min(99.9) };
    Percent::new(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_leaves_headroom_and_is_never_all() {
        for (used, limit) in [
            (0.0, 85.0),
            (85.0, 85.0),
            (85.2, 91.0),
            (95.0, 98.0),
            (99.0, 99.5),
            (99.85, 99.9),
            (100.0, 99.9),
        ] {
            assert_eq!(with_headroom(85.0, Some(used)), Percent::new(limit), "{used}");
        }
    }
}
