//! Finding the sessions among the processes, reading what their leaders were started with, and asking the log how their
//! people came in.

use super::environment::Variables;
use super::{Because, Hidden, Leader, Rules, Session, SessionFacts, ToldBy, VARIABLE, system};
use crate::coverage::Gap;
use crate::host::Host;
use crate::processes::{Executable, Listing, Process};
use crate::text::Text;
use crate::watch::login::ssh::Connection;
use crate::watch::login::{accepted_by, address};
use crate::watch::{Look, Seen};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A connection younger than this may not have started its session yet.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);
/// The log may be a little late; after this it is not asked again.
const ASK_LOG: SignedDuration = SignedDuration::from_secs(300);

/// What the log told of a connection, remembered while it lasts: the line may be rotated away before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Known {
    from: Text,
    method: Text,
    key: Option<Text>,
}

/// By number and start of the monitor; none if the log does not tell.
type Told = BTreeMap<String, Option<Known>>;

/// What is remembered of the connections that were there.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Remembered {
    told: Told,
    /// Those in which nothing ran.
    idle: BTreeSet<String>,
}

/// Looks at every session.
pub fn collect(look: &mut Look<Rules>) -> Seen<SessionFacts> {
    let listing = match look.processes.now(look.host) {
        Ok(listing) => listing,
        Err(error) => return Seen::Failed(format!("the processes cannot be read: {error}")),
    };
    let mut facts = look_at(look, &listing);
    system::desktops(&mut facts, look.gaps);
    Seen::Facts(facts)
}

/// Looks at the sessions among these processes.
pub(super) fn look_at(look: &mut Look<Rules>, listing: &Listing) -> SessionFacts {
    let required = look.rules.sessions.as_ref().and_then(|placed| placed.rule.require_env.as_ref());
    let variable = required.map_or(VARIABLE, |variable| variable.as_str());
    let connections = system::connections(listing);
    // Who looks but once has no next look to wait for.
    let is_only = look.memory.is_empty() && !look.processes.are_followed();
    let before: Remembered = look.memory.recall();
    let known = ask_log(look, &connections, before.told);
    let names = system::NAMES;
    let mut facts = SessionFacts { variable: Text::from(variable), names, ..SessionFacts::default() };
    let mut idle = BTreeSet::new();
    for connection in &connections {
        let name = name(connection.monitor);
        let told = known.get(&name).and_then(Option::as_ref);
        one(look.host, variable, connection, told, &mut facts);
        if is_idle(connection, look.now) {
            // Each is so for a moment: before its first program starts, and when its last one has ended.
            if is_only || before.idle.contains(&name) {
                facts.hidden.push(hidden(connection, told, Because::NoProcess, connection.carrier));
            }
            idle.insert(name);
        }
    }
    look.memory.keep(&Remembered { told: known, idle });
    gaps(&facts, look.rules, look.gaps);
    facts
}

fn name(monitor: &Process) -> String {
    format!("{} {}", monitor.pid, monitor.start)
}

/// What is remembered of the connections that are there, and what the log tells of the others.
fn ask_log(look: &Look<Rules>, connections: &[Connection], mut before: Told) -> Told {
    let (mut known, mut unknown) = (Told::new(), Vec::new());
    for monitor in connections.iter().map(|connection| connection.monitor) {
        let name = name(monitor);
        let told = before.remove(&name);
        let young = look.now.duration_since(monitor.since) < ASK_LOG;
        if told.is_none() || young && told == Some(None) {
            unknown.push((monitor.pid, monitor.since));
        }
        known.insert(name, told.flatten());
    }
    for (pid, accepted) in accepted_by(look.host, &unknown, look.now) {
        let monitor = connections.iter().map(|c| c.monitor).find(|monitor| monitor.pid == pid);
        if let Some(monitor) = monitor {
            let told = Known { from: accepted.from, method: accepted.method, key: accepted.key };
            known.insert(name(monitor), Some(told));
        }
    }
    known
}

/// What came of reading the environment of a process.
pub(super) enum Environment {
    /// What was wanted of it.
    Read(Variables),
    /// It cannot be seen.
    Hidden(Because),
    /// The process has ended.
    Gone,
}

/// True if nothing runs in it, and it is old enough for something to run.
fn is_idle(connection: &Connection, now: Timestamp) -> bool {
    let is_empty = connection.leaders.is_empty() && connection.internal_sftp.is_empty();
    is_empty && now.duration_since(connection.carrier.since) > SETTLED
}

fn hidden(connection: &Connection, told: Option<&Known>, because: Because, process: &Process) -> Hidden {
    Hidden {
        account: connection.account.clone(),
        from: told.map(|told| told.from.clone()),
        because,
        pid: process.pid,
        since: process.since,
    }
}

fn one(host: &Host, variable: &str, connection: &Connection, told: Option<&Known>, facts: &mut SessionFacts) {
    let hidden = |because, process: &Process| hidden(connection, told, because, process);
    for leader in &connection.leaders {
        match system::read_environment(host, leader, variable) {
            Environment::Read(found) => facts.sessions.push(session(&found, connection, leader, told)),
            Environment::Hidden(because) => facts.hidden.push(hidden(because, leader)),
            Environment::Gone => {}
        }
    }
    facts
        .hidden
        .extend(connection.internal_sftp.iter().map(|process| hidden(Because::InternalSftp, process)));
}

fn session(found: &Variables, connection: &Connection, leader: &Process, told: Option<&Known>) -> Session {
    let mut words = found.connection.as_deref().unwrap_or_default().split(' ');
    let from = words.next().and_then(address).map(|address| Text::new(address.to_string()));
    let port = words.next().and_then(|port| port.parse().ok());
    // The log's word stands above what the session says of itself, also of its port.
    let port = port.filter(|_| told.is_none_or(|told| Some(&told.from) == from.as_ref()));
    let told_by = match (told, &from) {
        (Some(_), _) => Some(ToldBy::Log),
        (None, Some(_)) => Some(ToldBy::Environment),
        (None, None) => None,
    };
    let exe = match &leader.exe {
        Executable::Path(path) => path.clone(),
        Executable::Deleted(path) => Text::new(format!("{path} (deleted)")),
        Executable::Memory(name) => Text::new(format!("memfd:{name}")),
        Executable::Kernel | Executable::Unreadable(_) => leader.name.clone(),
    };
    // Of several sessions in one connection the title names the terminals of all.
    let of_title = connection.terminal.clone().filter(|_| found.connection.is_none());
    let terminal = found.terminal.clone().or(of_title);
    Session {
        account: connection.account.clone(),
        from: told.map(|told| told.from.clone()).or(from),
        port,
        told_by,
        terminal,
        value: found.value.clone(),
        method: told.map(|told| told.method.clone()),
        key: told.and_then(|told| told.key.clone()),
        leader: Leader {
            pid: leader.pid,
            start: leader.start,
            since: leader.since,
            exe,
            user: leader.user.clone(),
        },
    }
}

fn gaps(facts: &SessionFacts, rules: &Rules, gaps: &mut Vec<Gap>) {
    let all = (facts.sessions.len() + facts.hidden.len()) as u64;
    let mut gap = |name: &str, missing: usize, of: u64, why: String| {
        if missing > 0 {
            gaps.push(Gap { gap: name.to_owned(), seen: of - missing as u64, of, why });
        }
    };
    let count = |because: Because| facts.hidden.iter().filter(|hidden| hidden.because == because).count();
    let (sftp, empty) = (count(Because::InternalSftp), count(Because::NoProcess));
    let why = format!(
        "{sftp} file transfers that sshd serves itself (a Subsystem sftp of sftp-server would start a process) and {empty} connections in which nothing runs have no environment to see"
    );
    gap("session-not-observable", sftp + empty, all, why);
    let (unreadable, of_32_bits) = (count(Because::Unreadable), count(Because::Of32Bits));
    let of_32_bits_too = if of_32_bits > 0 { "; of 32-bit programs it is not read on Windows" } else { "" };
    let why = format!(
        "the environment of other users' processes may not be read: {}{of_32_bits_too}",
        system::CURE
    );
    gap("session-environment", unreadable + of_32_bits, all, why);
    let holds_keys = |session: &&Session| {
        let of =
            |value: &Text| rules.keyholder.iter().any(|k| *value == *k.rule.name && !k.rule.keys.is_empty());
        session.value.as_ref().is_some_and(of)
    };
    let with_keys: Vec<&Session> = facts.sessions.iter().filter(holds_keys).collect();
    let no_word = with_keys.iter().filter(|session| session.method.is_none()).count();
    let why =
        "the log does not tell which key they came in with, so their key holder cannot be held against it";
    gap("session-key", no_word, with_keys.len() as u64, why.to_owned());
}
