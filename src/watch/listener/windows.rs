//! Listing the sockets of a Windows host with their owners. Windows says with each socket which process opened it; the
//! kernel's own are those of process 4 (file sharing, http.sys). Whether a socket of IPv6 takes IPv4 too it does not say.

use super::{Listener, ListenerFacts, Protocol, UNKNOWN_USER};
use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::{Executable, Listing, Process, Processes};
use crate::text::Text;
use crate::win32::listener::{Socket, Table, read};
use jiff::Timestamp;
use std::io;
use std::sync::Arc;

/// The ports that Windows hands out if nobody has told it otherwise (RFC 6335). What somebody has told it cannot be read
/// from the registry; a wider range then only means that ports outside of this one are told of singly.
const EPHEMERAL: (u16, u16) = (49_152, 65_535);

/// Nothing is remembered: a table of sockets with their owners is one call.
#[derive(Default)]
pub struct Eyes;

impl Eyes {
    /// All listening sockets with their owners.
    ///
    /// # Errors
    /// If Windows does not list them.
    #[expect(clippy::unused_self, reason = "elsewhere much is remembered")]
    pub fn look(
        &mut self,
        host: &Host,
        listing: &Arc<Listing>,
        _now: Timestamp,
        gaps: &mut Vec<Gap>,
    ) -> io::Result<ListenerFacts> {
        let mut found: Vec<(Protocol, Socket)> = Vec::new();
        for (protocol, table) in [(Protocol::Tcp, Table::Tcp), (Protocol::Udp, Table::Udp)] {
            found.extend(read(table)?.into_iter().map(|socket| (protocol, socket)));
        }
        // One more of the same process at the same place is no other door.
        found.sort();
        found.dedup();
        let unsaid = found.iter().filter(|(_, socket)| socket.pid == 0).count();
        // The listing may be some seconds older than the socket.
        let is_new = |socket: &Socket| socket.pid != 0 && listing.get(socket.pid).is_none();
        let any_new = found.iter().any(|(_, socket)| is_new(socket));
        let fresh = any_new.then(|| Processes::default().now(host).ok()).flatten();
        let owner =
            |pid: u32| fresh.as_deref().and_then(|fresh| find(fresh, pid)).or_else(|| find(listing, pid));
        let listeners = found.into_iter().map(|(protocol, socket)| {
            let owner = owner(socket.pid);
            Listener {
                protocol,
                address: socket.address,
                port: socket.port,
                only_ipv6: None,
                user: owner.as_ref().map_or_else(|| Text::from(UNKNOWN_USER), |owner| owner.user.clone()),
                inode: 0,
                owners: owner.into_iter().collect(),
                heirs: Vec::new(),
                namespace: None,
                sought: false,
            }
        });
        let listeners: Vec<Listener> = listeners.collect();
        let hidden = unsaid as u64;
        if hidden > 0 {
            gaps.push(Gap {
                gap: "listener-owner".to_owned(),
                seen: listeners.len() as u64 - hidden,
                of: listeners.len() as u64,
                why: "Windows did not say which process has opened a socket".to_owned(),
            });
        }
        // One that is told and does not run is odd: it has ended, and who inherited the socket from it is not told.
        let is_hidden = |owner: &Arc<Process>| matches!(owner.exe, Executable::Unreadable(_));
        let hides = listeners.iter().flat_map(|listener| &listener.owners).any(is_hidden);
        let sees_all = hidden == 0 && (host.privilege().sees_all_processes || !hides);
        Ok(ListenerFacts { listeners, ephemeral: EPHEMERAL, sees_all, transaction: None })
    }
}

/// The process with this number. Number 0 owns nothing: it stands where no owner is known.
fn find(listing: &Listing, pid: u32) -> Option<Arc<Process>> {
    let at = listing.processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
    listing.processes.get(at).filter(|_| pid != 0).map(Arc::clone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, TcpListener, UdpSocket};

    fn look() -> (ListenerFacts, Vec<Gap>) {
        let host = Host::this();
        let listing = Processes::default().now(&host).unwrap();
        let mut gaps = Vec::new();
        let facts = Eyes.look(&host, &listing, host.now(), &mut gaps).unwrap();
        (facts, gaps)
    }

    fn is_seen(facts: &ListenerFacts, protocol: Protocol, address: IpAddr, port: u16) -> bool {
        let sockets = facts.listeners.iter();
        let mut found =
            sockets.filter(|one| (one.protocol, one.address, one.port) == (protocol, address, port));
        let Some(found) = found.next() else { return false };
        // An owner that is not known is not invented.
        found.owners.iter().all(|owner| owner.pid == std::process::id())
    }

    #[test]
    fn what_this_process_opens_is_seen_with_its_address_and_port() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
        let six = TcpListener::bind("[::1]:0").unwrap();
        let (facts, gaps) = look();
        for (protocol, address) in [
            (Protocol::Tcp, tcp.local_addr().unwrap()),
            (Protocol::Udp, udp.local_addr().unwrap()),
            (Protocol::Tcp, six.local_addr().unwrap()),
        ] {
            assert!(
                is_seen(&facts, protocol, address.ip(), address.port()),
                "{protocol} {address} {facts:?}"
            );
        }
        assert_eq!(gaps.is_empty(), facts.sees_all, "{gaps:?}");
        let address = tcp.local_addr().unwrap();
        drop(tcp);
        assert!(!is_seen(&look().0, Protocol::Tcp, address.ip(), address.port()));
    }

    #[test]
    fn nobody_is_process_zero() {
        let listing = Processes::default().now(&Host::this()).unwrap();
        assert!(find(&listing, 0).is_none());
        assert_eq!(find(&listing, std::process::id()).unwrap().pid, std::process::id());
    }
}
