//! Reading the sources of logins that a Linux host has.

use super::gather::{Gather, Open};
use super::sshd::{Accepted, Message};
use super::stamp::Clock;
use super::{LoginFacts, Reading, Rules, Zone, journal, log, record_file, records, ssh};
use crate::coverage::Gap;
use crate::host::Host;
use crate::tail::Followed;
use crate::text::Text;
use crate::watch::{Look, Seen};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

const LOGS: [&str; 2] = ["/var/log/auth.log", "/var/log/secure"];
const WTMP: &str = "/var/log/wtmp";
const BTMP: &str = "/var/log/btmp";
const WTMPDB: &str = "/var/lib/wtmpdb/wtmp.db";
/// So far back reaches the first look.
const BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A log that has not been written for so long is left over, if there is a journal.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// So old must a connection be before the log is expected to tell of it.
const SETTLED: SignedDuration = SignedDuration::from_secs(120);

/// How far each source was read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Remembered {
    logs: BTreeMap<String, Followed>,
    records: BTreeMap<String, record_file::Place>,
    journal: Option<journal::Place>,
    wtmpdb: Option<i64>,
    /// The time of the last line of the log that is of logins.
    last: Option<Timestamp>,
    /// The moment of the last pass.
    until: Option<Timestamp>,
    /// From when on the log is known without a gap.
    told_since: Option<Timestamp>,
    open: Open,
}

/// A pass over the sources.
struct Pass<'a> {
    host: &'a Host,
    now: Timestamp,
    since: Timestamp,
    clock: Clock,
    remembered: Remembered,
    gather: Gather,
    sources: Vec<Reading>,
    gaps: Vec<Gap>,
    trouble: Vec<String>,
    tried: u64,
}

/// Looks at every source of logins.
pub fn collect(look: &mut Look<Rules>) -> Seen<LoginFacts> {
    let mut remembered: Remembered = look.memory.recall();
    let (now, host) = (look.now, look.host);
    let (zone, clock_zone) = time_zone(host);
    let gather = Gather::new(std::mem::take(&mut remembered.open), now);
    // A source that was not there before is read from the last pass on; stamps know no parts of a second.
    let since = remembered.until.map_or(now - BACK, |until| until - SignedDuration::from_secs(2));
    let clock = Clock { zone: clock_zone, now };
    let mut pass = Pass {
        host,
        now,
        since,
        clock,
        remembered,
        gather,
        sources: Vec::new(),
        gaps: Vec::new(),
        trouble: Vec::new(),
        tried: 0,
    };
    let log = pass.all();
    if pass.tried == 0 {
        return Seen::NoData(
            "there is no system log, no journal and no wtmp, so nothing tells who logs in".to_owned(),
        );
    }
    pass.processes(look, log.as_ref());
    if zone.is_none() {
        let why = "etc/localtime has no name; hours are taken as UTC unless the policy names a time-zone";
        pass.gap("time-zone", 0, 1, why.to_owned());
    }
    if !pass.trouble.is_empty() {
        let seen = pass.tried - pass.trouble.len() as u64;
        let why = pass.trouble.join("; ");
        pass.gap("login-source", seen, pass.tried, why);
    }
    let Pass { mut remembered, gather, sources, mut gaps, .. } = pass;
    if gather.dropped > 0 {
        let why = "so many logins in one pass are not kept one by one".to_owned();
        gaps.push(Gap { gap: "login-flood".to_owned(), seen: 0, of: gather.dropped, why });
    }
    look.gaps.extend(gaps);
    let (mut facts, open) = gather.finish();
    (remembered.open, remembered.until) = (open, Some(now));
    look.memory.keep(&remembered);
    facts.time_zone = zone;
    facts.sources = sources;
    Seen::Facts(facts)
}

impl Pass<'_> {
    /// Reads all sources. Gives the name of the log of SSH, if there is one that can be read.
    fn all(&mut self) -> Option<Text> {
        let log = self.log();
        let (mut records, mut told_by) = (Vec::new(), Text::from(WTMP));
        let wtmpdb = self.host.path(WTMPDB).exists();
        if wtmpdb {
            told_by = Text::from(WTMPDB);
            records = self.wtmpdb();
        } else if self.exists(WTMP) {
            records = self.records(WTMP, records::parse_wtmp);
        }
        self.gather.records(records, &told_by, log.as_ref());
        if self.exists(BTMP) {
            for record in self.records(BTMP, records::parse_btmp) {
                // The log knows more of failures over SSH, and btmp can hold them twice.
                if log.is_none() || !record.line.starts_with("ssh") {
                    self.gather.failed_record(record);
                }
            }
        }
        log
    }

    fn exists(&self, path: &str) -> bool {
        self.host.path(path).exists()
    }

    fn log(&mut self) -> Option<Text> {
        let file = newest_log(self.host);
        let journal = journal::folder(self.host);
        let stale = |at: Timestamp| self.now.duration_since(at) > STALE;
        match (file, journal) {
            (Some((path, at)), journal) if journal.is_none() || !stale(at) => self.log_file(path, at),
            (_, Some(folder)) => self.journal(folder),
            (_, None) => {
                let records = [WTMP, BTMP, WTMPDB].iter().any(|path| self.exists(path));
                if records {
                    self.tried += 1;
                    let why = "there is no log of sshd (auth.log, secure or journal), so that logins without a terminal, their methods and keys are not seen; rsyslog or a journal would cure it";
                    self.trouble.push(why.to_owned());
                }
                None
            }
        }
    }

    fn log_file(&mut self, path: &str, written: Timestamp) -> Option<Text> {
        self.tried += 1;
        let name = Text::from(path);
        let before = self.remembered.logs.get(path);
        let gather = &mut self.gather;
        let since = before.and(self.remembered.last).unwrap_or(self.since);
        let read = log::read(self.host, path, before, since, &self.clock, |at, pid, times, message| {
            gather.message(at, pid, times, message, &name);
        });
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                self.trouble(path, &error);
                return None;
            }
        };
        let told_since = self.remembered.told_since.filter(|_| read.lost.is_none());
        let told_since = told_since.or(read.first.map(|first| first.max(self.since))).unwrap_or(written);
        self.remembered.told_since = Some(told_since);
        self.remembered.last = read.last.max(self.remembered.last);
        self.lost(path, read.lost);
        if let Some(why) = read.short {
            self.gap("login-history", read.bytes, read.bytes + 1, format!("{path}: {why}"));
        }
        self.sources.push(Reading { name: name.clone(), read: read.bytes, last: self.remembered.last });
        self.remembered.logs.insert(path.to_owned(), read.followed);
        Some(name)
    }

    fn lost(&mut self, path: &str, why: Option<String>) {
        if let Some(why) = why {
            self.gap("login-log-cut", 0, 1, format!("{path}: {why}"));
        }
    }

    fn journal(&mut self, folder: &str) -> Option<Text> {
        self.tried += 1;
        if !journal::readable(self.host, folder) {
            let why = format!("{folder} may not be read: run as root, or in the group systemd-journal");
            self.trouble.push(why);
            return None;
        }
        let name = Text::from("journal");
        let place = self.remembered.journal.as_ref();
        let read = match journal::read(self.host, folder, place, self.since, self.now) {
            Ok(read) => read,
            Err(error) => {
                self.trouble.push(format!("the journal in {folder} cannot be read: {error}"));
                return None;
            }
        };
        if let Some(why) = read.lost {
            self.remembered.told_since = None;
            self.gap("login-log-cut", 0, 1, why);
        }
        let (first, last) = (read.entries.first().map(|e| e.at), read.entries.last().map(|e| e.at));
        let count = read.entries.len() as u64;
        self.sources.push(Reading { name: name.clone(), read: count, last });
        let told_since = self.remembered.told_since.or(first).unwrap_or(self.since);
        self.remembered.told_since = Some(told_since);
        for entry in read.entries {
            if let Some(message) = entry.message {
                self.gather.message(entry.at, entry.pid, 1, message, &name);
            }
        }
        self.remembered.journal = Some(read.place);
        Some(name)
    }

    fn records(
        &mut self,
        path: &str,
        parse: fn(&[u8], Timestamp) -> records::Records,
    ) -> Vec<records::Record> {
        self.tried += 1;
        let now = self.now;
        let (mut found, mut torn) = (records::Records::default(), 0);
        let place = self.remembered.records.get(path);
        let read = record_file::read(&self.host.path(path), place, self.since, now, |bytes| {
            let part = parse(bytes, now);
            torn += part.torn;
            found.records.extend(part.records);
        });
        match read {
            Ok(read) => {
                if read.begun {
                    found.records.retain(|record| record.at >= self.since);
                }
                let last = found.records.iter().map(|record| record.at).max();
                self.sources.push(Reading { name: Text::from(path), read: read.bytes, last });
                self.torn(path, torn, found.records.len() as u64);
                self.lost(path, read.lost);
                self.remembered.records.insert(path.to_owned(), read.place);
            }
            Err(error) => self.trouble(path, &error),
        }
        found.records
    }

    fn wtmpdb(&mut self) -> Vec<records::Record> {
        self.tried += 1;
        let after = self.remembered.wtmpdb;
        let since = if after.is_some() { Timestamp::UNIX_EPOCH } else { self.since };
        let path = self.host.path(WTMPDB);
        match records::read_wtmpdb(&path, after.unwrap_or(0), since, self.now) {
            Ok((found, highest)) => {
                self.remembered.wtmpdb = Some(highest);
                let count = found.records.len() as u64;
                let last = found.records.last().map(|record| record.at);
                self.sources.push(Reading { name: Text::from(WTMPDB), read: count, last });
                self.torn(WTMPDB, found.torn, count);
                found.records
            }
            Err(error) => {
                self.trouble.push(format!("{WTMPDB} cannot be read: {error}"));
                Vec::new()
            }
        }
    }

    fn torn(&mut self, path: &str, torn: u64, whole: u64) {
        if torn > 0 {
            let why = format!("{path} holds records that are torn or of an impossible time");
            self.gap("login-records", whole, whole + torn, why);
        }
    }

    fn trouble(&mut self, path: &str, error: &std::io::Error) {
        let why = match error.kind() {
            ErrorKind::PermissionDenied => {
                format!("{path} may not be read: run as root, or in the group of that file (adm, utmp)")
            }
            _ => format!("{path} cannot be read: {error}"),
        };
        self.trouble.push(why);
    }

    fn gap(&mut self, gap: &str, seen: u64, of: u64, why: String) {
        self.gaps.push(Gap { gap: gap.to_owned(), seen, of, why });
    }

    /// Holds the connections that are there against the log.
    fn processes(&mut self, look: &Look<Rules>, log: Option<&Text>) {
        // That the processes cannot be read is told by the watches that are about processes.
        let (Some(log), Ok(listing)) = (log, look.processes.now(look.host)) else { return };
        let told_since = self.remembered.told_since.max(self.gather.forgotten());
        for connection in ssh::connections(&listing) {
            let since = connection.monitor.since;
            let expected = told_since.is_some_and(|told| since > told + SignedDuration::from_secs(1))
                && self.now.duration_since(since) > SETTLED;
            if expected {
                self.gather.connection(connection.monitor.pid, &connection.account, since, log);
            }
        }
    }
}

/// The log file of logins that was written last, and when.
fn newest_log(host: &Host) -> Option<(&'static str, Timestamp)> {
    let written = |path: &&'static str| Some((*path, log::written(&host.path(path))?));
    LOGS.iter().filter_map(written).max_by_key(|(_, at)| *at)
}

/// The lines of the log, or entries of the journal, that tell how the SSH connections of these processes were let
/// in: for each number and moment of start the login, if it is found. Reads back as far as the oldest.
#[must_use]
pub fn accepted_by(host: &Host, wanted: &[(u32, Timestamp)], now: Timestamp) -> Vec<(u32, Accepted)> {
    let Some(oldest) = wanted.iter().map(|(_, since)| *since).min() else { return Vec::new() };
    let before = SignedDuration::from_secs(60);
    let (since, within) = (oldest - before, SignedDuration::from_secs(600));
    let is_wanted = |pid: u32, at: Timestamp| {
        let fits = |(other, start): &(u32, Timestamp)| {
            *other == pid && at > *start - before && at.duration_since(*start) < within
        };
        wanted.iter().any(fits)
    };
    let mut found = Vec::new();
    let mut keys: BTreeMap<u32, Text> = BTreeMap::new();
    let mut take = |pid: Option<u32>, at: Timestamp, message: Message| match (pid, message) {
        (Some(pid), Message::Partial(Some(key))) => {
            keys.insert(pid, key);
        }
        (Some(pid), Message::Accepted(mut accepted)) if is_wanted(pid, at) => {
            accepted.key = accepted.key.or(keys.remove(&pid));
            found.push((pid, accepted));
        }
        _ => {}
    };
    let clock = Clock { zone: time_zone(host).1, now };
    let file = newest_log(host);
    let journal = journal::folder(host);
    match (file, journal) {
        (Some((path, at)), journal) if journal.is_none() || now.duration_since(at) <= STALE => {
            // What cannot be read is told by the watch of logins.
            let _ = log::read(host, path, None, since, &clock, |at, pid, _, message| take(pid, at, message));
        }
        (_, Some(folder)) => {
            let read = journal::read(host, folder, None, since, now).unwrap_or_default();
            for entry in read.entries {
                if let Some(message) = entry.message {
                    take(entry.pid, entry.at, message);
                }
            }
        }
        _ => {}
    }
    found
}

/// The name of the host's time zone, if it can be told, and the zone itself, in which its logs are written.
#[must_use]
pub fn time_zone(host: &Host) -> (Option<Text>, TimeZone) {
    const LOCALTIME: &str = "/etc/localtime";
    let named = |name: &str| {
        let zone = Zone::try_from(name.to_owned()).ok()?;
        Some((Some(Text::from(name)), zone.zone()))
    };
    let link = std::fs::read_link(host.path(LOCALTIME)).ok();
    let link = link.as_deref().and_then(Path::to_str).and_then(|link| link.split_once("zoneinfo/"));
    let linked = link.map(|(_, name)| name.trim_start_matches("posix/").trim_start_matches("right/"));
    if let Some(found) = linked.and_then(named) {
        return found;
    }
    let file = host.read("/etc/timezone").unwrap_or_default();
    if let Some(found) = std::str::from_utf8(file.trim_ascii()).ok().and_then(named) {
        return found;
    }
    match host.read(LOCALTIME) {
        Ok(data) => (None, TimeZone::tzif("local", &data).unwrap_or(TimeZone::UTC)),
        // Without the file the system's clock shows UTC.
        Err(_) => (Some(Text::from("UTC")), TimeZone::UTC),
    }
}

#[cfg(test)]
#[path = "linux/tests.rs"]
mod tests;
