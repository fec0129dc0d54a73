//! What was seen since a pass was last handed all of it.

use super::Kind;
use crate::processes::Process;
use crate::processes::events::{Counts, Unread};
use crate::processes::origin::Origin;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Of so many who start programs that end unread it is told how many these were.
pub(super) const STARTERS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) groups: HashMap<Kind, Group>,
    pub(super) counts: Counts,
    pub(super) unread: Vec<Unread>,
    /// So many were of too many kinds.
    pub(super) beyond: u64,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) process: Arc<Process>,
    pub(super) origin: Arc<Origin>,
    pub(super) times: u64,
    pub(super) running: u64,
    pub(super) until: Option<Timestamp>,
}

impl Batch {
    pub(super) fn add_unread(&mut self, others: impl IntoIterator<Item = Unread>) {
        for other in others {
            if let Some(unread) = self.unread.iter_mut().find(|unread| unread.by == other.by) {
                unread.times = unread.times.saturating_add(other.times);
            } else if self.unread.len() < STARTERS {
                self.unread.push(other);
            }
        }
    }

    pub(super) fn unite(&mut self, before: Self) {
        self.counts = self.counts.plus(before.counts);
        self.beyond = self.beyond.saturating_add(before.beyond);
        self.add_unread(before.unread);
        for (kind, group) in before.groups {
            match self.groups.get_mut(&kind) {
                Some(later) => {
                    later.times = later.times.saturating_add(group.times);
                    later.until = later.until.max(group.until);
                }
                None => {
                    self.groups.insert(kind, group);
                }
            }
        }
    }
}
