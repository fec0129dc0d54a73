//! The processes that use most: evidence, read only when something is used up.

use super::{Consumer, Load, ResourceFacts, Rules, system, tenth};
use crate::processes::{Executable, Listing, Process};
use crate::text::Text;
use crate::watch::Look;
use std::cmp::Reverse;

/// So many are named.
const NAMED: usize = 3;

/// Who it is that uses so much is worth reading only once it is too much.
pub fn find(look: &Look<Rules>, facts: &mut ResourceFacts) {
    let Some(limits) = &look.rules.resources else { return };
    let limits = &limits.rule;
    let is_over = |used: Option<f64>, max: Option<f64>| used.zip(max).is_some_and(|(used, max)| used > max);
    let busy = is_over(facts.cpu.map(|cpu| cpu.used), limits.cpu.map(|limit| limit.max.value()));
    let waited = is_over(facts.load_per_processor(), limits.load.map(|limit| Load::value(limit.max)));
    let big = is_over(facts.memory.map(|room| room.used()), limits.memory.map(|limit| limit.max.value()));
    let swapped = is_over(facts.swap.map(|room| room.used()), limits.swap.map(|limit| limit.max.value()));
    if !(busy || waited || big || swapped) {
        return;
    }
    let Ok(listing) = look.processes.now(look.host) else { return };
    if busy || waited {
        facts.busiest = system::consumer::busiest(look.host, &listing, facts.processors);
    }
    if let Some(memory) = facts.memory.filter(|_| big) {
        facts.biggest = system::consumer::biggest(look.host, &listing, memory.total);
    }
    if let Some(swap) = facts.swap.filter(|_| swapped) {
        facts.most_swapped = system::consumer::most_swapped(look.host, &listing, swap.total);
    }
}

/// Those that use most, each with its share of `total`.
pub fn most(listing: &Listing, mut used: Vec<(u32, u64)>, total: f64) -> Vec<Consumer> {
    used.retain(|(_, used)| *used > 0);
    used.sort_by_key(|(pid, used)| (Reverse(*used), *pid));
    let consumer = |(pid, used): (u32, u64)| {
        let process = listing.get(pid)?;
        let share = tenth((used as f64 / total.max(1.0) * 100.0).min(100.0));
        Some(Consumer { pid, executable: name(process), user: process.user.clone(), share })
    };
    used.into_iter().take(NAMED).filter_map(consumer).collect()
}

/// Where its code comes from; a kernel thread's own name, which only the kernel gives.
fn name(process: &Process) -> Text {
    match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => path.clone(),
        Executable::Memory(name) => Text::new([b"memfd:", &name.to_bytes()[..]].concat()),
        Executable::Kernel => Text::new([b"[", &process.name.to_bytes()[..], b"]"].concat()),
        Executable::Unreadable(_) => Text::new([b"(", &process.name.to_bytes()[..], b")"].concat()),
    }
}
