//! Sockets that are so many that they are looked at no more: anybody may open hundreds of thousands, and what we know of each takes
//! memory.

use super::Socket;
use crate::coverage::Gap;
use crate::host::Host;
use std::collections::BTreeMap;

/// So many are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Of one user.
    pub each: usize,
    /// Of all.
    pub all: usize,
}

impl Limit {
    /// Leaves so many of the sockets of each user, and says of how many others nothing was seen, and whose the most are.
    pub fn keep(self, host: &Host, gap: &str, found: &mut Vec<(Option<u64>, Socket)>) -> Option<Gap> {
        let of = found.len();
        if of <= self.each {
            return None;
        }
        let (mut users, mut kept) = (BTreeMap::<u32, usize>::new(), 0);
        found.retain(|(_, socket)| {
            let count = users.entry(socket.uid).or_default();
            *count += 1;
            let is_kept = *count <= self.each && kept < self.all;
            kept += usize::from(is_kept);
            is_kept
        });
        let (uid, most) = users.into_iter().max_by_key(|(_, count)| *count)?;
        let user = host.users().name(uid);
        let why = format!("{user} has {most} sockets open, more than are looked at; end what opens them");
        (kept < of).then(|| Gap { gap: gap.to_owned(), seen: kept as u64, of: of as u64, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::listener::Protocol;
    use std::net::Ipv4Addr;

    #[test]
    fn a_user_with_too_many_sockets_is_told_of_and_the_sockets_of_others_are_looked_at() {
        let socket = |uid: u32, port: u16| {
            let address = Ipv4Addr::LOCALHOST.into();
            let protocol = Protocol::Udp;
            (None, Socket { protocol, port, address, inode: 1, uid, only_ipv6: None, peer: None })
        };
        let host = Host::at(std::path::Path::new("/nowhere"));
        let many = || {
            (1..=9).map(|port| socket(1000, port)).chain([socket(0, 22), socket(33, 80)]).collect::<Vec<_>>()
        };
        let ports = |limit: Limit| {
            let mut found = many();
            let gap = limit.keep(&host, "crowd", &mut found);
            let ports: Vec<u16> = found.iter().map(|(_, socket)| socket.port).collect();
            (ports, gap.map(|gap| format!("{} {} of {}: {}", gap.gap, gap.seen, gap.of, gap.why)))
        };
        let why = "1000 has 9 sockets open, more than are looked at; end what opens them";
        assert_eq!(
            ports(Limit { each: 4, all: 9 }),
            (vec![1, 2, 3, 4, 22, 80], Some(format!("crowd 6 of 11: {why}")))
        );
        assert_eq!(
            ports(Limit { each: 4, all: 5 }),
            (vec![1, 2, 3, 4, 22], Some(format!("crowd 5 of 11: {why}")))
        );
        assert_eq!(ports(Limit { each: 9, all: 11 }), (vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 22, 80], None));
    }
}
