//! Listening to the process connector of Linux. The kernel tells of each start and end; what there is to know of a process must
//! be read from `/proc` while it lives, so the newest is read first: the others have had their chance.

mod connector;
mod lent;
mod share;

use super::Starts;
use super::changes::Changes;
use super::lineage::{Lineage, Program};
use super::message::{Message, What};
use super::pool::{Birth, News, Pool};
use crate::host::Host;
use crate::processes::linux::{Moment, Reader};
use crate::processes::origin::{ANCESTORS, Ancestor, Origin, source};
use crate::processes::{Process, parse};
use crate::text::Text;
use crate::watch::deception::linux::shell;
use crate::watch::deception::{Deceit, Kind, kernel_name};
use connector::{Connector, Refusal};
pub use lent::lend;
use rustix::io::Errno;
use rustix::process::setpriority_process;
use share::Share;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// What holds for all processes, like the names of users, is looked up again after so long.
const ANEW: Duration = Duration::from_secs(30);

/// Before all others that share the processor with us.
const FIRST: i32 = -20;

/// After so many messages one of the processes they tell of is read.
const BATCH: usize = 512;

/// So many programs may wait to be read before those that have ended meanwhile are taken out.
const CROWD: usize = 4096;

/// Starts a thread that listens for as long as somebody holds the pool, and calls `tell` when a kind of process starts that was
/// not seen before, or something was lost.
///
/// # Errors
/// If there can be no thread. That the kernel does not tell us is no error; the pool says so.
pub fn listen(
    host: Arc<Host>,
    pool: &Arc<Pool>,
    changes: Arc<Changes>,
    tell: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let pool = Arc::downgrade(pool);
    thread::Builder::new().name("events".to_owned()).spawn(move || {
        // What lives for a millisecond is gone when we have to wait for our turn. In a unit that may not ask for this, its share of
        // the processor does it.
        let _ = setpriority_process(None, FIRST);
        let connector = match subscribe(&host) {
            Ok(connector) => connector,
            Err(why) => {
                let untold = Starts::Untold(why.clone());
                tracing::info!("{}", untold.in_words());
                if let Some(pool) = pool.upgrade() {
                    pool.untold(why);
                }
                return;
            }
        };
        if let Some(pool) = pool.upgrade() {
            pool.told(starts(&host));
        }
        changes.told(true);
        let mut listener = Listener {
            host: &host,
            pool,
            connector,
            changes,
            reader: Reader::default(),
            lineage: Lineage::default(),
            numbers: HashMap::new(),
            waiting: Vec::new(),
            unread: HashMap::new(),
            buffer: vec![0; 4096],
            shells: Share::default(),
            own: None,
        };
        let ended = listener.run(&tell);
        listener.changes.told(false);
        if let (Err(error), Some(pool)) = (ended, listener.pool.upgrade()) {
            tracing::error!("starts of processes are not told any more: {error}");
            pool.untold(format!("the kernel tells us no more: {error}"));
            tell();
        }
    })?;
    Ok(())
}

/// Asks the kernel, or who may where we may not.
fn subscribe(host: &Host) -> Result<Connector, String> {
    let ours = host.now().subsec_nanosecond().unsigned_abs() ^ std::process::id();
    match Connector::subscribe(ours) {
        Err(Refusal::Right(why)) => lent::borrow(&host.path(lent::PLACE))
            .map_err(|error| format!("{why}, and nobody lends it: {error}")),
        Err(Refusal::Other(why)) => Err(why),
        Ok(connector) => Ok(connector),
    }
}

/// The kernel's own count of starts.
pub fn starts(host: &Host) -> Option<u64> {
    parse::parse_starts(&host.read("/proc/stat").ok()?)
}

/// Why a process is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It runs another program now.
    Program,
    /// It acts for another user now.
    User,
}

struct Listener<'a> {
    host: &'a Host,
    pool: Weak<Pool>,
    connector: Connector,
    changes: Arc<Changes>,
    reader: Reader,
    lineage: Lineage,
    /// The number of the next message of each processor.
    numbers: HashMap<u32, u32>,
    /// Who is to be read, the newest last; those of `unread` only, the others have ended.
    waiting: Vec<u32>,
    unread: HashMap<u32, Due>,
    buffer: Vec<u8>,
    /// The time that shells on connections may take.
    shells: Share,
    /// This program, and what runs it.
    own: Option<Arc<Process>>,
}

impl Listener<'_> {
    /// Until nobody holds the pool any more.
    fn run(&mut self, tell: &impl Fn()) -> io::Result<()> {
        loop {
            let folder = std::fs::File::open(self.host.path("/proc"))?;
            let mut moment = Moment::new(self.host, folder.as_fd())?;
            let begun = Instant::now();
            self.own = self.reader.read_one(&mut moment, std::process::id()).map(|(own, _)| own);
            while begun.elapsed() < ANEW {
                let is_idle = self.waiting.is_empty();
                if is_idle && !self.connector.is_readable(ANEW)? {
                    break;
                }
                let Some(pool) = self.pool.upgrade() else { return Ok(()) };
                self.drain(&mut moment, &pool, tell)?;
                moment.forget_files();
                if let Some(pid) = self.waiting.pop()
                    && let Some(due) = self.unread.remove(&pid)
                    && self.read(&mut moment, &pool, pid, due) == News::Kind
                {
                    tell();
                }
            }
        }
    }

    /// Takes the messages that wait for us; not for ever, as somebody may make them as fast as we take them.
    fn drain(&mut self, moment: &mut Moment, pool: &Pool, tell: &impl Fn()) -> io::Result<()> {
        for _ in 0..BATCH {
            match self.connector.receive(&mut self.buffer) {
                Ok(Some(message)) => self.hear(moment, pool, message, tell),
                Ok(None) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                // How many were lost is told by the number of the next that comes.
                Err(Errno::NOBUFS) => self.lost(pool, 0, tell),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn lost(&mut self, pool: &Pool, messages: u64, tell: &impl Fn()) {
        pool.lost(messages);
        self.changes.lost();
        self.lineage.forget();
        tell();
    }

    fn hear(&mut self, moment: &mut Moment, pool: &Pool, message: Message, tell: &impl Fn()) {
        let Message { number, processor, what, .. } = message;
        let next = self.numbers.insert(processor, number.wrapping_add(1));
        let missing = next.map_or(0, |next| number.wrapping_sub(next));
        if missing > 0 {
            self.lost(pool, u64::from(missing), tell);
        }
        // Only now, as what was lost before our own word makes that worthless.
        self.changes.hear(&message);
        match what {
            What::Fork { parent, child, is_process } => {
                pool.started();
                if is_process {
                    self.lineage.fork(parent, child);
                }
            }
            What::Exec(pid) => {
                if self.unread.get(&pid) == Some(&Due::Program) {
                    // It ran another program before, which nobody has read.
                    self.missed(moment, pool, pid);
                }
                self.lineage.unread(pid);
                pool.starts_another(pid);
                self.wait_for(pid);
            }
            // Whoever has not started a program of its own, like a server's child, is what it was; but for what becomes root.
            What::User { process, effective } if effective == 0 || pool.waits_for(process) => {
                if let Entry::Vacant(unread) = self.unread.entry(process) {
                    unread.insert(Due::User);
                    self.waiting.push(process);
                }
            }
            What::Exit(pid) => {
                if self.unread.remove(&pid) == Some(Due::Program) {
                    self.missed(moment, pool, pid);
                }
                self.lineage.ended(pid);
                pool.ended(pid, self.host.now());
            }
            What::Name { process, name, is_process: true } => {
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                self.renamed(moment, pool, process, Text::new(name));
            }
            What::User { .. } | What::Name { .. } | What::Answer { .. } | What::Other => {}
        }
    }

    /// A process calls itself otherwise now. If it takes the name of a thread of the kernel, it is looked at at once.
    fn renamed(&mut self, moment: &mut Moment, pool: &Pool, pid: u32, name: Text) {
        let waiting = pool.renamed(pid, name.clone());
        let threads = pool.glimpses().threads();
        if !kernel_name::is_like_one(&name, &threads) {
            return;
        }
        let read = self.reader.read_one(moment, pid).map(|(process, _)| process);
        let Some(mut process) = read.or(waiting).filter(|process| !self.is_own(process)) else { return };
        Arc::make_mut(&mut process).name = name;
        glimpse_name(pool, &process);
    }

    /// Whether a program that has just started hides something is judged at once: a moment later it is gone.
    fn glimpse(&mut self, moment: &mut Moment, pool: &Pool, process: &Arc<Process>, above: &[Ancestor]) {
        glimpse_name(pool, process);
        if !shell::is_suspect(self.host, process) {
            return;
        }
        let Self { host, reader, shells, .. } = self;
        // Whoever opens many sockets makes the tables of connections long, and meanwhile nobody else is read.
        if shells.is_spent() {
            return pool.glimpses().miss();
        }
        let begun = Instant::now();
        let is_script =
            |pid| reader.read_one(moment, pid).is_some_and(|(process, _)| shell::runs_script(&process));
        if let Some(deceit) = shell::started(host, process, above, is_script) {
            pool.glimpses().add(deceit);
        }
        shells.spend(begun.elapsed());
    }

    /// A program ended, or another took its place, before it could be read.
    fn missed(&mut self, moment: &mut Moment, pool: &Pool, pid: u32) {
        let Some(parent) = self.lineage.parent(pid) else { return pool.unread(None) };
        self.learn_parents(moment, parent);
        let ancestors = self.lineage.ancestors(pid);
        if !is_below_us(&ancestors) {
            pool.unread(ancestors.into_iter().next());
        }
    }

    fn wait_for(&mut self, pid: u32) {
        self.unread.insert(pid, Due::Program);
        self.waiting.push(pid);
        if self.waiting.len() > CROWD && self.waiting.len() > 2 * self.unread.len() {
            let Self { waiting, unread, .. } = self;
            waiting.retain(|pid| unread.contains_key(pid));
        }
    }

    /// Reads a process that has just started a program, or acts for another user.
    fn read(&mut self, moment: &mut Moment, pool: &Pool, pid: u32, due: Due) -> News {
        let Some((process, origin)) = self.reader.read_one(moment, pid) else {
            if due == Due::Program {
                self.lineage.runs(pid, 0, None);
                self.missed(moment, pool, pid);
            }
            return News::Known;
        };
        self.lineage.runs(pid, process.parent, Some(Program::of(&process)));
        self.learn_parents(moment, self.lineage.parent(pid).unwrap_or(process.parent));
        if self.is_own(&process) {
            return News::Known;
        }
        let ancestors = self.lineage.ancestors(pid);
        if due == Due::Program {
            self.glimpse(moment, pool, &process, &ancestors);
        }
        let birth = if ancestors.iter().any(Ancestor::installs) { Birth::Installation } else { Birth::Other };
        let origin = || {
            let ancestors = ancestors.clone();
            let from = source(self.host, pid, &ancestors);
            Arc::new(Origin { ancestors, from, ..origin.clone() })
        };
        match due {
            Due::Program => pool.program(&process, birth, &origin),
            Due::User => pool.another_user(&process, birth, &origin),
        }
    }

    /// Those who were there before us are read once.
    fn learn_parents(&mut self, moment: &mut Moment, mut pid: u32) {
        for _ in 0..ANCESTORS {
            if pid != 0
                && !self.lineage.knows(pid)
                && let Some((process, _)) = self.reader.read_one(moment, pid)
            {
                self.lineage.runs(pid, process.parent, Some(Program::of(&process)));
            }
            // Of one that has ended unread it may still be known who started it.
            let Some(parent) = self.lineage.parent(pid) else { return };
            pid = parent;
        }
    }

    /// True for this program, what it starts, and others that run the same file as the same user.
    fn is_own(&self, process: &Process) -> bool {
        let is_same = |own: &Arc<Process>| {
            (&own.exe, own.uid, own.container) == (&process.exe, process.uid, process.container)
        };
        process.parent == std::process::id()
            || self.own.as_ref().is_some_and(is_same)
            || is_below_us(&self.lineage.ancestors(process.pid))
    }
}

fn glimpse_name(pool: &Pool, process: &Arc<Process>) {
    if let Some(what) = kernel_name::taken(process, &pool.glimpses().threads()) {
        let note = Some(Text::from("seen as it started, or took that name"));
        let process = Some(Arc::clone(process));
        pool.glimpses().add(Deceit { kind: Kind::KernelName, what, process, note });
    }
}

fn is_below_us(ancestors: &[Ancestor]) -> bool {
    ancestors.iter().any(|ancestor| ancestor.pid == std::process::id() && !ancestor.ended)
}
