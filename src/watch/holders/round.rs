//! Whose open files are still to be looked through.

use std::collections::{HashSet, VecDeque};

/// So many files of each process are looked through before all of those that have more open.
const FEW: usize = 4096;

/// Processes whose turn comes.
pub struct Round {
    waiting: VecDeque<u32>,
    /// Those that have many files open.
    large: VecDeque<u32>,
    /// How many there were.
    count: usize,
    is_of_all: bool,
    pub few: usize,
}

impl Default for Round {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), large: VecDeque::new(), count: 0, is_of_all: false, few: FEW }
    }
}

impl Round {
    /// All of these have their turn.
    pub fn begin(&mut self, all: VecDeque<u32>) {
        self.count = all.len();
        self.waiting = all;
        self.is_of_all = true;
    }

    /// True until all had their turn that were there when that began.
    pub fn is_of_all(&self) -> bool {
        self.is_of_all
    }

    /// True if nobody waits.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.large.is_empty()
    }

    /// True if it was one of all and has just ended.
    pub fn has_ended(&mut self) -> bool {
        self.is_over() && std::mem::take(&mut self.is_of_all)
    }

    /// How many had their turn, and of how many.
    pub fn progress(&self) -> (usize, usize) {
        (self.count.saturating_sub(self.waiting.len() + self.large.len()), self.count)
    }

    /// These wait as well, among `processes` in all.
    pub fn add(&mut self, pids: Vec<u32>, processes: usize) {
        self.count += pids.len();
        self.waiting.extend(pids);
        // Numbers are given again.
        if self.waiting.len() > 2 * processes {
            let (before, mut seen) = (self.waiting.len(), HashSet::new());
            self.waiting.retain(|pid| seen.insert(*pid));
            self.count = self.count.saturating_sub(before - self.waiting.len());
        }
    }

    /// This one has more open than was looked through.
    pub fn add_large(&mut self, pid: u32) {
        if !self.large.contains(&pid) {
            self.large.push_back(pid);
        }
    }

    /// The next one, and how many of its files are looked through now.
    pub fn next(&mut self) -> Option<(u32, usize)> {
        let waiting = self.waiting.pop_front().map(|pid| (pid, self.few));
        waiting.or_else(|| self.large.pop_front().map(|pid| (pid, usize::MAX)))
    }
}
