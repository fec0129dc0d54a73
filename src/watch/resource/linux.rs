//! Reading processor, memory and disk use of a Linux host.

pub mod consumer;
pub mod disk;
pub mod parse;

use super::{Cpu, Pressure, ResourceFacts, Rules};
use crate::coverage::Gap;
use crate::text::Text;
use crate::watch::{Look, Seen};
pub use disk::Asking;
use parse::Ticks;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// With nothing to compare with yet, processor time is measured over so long.
pub const MOMENT: Duration = Duration::from_millis(200);

/// What is remembered to compare processor time with.
#[derive(Default, Serialize, Deserialize)]
struct Before {
    boot: Text,
    ticks: Option<Ticks>,
}

/// Looks at everything.
pub fn look(look: &mut Look<Rules>, asking: &mut disk::Asking) -> Seen<ResourceFacts> {
    let mut missing = Vec::new();
    let mut facts = ResourceFacts::default();
    match read_cpu(look) {
        Ok((processors, cpu)) => {
            facts.processors = processors;
            facts.cpu = cpu;
        }
        Err(error) => missing.push(format!("/proc/stat: {error}")),
    }
    match read(look, "/proc/meminfo", parse::parse_meminfo) {
        Ok((memory, swap)) => {
            facts.memory = Some(memory);
            facts.swap = swap;
        }
        Err(error) => missing.push(format!("/proc/meminfo: {error}")),
    }
    match read(look, "/proc/loadavg", parse::parse_loadavg) {
        Ok(load) => facts.load = Some(load),
        Err(error) => missing.push(format!("/proc/loadavg: {error}")),
    }
    // Kernels without it are many, and it is evidence only.
    let pressure = |what| read(look, &format!("/proc/pressure/{what}"), parse::parse_pressure).ok();
    facts.pressure =
        (|| Some(Pressure { cpu: pressure("cpu")?, memory: pressure("memory")?, io: pressure("io")? }))();
    match disk::read_disks(look.host, &look.rules.disk, asking, look.gaps) {
        Ok(disks) => facts.disks = disks,
        Err(error) => missing.push(format!("/proc/self/mountinfo: {error}")),
    }
    if missing.len() == 4 {
        return Seen::Failed(missing.join("; "));
    }
    if !missing.is_empty() {
        look.gaps.push(Gap {
            gap: "resource-not-read".to_owned(),
            seen: 4 - missing.len() as u64,
            of: 4,
            why: missing.join("; "),
        });
    }
    super::consumer::find(look, &mut facts);
    Seen::Facts(facts)
}

fn read<T>(look: &Look<Rules>, file: &str, parse: fn(&[u8]) -> Option<T>) -> io::Result<T> {
    parse(&look.host.read(file)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// How many processors there are, and how busy they were since the pass before.
fn read_cpu(look: &mut Look<Rules>) -> io::Result<(u32, Option<Cpu>)> {
    let before: Before = look.memory.recall();
    let boot = look.host.boot_id();
    let (mut ticks, processors) = read(look, "/proc/stat", parse::parse_stat)?;
    let share = |from: Ticks, to: Ticks| {
        parse::cpu_between(from, to, processors, rustix::param::clock_ticks_per_second())
    };
    let since_before = before.ticks.filter(|_| before.boot == boot).and_then(|before| share(before, ticks));
    let cpu = if let Some(cpu) = since_before {
        Some(cpu)
    } else {
        let first = ticks;
        std::thread::sleep(MOMENT);
        ticks = read(look, "/proc/stat", parse::parse_stat)?.0;
        share(first, ticks)
    };
    look.memory.keep(&Before { boot, ticks: Some(ticks) });
    Ok((processors, cpu))
}
