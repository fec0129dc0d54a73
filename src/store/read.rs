//! Reading the database, for the service at its start and for commands beside a running service.

use super::{OF_CODE, StoreError, micros, open};
use crate::alert::{Alert, Blind, Book};
use crate::finding::Finding;
use crate::letter::Letter;
use crate::pass::Memories;
use crate::watch::Memory;
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Params, Row};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The database, for reading.
#[derive(Debug)]
pub struct Reader {
    pub(super) conn: Connection,
    pub(super) path: PathBuf,
}

/// One run of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When it started.
    pub started: Timestamp,
    /// Its last pass.
    pub last: Option<Timestamp>,
    /// When it was stopped; none while it runs, or if it ended in another way.
    pub stopped: Option<Timestamp>,
}

/// When a watch looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchMark {
    /// The last time it looked.
    pub looked: Timestamp,
    /// The last time it saw facts.
    pub saw: Option<Timestamp>,
}

/// How the service does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The last run.
    pub run: Option<Run>,
    /// The watches by name.
    pub watches: BTreeMap<String, WatchMark>,
    /// Sums over all time: `passes`, `findings`, `digests`.
    pub counters: BTreeMap<String, i64>,
    /// The findings over all time by code.
    pub findings: BTreeMap<String, i64>,
    /// When the last mail was composed.
    pub last_digest: Option<Timestamp>,
    /// How many mails are composed and not known to be in the outbox.
    pub unqueued: usize,
}

/// A column that holds JSON.
fn json<T: DeserializeOwned>(row: &Row, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| wrong(column, error))
}

/// A column that holds a moment.
fn moment(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    row.get::<_, String>(column)?.parse().map_err(|error: jiff::Error| wrong(column, error))
}

fn moment_or_null(row: &Row, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|error: jiff::Error| wrong(column, error))).transpose()
}

fn wrong(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

impl Reader {
    /// Opens an existing database without changing it, even while a service writes it.
    ///
    /// # Errors
    /// `Io` if there is none, `Newer`, `Older`, `Damaged`, or what the database says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::sql(path, error);
        std::fs::metadata(path).map_err(|error| StoreError::Io(path.to_owned(), error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
        conn.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
        if open::version(&conn, path)? < open::known() {
            return Err(StoreError::Older(path.to_owned()));
        }
        Ok(Self { conn, path: path.to_owned() })
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let all =
            || self.conn.prepare_cached(sql)?.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>();
        all().map_err(|error| StoreError::sql(&self.path, error))
    }

    /// The alerts that are not over, the most urgent first, then the oldest.
    ///
    /// # Errors
    /// What the database says.
    pub fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT alert FROM alerts WHERE live = 1 AND resolved IS NULL";
        let mut alerts: Vec<Alert> = self.rows(sql, [], |row| json(row, 0))?;
        alerts.sort_by(|a, b| {
            (b.finding.severity, a.opened, &a.key).cmp(&(a.finding.severity, b.opened, &b.key))
        });
        Ok(alerts)
    }

    /// The alerts that ended last, the latest first, at most `most`.
    ///
    /// # Errors
    /// What the database says.
    pub fn ended_alerts(&self, most: u32) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT alert FROM alerts WHERE resolved IS NOT NULL ORDER BY resolved DESC LIMIT ?1";
        self.rows(sql, [most], |row| json(row, 0))
    }

    /// The alerts whose id begins with what a person typed, in capitals or not: open ones if there are any, else
    /// those that are over, the latest first. None: there is no such alert. Many: it must be typed longer.
    ///
    /// # Errors
    /// What the database says.
    pub fn find(&self, typed: &str) -> Result<Vec<Alert>, StoreError> {
        let typed = typed.trim().to_ascii_lowercase();
        let letters = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
        if typed.is_empty() || !typed.bytes().all(letters) {
            return Ok(Vec::new());
        }
        // '~' comes after every letter of an id.
        let sql = "SELECT alert FROM alerts WHERE id >= ?1 AND id < ?1 || '~' ORDER BY opened DESC LIMIT 100";
        let found: Vec<Alert> = self.rows(sql, [&typed], |row| json(row, 0))?;
        let (open, over): (Vec<_>, Vec<_>) = found.into_iter().partition(Alert::is_open);
        Ok(if open.is_empty() { over } else { open })
    }

    /// How the service does.
    ///
    /// # Errors
    /// What the database says.
    pub fn status(&self) -> Result<Status, StoreError> {
        let watches = self.rows("SELECT watch, looked, saw FROM watches", [], |row| {
            Ok((row.get(0)?, WatchMark { looked: moment(row, 1)?, saw: moment_or_null(row, 2)? }))
        })?;
        let counters =
            self.rows("SELECT name, value FROM counters", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (findings, counters): (Vec<(String, i64)>, Vec<_>) =
            counters.into_iter().partition(|(name, _): &(String, i64)| name.starts_with(OF_CODE));
        let code = |(name, count): (String, i64)| (name.replacen(OF_CODE, "", 1), count);
        let last: Vec<Letter> =
            self.rows("SELECT letter FROM digests ORDER BY at DESC LIMIT 1", [], |row| json(row, 0))?;
        Ok(Status {
            run: self.last_run()?,
            watches: watches.into_iter().collect(),
            counters: counters.into_iter().collect(),
            findings: findings.into_iter().map(code).collect(),
            last_digest: last.first().map(|letter| letter.date),
            unqueued: self.unqueued()?.len(),
        })
    }

    pub(super) fn book(&self) -> Result<Book, StoreError> {
        let alerts: Vec<Alert> =
            self.rows("SELECT alert FROM alerts WHERE live = 1", [], |row| json(row, 0))?;
        let last: Option<Option<i64>> = self
            .conn
            .query_row("SELECT max(at) FROM digests", [], |row| row.get(0))
            .optional()
            .map_err(|error| StoreError::sql(&self.path, error))?;
        let hour = micros(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1));
        let since = last.flatten().unwrap_or(0).saturating_sub(hour);
        let sent: Vec<Letter> =
            self.rows("SELECT letter FROM digests WHERE at > ?1 ORDER BY at", [since], |row| json(row, 0))?;
        let alerts = alerts.into_iter().map(|alert| (alert.key.clone(), alert)).collect();
        Ok(Book { alerts, sent: sent.into_iter().map(|letter| letter.date).collect() })
    }

    /// What the watches remembered after the last step.
    ///
    /// # Errors
    /// What the database says.
    pub fn memories(&self) -> Result<Memories, StoreError> {
        let rows =
            self.rows("SELECT name, memory FROM memories", [], |row| Ok((row.get(0)?, json(row, 1)?)))?;
        Ok(Memories(rows.into_iter().collect()))
    }

    /// What is remembered under one name; nothing if nothing is.
    ///
    /// # Errors
    /// What the database says.
    pub fn memory(&self, name: &str) -> Result<Memory, StoreError> {
        let rows = self.rows("SELECT memory FROM memories WHERE name = ?1", [name], |row| json(row, 0))?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    pub(super) fn unqueued(&self) -> Result<Vec<Letter>, StoreError> {
        let sql = "SELECT letter FROM digests WHERE state = 'composed' ORDER BY at";
        self.rows(sql, [], |row| json(row, 0))
    }

    pub(super) fn blind(&self) -> Result<Vec<Blind>, StoreError> {
        self.rows("SELECT blind FROM blind ORDER BY id", [], |row| json(row, 0))
    }

    pub(super) fn notes(&self) -> Result<Vec<Finding>, StoreError> {
        self.rows("SELECT finding FROM notes ORDER BY key", [], |row| json(row, 0))
    }

    pub(super) fn last_run(&self) -> Result<Option<Run>, StoreError> {
        let runs =
            self.rows("SELECT started, last, stopped FROM runs ORDER BY id DESC LIMIT 1", [], |row| {
                Ok(Run {
                    started: moment(row, 0)?,
                    last: moment_or_null(row, 1)?,
                    stopped: moment_or_null(row, 2)?,
                })
            })?;
        Ok(runs.into_iter().next())
    }
}
