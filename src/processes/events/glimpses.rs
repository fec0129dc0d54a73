//! What hides or listens in and lives only for a moment: seen as it starts or takes another name, it waits here for the watch of
//! deception. Bounded: of each kind the first is kept until that pass is stored.

use super::Ticket;
use crate::watch::deception::{Deceit, Program};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many kinds wait for a pass.
const KINDS: usize = 256;

/// What was seen of it.
#[derive(Debug)]
pub struct Glimpses(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    last: Ticket,
    /// Each with the number of the pass it is handed to.
    waiting: Vec<(u64, Deceit)>,
    /// So many were too many.
    missed: u64,
    /// What the threads of the kernel of this host are called.
    threads: Arc<BTreeSet<String>>,
}

impl Glimpses {
    /// Nothing was seen yet. `run` tells this run of the service from others.
    #[must_use]
    pub fn new(run: Timestamp) -> Self {
        let last = Ticket { run: run.as_microsecond(), number: 0 };
        Self(Mutex::new(Inner { last, waiting: Vec::new(), missed: 0, threads: Arc::default() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the threads of the kernel are called, as the last listing had them.
    #[must_use]
    pub fn threads(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.inner().threads)
    }

    /// This was seen.
    pub fn add(&self, deceit: Deceit) {
        let identity = |deceit: &Deceit| (deceit.kind, deceit.what.clone());
        let program = |deceit: &Deceit| deceit.process.clone();
        let mut inner = self.inner();
        let is_known = inner.waiting.iter().any(|(_, other)| {
            let (ours, theirs) = (program(&deceit), program(other));
            identity(other) == identity(&deceit)
                && ours.as_deref().map(Program::of) == theirs.as_deref().map(Program::of)
        });
        if is_known {
            return;
        }
        if inner.waiting.len() >= KINDS {
            drop(inner);
            return self.miss();
        }
        let number = inner.last.number + 1;
        inner.waiting.push((number, deceit));
    }

    /// Something could not be looked at.
    pub fn miss(&self) {
        let mut inner = self.inner();
        inner.missed = inner.missed.saturating_add(1);
    }

    /// What was seen since the pass with this ticket was stored, and how many more were too many to be kept. From now on the
    /// threads of the kernel are called so.
    pub fn take(&self, stored: Ticket, threads: BTreeSet<String>) -> (Ticket, Vec<Deceit>, u64) {
        let mut inner = self.inner();
        inner.threads = Arc::new(threads);
        if stored.run == inner.last.run {
            inner.waiting.retain(|(number, _)| *number > stored.number);
        }
        inner.last.number += 1;
        let deceits = inner.waiting.iter().map(|(_, deceit)| deceit.clone()).collect();
        (inner.last, deceits, std::mem::take(&mut inner.missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use crate::watch::deception::Kind;

    fn deceit(what: String) -> Deceit {
        Deceit { kind: Kind::KernelName, what: Text::new(what), process: None, note: None }
    }

    fn taken(glimpses: &Glimpses, stored: Ticket) -> (Ticket, usize, u64) {
        let (ticket, deceits, missed) = glimpses.take(stored, BTreeSet::new());
        (ticket, deceits.len(), missed)
    }

    #[test]
    fn what_was_not_stored_is_told_again_and_of_each_kind_once() {
        let glimpses = Glimpses::new(Timestamp::UNIX_EPOCH);
        for what in ["kworker/0:1", "kworker/0:1", "kswapd0"] {
            glimpses.add(deceit(what.to_owned()));
        }
        let (first, told, _) = taken(&glimpses, Ticket::default());
        assert_eq!(told, 2);
        glimpses.add(deceit("kauditd".to_owned()));
        assert_eq!(taken(&glimpses, Ticket::default()).1, 3, "the first was not stored");
        let (third, told, _) = taken(&glimpses, first);
        assert_eq!(told, 1, "what came after it");
        assert_eq!(taken(&glimpses, third).1, 0);
    }

    #[test]
    fn a_flood_of_names_fills_no_memory_and_is_counted() {
        let glimpses = Glimpses::new(Timestamp::UNIX_EPOCH);
        (0..1000).for_each(|number| glimpses.add(deceit(format!("kworker/{number}"))));
        let (_, told, missed) = taken(&glimpses, Ticket::default());
        assert_eq!((told, missed), (KINDS, 1000 - KINDS as u64));
    }
}
