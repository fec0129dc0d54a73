//! Reading the logins of a Windows host: the portable [pass](super::event::pass) with the event log of this system.

use super::event::follow::{self, BOUNDS, Log, Numbers};
use super::event::pass::{Outcome, Remembered, pass};
use super::event::tell::{OPENSSH, Told, tell};
use super::sshd::{Accepted, Message};
use super::{LoginFacts, Rules, Zone, account};
use crate::coverage::Gap;
use crate::host::Host;
use crate::text::Text;
use crate::watch::{Look, Seen};
use crate::win32;
use crate::win32::event_log::{Channel, Found};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

/// Looks at every channel.
pub fn collect(look: &mut Look<Rules>) -> Seen<LoginFacts> {
    let mut remembered: Remembered = look.memory.recall();
    let computer = win32::host::name();
    let name_of = |sid: &str| {
        let (domain, name) = win32::sid::name(sid)?;
        let name = account::of_windows(&domain, &name, &computer);
        Some(String::from_utf8_lossy(&name.to_bytes()).into_owned())
    };
    let outcome = pass(&mut remembered, look.now, look.gaps, |name| Ok(Channel::named(name)), name_of);
    let mut facts = match outcome {
        Outcome::Facts(facts) => facts,
        // Without any event log there is nothing to see; one that may not be read is a failure.
        Outcome::Nothing(why, ErrorKind::Unsupported) => {
            return Seen::NoData(format!("there is no event log to ask: {}", why.join("; ")));
        }
        Outcome::Nothing(why, _) => return Seen::Failed(why.join("; ")),
    };
    look.memory.keep(&remembered);
    facts.time_zone = time_zone(look.host).0;
    if facts.time_zone.is_none() {
        let why = "Windows names no time zone that is known; hours are taken as UTC unless the policy names a time-zone";
        look.gaps.push(Gap { gap: "time-zone".to_owned(), seen: 0, of: 1, why: why.to_owned() });
    }
    Seen::Facts(*facts)
}

impl Log for Channel {
    type Event = Found;

    fn numbers(&mut self) -> io::Result<Option<Numbers>> {
        let numbers = Self::numbers(self)?;
        Ok(numbers.map(|(oldest, newest)| Numbers { oldest, newest }))
    }
    fn ask(&mut self, query: &str) -> io::Result<()> {
        Self::ask(self, query)
    }
    fn skip_to(&mut self, bookmark: &str) -> io::Result<bool> {
        Self::skip_to(self, bookmark)
    }
    fn next(&mut self) -> io::Result<Option<Found>> {
        self.fetch()
    }
    fn xml(&mut self, event: &Found) -> io::Result<Option<String>> {
        Self::xml(self, event)
    }
    fn bookmark(&mut self, event: &Found) -> io::Result<String> {
        Self::bookmark(self, event)
    }
}

/// What sshd told of how the connections of these processes were let in: for each number and moment of start the login, if
/// it is found. Reads back as far as the oldest.
#[must_use]
pub fn accepted_by(_host: &Host, wanted: &[(u32, Timestamp)], _now: Timestamp) -> Vec<(u32, Accepted)> {
    let Some(oldest) = wanted.iter().map(|(_, since)| *since).min() else { return Vec::new() };
    let before = SignedDuration::from_secs(60);
    let within = SignedDuration::from_secs(600);
    let is_wanted = |pid: u32, at: Timestamp| {
        let fits = |(other, start): &(u32, Timestamp)| {
            *other == pid && at > *start - before && at.duration_since(*start) < within
        };
        wanted.iter().any(fits)
    };
    let mut found = Vec::new();
    let mut keys: BTreeMap<u32, Text> = BTreeMap::new();
    // What cannot be read is told by the watch of logins.
    let mut log = Channel::named(OPENSSH);
    let _ = follow::follow(&mut log, &[4], None, oldest - before, BOUNDS, |event| {
        match (event.pid, tell(&event)) {
            (Some(pid), Told::Ssh(Message::Partial(Some(key)))) => {
                keys.insert(pid, key);
            }
            (Some(pid), Told::Ssh(Message::Accepted(mut accepted))) if is_wanted(pid, event.at) => {
                accepted.key = accepted.key.or(keys.remove(&pid));
                found.push((pid, accepted));
            }
            _ => {}
        }
    });
    found
}

/// The IANA name of the zone that Windows is set to, if there is one, and the zone itself.
#[must_use]
pub fn time_zone(_host: &Host) -> (Option<Text>, TimeZone) {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let name = zone.iana_name().filter(|name| Zone::try_from((*name).to_owned()).is_ok());
    (name.map(Text::from), zone)
}
