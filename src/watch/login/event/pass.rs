//! A pass over the channels that tell of logins.

use super::follow::{self, BOUNDS, Bounds, Log, Place};
use super::tell::{BySshd, OPENSSH, Told, tell};
use super::unite::Unite;
use crate::coverage::Gap;
use crate::text::Text;
use crate::watch::login::gather::{Gather, Open};
use crate::watch::login::sshd::{Message, Try};
use crate::watch::login::{Change, ChangeKind, LoginFacts, Names, Reading};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, ErrorKind};

/// The log that a Windows writes logons to.
const SECURITY: &str = "Security";
/// Channels, and the events of each that tell of logins.
const CHANNELS: [(&str, &[u32]); 5] = [
    (SECURITY, &[1102, 4624, 4625, 4634, 4647, 4648, 4672, 4720, 4726, 4728, 4732, 4740, 4756]),
    ("System", &[104]),
    ("Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational", &[1149]),
    ("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational", &[21, 25]),
    (OPENSSH, &[4]),
];
/// So far back reaches the first look.
const BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Windows itself logs on services all the time: a day without any logon means that they are not written.
const AUDITED: SignedDuration = SignedDuration::from_hours(24);
/// Of more changes than this in one pass only their number is kept.
const MOST_CHANGES: usize = 1_000;

/// What is remembered from pass to pass.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Remembered {
    places: BTreeMap<String, Place>,
    gather: Open,
    unite: Unite,
    /// The last logon of any kind, or the first look.
    heard: Option<Timestamp>,
    /// The moment of the last pass.
    until: Option<Timestamp>,
}

/// What came of a pass.
#[derive(Debug)]
pub enum Outcome {
    /// Facts.
    Facts(Box<LoginFacts>),
    /// No channel could be read: why, and how the log of logons failed.
    Nothing(Vec<String>, ErrorKind),
}

/// Reads every channel that `open` opens. `name_of` gives the name of an account of a security identifier.
pub fn pass<L: Log>(
    remembered: &mut Remembered,
    now: Timestamp,
    gaps: &mut Vec<Gap>,
    open: impl FnMut(&str) -> io::Result<L>,
    name_of: impl Fn(&str) -> Option<String>,
) -> Outcome {
    within(BOUNDS, remembered, now, gaps, open, name_of)
}

/// The same within other bounds.
fn within<L: Log>(
    bounds: Bounds,
    remembered: &mut Remembered,
    now: Timestamp,
    gaps: &mut Vec<Gap>,
    mut open: impl FnMut(&str) -> io::Result<L>,
    name_of: impl Fn(&str) -> Option<String>,
) -> Outcome {
    let since = remembered.until.unwrap_or(now - BACK);
    let mut taken = Taken::new(remembered, now);
    let (mut tried, mut trouble, mut missing) = (0, Vec::new(), Vec::new());
    let (mut behind, mut kind, mut read_to) = (false, ErrorKind::Other, now);
    for (channel, ids) in CHANNELS {
        let before = remembered.places.get(channel);
        let read = open(channel).and_then(|mut log| {
            follow::follow(&mut log, ids, before, since, bounds, |event| taken.take(&tell(&event), &event))
        });
        let read = match read {
            Ok(read) => read,
            // A host without this service has no such channel.
            Err(error) if error.kind() == ErrorKind::NotFound && channel != SECURITY => {
                missing.push(format!("{channel}: {error}"));
                continue;
            }
            Err(error) => {
                tried += 1;
                if channel == SECURITY {
                    kind = error.kind();
                }
                trouble.push(format!("{channel} cannot be read: {}", cure(&error)));
                continue;
            }
        };
        tried += 1;
        told_of(channel, &read, gaps);
        trouble.extend(read.broke.iter().map(|why| format!("{channel} could be read only in part: {why}")));
        let last = read.place.last;
        if read.behind > 0 {
            behind = true;
            read_to = read_to.min(last.unwrap_or(since));
        }
        taken.facts.sources.push(Reading { name: Text::from(channel), read: read.events, last });
        remembered.places.insert(channel.to_owned(), read.place);
    }
    if taken.facts.sources.is_empty() {
        trouble.extend(missing);
        return Outcome::Nothing(trouble, kind);
    }
    if !trouble.is_empty() {
        let seen = tried - trouble.len() as u64;
        gaps.push(gap("login-source", seen, tried, trouble.join("; ")));
    }
    let ssh_speaks = remembered.places.get(OPENSSH).is_some_and(|place| place.last.is_some());
    let heard = remembered.heard.max(taken.heard);
    remembered.heard = Some(heard.unwrap_or(now));
    let silent = heard.is_some_and(|heard| now.duration_since(heard) > AUDITED);
    // On the first look a week without any is as telling as a day later on.
    let silent = silent || heard.is_none() && remembered.until.is_none();
    let security_read = taken.facts.sources.iter().any(|source| source.name == *SECURITY);
    if silent && !behind && security_read {
        let why = "the Security log tells of no logon at all, not even of services: is logon auditing on (watchdog doctor)?";
        gaps.push(gap("login-audit", 0, 1, why.to_owned()));
    }
    let (facts, open, unite) = taken.finish(ssh_speaks, read_to, gaps, name_of);
    (remembered.gather, remembered.unite, remembered.until) = (open, unite, Some(now));
    Outcome::Facts(Box::new(facts))
}

fn gap(gap: &str, seen: u64, of: u64, why: String) -> Gap {
    Gap { gap: gap.to_owned(), seen, of, why }
}

fn cure(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            "it may not be: run as SYSTEM or as an administrator, or in the group Event Log Readers"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

fn told_of(channel: &str, read: &follow::Read, gaps: &mut Vec<Gap>) {
    if let Some((lost, why)) = read.lost {
        let count = lost.map_or_else(|| "events".to_owned(), |lost| format!("{lost} events of any kind"));
        let why = format!("{channel}: {count} were lost before they were read: {why}");
        gaps.push(gap("login-log-cut", read.events, read.events + lost.unwrap_or(1), why));
    }
    if read.torn > 0 {
        let why = format!("{channel} holds events that cannot be understood");
        gaps.push(gap("login-records", read.events, read.events + read.torn, why));
    }
    if read.behind > 0 {
        let why = format!("{channel}: so many events are read in one pass, the rest follows in the next");
        gaps.push(gap("login-backlog", read.events, read.events + read.behind, why));
    }
}

/// What was taken in.
struct Taken {
    now: Timestamp,
    gather: Gather,
    unite: Unite,
    facts: LoginFacts,
    rights: HashSet<u64>,
    ended: HashMap<u64, Timestamp>,
    asked: Vec<(Text, Text, Timestamp)>,
    by_sshd: Vec<(Try, Option<Text>, Timestamp)>,
    heard: Option<Timestamp>,
    changes_over: u64,
}

impl Taken {
    fn new(remembered: &mut Remembered, now: Timestamp) -> Self {
        Self {
            now,
            gather: Gather::new(std::mem::take(&mut remembered.gather), now),
            unite: std::mem::take(&mut remembered.unite),
            facts: LoginFacts { names: Names::Windows, ..LoginFacts::default() },
            rights: HashSet::new(),
            ended: HashMap::new(),
            asked: Vec::new(),
            by_sshd: Vec::new(),
            heard: None,
            changes_over: 0,
        }
    }

    fn take(&mut self, told: &Told, event: &super::Event) {
        if matches!(event.id, 4624 | 4625) {
            self.heard = self.heard.max(Some(event.at));
        }
        match told.clone() {
            Told::Login(sighting) => self.unite.saw(*sighting),
            Told::Failed(attempt, reason, BySshd::Yes) => self.by_sshd.push((attempt, reason, event.at)),
            Told::Failed(attempt, reason, BySshd::No) => {
                self.gather.fail_because(&attempt, reason, event.at, 1);
            }
            Told::Rights(id) => {
                self.rights.insert(id);
            }
            Told::Ended(id, at) => {
                self.ended.insert(id, at);
            }
            Told::Asked(by, user, at) => self.asked.push((by, user, at)),
            Told::Change(change) if self.facts.changes.len() < MOST_CHANGES => {
                self.facts.changes.push(*change);
            }
            Told::Change(_) => self.changes_over += 1,
            Told::Ssh(message) => {
                if let Message::Accepted(accepted) = &message {
                    self.unite.ssh(&accepted.user, &accepted.from, event.at);
                }
                self.gather.message(event.at, event.pid, 1, message, &Text::from(OPENSSH));
            }
            Told::LeftOut(why) => *self.facts.left_out.entry(why.to_owned()).or_default() += 1,
            Told::Nothing => {}
        }
    }

    fn finish(
        mut self,
        ssh_speaks: bool,
        read_to: Timestamp,
        gaps: &mut Vec<Gap>,
        name_of: impl Fn(&str) -> Option<String>,
    ) -> (LoginFacts, Open, Unite) {
        // sshd knows more of these, if it speaks.
        for (attempt, reason, at) in self.by_sshd.drain(..).filter(|_| !ssh_speaks) {
            self.gather.fail_because(&attempt, reason, at, 1);
        }
        self.unite.mark(&self.rights, &self.ended);
        for (by, user, at) in &self.asked {
            self.unite.asked(by, user, *at);
        }
        let (logins, connections) = self.unite.settle(read_to, self.now);
        for login in logins {
            self.gather.login(login);
        }
        if connections > 0 {
            *self.facts.left_out.entry("rdp-connection".to_owned()).or_default() += connections;
        }
        for (over, what) in [(self.gather.dropped, "logins"), (self.changes_over, "changes of accounts")] {
            if over > 0 {
                let why = format!("so many {what} in one pass are not kept one by one");
                gaps.push(gap("login-flood", 0, over, why));
            }
        }
        let (gathered, open) = self.gather.finish();
        let mut changes = self.facts.changes;
        changes.sort_by_key(|change| change.at);
        name_members(&mut changes, name_of);
        let facts = LoginFacts {
            changes,
            left_out: self.facts.left_out,
            sources: self.facts.sources,
            names: self.facts.names,
            ..gathered
        };
        (facts, open, self.unite)
    }
}

/// Of an account that was added to a group of the host, Windows writes no name.
fn name_members(changes: &mut [Change], name_of: impl Fn(&str) -> Option<String>) {
    let with_name = |change: &Change| Some((change.sid.clone()?, change.what.clone()));
    let mut names: HashMap<Text, Text> =
        changes.iter().filter(|c| c.kind == ChangeKind::AccountCreated).filter_map(with_name).collect();
    for change in changes.iter_mut().filter(|c| c.kind == ChangeKind::GroupChanged) {
        let Some(sid) = change.sid.clone().filter(|sid| *sid == change.what) else { continue };
        let name = names.get(&sid).cloned().or_else(|| Some(Text::new(name_of(&sid)?)));
        if let Some(name) = name {
            names.insert(sid, name.clone());
            change.what = name;
        }
    }
}

#[cfg(test)]
#[path = "pass/tests.rs"]
mod tests;
