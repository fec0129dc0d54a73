//! Reading one log: what it grew by, counted per minute, and where it was left.

use super::super::form::Form;
use super::super::tally::{self, Tally};
use super::super::w3c::Layout;
use super::super::{LogFacts, dated, line, series};
use super::{Gaps, Reach, cannot_read, minute_of, moment_of};
use crate::tail::{self, Files, Followed, Open, Step};
use crate::text::Text;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Lines may come late: a server writes them when the request ends, some with the time at which it began.
const LATE: u32 = 60;

/// The busiest clients whose last request is shown.
const EXAMPLES: usize = 20;

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogMemory {
    followed: Followed,
    reach: Reach,
    since: Timestamp,
    last: Option<Timestamp>,
    /// When the log was last there, and when it was last read.
    pub there: Timestamp,
    pub read: Timestamp,
    /// The columns of W3C files where they were left, by what identifies the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    layouts: Vec<(u64, u64, Layout)>,
    /// Of a log of many files, the oldest that may still grow: those before it are done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oldest: Option<String>,
}

/// One log to read.
pub struct One<'a> {
    pub log: &'a Text,
    pub files: Files<'a>,
    pub now: Timestamp,
    pub reach: Reach,
    pub most: u64,
    /// The columns without which a rule is not held against anything.
    pub wanted: Vec<&'static str>,
    pub buffer: &'a mut Vec<u8>,
    pub gaps: &'a mut Gaps,
}

impl One<'_> {
    pub fn read(&mut self, before: Option<LogMemory>) -> io::Result<(LogFacts, LogMemory)> {
        let (now, seconds) = (self.now, self.now.as_second());
        let last_minute = minute_of(now);
        // The window that ends with this minute.
        let reached = last_minute.saturating_sub(self.reach.longest() - 1);
        let before = before.filter(|before| self.reach.is_within(before.reach));
        let mut facts = LogFacts { log: self.log.clone(), fresh: before.is_none(), ..LogFacts::default() };
        let (mut steps, known, floor, remembered);
        let mut there = before.as_ref().map_or(now, |before| before.there);
        if let Some(before) = before {
            let files = from(self.files, before.oldest.as_deref());
            let resumed = tail::resume(files, &before.followed, seconds)?;
            for lost in &resumed.lost {
                let bytes = lost.bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
                let why = format!("lines of {} are lost (bytes: {bytes}): {}", self.log, lost.why);
                self.gaps.add("request-log-rotated", 0, 1, &why);
            }
            facts.lost = resumed.lost.len() as u64;
            (facts.since, facts.last, facts.rotations) = (before.since, before.last, resumed.rotations);
            floor = minute_of(before.read).min(reached).saturating_sub(LATE);
            (steps, known) = resumed.into_steps();
            remembered = before.layouts;
        } else {
            floor = reached;
            facts.since = moment_of(reached);
            let since = facts.since.as_second();
            let files = since_about(self.files, since);
            let form = present(files).map_or(Ok(Form::Access), |path| match Open::regular(path)? {
                Some(open) => Form::of(&open, open.len, None),
                None => Ok(Form::Access),
            })?;
            let begun = tail::begin(files, since, self.most, seconds, &|line| stamp(&form, line))?;
            if let Some(short) = begun.short.filter(|_| self.most == u64::MAX) {
                let why = format!("{} does not reach back to {}: {short}", self.log, facts.since);
                self.gaps.add("request-log-rotated", 0, 1, &why);
            }
            facts.bytes = begun.bytes;
            facts.last = begun.last.and_then(|last| Timestamp::from_second(last.min(seconds)).ok());
            (steps, known) = (begun.steps, begun.known);
            remembered = Vec::new();
        }
        if steps.last().is_some_and(|step| Some(&*step.open.path) == present(self.files)) {
            there = now;
        }
        facts.changed = steps
            .iter()
            .filter_map(|step| Timestamp::from_second(step.open.modified).ok())
            .max()
            .unwrap_or(now);
        let (facts, forms) = self.count(facts, &mut steps, &remembered, floor);
        let layout =
            |(step, form): (&Step, &Form)| Some((step.open.device, step.open.inode, form.layout()?.clone()));
        let mut layouts: Vec<(u64, u64, Layout)> = steps.iter().zip(&forms).filter_map(layout).collect();
        let names: Vec<(u64, u64, Option<String>)> = steps
            .iter()
            .map(|step| (step.open.device, step.open.inode, dated::order_of(&step.open.path)))
            .collect();
        let followed = tail::settle(steps, known, seconds);
        let is_followed =
            |at: (u64, u64)| followed.places.iter().any(|place| (place.device, place.inode) == at);
        layouts.retain(|(device, inode, _)| is_followed((*device, *inode)));
        let oldest = names
            .into_iter()
            .filter(|(device, inode, _)| is_followed((*device, *inode)))
            .filter_map(|(_, _, name)| name)
            .min()
            .filter(|_| matches!(self.files, Files::Begun(_)));
        let memory = LogMemory {
            layouts,
            oldest,
            followed,
            reach: self.reach,
            since: facts.since,
            last: facts.last,
            there,
            read: now,
        };
        Ok((facts, memory))
    }

    /// Counts the lines of all files, and says in what form each was left.
    fn count(
        &mut self,
        mut facts: LogFacts,
        steps: &mut [Step],
        remembered: &[(u64, u64, Layout)],
        floor: u32,
    ) -> (LogFacts, Vec<Form>) {
        let mut tally = Tally::new(minute_of(self.now), floor);
        let mut forms = Vec::new();
        for (number, step) in steps.iter_mut().enumerate() {
            let known = remembered.iter().find(|(device, inode, _)| {
                (*device, *inode) == (step.open.device, step.open.inode) && step.place.offset > 0
            });
            let form = Form::of(&step.open, step.place.offset, known.map(|(.., layout)| layout.clone()));
            // What cannot be read is said when its lines are.
            tally.begin(form.unwrap_or_default());
            let each = |line: &[u8], offset: u64| tally.line(line, (number, offset));
            match tail::read_lines(step, self.now.as_second(), self.buffer, each) {
                Ok(amount) => {
                    facts.bytes += amount.bytes;
                    facts.too_long += amount.too_long;
                }
                Err(error) => self.gaps.add("request-log", 0, 1, &cannot_read(self.log, &error.to_string())),
            }
            forms.push(tally.form().clone());
        }
        for (client, (number, offset)) in tally.busiest(EXAMPLES) {
            let line = steps.get(number).and_then(|step| step.open.block(offset, 16 * 1024).ok());
            let line = line.as_deref().and_then(|block| block.split(|b| *b == b'\n').next());
            let form = forms.get(number).cloned().unwrap_or_default();
            if let Some(request) = line.and_then(|line| tally::shown_request(&form, line)) {
                facts.requests.insert(client, request);
            }
        }
        for column in self.wanted.iter().filter(|column| tally.lacking().contains(**column)) {
            let why = format!(
                "{} has no {column}, so what a rule says of it is held against nothing: tick it among the fields that IIS logs",
                self.log
            );
            self.gaps.add("request-columns", 0, 1, &why);
        }
        let facts = tally.into_facts(facts);
        self.say_what_was_not_counted(&facts);
        (facts, forms)
    }

    fn say_what_was_not_counted(&mut self, facts: &LogFacts) {
        let log = self.log;
        let odd = facts.unread + facts.too_long;
        if odd > 0 {
            let example =
                facts.unread_example.as_ref().map_or("of more than 1 MiB", |example| example.as_str());
            let why = format!("{odd} lines of {log} are not those of an access log, like: {example}");
            self.gaps.add("request-lines", facts.lines, facts.lines + odd, &why);
        }
        for (counts, who) in [(&facts.clients, "clients"), (&facts.users, "users")] {
            let rest = series::total(&counts.rest);
            if rest > 0 {
                let why = format!(
                    "{log} had more than {} {who} in one pass; the requests of the others are only counted together",
                    tally::MOST_NAMES
                );
                self.gaps.add("request-clients", facts.lines.saturating_sub(rest), facts.lines, &why);
            }
        }
    }
}

/// The time of a line, in seconds since 1970.
fn stamp(form: &Form, line: &[u8]) -> Option<i64> {
    let minute = match form {
        Form::Access => line::parse_minute(form.read(line)?.stamp),
        // IIS writes the time first, whatever else an older file has in other columns.
        Form::W3c(_) => line.get(..19).and_then(line::parse_minute),
    };
    minute.map(|minute| minute * 60)
}

/// The present file of a log.
fn present(files: Files<'_>) -> Option<&Path> {
    match files {
        Files::Rotated(path) => Some(path),
        Files::Begun(all) => all.last().map(PathBuf::as_path),
    }
}

/// Of a log of many files, those from `oldest` on.
fn from<'a>(files: Files<'a>, oldest: Option<&str>) -> Files<'a> {
    match (files, oldest) {
        (Files::Begun(all), Some(oldest)) => {
            let done =
                all.partition_point(|file| dated::order_of(file).is_some_and(|order| *order < *oldest));
            Files::Begun(all.get(done..).unwrap_or_default())
        }
        _ => files,
    }
}

/// Of a log of many files, those that were written to since a time (in seconds since 1970), and one more: it tells when
/// the last request came if there was none since.
fn since_about(files: Files<'_>, since: i64) -> Files<'_> {
    const SLACK: i64 = 3600;
    let Files::Begun(all) = files else { return files };
    let is_older = |file: &&PathBuf| {
        let modified = std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        let modified = modified.and_then(|modified| Timestamp::try_from(modified).ok());
        modified.is_some_and(|modified| modified.as_second() < since - SLACK)
    };
    let wanted = all.iter().rev().take_while(|file| !is_older(file)).count().max(1) + 1;
    Files::Begun(all.get(all.len().saturating_sub(wanted)..).unwrap_or_default())
}
