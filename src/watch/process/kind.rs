//! What makes processes the same thing. Thousands of processes are few different ones, and each kind is dealt with once.

use crate::processes::{Executable, Files, Process};
use crate::text::Text;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// What makes processes the same thing to a person: one finding for all of them.
pub type Identity<'a> = (&'a Executable, Option<&'a Text>, &'a Text, bool);

/// The same thing to a person.
pub fn identity(process: &Process) -> Identity<'_> {
    (&process.exe, process.script.as_ref(), &process.user, process.container)
}

/// What a rule can tell from another of what is to be seen of a process: also the unit, and the very files.
pub type Kind<'a> = (Identity<'a>, Option<&'a Text>, Option<Files>);

/// The same thing to a rule.
pub fn kind(process: &Process) -> Kind<'_> {
    (identity(process), process.unit.as_ref(), process.files)
}

/// Kinds of processes, and where each stands among what is known of them. Those that lie side by side are mostly of one kind.
pub struct Kinds<K> {
    places: HashMap<K, usize>,
    last: Option<(K, usize)>,
}

impl<K: Copy + Eq + Hash> Kinds<K> {
    pub fn new() -> Self {
        Self { places: HashMap::new(), last: None }
    }

    /// The place of this kind. If it is new, it is the next one.
    pub fn place(&mut self, kind: K) -> usize {
        if let Some((_, place)) = self.last.filter(|(last, _)| *last == kind) {
            return place;
        }
        let next = self.places.len();
        let place = *self.places.entry(kind).or_insert(next);
        self.last = Some((kind, place));
        place
    }
}

/// Of each kind of process that runs the first one.
pub fn firsts(processes: &[Arc<Process>]) -> Vec<Arc<Process>> {
    let (mut kinds, mut firsts) = (Kinds::new(), Vec::new());
    for process in processes {
        if kinds.place(kind(process)) == firsts.len() {
            firsts.push(Arc::clone(process));
        }
    }
    firsts
}
