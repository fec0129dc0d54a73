//! Ports that are open and missing in a list of sockets.
//!
//! Three ways to ask are compared: the list that the kernel gives over netlink, the one in `/proc/net`, and the kernel
//! asked port by port whether somebody listens there. What hides a port shortens a list; the third way reads none, and is
//! the one by which a connection finds its socket. Nothing is bound or connected to for that: a service that is just
//! starting must not find its port taken.

use super::diag;
use crate::host::Host;
use crate::text::Text;
use crate::watch::deception::{Deceit, Kind};
use crate::watch::listener::Protocol;
use crate::watch::listener::linux::{Socket, Wanted, proc_net, sock_diag};
use std::collections::BTreeSet;
use std::time::Duration;

/// So many ports are asked for in a pass, one by one: all within some two hours.
const SHARE: u16 = 512;

/// Sockets come and go between two lists: what is missing must be so several times.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(40);

/// Reading the connections of a busy host from `/proc` is dear: for each of so many bytes a pass goes without.
const BYTES_A_PASS: usize = 200_000;

/// How far the round has come.
#[derive(Default)]
pub struct Search {
    next: u16,
    rest: usize,
}

/// A port, and the list it is missing in.
type Missing = BTreeSet<(Protocol, u16, &'static str)>;

const NETLINK: &str = "the list of the kernel (netlink)";
const TABLES: &str = "/proc/net";

impl Search {
    /// Every port that is open and hidden.
    pub fn look(&mut self, host: &Host) -> Vec<Deceit> {
        let compares = self.is_cheap(host);
        let share: Vec<u16> = (0..SHARE).map(|at| self.next.wrapping_add(at)).collect();
        self.next = self.next.wrapping_add(SHARE);
        let mut missing = find(host, compares, share.iter().copied());
        for _ in 1..LOOKS {
            if missing.is_empty() {
                break;
            }
            std::thread::sleep(PAUSE);
            let ports: Vec<u16> = missing.iter().map(|(_, port, _)| *port).collect();
            let again = find(host, compares, ports.into_iter());
            missing.retain(|one| again.contains(one));
        }
        let deceit = |(protocol, port, list): (Protocol, u16, &str)| Deceit {
            kind: Kind::HiddenPort,
            what: Text::new(format!("{protocol} port {port} is open and missing in {list}")),
            process: None,
            note: None,
        };
        missing.into_iter().map(deceit).collect()
    }

    /// Whether it is time to read the tables of `/proc`.
    fn is_cheap(&mut self, host: &Host) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        // Some 150 bytes for each TCP socket.
        let state = host.read("/proc/net/sockstat").unwrap_or_default();
        self.rest = tcp_sockets(&state).saturating_mul(150) / BYTES_A_PASS;
        true
    }
}

/// How many TCP sockets there are: `TCP: inuse 5 orphan 0 …`.
fn tcp_sockets(state: &[u8]) -> usize {
    let text = std::str::from_utf8(state).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: inuse "));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What is missing where, at this moment. A list that cannot be read misses nothing: the listeners say so.
fn find(host: &Host, compares: bool, ports: impl Iterator<Item = u16>) -> Missing {
    let Ok(listed) = sock_diag::read_sockets(Wanted::Listening) else { return Missing::new() };
    let listed = doors(&listed);
    let mut missing = Missing::new();
    if compares && let Ok(tables) = proc_net::read_sockets(host, "/proc/self/net", Wanted::Listening) {
        missing.extend(compare(&listed, &doors(&tables)));
    }
    let Ok(mut kernel) = diag::Ports::open() else { return missing };
    for port in ports.filter(|port| *port != 0 && !listed.contains(&(Protocol::Tcp, *port))) {
        match kernel.listens(port) {
            Ok(true) => {
                missing.insert((Protocol::Tcp, port, NETLINK));
            }
            Ok(false) => {}
            Err(_) => break,
        }
    }
    missing
}

fn doors(sockets: &[Socket]) -> BTreeSet<(Protocol, u16)> {
    let compared = sockets.iter().filter(|socket| matches!(socket.protocol, Protocol::Tcp | Protocol::Udp));
    compared.map(|socket| (socket.protocol, socket.port)).filter(|(_, port)| *port != 0).collect()
}

/// What one list has and the other has not.
fn compare(netlink: &BTreeSet<(Protocol, u16)>, tables: &BTreeSet<(Protocol, u16)>) -> Missing {
    let missing_in = |list: &'static str| move |(protocol, port): &(Protocol, u16)| (*protocol, *port, list);
    let in_tables = netlink.difference(tables).map(missing_in(TABLES));
    let in_netlink = tables.difference(netlink).map(missing_in(NETLINK));
    in_tables.chain(in_netlink).collect()
}
