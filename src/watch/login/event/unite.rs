//! Making one login of what several events tell of it.
//!
//! Whoever comes in over RDP is told of by up to five events: the network logon of its authentication (4624, type 3),
//! the connection (1149), the logon at the desktop (4624, type 10), a second one for the half of the rights that an
//! administrator does not use, and the session (21 or 25). sshd's own word stands above the logons that it asks for.
//!
//! What was seen waits until all that belongs to it had time to be written. So it does not matter where one pass ends
//! and the next begins.

use crate::text::Text;
use crate::watch::login::{Login, UNCLEAR};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Events of the same login are no further apart than this.
const APART: SignedDuration = SignedDuration::from_secs(15);
/// So long is waited for them.
const WAIT: SignedDuration = SignedDuration::from_secs(20);
/// So long may a person look at what Windows shows between the authentication of RDP and the desktop.
const READING: SignedDuration = SignedDuration::from_secs(300);
/// Bounds, so that a flood fills no memory: what goes over does not wait.
const MOST_WAITING: usize = 5_000;
const MOST_KNOWN: usize = 1_000;

/// A login, as one event tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sighting {
    /// What it tells.
    pub login: Login,
    /// What kind of event it was.
    pub kind: Kind,
    /// The number of the logon, 0 if it has none.
    pub id: u64,
    /// The number of the logon that is its other half, or 0.
    pub linked: u64,
}

/// Which event told of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// 4624 over the network.
    Network,
    /// 4624 over the network, asked for by sshd.
    Ssh,
    /// 4624 at a desktop.
    Desktop,
    /// 4624 of another type.
    Other,
    /// 21 or 25 of the manager of sessions.
    Session,
    /// 1149: a connection of RDP.
    Connection,
}

/// A login that was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Known {
    user: Text,
    from: Text,
    at: Timestamp,
    how: How,
    id: u64,
    linked: u64,
    /// The session of this desktop was seen too.
    session: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    Ssh,
    Desktop,
    /// The authentication of RDP; its desktop is still to come.
    Authenticated,
    /// It has come.
    Arrived,
    Other,
}

/// What waits, and what was told of late.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Unite {
    waiting: Vec<Sighting>,
    known: Vec<Known>,
}

impl Unite {
    /// Takes in what an event tells.
    pub fn saw(&mut self, sighting: Sighting) {
        self.waiting.push(sighting);
    }

    /// Takes in a login that sshd has told of.
    pub fn ssh(&mut self, user: &Text, from: &Text, at: Timestamp) {
        let (user, from) = (user.clone(), from.clone());
        self.remember(Known { user, from, at, how: How::Ssh, id: 0, linked: 0, session: false });
    }

    /// Notes which logons have the rights of an administrator, and when some ended.
    pub fn mark(&mut self, rights: &HashSet<u64>, ended: &HashMap<u64, Timestamp>) {
        for Sighting { login, id, .. } in self.waiting.iter_mut().filter(|sighting| sighting.id != 0) {
            login.administrator |= rights.contains(id);
            // Numbers begin anew with every boot.
            login.until = login.until.or(ended.get(id).copied().filter(|until| *until >= login.at));
        }
    }

    /// Notes who gave the name and password of `user` at that moment.
    pub fn asked(&mut self, by: &Text, user: &Text, at: Timestamp) {
        let near = |login: &Login| login.user == *user && login.at.duration_since(at).abs().as_secs() <= 2;
        for Sighting { login, .. } in self.waiting.iter_mut().filter(|s| near(&s.login)) {
            login.asked_by.get_or_insert_with(|| by.clone());
        }
    }

    /// The logins that nothing more is waited for, and how many connections of RDP led to none. Every channel was read up
    /// to `read_to`, which is `now` unless one of them is behind.
    pub fn settle(&mut self, read_to: Timestamp, now: Timestamp) -> (Vec<Login>, u64) {
        self.waiting.sort_by_key(|sighting| sighting.login.at);
        let over = self.waiting.len().saturating_sub(MOST_WAITING);
        let is_ripe = |at: Timestamp| {
            // What is of the future is so because the clock was set back.
            read_to.duration_since(at) >= WAIT || at.duration_since(now) > SignedDuration::from_secs(60)
        };
        let mut gone = vec![false; self.waiting.len()];
        let (mut logins, mut connections) = (Vec::new(), 0);
        for at in 0..self.waiting.len() {
            let Some(sighting) = self.waiting.get(at).cloned() else { break };
            let ripe = at < over || is_ripe(sighting.login.at);
            if gone.get(at) == Some(&true) || !ripe || sighting.kind == Kind::Connection {
                continue;
            }
            set(&mut gone, at);
            logins.extend(self.one(at, sighting, &mut gone));
        }
        // A connection that nobody needed may still be the proof of a logon that is written after it.
        for (sighting, gone) in self.waiting.iter().zip(&mut gone).filter(|(s, _)| s.kind == Kind::Connection)
        {
            let age = read_to.duration_since(sighting.login.at);
            if !*gone && (age > WAIT + APART || is_ripe(sighting.login.at) && age.is_negative()) {
                connections += 1;
                *gone = true;
            }
        }
        let mut gone = gone.into_iter();
        self.waiting.retain(|_| !gone.next().unwrap_or(false));
        self.known.retain(|known| read_to.duration_since(known.at) <= READING);
        let over = self.known.len().saturating_sub(MOST_KNOWN);
        self.known.drain(..over);
        (logins, connections)
    }

    /// The login that a sighting is of, unless it was or will be told.
    fn one(&mut self, at: usize, sighting: Sighting, gone: &mut [bool]) -> Option<Login> {
        let Sighting { mut login, kind, id, linked } = sighting;
        let user = login.user.clone();
        let halves = |other_id: u64, other_linked: u64, other: &Text| {
            let one = other_id == id || other_id == linked || other_linked == id;
            id != 0 && other_id != 0 && one && same(&user, other)
        };
        if linked != 0 && self.lately(login.at).any(|known| halves(known.id, known.linked, &known.user)) {
            return None;
        }
        let mut how = How::Other;
        let mut session = false;
        match kind {
            Kind::Ssh => {
                let is_it =
                    |k: &Known| k.how == How::Ssh && same(&k.user, &login.user) && near(k.at, login.at);
                if self.lately(login.at).any(is_it) {
                    return None;
                }
            }
            Kind::Network => {
                let told = |k: &Known| {
                    matches!(k.how, How::Desktop)
                        && k.at == login.at
                        && same(&k.user, &user)
                        && k.from == login.from
                };
                if self.lately(login.at).any(told) {
                    return None;
                }
                let desktop =
                    |s: &Sighting| matches!(s.kind, Kind::Desktop | Kind::Session) && s.login.at >= login.at;
                let desktop = self.partner(&login, gone, desktop).filter(|_| login.from != UNCLEAR);
                if let Some(desktop) = desktop.and_then(|at| self.waiting.get_mut(at)) {
                    if desktop.login.from == UNCLEAR {
                        desktop.login.from = login.from;
                    }
                    return None;
                }
                if let Some(connection) = self.partner(&login, gone, |s| s.kind == Kind::Connection) {
                    set(gone, connection);
                    how = How::Authenticated;
                    login.method = Text::from("rdp");
                }
            }
            Kind::Desktop => {
                let is_it = |k: &&mut Known| {
                    let waited = login.at.duration_since(k.at);
                    k.how == How::Authenticated
                        && same(&k.user, &login.user)
                        && k.from == login.from
                        && waited <= READING
                        && !waited.is_negative()
                };
                if let Some(known) = self.lately_mut(login.at).find(is_it) {
                    known.how = How::Arrived;
                    (known.id, known.linked) = (id, linked);
                    return None;
                }
                if let Some(partner) = self.partner(&login, gone, |s| s.kind == Kind::Session) {
                    login.terminal = self.waiting.get(partner).and_then(|s| s.login.terminal.clone());
                    set(gone, partner);
                    session = true;
                }
                if let Some(connection) = self.partner(&login, gone, |s| s.kind == Kind::Connection) {
                    set(gone, connection);
                }
                how = How::Desktop;
            }
            Kind::Session => {
                let is_it = |k: &&mut Known| {
                    let waited = login.at.duration_since(k.at);
                    let reach = if k.how == How::Desktop { APART } else { READING };
                    matches!(k.how, How::Desktop | How::Authenticated | How::Arrived)
                        && same(&k.user, &login.user)
                        && fits(&k.from, &login.from)
                        && waited <= reach
                        && !k.session
                };
                if let Some(known) = self.lately_mut(login.at).find(is_it) {
                    known.session = true;
                    return None;
                }
                if let Some(partner) = self.partner(&login, gone, |s| s.kind == Kind::Desktop) {
                    // The Security log tells more of it, and is a little later.
                    let terminal = login.terminal.take();
                    if let Some(desktop) = self.waiting.get_mut(partner) {
                        desktop.login.terminal = terminal;
                    }
                    return None;
                }
                if let Some(connection) = self.partner(&login, gone, |s| s.kind == Kind::Connection) {
                    set(gone, connection);
                }
                (how, session) = (How::Desktop, true);
            }
            Kind::Other | Kind::Connection => {}
        }
        // The half of which Windows says that it has the rights may be the other one.
        let others = self.waiting.iter().enumerate().filter(|(other, _)| *other != at);
        let mut halves_of_it = others.filter(|(_, other)| halves(other.id, other.linked, &other.login.user));
        login.administrator |= linked != 0 && halves_of_it.any(|(_, other)| other.login.administrator);
        if how == How::Other && linked == 0 {
            // Nothing that comes later can be of it.
            return Some(login);
        }
        self.remember(Known {
            user: login.user.clone(),
            from: login.from.clone(),
            at: login.at,
            how,
            id,
            linked,
            session,
        });
        Some(login)
    }

    /// Keeps what was told by its time, so that little of it is looked through.
    fn remember(&mut self, known: Known) {
        let at = self.known.partition_point(|other| other.at <= known.at);
        self.known.insert(at, known);
    }

    fn lately(&self, at: Timestamp) -> impl Iterator<Item = &Known> {
        let begin = self.known.partition_point(|known| known.at < at - READING);
        self.known.iter().skip(begin).take_while(move |known| known.at <= at + READING)
    }

    fn lately_mut(&mut self, at: Timestamp) -> impl Iterator<Item = &mut Known> {
        let begin = self.known.partition_point(|known| known.at < at - READING);
        self.known.iter_mut().skip(begin).take_while(move |known| known.at <= at + READING)
    }

    /// Another sighting of the same login that `is_wanted`.
    fn partner(&self, login: &Login, gone: &[bool], is_wanted: impl Fn(&Sighting) -> bool) -> Option<usize> {
        let begin = self.waiting.partition_point(|s| s.login.at < login.at - APART);
        let within =
            self.waiting.iter().enumerate().skip(begin).take_while(|(_, s)| s.login.at <= login.at + APART);
        let mut open = within.filter(|(at, _)| gone.get(*at) == Some(&false));
        let found = open.find(|(_, s)| {
            is_wanted(s) && same(&s.login.user, &login.user) && fits(&s.login.from, &login.from)
        });
        found.map(|(at, _)| at)
    }
}

fn set(gone: &mut [bool], at: usize) {
    if let Some(gone) = gone.get_mut(at) {
        *gone = true;
    }
}

fn near(a: Timestamp, b: Timestamp) -> bool {
    a.duration_since(b).abs() <= APART
}

/// True if two channels may mean the same account: one writes `CORP\alice`, another `alice@corp.example`.
fn same(a: &Text, b: &Text) -> bool {
    let bare = |name: &Text| {
        let name = name.rsplit('\\').next().unwrap_or_default();
        name.split('@').next().unwrap_or_default().to_lowercase()
    };
    bare(a) == bare(b)
}

/// True if two sources may be the same.
fn fits(a: &Text, b: &Text) -> bool {
    a == b || *a == UNCLEAR || *b == UNCLEAR
}

#[cfg(test)]
#[path = "unite/tests.rs"]
mod tests;
