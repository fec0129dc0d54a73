//! Putting together what several sources say of the same logins: each login once, each failure once.

use super::records::Record;
use super::source::CONSOLE;
use super::sshd::{Account, Message, Try};
use super::{Failures, Login, LoginFacts, Minute, Unlogged};
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A record this young waits for the line of the log that knows more of the same login.
const WAIT: SignedDuration = SignedDuration::from_secs(10);
/// A record and a line no further apart than this are of the same login.
const APART: SignedDuration = SignedDuration::from_secs(60);
/// A connection must have let somebody in within this time, or it is another one with the same number.
const LONGEST_TRY: SignedDuration = SignedDuration::from_secs(600);
/// Bounds, so that a flood fills no memory; what goes over is counted.
const MOST_LOGINS: usize = 20_000;
const MOST_FAILURES: usize = 20_000;
const MOST_KNOWN: usize = 1_000;
const MOST_TRIES: usize = 256;
const QUARTER: i64 = 900;

/// What is not finished when a pass ends, and remembered for the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Open {
    tries: BTreeMap<u32, Pending>,
    known: Vec<Known>,
    waiting: Vec<Record>,
    unlogged: Vec<Unlogged>,
}

/// A connection in which nobody is let in yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pending {
    since: Timestamp,
    counted: bool,
    /// PAM has told of a failure that sshd may tell of too.
    pam: bool,
    key: Option<Text>,
    tried: Option<(Text, Text, Option<Text>, bool)>,
}

/// A login that the log told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Known {
    pid: Option<u32>,
    user: Text,
    from: Text,
    at: Timestamp,
}

type Key = (Text, Text, Text, bool, Option<Text>, i64);

/// What is gathered in one pass.
pub struct Gather {
    open: Open,
    now: Timestamp,
    logins: Vec<Login>,
    failures: HashMap<Key, Failures>,
    minutes: BTreeMap<i64, u64>,
    unlisted: u64,
    /// Logins beyond the bound.
    pub dropped: u64,
}

impl Gather {
    /// Begins a pass with what the last one left open.
    #[must_use]
    pub fn new(open: Open, now: Timestamp) -> Self {
        Self {
            open,
            now,
            logins: Vec::new(),
            failures: HashMap::new(),
            minutes: BTreeMap::new(),
            unlisted: 0,
            dropped: 0,
        }
    }

    /// Takes in a message of sshd or login, that the log repeats `times` times.
    pub fn message(&mut self, at: Timestamp, pid: Option<u32>, times: u64, message: Message, told_by: &Text) {
        let number = pid.unwrap_or(0);
        match message {
            Message::Accepted(accepted) => {
                let pending =
                    self.open.tries.remove(&number).filter(|p| at.duration_since(p.since) < LONGEST_TRY);
                let key = accepted.key.or_else(|| pending.and_then(|pending| pending.key));
                self.known(pid, &accepted.user, &accepted.from, at);
                self.login(Login {
                    user: accepted.user,
                    from: accepted.from,
                    method: accepted.method,
                    at,
                    key,
                    terminal: None,
                    pid,
                    told_by: told_by.clone(),
                    ..Login::default()
                });
            }
            Message::Console(user) => {
                self.known(pid, &user, &Text::from(CONSOLE), at);
                let (from, method) = (Text::from(CONSOLE), Text::from(CONSOLE));
                let told_by = told_by.clone();
                self.login(Login { user, from, method, at, pid, told_by, ..Login::default() });
            }
            Message::Partial(key) => self.pending(number, at).key = key,
            Message::PamFailed(attempt) => {
                let pending = self.pending(number, at);
                (pending.counted, pending.pam) = (true, true);
                self.fail(&attempt, at, times);
            }
            Message::Failed(attempt) => self.failed(number, at, times, &attempt),
            Message::Ended(mut attempt) => {
                let pending = self.pending(number, at);
                if !std::mem::replace(&mut pending.counted, true) {
                    attempt.method = pending.tried.take().and_then(|(_, _, method, _)| method);
                    self.fail(&attempt, at, 1);
                }
            }
            Message::TimedOut => {
                let pending = self.pending(number, at);
                if !std::mem::replace(&mut pending.counted, true)
                    && let Some((user, from, method, known)) = pending.tried.take()
                {
                    let account = if known { Account::Known } else { Account::Unknown };
                    self.fail(&Try { user, from, method, account }, at, 1);
                }
            }
        }
    }

    /// A client tries keys, and nothing, before it asks its user: that counts once, and only if the connection
    /// ends without a login. A wrong password counts each time.
    fn failed(&mut self, number: u32, at: Timestamp, times: u64, attempt: &Try) {
        let pending = self.pending(number, at);
        match attempt.method.as_deref() {
            Some("none" | "publickey" | "hostbased") => {
                let method = attempt.method.clone().filter(|method| *method != "none");
                let known = attempt.account == Account::Known;
                pending.tried = Some((attempt.user.clone(), attempt.from.clone(), method, known));
            }
            Some("keyboard-interactive") if std::mem::take(&mut pending.pam) => {}
            _ => {
                pending.counted = true;
                self.fail(attempt, at, times);
            }
        }
    }

    fn pending(&mut self, number: u32, at: Timestamp) -> &mut Pending {
        let tries = &mut self.open.tries;
        if tries.get(&number).is_some_and(|p| at.duration_since(p.since).abs() > LONGEST_TRY) {
            tries.remove(&number);
        }
        if tries.len() >= MOST_TRIES && !tries.contains_key(&number) {
            let oldest = tries.iter().min_by_key(|(_, pending)| pending.since).map(|(number, _)| *number);
            oldest.and_then(|oldest| tries.remove(&oldest));
        }
        let fresh = Pending { since: at, counted: false, pam: false, key: None, tried: None };
        tries.entry(number).or_insert(fresh)
    }

    fn known(&mut self, pid: Option<u32>, user: &Text, from: &Text, at: Timestamp) {
        self.open.known.push(Known { pid, user: user.clone(), from: from.clone(), at });
    }

    /// Takes in a login of which no other source has told.
    pub fn login(&mut self, login: Login) {
        if self.logins.len() < MOST_LOGINS {
            self.logins.push(login);
        } else {
            self.dropped += 1;
        }
    }

    fn fail(&mut self, attempt: &Try, at: Timestamp, times: u64) {
        self.fail_because(attempt, None, at, times);
    }

    /// Takes in failures, and why they were.
    pub fn fail_because(&mut self, attempt: &Try, reason: Option<Text>, at: Timestamp, times: u64) {
        let second = at.as_second();
        *self.minutes.entry(second.div_euclid(60) * 60).or_default() += times;
        let method = attempt.method.clone().unwrap_or_else(|| Text::from("unfinished"));
        let no_account = attempt.account == Account::Unknown;
        let (user, from) = (attempt.user.clone(), attempt.from.clone());
        let key = (
            user.clone(),
            from.clone(),
            method.clone(),
            no_account,
            reason.clone(),
            second.div_euclid(QUARTER),
        );
        if self.failures.len() >= MOST_FAILURES && !self.failures.contains_key(&key) {
            self.unlisted += times;
            return;
        }
        let fresh = Failures { user, from, method, no_account, reason, count: 0, first: at, last: at };
        let group = self.failures.entry(key).or_insert(fresh);
        group.count += times;
        (group.first, group.last) = (group.first.min(at), group.last.max(at));
    }

    /// Takes in a failed login of btmp.
    pub fn failed_record(&mut self, record: Record) {
        let from = record.from.unwrap_or_else(|| Text::from(CONSOLE));
        let method = if from == CONSOLE { CONSOLE } else { "unknown" };
        let method = Some(Text::from(method));
        self.fail(&Try { user: record.user, from, method, account: Account::Known }, record.at, 1);
    }

    /// Takes in the records of wtmp or wtmpdb, and those that waited. With a log, a record of an SSH login that
    /// it does not tell of is a login all the same, and held against the log.
    pub fn records(&mut self, records: Vec<Record>, told_by: &Text, log: Option<&Text>) {
        let mut waited = std::mem::take(&mut self.open.waiting);
        waited.extend(records);
        for record in waited {
            if self.explain(&record) {
                continue;
            }
            let age = self.now.duration_since(record.at);
            if log.is_some() && age < WAIT && !age.is_negative() {
                self.open.waiting.push(record);
                continue;
            }
            let from = remote(&record);
            if let (Some(log), Some(from)) = (log, &from) {
                self.unlogged(Unlogged {
                    log: log.clone(),
                    user: record.user.clone(),
                    from: Some(from.clone()),
                    at: record.at,
                    pid: record.pid,
                    told_by: told_by.clone(),
                });
            }
            let method = Text::from(if from.is_some() { "unknown" } else { CONSOLE });
            let from = from.unwrap_or_else(|| Text::from(CONSOLE));
            self.login(Login {
                user: record.user,
                from,
                method,
                at: record.at,
                key: None,
                terminal: Some(record.line),
                pid: record.pid,
                told_by: told_by.clone(),
                ..Login::default()
            });
        }
    }

    /// True if the log has told of the login that this record is of. The terminal is then known too.
    fn explain(&mut self, record: &Record) -> bool {
        let from = remote(record).unwrap_or_else(|| Text::from(CONSOLE));
        let near = |at: Timestamp| at.duration_since(record.at).abs() <= APART;
        // Of a long name a record holds just the beginning.
        let same_user =
            |user: &Text| *user == record.user || record.user.len() >= 32 && user.starts_with(&*record.user);
        // Every terminal of a connection that carries several has a record: all of them name one process.
        let explains = |pid: Option<u32>, user: &Text, known_from: &Text, at: Timestamp| {
            let same_process = pid.is_some() && pid == record.pid && at.duration_since(record.at) <= APART;
            same_user(user) && (same_process || *known_from == from && near(at))
        };
        let explained = self.open.known.iter().any(|k| explains(k.pid, &k.user, &k.from, k.at));
        let open = self.logins.iter_mut().rev().find(|login| {
            login.terminal.is_none()
                && explains(login.pid, &login.user, &login.from, login.at)
                && near(login.at)
        });
        if let Some(login) = open.filter(|_| explained) {
            login.terminal = Some(record.line.clone());
        }
        explained
    }

    /// Holds it against the log that it did not tell of a connection in which somebody is.
    pub fn connection(&mut self, pid: u32, user: &Text, since: Timestamp, log: &Text) {
        let told = self.open.known.iter().any(|known| {
            let took = known.at.duration_since(since);
            known.pid == Some(pid) && took > -APART && took < LONGEST_TRY
        });
        if !told {
            self.unlogged(Unlogged {
                log: log.clone(),
                user: user.clone(),
                from: None,
                at: since,
                pid: Some(pid),
                told_by: Text::from("a process of sshd"),
            });
        }
    }

    /// Before this moment logins that the log told of may have been forgotten, for their number.
    #[must_use]
    pub fn forgotten(&self) -> Option<Timestamp> {
        let full = self.open.known.len() >= MOST_KNOWN;
        self.open.known.first().filter(|_| full).map(|known| known.at)
    }

    fn unlogged(&mut self, unlogged: Unlogged) {
        let same = |other: &Unlogged| {
            other.user == unlogged.user && other.pid == unlogged.pid && other.at == unlogged.at
        };
        if self.open.unlogged.len() < 100 && !self.open.unlogged.iter().any(same) {
            self.open.unlogged.push(unlogged);
        }
    }

    /// Ends the pass. The log is held to be silent until it tells of a later login, or for a day.
    #[must_use]
    pub fn finish(mut self) -> (LoginFacts, Open) {
        let spoke = self.open.known.iter().map(|known| known.at).max();
        let day = SignedDuration::from_hours(24);
        self.open
            .unlogged
            .retain(|u| self.now.duration_since(u.at) < day && spoke.is_none_or(|at| at <= u.at));
        self.open.known.sort_by_key(|known| known.at);
        let over = self.open.known.len().saturating_sub(MOST_KNOWN);
        self.open.known.drain(..over);
        self.logins.sort_by_key(|login| login.at);
        let mut failures: Vec<Failures> = self.failures.into_values().collect();
        failures.sort_by(|a, b| {
            (a.first, &a.user, &a.from, &a.method, &a.reason)
                .cmp(&(b.first, &b.user, &b.from, &b.method, &b.reason))
        });
        let minute = |(second, count)| Some(Minute { at: Timestamp::from_second(second).ok()?, count });
        let facts = LoginFacts {
            logins: self.logins,
            failures,
            failed_in: self.minutes.into_iter().filter_map(minute).collect(),
            unlisted: self.unlisted,
            unlogged: self.open.unlogged.clone(),
            ..LoginFacts::default()
        };
        (facts, self.open)
    }
}

/// Where a record says somebody came from over the network; a display of the machine itself is the console.
fn remote(record: &Record) -> Option<Text> {
    record.from.clone().filter(|from| !from.starts_with(':'))
}
