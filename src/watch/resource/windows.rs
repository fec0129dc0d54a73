//! Reading processor, memory and disk use of a Windows host. Windows counts neither load nor pressure.

pub mod consumer;
mod disk;

use super::times::{self, Times};
use super::{Cpu, ResourceFacts, Room, Rules};
use crate::coverage::Gap;
use crate::text::Text;
use crate::watch::{Look, Seen};
use crate::win32::{ram, usage};
pub use disk::Asking;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// With nothing to compare with yet, processor time is measured over so long.
const MOMENT: Duration = Duration::from_millis(300);

/// What is remembered to compare processor time with.
#[derive(Default, Serialize, Deserialize)]
struct Before {
    boot: Text,
    times: Option<Times>,
}

/// Looks at everything.
pub fn look(look: &mut Look<Rules>, asking: &mut Asking) -> Seen<ResourceFacts> {
    let mut missing = Vec::new();
    let mut facts = ResourceFacts { processors: usage::processors(), ..ResourceFacts::default() };
    match read_cpu(look, facts.processors) {
        Ok(cpu) => facts.cpu = cpu,
        Err(error) => missing.push(format!("processor time: {error}")),
    }
    let room = |amount: ram::Amount| Room { total: amount.total, available: amount.available };
    match ram::physical() {
        Ok(amount) => facts.memory = Some(room(amount)),
        Err(error) => missing.push(format!("memory: {error}")),
    }
    match ram::page_files() {
        Ok(amount) => facts.swap = Some(room(amount)).filter(|room| room.total > 0),
        Err(error) => missing.push(format!("page files: {error}")),
    }
    match disk::read_disks(&look.rules.disk, asking, look.gaps) {
        Ok(disks) => facts.disks = disks,
        Err(error) => missing.push(format!("volumes: {error}")),
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
    let limits_load = |limits: &super::Resources| limits.load.is_some() && limits.expires.is_none();
    if look.rules.resources.as_ref().is_some_and(|placed| limits_load(&placed.rule)) {
        look.gaps.push(Gap {
            gap: "no-load".to_owned(),
            seen: 0,
            of: 1,
            why: "Windows does not count load, so the limit of it is held against nothing: limit cpu instead"
                .to_owned(),
        });
    }
    super::consumer::find(look, &mut facts);
    Seen::Facts(facts)
}

/// How busy the processors were since the pass before.
fn read_cpu(look: &mut Look<Rules>, processors: u32) -> io::Result<Option<Cpu>> {
    let read = || -> io::Result<Times> {
        let (idle, kernel, user) = usage::processor_times()?;
        Ok(Times { idle, kernel, user })
    };
    let before: Before = look.memory.recall();
    let boot = look.host.boot_id();
    let mut now = read()?;
    let earlier = before.times.filter(|_| before.boot == boot);
    let mut cpu = earlier.and_then(|earlier| times::between(earlier, now, processors));
    if cpu.is_none() {
        let first = now;
        std::thread::sleep(MOMENT);
        now = read()?;
        cpu = times::between(first, now, processors);
    }
    look.memory.keep(&Before { boot, times: Some(now) });
    Ok(cpu)
}
