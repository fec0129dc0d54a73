//! Of which processes the kernel has told something since the last look: only these need be read again, for as long as it is sure
//! that we are told of everything.
//!
//! That is not taken on trust. Before each look the kernel is made to tell us something of ourselves: what was told before that has
//! been heard when that is heard. Whoever makes it silent for others must make it talk again, and is heard then.

use super::message::{Message, What};
use rustix::thread::{name, set_name};
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So long our own word is waited for. Without it all are read, which takes no longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// More than so many processes are not worth a list.
const MOST: usize = 65_536;

/// What the kernel told of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It runs another program, or the same one anew.
    Program,
    /// Anything else.
    Other,
}

/// The processes of which something was told.
#[derive(Debug, Default)]
pub struct Changes {
    inner: Mutex<Inner>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    is_told: bool,
    /// Nothing was lost since this was asked.
    is_sure: bool,
    changed: HashMap<u32, Change>,
    /// The name by which our own word is known, until it is heard.
    asked: Option<CString>,
}

impl Changes {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the kernel tells us, or no more. What happened before we do not know.
    pub fn told(&self, is_told: bool) {
        *self.inner() = Inner { is_told, ..Inner::default() };
        self.answered.notify_all();
    }

    /// Something was lost.
    pub fn lost(&self) {
        self.inner().forget();
    }

    /// The kernel tells this.
    pub fn hear(&self, message: &Message) {
        let mut inner = self.inner();
        match message.what {
            // Somebody else begins to listen, or ends: the kernel may have been silent before that.
            What::Answer { .. } => return inner.forget(),
            What::Name { process, name, .. } if process == std::process::id() && inner.is_asked(&name) => {
                inner.asked = None;
                self.answered.notify_all();
            }
            // A thread more changes nothing of what there is to know; when one ends, its process may have ended.
            What::Fork { is_process: false, .. } => return,
            _ => {}
        }
        let is_program = matches!(message.what, What::Exec(_));
        let change = inner.changed.entry(message.about).or_insert(Change::Other);
        if is_program {
            *change = Change::Program;
        }
        if inner.changed.len() > MOST {
            inner.forget();
        }
    }

    /// Those of which something was told since this was asked before; nothing if others may have changed as well.
    pub fn since_asked(&self) -> Option<HashMap<u32, Change>> {
        if !self.inner().is_told {
            return None;
        }
        let is_answered = self.ask().is_some();
        let mut inner = self.inner();
        inner.asked = None;
        let (changed, is_sure) =
            (std::mem::take(&mut inner.changed), std::mem::replace(&mut inner.is_sure, true));
        (is_answered && is_sure && inner.is_told).then_some(changed)
    }

    /// Makes the kernel tell us something, and waits until that is heard: this thread is called otherwise for a moment.
    fn ask(&self) -> Option<()> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let word = CString::new(format!("look {:x}", LAST.fetch_add(1, Ordering::Relaxed))).ok()?;
        let usual = name().ok()?;
        self.inner().asked = Some(word.clone());
        let is_said = set_name(&word);
        set_name(&usual).and(is_said).ok()?;
        let wait = self
            .answered
            .wait_timeout_while(self.inner(), PATIENCE, |inner| inner.asked.is_some() && inner.is_told);
        let (inner, _) = wait.unwrap_or_else(PoisonError::into_inner);
        inner.asked.is_none().then_some(())
    }
}

impl Inner {
    fn is_asked(&self, name: &[u8; 16]) -> bool {
        self.asked.as_ref().is_some_and(|asked| name.starts_with(asked.as_bytes_with_nul()))
    }

    fn forget(&mut self) {
        self.is_sure = false;
        self.changed = HashMap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(told: &Changes, about: u32, what: What) {
        told.hear(&Message { number: 0, processor: 0, about, what });
    }

    /// What is known after this was heard, with the kernel's answer played.
    fn since(told: &Changes, heard: &[(u32, What)]) -> Option<Vec<(u32, Change)>> {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (about, what) in heard {
                    hear(told, *about, *what);
                }
                let asked = loop {
                    match told.inner().asked.clone() {
                        Some(asked) => break asked,
                        None => std::thread::yield_now(),
                    }
                };
                let mut name = [0; 16];
                name[..asked.count_bytes()].copy_from_slice(asked.as_bytes());
                let process = std::process::id();
                hear(told, process, What::Name { process, name, is_process: false });
            });
            let mut changed: Vec<_> = told.since_asked()?.into_iter().collect();
            changed.retain(|(pid, _)| *pid != std::process::id());
            changed.sort_unstable_by_key(|(pid, _)| *pid);
            Some(changed)
        })
    }

    #[test]
    fn only_what_was_told_of_has_changed_until_something_is_lost() {
        let told = Changes::default();
        assert_eq!(told.since_asked(), None, "nobody tells us");
        told.told(true);
        assert_eq!(since(&told, &[]), None, "what was before is not known");
        assert_eq!(since(&told, &[]), Some(vec![]));
        let thread = What::Fork { parent: 5, child: 5, is_process: false };
        let heard = [(7, What::Exec(7)), (7, What::Other), (8, What::Exit(8)), (5, thread), (6, What::Other)];
        let changed = [(6, Change::Other), (7, Change::Program), (8, Change::Other)];
        assert_eq!(since(&told, &heard), Some(changed.to_vec()));
        told.lost();
        assert_eq!(since(&told, &[(9, What::Other)]), None, "something was lost");
        assert_eq!(since(&told, &[]), Some(vec![]), "and after a look at all it is sure again");
    }

    #[test]
    fn a_kernel_that_may_have_been_silent_is_not_believed() {
        let told = Changes::default();
        told.told(true);
        assert_eq!(since(&told, &[]), None);
        // Somebody began to listen, or ended that: the kernel counts those who do, and may have been at none.
        assert_eq!(since(&told, &[(0, What::Answer { error: 0, to: 1 })]), None);
        assert_eq!(since(&told, &[]), Some(vec![]));
        let before = std::fs::read("/proc/thread-self/comm").unwrap();
        assert_eq!(told.since_asked(), None, "our own word was not heard");
        assert_eq!(std::fs::read("/proc/thread-self/comm").unwrap(), before);
        // An old word that comes late is not taken for the new one.
        let mut name = [0; 16];
        name[..6].copy_from_slice(b"look 0");
        hear(&told, std::process::id(), What::Name { process: std::process::id(), name, is_process: false });
        assert_eq!(told.since_asked(), None);
        told.told(false);
        assert_eq!(told.since_asked(), None);
    }

    #[test]
    fn a_storm_of_processes_fills_no_memory() {
        let told = Changes::default();
        told.told(true);
        assert_eq!(since(&told, &[]), None);
        (0..200_000).for_each(|pid| hear(&told, pid, What::Other));
        assert!(told.inner().changed.len() <= MOST);
        assert_eq!(since(&told, &[]), None);
    }
}
