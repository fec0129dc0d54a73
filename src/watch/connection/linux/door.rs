//! Doors: the listening sockets by which connections come in.
//!
//! A connection came in by a door of its network namespace that takes its local address, if the one who accepted it may have:
//! the socket belongs to whoever did, and that was the door's own user or that of a process which has the door. A port alone
//! would let everybody out who begins at the port of another's door.
//!
//! A server that is told to stop closes its door first and its connections later. So the doors of the last look still count in
//! the next one, and of a connection that came in by a door which is closed now, that itself is remembered.

use crate::watch::listener::Protocol;
use crate::watch::listener::linux::Socket;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// So many doors, and connections whose door is closed, are remembered.
const PAST: usize = 4096;

/// A door.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Door {
    namespace: Option<u64>,
    protocol: Protocol,
    port: u16,
    address: IpAddr,
    only_ipv6: Option<bool>,
    /// Who may have accepted what came in; none if that cannot be told.
    users: Option<BTreeSet<u32>>,
}

impl Door {
    /// True if this connection came in by it.
    fn let_in(&self, namespace: Option<u64>, socket: &Socket) -> bool {
        let end = SocketAddr::new(socket.address, socket.port);
        // An association of SCTP has many addresses, of which one is told.
        let takes = self.as_socket().takes(end) || self.protocol == Protocol::Sctp;
        let may_accept = self.users.as_ref().is_none_or(|users| users.contains(&socket.uid));
        self.namespace == namespace && takes && may_accept
    }

    fn as_socket(&self) -> Socket {
        Socket {
            protocol: self.protocol,
            port: self.port,
            address: self.address,
            inode: 0,
            uid: 0,
            only_ipv6: self.only_ipv6,
            peer: None,
        }
    }
}

/// What is remembered from pass to pass.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// The doors of the last look.
    doors: BTreeSet<Door>,
    /// The connections that came in by a door which is closed now: namespace, number of the socket and other end.
    inside: BTreeSet<(Option<u64>, u64, SocketAddr)>,
}

/// The doors among these sockets. `keepers` says which users have a socket of this number open.
pub fn doors(
    listening: &[(Option<u64>, Socket)],
    keepers: impl Fn(u64) -> Option<BTreeSet<u32>>,
) -> BTreeSet<Door> {
    // A client's socket of a protocol without listening is no door while it waits for its answer, but by luck.
    let is_door = |socket: &Socket| !socket.protocol.has_no_listen_state() || socket.port < 32_768;
    let door = |(namespace, socket): &(Option<u64>, Socket)| Door {
        namespace: *namespace,
        protocol: socket.protocol,
        port: socket.port,
        address: socket.address,
        only_ipv6: socket.only_ipv6,
        // One that belongs to no file is the kernel's own.
        users: match socket.inode {
            0 => Some(BTreeSet::from([socket.uid])),
            inode => keepers(inode).map(|users| users.into_iter().chain([socket.uid]).collect()),
        },
    };
    listening.iter().filter(|(_, socket)| is_door(socket)).map(door).collect()
}

/// Of these, the ones that lead elsewhere and did not come in by a door; and what to remember.
pub fn leading_out(
    connected: Vec<(Option<u64>, Socket)>,
    doors: BTreeSet<Door>,
    before: &Past,
) -> (Vec<(Option<u64>, Socket)>, Past) {
    let (open, last) = (by_port(&doors), by_port(&before.doors));
    let mut inside = BTreeSet::new();
    let mut out = Vec::new();
    for (namespace, socket) in connected {
        let Some(peer) = socket.peer else { continue };
        let to = peer.ip().to_canonical();
        if to.is_loopback() || to.is_unspecified() || to == socket.address.to_canonical() {
            continue;
        }
        let came_by = |doors: &ByPort| {
            let doors = doors.get(&(socket.protocol, socket.port)).map(Vec::as_slice).unwrap_or_default();
            doors.iter().any(|door| door.let_in(namespace, &socket))
        };
        if came_by(&open) {
            continue;
        }
        let own = (namespace, socket.inode, peer);
        if before.inside.contains(&own) || came_by(&last) {
            inside.insert(own);
        } else {
            out.push((namespace, socket));
        }
    }
    while inside.len() > PAST {
        inside.pop_first();
    }
    drop(open);
    let doors = doors.into_iter().take(PAST).collect();
    (out, Past { doors, inside })
}

type ByPort<'a> = BTreeMap<(Protocol, u16), Vec<&'a Door>>;

fn by_port(doors: &BTreeSet<Door>) -> ByPort<'_> {
    let mut all = ByPort::new();
    for door in doors {
        all.entry((door.protocol, door.port)).or_default().push(door);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: u32 = 0;
    const WWW: u32 = 33;
    const GAMES: u32 = 5;

    fn socket(address: &str, port: u16, uid: u32, inode: u64, peer: Option<&str>) -> Socket {
        let (protocol, address) = (Protocol::Tcp, address.parse().unwrap());
        let peer = peer.map(|peer| peer.parse().unwrap());
        Socket { protocol, port, address, inode, uid, only_ipv6: None, peer }
    }

    fn open(namespace: Option<u64>, door: Socket, keepers: &[u32]) -> BTreeSet<Door> {
        let keepers = keepers.iter().copied().collect();
        doors(&[(namespace, door)], |_| Some(BTreeSet::clone(&keepers)))
    }

    /// Whether this leads out, and what is remembered.
    fn leads_out(connection: &Socket, doors: BTreeSet<Door>, before: &Past) -> (bool, Past) {
        let (out, past) = leading_out(vec![(None, connection.clone())], doors, before);
        (!out.is_empty(), past)
    }

    #[test]
    fn a_connection_came_in_where_somebody_listens_who_may_have_accepted_it() {
        let of = |address: &str, uid| socket(address, 443, uid, 9, Some("203.0.113.9:50000"));
        let by = |connection: &Socket, door: &str, keepers: &[u32]| {
            !leads_out(connection, open(None, socket(door, 443, ROOT, 1, None), keepers), &Past::default()).0
        };
        let here = of("192.0.2.10", WWW);
        // As workers do that have the door, which root opened.
        assert!(by(&here, "0.0.0.0", &[ROOT, WWW]));
        assert!(by(&here, "192.0.2.10", &[ROOT, WWW]));
        // One door for both kinds of addresses, in each way in which they are written.
        assert!(by(&here, "::", &[ROOT, WWW]));
        assert!(by(&of("::ffff:192.0.2.10", WWW), "::", &[ROOT, WWW]));
        assert!(by(&of("::ffff:192.0.2.10", WWW), "192.0.2.10", &[ROOT, WWW]));
        // What is accepted before other rights are taken, as by sshd.
        assert!(by(&of("192.0.2.10", ROOT), "0.0.0.0", &[ROOT]));
        // Another's door.
        assert!(!by(&of("192.0.2.10", GAMES), "0.0.0.0", &[ROOT, WWW]));
        assert!(!by(&here, "127.0.0.1", &[ROOT, WWW]));
        assert!(!by(&here, "192.0.2.11", &[ROOT, WWW]));
        let elsewhere = open(Some(7), socket("0.0.0.0", 443, ROOT, 1, None), &[ROOT, WWW]);
        assert!(leads_out(&here, elsewhere, &Past::default()).0);
        // Who has the door could not be seen: then it is not said that it is another's.
        let unseen = doors(&[(None, socket("0.0.0.0", 443, ROOT, 1, None))], |_| None);
        assert!(!leads_out(&here, unseen, &Past::default()).0);
    }

    #[test]
    fn what_came_in_stays_so_after_the_door_is_closed_and_a_door_of_the_past_lets_nobody_else_out() {
        let door = || open(None, socket("0.0.0.0", 3306, WWW, 1, None), &[WWW]);
        let old = socket("192.0.2.10", 3306, WWW, 9, Some("203.0.113.9:50000"));
        let (out, past) = leads_out(&old, door(), &Past::default());
        assert!(!out);
        // What is stored reads back.
        let mut past: Past = serde_json::from_str(&serde_json::to_string(&past).unwrap()).unwrap();
        for _ in 0..3 {
            let (out, next) = leads_out(&old, BTreeSet::new(), &past);
            assert!(!out);
            past = next;
        }
        let new = socket("192.0.2.10", 3306, WWW, 10, Some("203.0.113.9:4444"));
        assert!(leads_out(&new, BTreeSet::new(), &past).0);
        // The door was open in the last look: it may have come in since.
        let (_, past) = leads_out(&old, door(), &Past::default());
        assert!(!leads_out(&new, BTreeSet::new(), &past).0);
    }
}
