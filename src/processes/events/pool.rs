//! What was seen of started processes and waits for a pass. Bounded: thousands of the same kind are one entry with a count, and
//! kinds beyond a limit are counted, with who started them.

mod batch;
mod kind;

use super::glimpses::Glimpses;
use super::{Counts, Ended, Starts, Taken, Unread};
use crate::processes::origin::{Ancestor, Origin};
use crate::processes::{Listing, Process};
use crate::text::Text;
use batch::{Batch, Group};
use jiff::Timestamp;
pub use kind::{Birth, Kind};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many kinds wait for a pass: more than a build of a large program has in a few seconds.
pub const KINDS: usize = 4096;

/// So many kinds are known not to need a pass of their own.
const KNOWN: usize = 8192;

/// Of so many processes the end is waited for.
const RUNNING: usize = 32_768;

/// So many starts may be on their way to us at any moment.
const UNDER_WAY: u64 = 64;

/// Names what was handed to a pass. Only once it comes back, stored with the findings of that pass, is that forgotten here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The run of the service: another one has seen other things.
    pub(super) run: i64,
    pub(super) number: u64,
}

/// Why a pass should not wait for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing that has not been judged before.
    Known,
    /// A kind that was not seen since the policy changed, or as many as can be kept.
    Kind,
}

/// What was seen.
#[derive(Debug)]
pub struct Pool(Mutex<Inner>, Glimpses);

#[derive(Debug)]
struct Inner {
    untold: Option<String>,
    batch: Batch,
    handed: Option<(Ticket, Batch)>,
    last: Ticket,
    known: HashSet<Kind>,
    running: HashMap<u32, Kind>,
    /// Those that run and show themselves otherwise since they were read, until they end or start another program.
    earlier: HashMap<u32, Ended>,
    /// The kernel's count and ours, up to where they were compared.
    kernel: Option<u64>,
    seen: u64,
    has_lost: bool,
    total: Counts,
}

impl Pool {
    /// Nothing was seen yet. `run` tells this run of the service from others.
    #[must_use]
    pub fn new(run: Timestamp) -> Self {
        let inner = Mutex::new(Inner {
            untold: Some("it has only just been asked for".to_owned()),
            batch: Batch::default(),
            handed: None,
            last: Ticket { run: run.as_microsecond(), number: 0 },
            known: HashSet::new(),
            running: HashMap::new(),
            earlier: HashMap::new(),
            kernel: None,
            seen: 0,
            has_lost: false,
            total: Counts::default(),
        });
        Self(inner, Glimpses::new(run))
    }

    /// What hides or listens in, seen in passing.
    #[must_use]
    pub fn glimpses(&self) -> &Glimpses {
        &self.1
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the kernel tells of each start; it has counted so many up to now.
    pub fn told(&self, kernel: Option<u64>) {
        let mut inner = self.inner();
        (inner.untold, inner.kernel, inner.seen) = (None, kernel, 0);
    }

    /// The kernel does not tell us, or no more.
    pub fn untold(&self, why: String) {
        self.inner().untold = Some(why);
    }

    /// A process or a thread was started.
    pub fn started(&self) {
        let mut inner = self.inner();
        inner.batch.counts.seen += 1;
        inner.seen += 1;
    }

    /// A program was started, and this was read of it; `origin` says where it comes from.
    pub fn program(&self, process: &Arc<Process>, birth: Birth, origin: &dyn Fn() -> Arc<Origin>) -> News {
        let mut inner = self.inner();
        inner.batch.counts.programs += 1;
        inner.add(process, birth, origin)
    }

    /// A program was started and had ended before it could be read; of who did it this is known.
    pub fn unread(&self, by: Option<Ancestor>) {
        let mut inner = self.inner();
        inner.batch.counts.programs += 1;
        inner.batch.counts.unread += 1;
        inner.batch.add_unread(by.map(|by| Unread { by, times: 1 }));
    }

    /// A process calls itself otherwise now: it, if it waits here.
    pub fn renamed(&self, pid: u32, name: Text) -> Option<Arc<Process>> {
        let mut inner = self.inner();
        let Inner { running, batch, .. } = &mut *inner;
        let group = running.get(&pid).and_then(|kind| batch.groups.get_mut(kind));
        let group = group.filter(|group| group.process.pid == pid)?;
        Arc::make_mut(&mut group.process).name = name;
        Some(Arc::clone(&group.process))
    }

    /// True if this process started a program of its own that was read, and has not been judged yet.
    pub fn waits_for(&self, pid: u32) -> bool {
        self.inner().running.contains_key(&pid)
    }

    /// A process acts for another user now. One that has only just started a program is of that kind from the beginning: most
    /// servers are started by root and give that up at once.
    pub fn another_user(
        &self,
        process: &Arc<Process>,
        birth: Birth,
        origin: &dyn Fn() -> Arc<Origin>,
    ) -> News {
        let mut inner = self.inner();
        let before = inner.running.get(&process.pid).filter(|before| before.exe == process.exe).cloned();
        let Some(before) = before else { return inner.add(process, birth, origin) };
        // What it showed when it started is what it runs, whatever it shows since.
        let (script, container, files) = (before.script.clone(), before.container, before.files);
        let process = Arc::new(Process { script, container, files, ..Process::clone(process) });
        let kind = Kind::of(&process, birth);
        if before == kind {
            return News::Known;
        }
        inner.running.remove(&process.pid);
        if let Some(group) = inner.batch.groups.get_mut(&before) {
            group.times = group.times.saturating_sub(1);
            group.running = group.running.saturating_sub(1);
            if group.times == 0 {
                inner.batch.groups.remove(&before);
            }
        }
        inner.add(&process, birth, origin)
    }

    /// A process starts another program, which is to be read.
    pub fn starts_another(&self, pid: u32) {
        let mut inner = self.inner();
        inner.earlier.remove(&pid);
        let Some(kind) = inner.running.remove(&pid) else { return };
        if let Some(group) = inner.batch.groups.get_mut(&kind) {
            group.running = group.running.saturating_sub(1);
        }
    }

    /// A process has ended.
    pub fn ended(&self, pid: u32, now: Timestamp) {
        let mut inner = self.inner();
        inner.earlier.remove(&pid);
        let Some(kind) = inner.running.remove(&pid) else { return };
        if let Some(group) = inner.batch.groups.get_mut(&kind) {
            group.running = group.running.saturating_sub(1);
            group.until = Some(now);
        }
    }

    /// So many messages were lost.
    pub fn lost(&self, messages: u64) {
        let mut inner = self.inner();
        inner.batch.counts.lost = inner.batch.counts.lost.saturating_add(messages);
        inner.has_lost = true;
        // Who has ended, or started another program, was perhaps among them.
        inner.running.clear();
        inner.earlier.clear();
    }

    /// True if something was lost since this was asked before.
    pub fn has_lost(&self) -> bool {
        std::mem::take(&mut self.inner().has_lost)
    }

    /// What was known not to need a pass of its own may need one under another policy.
    pub fn forget_known(&self) {
        self.inner().known.clear();
    }

    /// Forgets what was seen: whoever has just started us, or asked us to read anew, is not told of.
    pub fn forget_seen(&self) {
        let mut inner = self.inner();
        inner.batch = Batch::default();
        (inner.kernel, inner.seen) = (None, 0);
        inner.running.clear();
        inner.earlier.clear();
    }

    /// What was seen since the pass with this ticket was stored. `kernel` is the kernel's own count of starts, read just now.
    /// What the listing holds, or what `is_own` says of, is left out.
    pub fn take(
        &self,
        stored: Ticket,
        kernel: Option<u64>,
        listing: &Listing,
        is_own: impl Fn(&Process) -> bool,
    ) -> Taken {
        let mut inner = self.inner();
        let ticket = Ticket { number: inner.last.number + 1, ..inner.last };
        inner.last = ticket;
        if let Some(why) = &inner.untold {
            let starts = Starts::Untold(why.clone());
            let (living, ended, earlier, unread) = Default::default();
            return Taken { ticket, starts, living, ended, earlier, unread, beyond: 0 };
        }
        inner.compare(kernel);
        inner.total = inner.total.plus(inner.batch.counts);
        let before = inner.handed.take().filter(|(handed, _)| *handed != stored).map(|(_, batch)| batch);
        let mut batch = std::mem::take(&mut inner.batch);
        // What was handed over and not stored is handed over again.
        if let Some(before) = before {
            batch.unite(before);
        }
        let (mut living, mut ended, mut earlier) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, group) in batch.groups.iter().filter(|(_, group)| !is_own(&group.process)) {
            let Group { process, origin, times, running, until } = group;
            let listed = listing.get(process.pid).filter(|listed| listed.start == process.start);
            let runs = *running > 0 && inner.running.get(&process.pid) == Some(kind);
            // What is listed is judged as it is there: it may act for another user since. But what it ran when it started is judged as
            // well if it hides that by now.
            let is_listed = listed
                .is_some_and(|listed| Kind::of(listed, kind.birth) == *kind || runs && kind.shows_in(listed));
            let times = times - u64::from(is_listed || runs);
            if runs && listed.is_none() {
                living.push(Arc::clone(process));
            } else if runs && !is_listed {
                let (process, origin) = (Arc::clone(process), Arc::clone(origin));
                earlier.push(Ended { process, origin, times: 1, until: None });
            }
            if times > 0 {
                let (process, origin) = (Arc::clone(process), Arc::clone(origin));
                ended.push(Ended { process, origin, times, until: *until });
            }
        }
        living.sort_by_key(|process| process.pid);
        ended.sort_by_key(|ended| (ended.process.since, ended.process.pid));
        let earlier = inner.hide(earlier, listing);
        let starts = Starts::Told(batch.counts);
        let mut unread = batch.unread.clone();
        unread.sort_by_key(|unread| std::cmp::Reverse(unread.times));
        let beyond = batch.beyond;
        inner.handed = Some((ticket, batch));
        Taken { ticket, starts, living, ended, earlier, unread, beyond }
    }

    /// How the starts were seen in all, up to the last pass.
    #[must_use]
    pub fn in_all(&self) -> Starts {
        let inner = self.inner();
        inner.untold.clone().map_or(Starts::Told(inner.total), Starts::Untold)
    }

    /// Where a process came from that was seen to start and runs still.
    #[must_use]
    pub fn origin(&self, process: &Process) -> Option<Arc<Origin>> {
        let inner = self.inner();
        let kinds = [Birth::Other, Birth::Installation].map(|birth| Kind::of(process, birth));
        let batches = inner.handed.iter().map(|(_, batch)| batch).chain([&inner.batch]);
        let mut groups = batches.flat_map(|batch| kinds.iter().filter_map(|kind| batch.groups.get(kind)));
        let is_it = |group: &&Group| (group.process.pid, group.process.start) == (process.pid, process.start);
        groups.find(is_it).map(|group| Arc::clone(&group.origin))
    }
}

impl Inner {
    fn add(&mut self, process: &Arc<Process>, birth: Birth, origin: &dyn Fn() -> Arc<Origin>) -> News {
        let kind = Kind::of(process, birth);
        let kinds = self.batch.groups.len();
        match self.batch.groups.get_mut(&kind) {
            Some(group) => group.times = group.times.saturating_add(1),
            None if kinds >= KINDS => {
                self.batch.beyond = self.batch.beyond.saturating_add(1);
                let by = origin().ancestors.first().cloned();
                self.batch.add_unread(by.map(|by| Unread { by, times: 1 }));
                // A pass makes room.
                return News::Kind;
            }
            None => {
                let (process, origin) = (Arc::clone(process), origin());
                self.batch
                    .groups
                    .insert(kind.clone(), Group { process, origin, times: 1, running: 0, until: None });
            }
        }
        if self.running.len() < RUNNING {
            let before = self.running.insert(process.pid, kind.clone());
            // It runs this now, and what it ran before no more.
            if let Some(group) = before.and_then(|before| self.batch.groups.get_mut(&before)) {
                group.running = group.running.saturating_sub(1);
            }
            if let Some(group) = self.batch.groups.get_mut(&kind) {
                group.running += 1;
            }
        }
        if self.known.contains(&kind) {
            // A pass makes room before it is too late.
            return if kinds == KINDS / 2 { News::Kind } else { News::Known };
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(kind);
        News::Kind
    }

    /// Adds those that show themselves otherwise now, and returns all of them that are listed: told of for as long as they run.
    fn hide(&mut self, new: Vec<Ended>, listing: &Listing) -> Vec<Ended> {
        let runs =
            |process: &Process| listing.get(process.pid).is_some_and(|listed| listed.start == process.start);
        self.earlier.retain(|_, hidden| runs(&hidden.process));
        let mut too_many = Vec::new();
        for hidden in new {
            let pid = hidden.process.pid;
            if self.earlier.len() < KINDS || self.earlier.contains_key(&pid) {
                self.earlier.insert(pid, hidden);
            } else {
                too_many.push(hidden);
            }
        }
        let mut all: Vec<Ended> = self.earlier.values().cloned().chain(too_many).collect();
        all.sort_by_key(|hidden| hidden.process.pid);
        all
    }

    /// Holds our count against the kernel's. A few starts are always on their way to us, and no loss.
    fn compare(&mut self, kernel: Option<u64>) {
        let counts = &mut self.batch.counts;
        let started = self.kernel.zip(kernel).map(|(before, now)| now.saturating_sub(before));
        let missing = started.map_or(0, |started| started.saturating_sub(self.seen));
        if counts.lost > 0 || missing > UNDER_WAY {
            counts.started = counts.seen.saturating_add(missing);
            (self.kernel, self.seen) = (kernel, 0);
        } else {
            counts.started = counts.seen;
            // What is on its way stays in the account.
            if self.kernel.is_none() {
                (self.kernel, self.seen) = (kernel, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
