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
    /// Of all users who are people: one may have the numbers of thousands.
    pub people: usize,
}

/// The first number of a person: those before are of the system and its services.
const FIRST: u32 = 1000;

impl Limit {
    /// Leaves so many of the sockets of each user, and says of how many others nothing was seen, and whose the most are.
    pub fn keep(self, host: &Host, gap: &str, found: &mut Vec<(Option<u64>, Socket)>) -> Option<Gap> {
        let of = found.len();
        if of <= self.each {
            return None;
        }
        let (mut users, mut people) = (BTreeMap::<u32, usize>::new(), 0);
        found.retain(|(_, socket)| {
            let count = users.entry(socket.uid).or_default();
            *count += 1;
            let is_kept = *count <= self.each && (socket.uid < FIRST || people < self.people);
            people += usize::from(is_kept && socket.uid >= FIRST);
            is_kept
        });
        let kept = found.len();
        let (uid, most) = users.into_iter().max_by_key(|(_, count)| *count)?;
        let user = host.users().name(uid);
        let why = format!("more sockets are open than are looked at; {user} has the most, {most}");
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
        let why = "more sockets are open than are looked at; 1000 has the most, 9";
        assert_eq!(
            ports(Limit { each: 4, people: 9 }),
            (vec![1, 2, 3, 4, 22, 80], Some(format!("crowd 6 of 11: {why}")))
        );
        assert_eq!(
            ports(Limit { each: 4, people: 3 }),
            (vec![1, 2, 3, 22, 80], Some(format!("crowd 5 of 11: {why}")))
        );
        assert_eq!(ports(Limit { each: 9, people: 9 }), (vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 22, 80], None));
    }
}
