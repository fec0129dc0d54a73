//! Shells at the end of a connection: their standard input or output is a socket of the Internet protocols that has a
//! peer.
//!
//! The shells of sshd, cron and sudo have terminals, pipes or Unix sockets. What inetd or systemd start on a connection
//! that came in to them is a script, which a shell may run there, and what that script starts inherits its connection. A
//! script may send what it prints over a connection, too: no command comes in by that.

use super::connection::{Connection, Tables};
use super::find;
use crate::host::Host;
use crate::processes::origin::Ancestor;
use crate::processes::script::is_version_of;
use crate::processes::{Executable, Listing, Process, alive};
use crate::text::Text;
use crate::watch::deception::{Deceit, Kind};
use crate::watch::holders::parse_socket;
use crate::watch::listener::Protocol;
use crate::watch::listener::linux::{Wanted, proc_net};
use rustix::fs::{getxattr, readlink};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What shells are called; a version or a way of building may follow.
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "pwsh", "rbash", "rksh", "tcsh",
    "toybox", "yash", "zsh",
];

/// Where commands come in, and answers go out.
const ENDS: [(u32, &str); 2] = [(0, "standard input"), (1, "standard output")];

/// What was found of the sockets that are connections, by process, its start and the number of the socket. A socket of none
/// is asked again, as it may become one.
#[derive(Default)]
pub struct Shells(HashMap<(u32, u64, u64), Known>);

#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    connection: Connection,
    stands: Stands,
}

/// How a shell came to its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// From a script that serves it, or prints to it.
    Inherited,
    /// In no honest way that we know.
    Alone,
}

impl Shells {
    /// Every shell whose input or output is a connection.
    pub fn look(&mut self, host: &Host, listing: &Listing) -> Vec<Deceit> {
        let mut known = HashMap::new();
        let mut deceits = Vec::new();
        let mut tables = Tables::default();
        for process in listing.processes.iter().filter(|process| is_shell(process) && !runs_script(process)) {
            let mut is_script = |pid| find(listing, pid).is_some_and(|process| runs_script(&process));
            for (fd, end) in ENDS {
                let Some(inode) = internet_socket(host, process.pid, fd) else { continue };
                let above: Vec<u32> = listing.ancestors(process.pid).map(|process| process.pid).collect();
                let key = (process.pid, process.start, inode);
                let before = self.0.get(&key).copied();
                // One that was cut off is in no list any more.
                let found = find_connection(host, &mut tables, process.pid, &above, inode);
                let now = found.map(|found| {
                    // What it came in by may be closed by now.
                    let is_same = |before: &Known| before.connection == found.0;
                    before
                        .filter(is_same)
                        .unwrap_or_else(|| judge(host, process.pid, &above, inode, found, &mut is_script))
                });
                let Some(now) = now.or(before) else { continue };
                known.insert(key, now);
                if now.stands == Stands::Alone {
                    deceits.push(deceit(process, end, now.connection));
                    break;
                }
            }
        }
        self.0 = known;
        deceits
    }
}

/// True if this is a shell whose input or output may be a connection: only of such the tables of connections are read.
pub fn is_suspect(host: &Host, process: &Process) -> bool {
    let has_socket = || ENDS.iter().any(|(fd, _)| internet_socket(host, process.pid, *fd).is_some());
    is_shell(process) && !runs_script(process) && has_socket()
}

/// A suspect that has just started and is on a connection, if that can still be seen. `is_script` says of those who started it
/// whether they run a script.
pub fn started(
    host: &Host,
    process: &Arc<Process>,
    ancestors: &[Ancestor],
    mut is_script: impl FnMut(u32) -> bool,
) -> Option<Deceit> {
    let alone = ENDS.iter().find_map(|(fd, end)| {
        let inode = internet_socket(host, process.pid, *fd)?;
        let above: Vec<u32> = ancestors.iter().filter(|above| !above.ended).map(|above| above.pid).collect();
        let found = find_connection(host, &mut Tables::default(), process.pid, &above, inode)?;
        let known = judge(host, process.pid, &above, inode, found, &mut is_script);
        (known.stands == Stands::Alone).then(|| deceit(process, end, known.connection))
    })?;
    (alive::start(host, process.pid) == Some(process.start)).then_some(alone)
}

/// How a shell came to the connection that was found as its input or output.
fn judge(
    host: &Host,
    pid: u32,
    above: &[u32],
    inode: u64,
    (connection, folder): (Connection, String),
    is_script: &mut impl FnMut(u32) -> bool,
) -> Known {
    let has_it = |pid: u32| ENDS.iter().any(|(fd, _)| socket(host, pid, *fd) == Some(inode));
    let takes_commands = || socket(host, pid, 0) == Some(inode);
    let is_inherited = above.iter().any(|above| has_it(*above) && is_script(*above))
        && (!takes_commands() || came_in(host, &folder, above, &connection));
    Known { connection, stands: if is_inherited { Stands::Inherited } else { Stands::Alone } }
}

/// True if one of these processes listens where the connection leads to.
fn came_in(host: &Host, folder: &str, above: &[u32], connection: &Connection) -> bool {
    let Ok(listening) = proc_net::read_sockets(host, folder, Wanted::Listening) else { return false };
    let doors: BTreeSet<u64> = listening
        .iter()
        .filter(|door| door.protocol == Protocol::Tcp && door.inode != 0 && door.takes(connection.local))
        .map(|door| door.inode)
        .collect();
    let holds_one = |pid: &u32| {
        let Ok(files) = std::fs::read_dir(host.path(format!("/proc/{pid}/fd"))) else { return false };
        let number = |name: &std::ffi::OsStr| name.to_str()?.parse().ok();
        // Whoever has more open than this asks for it to be told of.
        let mut files = files.filter_map(|file| number(&file.ok()?.file_name())).take(16_384);
        files.any(|fd| socket(host, *pid, fd).is_some_and(|inode| doors.contains(&inode)))
    };
    !doors.is_empty() && above.iter().any(holds_one)
}

/// True if a process runs a script from a file.
pub fn runs_script(process: &Process) -> bool {
    process.script.as_ref().is_some_and(|script| !script.starts_with(['-', '(']))
}

/// The socket that a process has as this descriptor, unless it is a Unix socket, which never becomes a connection to elsewhere:
/// for these, which the shells of sshd have, no table is read.
fn internet_socket(host: &Host, pid: u32, fd: u32) -> Option<u64> {
    socket(host, pid, fd).filter(|_| !is_unix(host, pid, fd))
}

fn is_unix(host: &Host, pid: u32, fd: u32) -> bool {
    let mut name = [0; 16];
    let read = getxattr(host.path(format!("/proc/{pid}/fd/{fd}")), "system.sockprotoname", &mut name);
    read.is_ok() && name.starts_with(b"UNIX")
}

fn deceit(process: &Arc<Process>, end: &str, connection: Connection) -> Deceit {
    let note = format!("its {end} is the connection from {} to {}", connection.local, connection.peer);
    Deceit {
        kind: Kind::SocketShell,
        what: Text::new(connection.peer.ip().to_canonical().to_string()),
        process: Some(Arc::clone(process)),
        note: Some(Text::new(note)),
    }
}

fn is_shell(process: &Process) -> bool {
    let path = match &process.exe {
        Executable::Path(path) | Executable::Deleted(path) => path,
        Executable::Memory(_) | Executable::Kernel | Executable::Unreadable(_) => return false,
    };
    let name = path.rsplit('/').next().unwrap_or_default().as_bytes();
    SHELLS.iter().any(|shell| is_version_of(name, shell))
}

/// The socket that a process has as this descriptor.
fn socket(host: &Host, pid: u32, fd: u32) -> Option<u64> {
    let link = readlink(host.path(format!("/proc/{pid}/fd/{fd}")), Vec::new()).ok()?;
    parse_socket(link.as_bytes())
}

/// The connection that a socket is, and the folder that lists it. A socket stays in the network namespace in which it was made,
/// while the shell may have been led into another: those of its ancestors and the host's are asked as well.
fn find_connection(
    host: &Host,
    tables: &mut Tables,
    pid: u32,
    above: &[u32],
    inode: u64,
) -> Option<(Connection, String)> {
    let mut pids = std::iter::once(&pid).chain(above).chain(&[1]);
    pids.find_map(|at| Some((tables.get(host, *at, inode)?, format!("/proc/{at}/net"))))
}
