//! Network namespaces other than the host's, and the sockets in them.

use super::{Ours, Socket, Wanted, proc_net};
use crate::host::Host;
use crate::processes::{Executable, Listing, living_folder};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::io;

/// A process may enter another namespace after its start. Most that do, do it at once: so the young ones are asked
/// again in every pass, and all of them every five minutes: that is one link of each, and nothing tells us of it.
const YOUNG: SignedDuration = SignedDuration::from_mins(2);
const AGAIN: SignedDuration = SignedDuration::from_mins(5);

/// To list the sockets of another namespace takes milliseconds, as the kernel goes through the connections of the whole
/// host for it. So it is done when their number or the processes there changed, and at least so often.
const ANEW: SignedDuration = SignedDuration::from_mins(5);

/// The network namespace of the host.
pub struct Home {
    /// Its number; unknown if `/proc` does not tell.
    pub number: Option<u64>,
    /// Whether we are in it.
    pub is_ours: Ours,
}

/// The host's namespace is that of its first process, which a sandboxed watchdog need not be in. Who may not see
/// that process's takes its own.
pub fn home(host: &Host) -> Home {
    let own = read(host, "self").ok();
    match read(host, "1").ok() {
        Some(first) if own.is_some_and(|own| own != first) => {
            Home { number: Some(first), is_ours: Ours::Other }
        }
        _ => Home { number: own, is_ours: Ours::Same },
    }
}

/// The number in `net:[4026531833]`.
fn read(host: &Host, process: &str) -> io::Result<u64> {
    let link = rustix::fs::readlink(host.path(format!("/proc/{process}/ns/net")), Vec::new())?;
    parse_namespace(link.as_bytes()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The namespace of a process, and the folder that tells: its own, or a living thread's if its first one has ended.
fn read_of(host: &Host, pid: u32) -> io::Result<(u64, String)> {
    let own = pid.to_string();
    match read(host, &own) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let living = living_folder(host, pid).trim_start_matches("/proc/").to_owned();
            if living == own { Err(error) } else { Ok((read(host, &living)?, living)) }
        }
        read => Ok((read?, own)),
    }
}

/// Parses the link of a namespace.
fn parse_namespace(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link).ok()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// The processes of each namespace other than the host's, and of how many processes that could be told.
pub struct Others {
    /// By namespace, by rising number.
    pub pids: BTreeMap<u64, Vec<u32>>,
    /// So many processes told.
    pub read: u64,
    /// So many could not be asked.
    pub unreadable: u64,
}

/// Which namespace each process is in, remembered.
#[derive(Default)]
pub struct Namespaces {
    known: HashMap<u32, (u64, u64)>,
    all_asked: Option<Timestamp>,
    listed: HashMap<u64, Listed>,
}

/// The listening sockets of a namespace, and what was to be seen of it without listing them.
struct Listed {
    at: Timestamp,
    counts: Vec<String>,
    pids: Vec<u32>,
    sockets: Vec<Socket>,
}

impl Namespaces {
    /// Every namespace other than `home` that a process is in.
    pub fn others(&mut self, host: &Host, listing: &Listing, now: Timestamp, home: Option<u64>) -> Others {
        let mut others = Others { pids: BTreeMap::new(), read: 0, unreadable: 0 };
        let Some(home) = home else { return others };
        let recent = |then: Timestamp, span: SignedDuration| now.duration_since(then).abs() < span;
        let ask_all = !self.all_asked.is_some_and(|then| recent(then, AGAIN));
        if ask_all {
            self.all_asked = Some(now);
            self.known.clear();
        }
        self.known.retain(|pid, _| listing.get(*pid).is_some());
        for process in &listing.processes {
            if process.exe == Executable::Kernel {
                continue;
            }
            let known = self.known.get(&process.pid).filter(|(start, _)| *start == process.start);
            let namespace = match known {
                Some((_, namespace)) if !recent(process.since, YOUNG) => *namespace,
                _ => match read_of(host, process.pid) {
                    Ok((namespace, _)) => {
                        self.known.insert(process.pid, (process.start, namespace));
                        namespace
                    }
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        others.unreadable += 1;
                        continue;
                    }
                    // It ended.
                    Err(_) => continue,
                },
            };
            others.read += 1;
            if namespace != home {
                others.pids.entry(namespace).or_default().push(process.pid);
            }
        }
        others
    }
}

impl Namespaces {
    /// The listening sockets of other namespaces than the host's.
    pub fn listening(&mut self, host: &Host, others: &Others, now: Timestamp) -> Vec<(Option<u64>, Socket)> {
        self.listed.retain(|namespace, _| others.pids.contains_key(namespace));
        for (namespace, pids) in &others.pids {
            // Counted before they are listed: what comes in between is another number next time.
            let counts = pids.first().map(|pid| counts(host, *pid)).unwrap_or_default();
            let is_as_before = |listed: &Listed| {
                let young = now.duration_since(listed.at).abs() < ANEW;
                young && !counts.is_empty() && listed.counts == counts && listed.pids == *pids
            };
            if self.listed.get(namespace).is_some_and(is_as_before) {
                continue;
            }
            let sockets = list(host, *namespace, pids, Wanted::Listening);
            self.listed.insert(*namespace, Listed { at: now, counts, pids: pids.clone(), sockets });
        }
        let of_one = |(namespace, listed): (&u64, &Listed)| {
            let namespace = Some(*namespace);
            listed.sockets.iter().map(move |socket| (namespace, socket.clone())).collect::<Vec<_>>()
        };
        self.listed.iter().flat_map(of_one).collect()
    }
}

/// How many sockets of each protocol there are where this process is. What else the kernel tells there is of all
/// namespaces together, and changes all the time.
fn counts(host: &Host, pid: u32) -> Vec<String> {
    let read = |name: &str| host.read(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    [read("sockstat"), read("sockstat6")].iter().flat_map(|table| parse_counts(table)).collect()
}

/// Of `TCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1` the protocol and the first number.
fn parse_counts(table: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(table);
    let in_use = |line: &str| {
        let (protocol, rest) = line.split_once(": inuse ")?;
        Some(format!("{protocol} {}", rest.split(' ').next()?))
    };
    text.lines().filter_map(in_use).collect()
}

/// The sockets of a namespace, as one of its processes sees them.
pub fn list(host: &Host, namespace: u64, pids: &[u32], wanted: Wanted) -> Vec<Socket> {
    let ask = |pid: &u32| {
        let (_, folder) = read_of(host, *pid).ok()?;
        let sockets = proc_net::read_sockets(host, &format!("/proc/{folder}/net"), wanted).ok()?;
        // It may have ended meanwhile, its number may be another's, or it may have left.
        (read(host, &folder).ok() == Some(namespace)).then_some(sockets)
    };
    // If all its processes are gone, so is the namespace.
    pids.iter().find_map(ask).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_counts_those_are_taken_that_are_of_one_namespace() {
        let table = b"sockets: used 120\nTCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1\nUDP: inuse 3 mem 0\nFRAG: inuse 0 memory 0\n";
        assert_eq!(parse_counts(table), ["TCP 5", "UDP 3", "FRAG 0"]);
        assert_eq!(parse_counts(b"TCP: inuse\n\xff"), [""; 0]);
    }

    #[test]
    fn the_number_of_a_namespace() {
        assert_eq!(parse_namespace(b"net:[4026531833]"), Some(4_026_531_833));
        for link in [&b"mnt:[1]"[..], b"net:[]", b"net:[1", b"\xff", b""] {
            assert_eq!(parse_namespace(link), None);
        }
    }
}
