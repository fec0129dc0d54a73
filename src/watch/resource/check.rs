//! Comparing what is in use with the limits.

use super::sustained::Sustained;
use super::{Consumer, Disk, DiskRule, Limit, ResourceFacts, Resources, Room, Rules, learn};
use crate::finding::{Code, Finding, Nearest, Severity};
use crate::rule::{self, Comparison, Pattern, Percent, Placed, Rule as _, Span, Verdict, to_toml};
use crate::watch::Memory;
use jiff::Timestamp;

/// So full a disk is worth getting up at night.
const NEARLY_FULL: f64 = 95.0;

impl ResourceFacts {
    /// The load of the last minute, for each processor.
    #[must_use]
    pub fn load_per_processor(&self) -> Option<f64> {
        self.load.map(|[one, ..]| one / f64::from(self.processors.max(1)))
    }
}

/// All limits that are passed.
#[must_use]
pub fn check(facts: &ResourceFacts, rules: &Rules, now: Timestamp, memory: &mut Memory) -> Vec<Finding> {
    let mut sustained: Sustained = memory.recall();
    sustained.begin(now);
    let mut findings = Vec::new();
    if let Some(placed) = &rules.resources {
        if placed.rule.holds(now) {
            findings.extend(measures(facts, &placed.rule).into_iter().filter_map(|measure| {
                let is_over = measure.used.is_some_and(|used| used > measure.max);
                let since = sustained.since(measure.name, is_over, now)?;
                (now.duration_since(since) >= measure.span.signed())
                    .then(|| measure.finding(placed, facts, since))
            }));
        } else {
            findings.push(expired(placed));
        }
    }
    memory.keep(&sustained);
    for disk in &facts.disks {
        findings.extend(check_disk(disk, rules, now));
    }
    findings.extend(rules.disk.iter().filter_map(|placed| missing(placed, facts, now)));
    findings
}

/// One limit of the whole host, and what it is held against.
struct Measure {
    code: Code,
    name: &'static str,
    used: Option<f64>,
    max: f64,
    span: Span,
    /// "the processors are 97% busy", without the end.
    title: fn(f64) -> String,
    unit: &'static str,
    /// The table with a limit that allows `used`.
    raised: fn(&mut Resources, f64),
}

fn measures(facts: &ResourceFacts, limits: &Resources) -> Vec<Measure> {
    let share = |code, name, used, limit: Option<Limit>, title, raised| {
        limit.map(|limit| Measure {
            code,
            name,
            used,
            max: limit.max.value(),
            span: limit.r#for,
            title,
            unit: "%",
            raised,
        })
    };
    let mut all = vec![
        share(
            Code::HighCpu,
            "cpu",
            facts.cpu.map(|cpu| cpu.used),
            limits.cpu,
            |used| format!("the processors are {used:.0}% busy"),
            |table, used| raise_to(&mut table.cpu, used),
        ),
        share(
            Code::HighMemory,
            "memory",
            facts.memory.map(|memory| memory.used()),
            limits.memory,
            |used| format!("{used:.0}% of the memory is in use"),
            |table, used| raise_to(&mut table.memory, used),
        ),
        share(
            Code::HighSwap,
            "swap",
            facts.swap.map(|swap| swap.used()),
            limits.swap,
            |used| format!("{used:.0}% of the swap is in use"),
            |table, used| raise_to(&mut table.swap, used),
        ),
    ];
    all.push(limits.load.map(|limit| Measure {
        code: Code::HighLoad,
        name: "load",
        used: facts.load_per_processor(),
        max: limit.max.value(),
        span: limit.r#for,
        title: |used| format!("{used:.1} tasks for each processor run or wait"),
        unit: "",
        raised: |table, used| {
            if let Some(limit) = &mut table.load {
                limit.max = super::Load::new((used * 10.0).ceil() / 10.0);
            }
        },
    }));
    all.into_iter().flatten().collect()
}

fn raise_to(limit: &mut Option<Limit>, used: f64) {
    if let Some(limit) = limit {
        limit.max = at_least(used);
    }
}

/// The share to write into a rule that allows `used`.
fn at_least(used: f64) -> Percent {
    Percent::new(used.ceil().clamp(0.0, 100.0))
}

impl Measure {
    fn finding(&self, placed: &Placed<Resources>, facts: &ResourceFacts, since: Timestamp) -> Finding {
        let used = self.used.unwrap_or_default();
        let (max, unit) = (self.max, self.unit);
        let title = match self.span.as_secs() {
            0 => format!("{}, more than {max}{unit}", (self.title)(used)),
            _ => format!(
                "{}, and it has been over {max}{unit} for {} or longer",
                (self.title)(used),
                self.span
            ),
        };
        let mut changed = placed.rule.clone();
        (self.raised)(&mut changed, used);
        let (who, consumers) = match self.code {
            Code::HighMemory => ("most memory", &facts.biggest),
            Code::HighSwap => ("most swap", &facts.most_swapped),
            _ => ("busiest", &facts.busiest),
        };
        let of = match self.code {
            Code::HighMemory => facts.memory,
            Code::HighSwap => facts.swap,
            _ => None,
        };
        let is_busy = matches!(self.code, Code::HighCpu | Code::HighLoad);
        let cpu = facts.cpu.filter(|_| is_busy);
        let load =
            facts.load.filter(|_| is_busy).map(|[one, five, fifteen]| format!("{one} {five} {fifteen}"));
        let pressure = facts.pressure.map(|pressure| {
            format!("cpu {}%, memory {}%, disks {}%", pressure.cpu, pressure.memory, pressure.io)
        });
        Finding::new(self.code, self.name, title)
            .with("now", format!("{}{unit}", (used * 10.0).round() / 10.0))
            .with("limit", format!("{max}{unit} for {}", self.span))
            .with("over since", since.to_string())
            .with("left", of.map(|room| format!("{} of {}", bytes(room.available), bytes(room.total))))
            .with(who, consumers.iter().map(called).collect::<Vec<_>>())
            .with("processors", is_busy.then_some(facts.processors))
            .with(
                "waiting for disks",
                cpu.filter(|cpu| cpu.waiting > 0.0).map(|cpu| format!("{}%", cpu.waiting)),
            )
            .with(
                "taken by other machines",
                cpu.filter(|cpu| cpu.stolen > 0.0).map(|cpu| format!("{}%", cpu.stolen)),
            )
            .with("load over 1, 5 and 15 minutes", load)
            .with("stood still in the last minute for want of", pressure)
            .nearest(Some(Nearest {
                rule: format!("resources ({})", placed.origin),
                why_not: format!("{} may be at most {max}{unit}", self.name),
            }))
            .suggest(format!(
                "# instead of the table at {}\n{}",
                placed.origin,
                to_toml("[resources]", &changed)
            ))
    }
}

fn called(consumer: &Consumer) -> String {
    format!("{}% {} ({}, {})", consumer.share, consumer.executable, consumer.pid, consumer.user)
}

/// Limits that do not hold any more would else be silence.
fn expired(placed: &Placed<Resources>) -> Finding {
    let mut changed = placed.rule.clone();
    changed.expires = None;
    let title = "the limits of processors and memory have expired, and nothing holds in their place";
    Finding::new(Code::CoverageGap, "expired resources", title)
        .severity(Severity::Notice)
        .with("rule", placed.origin.to_string())
        .with("expired on", placed.rule.expires.map(|last| last.to_string()))
        .suggest(format!("# instead of the table at {}\n{}", placed.origin, to_toml("[resources]", &changed)))
}

/// What of a disk a rule may limit.
struct Aspect {
    name: &'static str,
    room: fn(&Disk) -> Option<Room>,
    max: fn(&DiskRule) -> Option<Percent>,
    title: fn(&Disk, Room) -> String,
    suggest: fn(Pattern, Percent) -> DiskRule,
}

const ASPECTS: [Aspect; 2] = [
    Aspect {
        name: "space",
        room: |disk| disk.space,
        max: |rule| rule.max,
        title: |disk, room| {
            format!("disk {} is {:.0}% full, {} left", disk.mount, room.used().floor(), bytes(room.available))
        },
        suggest: |mount, max| rule(mount, Some(max), None),
    },
    Aspect {
        name: "inodes",
        room: |disk| disk.inodes,
        max: |rule| rule.inodes,
        title: |disk, room| {
            format!(
                "disk {} has used {:.0}% of its inodes, {} left",
                disk.mount,
                room.used().floor(),
                room.available
            )
        },
        suggest: |mount, max| rule(mount, None, Some(max)),
    },
];

fn rule(mount: Pattern, max: Option<Percent>, inodes: Option<Percent>) -> DiskRule {
    DiskRule { mount, max, inodes, why: Some("…".to_owned()), by: None, expires: None }
}

fn check_disk(disk: &Disk, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let is_named = |comparison: &mut Comparison, rule: &DiskRule| {
        comparison
            .condition(rule.mount.matches_path(&disk.mount), || format!("it is for {}", rule.mount.as_str()));
    };
    let named = rule::ask(&rules.disk, now, |rule| {
        let mut comparison = Comparison::default();
        is_named(&mut comparison, rule);
        comparison
    });
    if let Verdict::Refused(nearest) = named {
        return unwatched(disk, nearest).into_iter().collect();
    }
    let holds =
        |placed: &&Placed<DiskRule>| placed.rule.mount.matches_path(&disk.mount) && placed.rule.holds(now);
    let mut findings = Vec::new();
    for aspect in &ASPECTS {
        let Some(room) = (aspect.room)(disk) else { continue };
        // A rule that states no limit of this says nothing of it.
        let limits: Vec<&Placed<DiskRule>> =
            rules.disk.iter().filter(holds).filter(|placed| (aspect.max)(&placed.rule).is_some()).collect();
        if limits.is_empty() {
            continue;
        }
        let verdict = rule::ask(limits, now, |rule| {
            let mut comparison = Comparison::default();
            is_named(&mut comparison, rule);
            let max = (aspect.max)(rule).map_or(100.0, Percent::value);
            comparison.condition(room.used() <= max, || format!("it allows at most {max}%"));
            comparison
        });
        if let Verdict::Refused(nearest) = verdict {
            let suggest = (aspect.suggest)(Pattern::literal(&disk.mount), at_least(room.used()));
            let severity = if room.used() >= NEARLY_FULL { Severity::Urgent } else { Severity::Warning };
            let left = match aspect.name {
                "space" => format!("{} of {}", bytes(room.available), bytes(room.total)),
                _ => format!("{} of {}", room.available, room.total),
            };
            findings.push(
                Finding::new(
                    Code::FullDisk,
                    format!("{} {}", disk.mount, aspect.name),
                    (aspect.title)(disk, room),
                )
                .severity(severity)
                .with("used", format!("{:.1}%", room.used()))
                .with("left", left)
                .with("mounted", &disk.device)
                .with("kind", &disk.kind)
                .nearest(nearest)
                .suggest(to_toml("[[disk]]", &suggest)),
            );
        }
    }
    findings
}

/// A disk that may fill up without anybody being told. What fills a file system in memory fills the memory.
fn unwatched(disk: &Disk, nearest: Option<Nearest>) -> Option<Finding> {
    if disk.is_in_memory() {
        return None;
    }
    let full = disk.space.map(|space| format!(" ({:.0}% full)", space.used().floor())).unwrap_or_default();
    let title = format!("nothing says how full disk {}{full} may get", disk.mount);
    Some(
        Finding::new(Code::CoverageGap, format!("unwatched-disk {}", disk.mount), title)
            .severity(Severity::Notice)
            .with("mounted", &disk.device)
            .with("kind", &disk.kind)
            .nearest(nearest)
            .suggest(to_toml("[[disk]]", &learn::rule_for(disk, "…", None))),
    )
}

fn missing(placed: &Placed<DiskRule>, facts: &ResourceFacts, now: Timestamp) -> Option<Finding> {
    let rule = &placed.rule;
    // A pattern is for whatever is there, also nothing. If nothing at all is, it could not be read.
    let is_there = facts.disks.iter().any(|disk| rule.mount.matches_path(&disk.mount));
    if is_there || !rule.holds(now) || rule.mount.as_str().contains('*') || facts.disks.is_empty() {
        return None;
    }
    let mount = rule.mount.as_str();
    Some(
        Finding::new(Code::MissingDisk, mount, format!("no disk is mounted at {mount}"))
            .with("rule", placed.origin.to_string())
            .with("why the rule", &rule.why)
            .suggest(format!("# nothing in place of the rule at {}\n", placed.origin)),
    )
}

/// Bytes for a person.
fn bytes(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB", "TiB"] {
        if number < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{number:.1} {unit}") };
        }
        number /= 1024.0;
    }
    format!("{number:.1} PiB")
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
