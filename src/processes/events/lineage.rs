//! Who started whom, remembered beyond their end: a process whose parent has ended is given another one, and nothing on the host
//! tells any more who it was. Bounded: of those that have ended the last few thousand are kept.

use crate::processes::Process;
use crate::processes::origin::{ANCESTORS, Ancestor, called, is_typed};
use crate::text::Text;
use std::collections::{HashMap, VecDeque};

/// So many are kept in all; a host that has more processes than that is not told of ancestors that are new.
const MOST: usize = 65_536;

/// So many of those that have ended are kept.
const ENDED: usize = 4096;

/// The processes of which we were told.
#[derive(Debug, Default)]
pub struct Lineage {
    known: HashMap<u32, Known>,
    ended: VecDeque<(u32, u64)>,
    /// A number is given again to another process: which of them it is.
    last: u64,
}

/// What one who started others runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its path, or the name it gives itself.
    what: Text,
    user: Text,
    /// Somebody types there.
    typed: bool,
}

impl Program {
    /// The program of this process.
    pub fn of(process: &Process) -> Self {
        Self { what: called(process), user: process.user.clone(), typed: is_typed(process) }
    }
}

#[derive(Debug, Clone)]
struct Known {
    which: u64,
    parent: u32,
    /// Which of those with that number; none if it was not known then.
    which_parent: Option<u64>,
    program: Option<Program>,
    ended: bool,
}

impl Lineage {
    /// A process started another one, which runs the same program as yet.
    pub fn fork(&mut self, parent: u32, child: u32) {
        if self.known.len() >= MOST && !self.known.contains_key(&child) {
            return;
        }
        self.last += 1;
        let which_parent = self.known.get(&parent).map(|known| known.which);
        let program = self.known.get(&parent).and_then(|known| known.program.clone());
        self.known.insert(child, Known { which: self.last, parent, which_parent, program, ended: false });
    }

    /// It runs this program now, as this user; `parent` is who it belongs to, should we not know who started it.
    pub fn runs(&mut self, pid: u32, parent: u32, program: Option<Program>) {
        if let Some(known) = self.known.get_mut(&pid) {
            known.program = program;
        } else if self.known.len() < MOST {
            self.last += 1;
            let which_parent = self.known.get(&parent).map(|known| known.which);
            self.known.insert(pid, Known { which: self.last, parent, which_parent, program, ended: false });
        }
    }

    /// It runs another program now, which is not read yet; nor is what it starts meanwhile.
    pub fn unread(&mut self, pid: u32) {
        if let Some(known) = self.known.get_mut(&pid) {
            known.program = None;
        }
    }

    /// It has ended.
    pub fn ended(&mut self, pid: u32) {
        let Some(known) = self.known.get_mut(&pid) else { return };
        known.ended = true;
        self.ended.push_back((pid, known.which));
        if self.ended.len() > ENDED
            && let Some((pid, which)) = self.ended.pop_front()
            && self.known.get(&pid).is_some_and(|known| known.which == which)
        {
            self.known.remove(&pid);
        }
    }

    /// Who started it, if that is known.
    pub fn parent(&self, pid: u32) -> Option<u32> {
        self.known.get(&pid).map(|known| known.parent)
    }

    /// True if it is known what this one runs.
    pub fn knows(&self, pid: u32) -> bool {
        self.known.get(&pid).is_some_and(|known| known.program.is_some())
    }

    /// Those who started it, the nearest first.
    pub fn ancestors(&self, pid: u32) -> Vec<Ancestor> {
        let mut found = Vec::new();
        let mut child = self.known.get(&pid);
        while let Some(known) = child.filter(|known| known.parent != 0 && found.len() < ANCESTORS) {
            let parent = self.known.get(&known.parent);
            // Its number may be another's by now.
            let is_it = |parent: &&Known| known.which_parent.is_none_or(|which| which == parent.which);
            let has_ended = parent.is_none_or(|parent| parent.ended || !is_it(&parent));
            let parent = parent.filter(is_it);
            let unseen = || Program { what: "(not seen)".into(), user: "(not seen)".into(), typed: false };
            let Program { what, user, typed } =
                parent.and_then(|parent| parent.program.clone()).unwrap_or_else(unseen);
            let ended = has_ended && known.which_parent.is_some();
            found.push(Ancestor { pid: known.parent, what, user, ended, typed });
            child = parent;
        }
        found
    }

    /// After a loss nothing of it is sure.
    pub fn forget(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(lineage: &mut Lineage, pid: u32, parent: u32, path: &str) {
        lineage.runs(pid, parent, Some(Program { what: path.into(), user: "root".into(), typed: false }));
    }

    fn shown(lineage: &Lineage, pid: u32) -> Vec<String> {
        let show = |a: Ancestor| format!("{} {}{}", a.pid, a.what, if a.ended { " ended" } else { "" });
        lineage.ancestors(pid).into_iter().map(show).collect()
    }

    #[test]
    fn parents_that_have_ended_are_remembered() {
        let mut lineage = Lineage::default();
        runs(&mut lineage, 1, 0, "/sbin/init");
        runs(&mut lineage, 10, 1, "/usr/sbin/sshd");
        lineage.fork(10, 20);
        runs(&mut lineage, 20, 10, "/bin/sh");
        lineage.fork(20, 30);
        lineage.ended(20);
        assert_eq!(shown(&lineage, 30), ["20 /bin/sh ended", "10 /usr/sbin/sshd", "1 /sbin/init"]);
        // Its number is another's now, and the child of the old one does not become the new one's.
        lineage.fork(1, 20);
        assert_eq!(shown(&lineage, 20), ["1 /sbin/init"]);
        assert_eq!(shown(&lineage, 30), ["20 (not seen) ended"]);
    }

    #[test]
    fn what_is_started_before_its_parent_is_read_is_not_taken_for_what_the_parent_was() {
        let mut lineage = Lineage::default();
        runs(&mut lineage, 10, 1, "/usr/bin/bash");
        lineage.unread(10);
        lineage.fork(10, 20);
        runs(&mut lineage, 10, 1, "/tmp/x");
        assert!(lineage.knows(10) && !lineage.knows(20));
    }

    #[test]
    fn a_fork_bomb_fills_no_memory() {
        let mut lineage = Lineage::default();
        for pid in 2..200_000 {
            lineage.fork(pid - 1, pid);
        }
        assert_eq!(lineage.known.len(), MOST);
        for pid in 2..200_000 {
            lineage.ended(pid);
        }
        assert_eq!((lineage.known.len(), lineage.ended.len()), (ENDED, ENDED));
    }
}
