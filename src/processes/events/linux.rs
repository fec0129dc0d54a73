//! Listening to the process connector of Linux. The kernel tells of each start and end; what there is to know of a process must
//! be read from `/proc` while it lives, so the newest is read first: the others have had their chance.

use super::Starts;
use super::changes::Changes;
use super::lineage::Lineage;
use super::message::{Message, What, parse_process_event};
use super::pool::{Birth, News, Pool};
use crate::host::Host;
use crate::processes::linux::{Moment, Reader, origin};
use crate::processes::origin::{ANCESTORS, Ancestor, Origin, called, source};
use crate::processes::{Process, parse};
use crate::text::Text;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// `NETLINK_CONNECTOR`, the group of the processes, and "do not wait".
const CONNECTOR: isize = 11;
const PROCESSES: u32 = 1;
const DONT_WAIT: i32 = 0x40;

/// So many bytes of messages may wait for us; without the right to ask for that much we get what everybody gets.
const WAITING: usize = 16 << 20;

/// The kernel answers a subscription within the very call. Where it says nothing it never will: in a namespace of its own.
const ANSWERS: Duration = Duration::from_secs(1);

/// What holds for all processes, like the names of users, is looked up again after so long.
const ANEW: Duration = Duration::from_secs(30);

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
        let ours = host.now().subsec_nanosecond().unsigned_abs() ^ std::process::id();
        let socket = match subscribe(ours) {
            Ok(socket) => socket,
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
            changes,
            socket,
            reader: Reader::default(),
            lineage: Lineage::default(),
            numbers: HashMap::new(),
            waiting: Vec::new(),
            unread: HashMap::new(),
            buffer: Vec::with_capacity(4096),
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

/// A socket on which the kernel tells of processes, or why there is none.
fn subscribe(ours: u32) -> Result<Socket, String> {
    let cannot = |what: &str, error: io::Error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM | Errno::ACCESS) => format!("{what}: it takes CAP_NET_ADMIN before Linux 6.6"),
        Some(Errno::CONNREFUSED) => format!("{what}: not in a network namespace of its own"),
        _ => format!("{what}: {error}"),
    };
    let mut socket =
        Socket::new(CONNECTOR).map_err(|error| cannot("there is no process connector", error))?;
    let address = SocketAddr::new(0, PROCESSES);
    socket.bind(&address).map_err(|error| cannot("the process connector may not be heard", error))?;
    // The bigger the better; without the right to it, what everybody gets.
    let _ = set_socket_recv_buffer_size_force(&socket, WAITING)
        .or_else(|_| set_socket_recv_buffer_size(&socket, WAITING));
    socket
        .send_to(&subscription(ours), &SocketAddr::new(0, 0), 0)
        .map_err(|error| cannot("the process connector cannot be asked", error))?;
    let until = Instant::now() + ANSWERS;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !is_readable(&socket, left).map_err(|error| error.to_string())? {
            return Err("the process connector does not answer, as in a container".to_owned());
        }
        match receive(&socket, &mut buffer) {
            // Others' answers are heard as well.
            Ok(Some(Message { what: What::Answer { to, .. }, .. })) if to != ours.wrapping_add(1) => {}
            Ok(Some(Message { what: What::Answer { error: 0, .. }, .. })) => return Ok(socket),
            Ok(Some(Message { what: What::Answer { error, .. }, .. })) => {
                let error = io::Error::from_raw_os_error(i32::try_from(error).unwrap_or(0));
                return Err(cannot("the process connector refuses", error));
            }
            Ok(_) => {}
            Err(error) => return Err(cannot("the process connector fails", error)),
        }
    }
}

/// "Tell us": the header of netlink, that of the connector with a word to know the answer by, and the one word `PROC_CN_MCAST_LISTEN`.
fn subscription(ours: u32) -> Vec<u8> {
    const DONE: u16 = 3;
    const LISTEN: u32 = 1;
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
    let halves = |halves: [u16; 2]| halves.map(u16::to_ne_bytes).concat();
    let connector = [words(&[1, 1, 0, ours]), halves([4, 0]), words(&[LISTEN])].concat();
    let length = u32::try_from(16 + connector.len()).unwrap_or(0);
    [words(&[length]), halves([DONE, 0]), words(&[0, 0]), connector].concat()
}

/// True if there is something to be received within this time.
fn is_readable(socket: &Socket, within: Duration) -> io::Result<bool> {
    let wait = Timespec::try_from(within).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut ready = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
    match poll(&mut ready, Some(&wait)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The next message of the kernel; nothing if it is none of processes, or from anybody else.
fn receive(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<Option<Message>> {
    buffer.clear();
    let (_, sender) = socket.recv_from(buffer, DONT_WAIT)?;
    Ok(parse_process_event(buffer).filter(|_| sender.port_number() == 0))
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
    changes: Arc<Changes>,
    socket: Socket,
    reader: Reader,
    lineage: Lineage,
    /// The number of the next message of each processor.
    numbers: HashMap<u32, u32>,
    /// Who is to be read, the newest last; those of `unread` only, the others have ended.
    waiting: Vec<u32>,
    unread: HashMap<u32, Due>,
    buffer: Vec<u8>,
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
            self.own = self.reader.read_one(&mut moment, std::process::id());
            while begun.elapsed() < ANEW {
                let is_idle = self.waiting.is_empty();
                if is_idle && !is_readable(&self.socket, ANEW)? {
                    break;
                }
                let Some(pool) = self.pool.upgrade() else { return Ok(()) };
                self.drain(&pool, tell)?;
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

    /// Takes all messages that wait for us.
    fn drain(&mut self, pool: &Pool, tell: &impl Fn()) -> io::Result<()> {
        loop {
            match receive(&self.socket, &mut self.buffer) {
                Ok(Some(message)) => self.hear(pool, message, tell),
                Ok(None) => {}
                Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::AGAIN) => return Ok(()),
                    Some(Errno::INTR) => {}
                    // How many were lost is told by the number of the next that comes.
                    Some(Errno::NOBUFS) => self.lost(pool, 0, tell),
                    _ => return Err(error),
                },
            }
        }
    }

    fn lost(&mut self, pool: &Pool, messages: u64, tell: &impl Fn()) {
        pool.lost(messages);
        self.changes.lost();
        self.lineage.forget();
        tell();
    }

    fn hear(&mut self, pool: &Pool, message: Message, tell: &impl Fn()) {
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
                self.lineage.unread(pid);
                self.wait_for(pool, pid);
            }
            // Whoever has not started a program of its own, like a server's child, is what it was; but for what becomes root.
            What::User { process, effective } if effective == 0 || pool.waits_for(process) => {
                if let Entry::Vacant(unread) = self.unread.entry(process) {
                    unread.insert(Due::User);
                    self.waiting.push(process);
                }
            }
            What::Exit(pid) => {
                self.lineage.ended(pid);
                if self.unread.remove(&pid) == Some(Due::Program) {
                    pool.unread();
                }
                pool.ended(pid, self.host.now());
            }
            What::User { .. } | What::Answer { .. } | What::Name { .. } | What::Other => {}
        }
    }

    fn wait_for(&mut self, pool: &Pool, pid: u32) {
        if self.unread.insert(pid, Due::Program) == Some(Due::Program) {
            // It ran another program before, which nobody has read.
            pool.unread();
        }
        self.waiting.push(pid);
        if self.waiting.len() > CROWD && self.waiting.len() > 2 * self.unread.len() {
            let Self { waiting, unread, .. } = self;
            waiting.retain(|pid| unread.contains_key(pid));
        }
    }

    /// Reads a process that has just started a program, or acts for another user.
    fn read(&mut self, moment: &mut Moment, pool: &Pool, pid: u32, due: Due) -> News {
        let Some(process) = self.reader.read_one(moment, pid) else {
            if due == Due::Program {
                self.lineage.runs(pid, 0, None);
                pool.unread();
            }
            return News::Known;
        };
        self.lineage.runs(pid, process.parent, Some(program(&process)));
        self.learn_parents(moment, self.lineage.parent(pid).unwrap_or(process.parent));
        if self.is_own(&process) {
            return News::Known;
        }
        let ancestors = self.lineage.ancestors(pid);
        let birth = if ancestors.iter().any(Ancestor::installs) { Birth::Installation } else { Birth::Other };
        let origin = || {
            let ancestors = ancestors.clone();
            let from = source(self.host, pid, &ancestors);
            Arc::new(Origin { ancestors, from, ..origin(self.host, &process) })
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
                && let Some(process) = self.reader.read_one(moment, pid)
            {
                self.lineage.runs(pid, process.parent, Some(program(&process)));
            }
            // Of one that has ended unread it may still be known who started it.
            let Some(parent) = self.lineage.parent(pid) else { return };
            pid = parent;
        }
    }

    /// True for this program, what it starts, and others that run the same file as the same user.
    fn is_own(&self, process: &Process) -> bool {
        let me = std::process::id();
        let is_same = |own: &Arc<Process>| {
            (&own.exe, own.uid, own.container) == (&process.exe, process.uid, process.container)
        };
        process.parent == me
            || self.own.as_ref().is_some_and(is_same)
            || self
                .lineage
                .ancestors(process.pid)
                .iter()
                .any(|ancestor| ancestor.pid == me && !ancestor.ended)
    }
}

fn program(process: &Process) -> (Text, Text) {
    (called(process), process.user.clone())
}
