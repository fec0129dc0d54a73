//! Shells at the end of a connection: their standard input or output is a socket of the Internet protocols that has a
//! peer.
//!
//! The shells of sshd, cron and sudo have terminals, pipes or Unix sockets. What inetd or systemd start on a connection
//! is a script, which a shell may run there, and what that script starts inherits its connection.

use super::connection::{Connection, parse_connections};
use super::find;
use crate::host::Host;
use crate::processes::origin::Ancestor;
use crate::processes::{Executable, Listing, Process, alive};
use crate::text::Text;
use crate::watch::deception::{Deceit, Kind};
use rustix::fs::{getxattr, readlink};
use std::collections::HashMap;
use std::sync::Arc;

/// What shells are called; a number or a version may follow.
const SHELLS: &[&str] = &[
    "sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "pwsh", "rbash", "rksh", "tcsh",
    "toybox", "yash", "zsh",
];

/// Where commands come in, and answers go out.
const ENDS: [(u32, &str); 2] = [(0, "standard input"), (1, "standard output")];

/// What is known of the sockets that shells have: most are none of a connection, and stay so.
#[derive(Default)]
pub struct Shells(HashMap<u64, Option<Connection>>);

impl Shells {
    /// Every shell whose input or output is a connection.
    pub fn look(&mut self, host: &Host, listing: &Listing) -> Vec<Deceit> {
        let mut known = HashMap::new();
        let mut deceits = Vec::new();
        for process in listing.processes.iter().filter(|process| is_shell(process)) {
            if runs_script(process) {
                continue;
            }
            for (inode, end) in
                ENDS.iter().filter_map(|(fd, end)| Some((socket(host, process.pid, *fd)?, end)))
            {
                let connection = match self.0.get(&inode) {
                    Some(connection) => *connection,
                    None => find_connection(host, process.pid, inode),
                };
                known.insert(inode, connection);
                let Some(connection) = connection else { continue };
                if inherited(host, listing, process, inode) {
                    continue;
                }
                deceits.push(deceit(process, end, connection));
                break;
            }
        }
        self.0 = known;
        deceits
    }
}

/// A shell that has just started and whose input or output is a connection, if it can still be seen. `is_script` says of those who
/// started it whether they run a script.
pub fn started(
    host: &Host,
    process: &Arc<Process>,
    ancestors: &[Ancestor],
    mut is_script: impl FnMut(u32) -> bool,
) -> Option<Deceit> {
    if !is_shell(process) || runs_script(process) {
        return None;
    }
    let (inode, connection, end) = ENDS.iter().find_map(|(fd, end)| {
        let inode = socket(host, process.pid, *fd)?;
        // The shells of sshd have Unix sockets: for these no table of connections is read.
        if is_unix(host, process.pid, *fd) {
            return None;
        }
        Some((inode, find_connection(host, process.pid, inode)?, *end))
    })?;
    let has_it = |pid: u32| (0..2).any(|fd| socket(host, pid, fd) == Some(inode));
    let is_inherited =
        ancestors.iter().any(|above| !above.ended && has_it(above.pid) && is_script(above.pid));
    let is_it = alive::start(host, process.pid) == Some(process.start);
    (is_it && !is_inherited).then(|| deceit(process, end, connection))
}

/// True if a process runs a script from a file.
pub fn runs_script(process: &Process) -> bool {
    process.script.as_ref().is_some_and(|script| !script.starts_with(['-', '(']))
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
    let name = path.rsplit('/').next().unwrap_or_default();
    SHELLS.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-')))
}

/// The socket that a process has as this descriptor.
fn socket(host: &Host, pid: u32, fd: u32) -> Option<u64> {
    let link = readlink(host.path(format!("/proc/{pid}/fd/{fd}")), Vec::new()).ok()?;
    std::str::from_utf8(link.as_bytes()).ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// True if a script that was started on this connection has it too.
fn inherited(host: &Host, listing: &Listing, process: &Process, inode: u64) -> bool {
    let has_it = |pid: u32| (0..2).any(|fd| socket(host, pid, fd) == Some(inode));
    listing.ancestors(process.pid).any(|parent| {
        let is_script = find(listing, parent.pid).is_some_and(|parent| runs_script(&parent));
        is_script && has_it(parent.pid)
    })
}

fn find_connection(host: &Host, pid: u32, inode: u64) -> Option<Connection> {
    ["tcp", "tcp6", "udp", "udp6"].iter().find_map(|table| {
        let table = host.read(format!("/proc/{pid}/net/{table}")).ok()?;
        parse_connections(&table).into_iter().find(|connection| connection.inode == inode)
    })
}
