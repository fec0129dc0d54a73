//! The embedded database: what must outlive the program.
//!
//! One transaction per step ([`Store::commit`]) holds the alerts that changed, the mail that was composed, what
//! the watches remember and the marks of the pass. So after a kill at any moment either all of a step has
//! happened or none of it, and the watches read on exactly where the stored findings end. A mail is `composed`
//! until [`Store::queued`] is told that the outbox has it; [`Store::unqueued`] gives at start those of which that
//! is not known. The outbox takes a message id once, so giving it twice does no harm.
//!
//! If the database cannot be written (disk full), commit fails and nothing has changed, in the file or in the
//! [`Book`]: the next pass tries again with the same memories.
//!
//! A damaged database never stops the watch: it is moved aside, a fresh one is begun, and
//! [`Store::notes`] says so in a finding until a pass has reported it.

mod error;
mod open;
mod read;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use read::{Reader, Run, Status, WatchMark};

use crate::alert::{Alert, Blind, Book, Composed, Pass};
use crate::finding::Finding;
use crate::letter::Letter;
use crate::pass::Memories;
use crate::rule::Span;
use crate::watch::Memory;
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::path::Path;

/// The name of the database in the state folder.
pub const FILE: &str = "watchdog.db";

/// Alerts that are over are kept for so many days.
const KEEP_DAYS: i64 = 90;

/// Not more of them than this.
const KEEP_ALERTS: i64 = 20_000;

/// Mails that the outbox has are kept as a record, the last so many.
const KEEP_DIGESTS: i64 = 500;

/// Marks of starts and stops, the last so many.
const KEEP_RUNS: i64 = 1000;

/// Before the code in the name of the counter of its findings.
const OF_CODE: &str = "findings.";

/// The database of the one watchdog that may write it. Others read through [`Reader`].
#[derive(Debug)]
pub struct Store {
    reader: Reader,
    /// What the database holds of the memories: what has not changed is not written.
    saved: Memories,
    run: Option<i64>,
    /// Held as long as the store is open.
    _lock: open::Lock,
}

/// A moment as the database holds it, for sorting: microseconds since 1970.
fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

impl Store {
    /// Opens the database at `path`, makes it if there is none, brings an older one up to date, and moves a
    /// damaged one aside. `now` names the file it is moved to.
    ///
    /// # Errors
    /// `InUse`, `Newer`, `Io`, `Full`, or what the database says.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        open::open(path, now)
    }

    /// What is read without changing anything.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What was known after the last step.
    ///
    /// # Errors
    /// What the database says.
    pub fn book(&self) -> Result<Book, StoreError> {
        self.reader.book()
    }

    /// What the watches remembered after the last step. Also to be taken after a commit has failed, so that they
    /// look again at what could not be stored.
    #[must_use]
    pub fn memories(&self) -> Memories {
        self.saved.clone()
    }

    /// Marks the start of the service. If it was away for longer than `tolerance`, the time it was not watching
    /// is kept until a mail has told it, and returned.
    ///
    /// # Errors
    /// `Full`, or what the database says.
    pub fn begin(&mut self, now: Timestamp, tolerance: Span) -> Result<Option<Blind>, StoreError> {
        let before = self.reader.last_run()?;
        let blind = before.and_then(|run| {
            let why = if run.stopped.is_some() {
                "it was stopped"
            } else {
                "it ended without being stopped: killed, crashed, or the host went down"
            };
            let from = run.stopped.or(run.last).unwrap_or(run.started);
            let away = now.duration_since(from) > tolerance.signed();
            away.then(|| Blind { from, until: now, why: why.to_owned() })
        });
        let run = self.reader.write(|tx| {
            if let Some(blind) = &blind {
                insert_blind(tx, blind)?;
            }
            tx.execute("INSERT INTO runs (started) VALUES (?1)", params![now.to_string()])?;
            let run = tx.last_insert_rowid();
            tx.execute("DELETE FROM runs WHERE id <= ?1", params![run - KEEP_RUNS])?;
            Ok(run)
        })?;
        self.run = Some(run);
        Ok(blind)
    }

    /// Marks a clean stop.
    ///
    /// # Errors
    /// `Full`, or what the database says.
    pub fn stop(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let run = self.run;
        self.reader.write(|tx| {
            tx.execute("UPDATE runs SET stopped = ?1 WHERE id = ?2", params![now.to_string(), run])?;
            Ok(())
        })
    }

    /// Keeps a time in which the running service was not watching (the host slept, a pass hung) until a mail has
    /// told it.
    ///
    /// # Errors
    /// `Full`, or what the database says.
    pub fn was_blind(&mut self, blind: &Blind) -> Result<(), StoreError> {
        self.reader.write(|tx| insert_blind(tx, blind))
    }

    /// When nobody was watching, and no mail has said so yet: for [`crate::alert::About`]. Those that a mail
    /// holds are forgotten when it is committed.
    ///
    /// # Errors
    /// What the database says.
    pub fn blind(&self) -> Result<Vec<Blind>, StoreError> {
        self.reader.blind()
    }

    /// What befell the database itself, as findings to report in the next pass under a watch's name of the
    /// service's own. They are forgotten once a pass with them is committed.
    ///
    /// # Errors
    /// What the database says.
    pub fn notes(&self) -> Result<Vec<Finding>, StoreError> {
        self.reader.notes()
    }

    /// Stores a step in one transaction and then brings `book` up to date with it: the alerts that changed, the
    /// mail, what the watches remember, and which watch looked when.
    ///
    /// # Errors
    /// `Full`, or what the database says. Then neither the database nor `book` has changed, and the step must be made
    /// anew from [`Store::memories`].
    pub fn commit(
        &mut self,
        book: &mut Book,
        pass: &Pass,
        composed: Composed,
        memories: &Memories,
    ) -> Result<(), StoreError> {
        let Self { reader, saved, run, .. } = self;
        let is_new = |name: &String, memory: &Memory| saved.0.get(name) != Some(memory);
        let new: Vec<(&String, &Memory)> =
            memories.0.iter().filter(|(name, memory)| is_new(name, memory)).collect();
        reader.write(|tx| {
            composed.step.changed.iter().try_for_each(|alert| put_alert(tx, alert))?;
            for key in &composed.step.forget {
                tx.prepare_cached("UPDATE alerts SET live = 0 WHERE key = ?1 AND live = 1")?
                    .execute([key])?;
            }
            composed.letters().try_for_each(|letter| put_letter(tx, letter))?;
            if composed.letter.is_some() {
                for blind in &composed.blind {
                    tx.execute("DELETE FROM blind WHERE blind = ?1", [json(blind)?])?;
                }
            }
            for (name, memory) in &new {
                tx.prepare_cached("INSERT OR REPLACE INTO memories (name, memory) VALUES (?1, ?2)")?
                    .execute(params![name, json(memory)?])?;
            }
            put_pass(tx, pass, *run)?;
            retain(tx, pass.now)
        })?;
        let new: Vec<(String, Memory)> =
            new.into_iter().map(|(name, memory)| (name.clone(), memory.clone())).collect();
        saved.0.extend(new);
        book.apply(composed.step);
        Ok(())
    }

    /// The mails that were composed and are not known to be in the outbox, the oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn unqueued(&self) -> Result<Vec<Letter>, StoreError> {
        self.reader.unqueued()
    }

    /// Notes that the outbox has this mail.
    ///
    /// # Errors
    /// `Full`, or what the database says; then it will be given to the outbox again, which ignores it.
    pub fn queued(&mut self, message_id: &str) -> Result<(), StoreError> {
        self.reader.write(|tx| {
            tx.execute("UPDATE digests SET state = 'queued' WHERE message_id = ?1", [message_id])?;
            Ok(())
        })
    }
}

impl Reader {
    /// One transaction: all of it or nothing.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        transaction(&mut self.conn, work).map_err(|error| StoreError::sql(&self.path, error))
    }
}

fn transaction<T>(
    conn: &mut Connection,
    work: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&tx)?;
    tx.commit()?;
    Ok(done)
}

fn insert_blind(tx: &Transaction, blind: &Blind) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO blind (blind) VALUES (?1)", [json(blind)?])?;
    Ok(())
}

fn put_alert(tx: &Transaction, alert: &Alert) -> rusqlite::Result<()> {
    // A new alert of a key ends the interest in the one before; its row stays as history.
    tx.prepare_cached("UPDATE alerts SET live = 0 WHERE key = ?1 AND opened <> ?2 AND live = 1")?
        .execute(params![alert.key, alert.opened.to_string()])?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO alerts (key, opened, id, resolved, live, alert) VALUES (?1, ?2, ?3, ?4, 1, ?5)",
    )?
    .execute(params![alert.key, alert.opened.to_string(), alert.id, alert.resolved.map(micros), json(alert)?])?;
    Ok(())
}

fn put_letter(tx: &Transaction, letter: &Letter) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO digests (message_id, at, state, letter) VALUES (?1, ?2, 'composed', ?3)",
        params![letter.message_id, micros(letter.date), json(letter)?],
    )?;
    count(tx, "digests", 1)
}

fn put_pass(tx: &Transaction, pass: &Pass, run: Option<i64>) -> rusqlite::Result<()> {
    let now = pass.now.to_string();
    let mut findings = 0;
    for looked in &pass.looked {
        findings += looked.findings.len();
        tx.prepare_cached(
            "INSERT INTO watches (watch, looked, saw) VALUES (?1, ?2, ?3)
             ON CONFLICT (watch) DO UPDATE SET looked = excluded.looked, saw = coalesce(excluded.saw, saw)",
        )?
        .execute(params![looked.watch, now, looked.saw.then_some(&now)])?;
        for finding in &looked.findings {
            count(tx, &format!("{OF_CODE}{}", finding.code), 1)?;
            tx.prepare_cached("DELETE FROM notes WHERE key = ?1")?.execute([finding.key()])?;
        }
    }
    tx.execute("UPDATE runs SET last = ?1 WHERE id = ?2", params![now, run])?;
    count(tx, "passes", 1)?;
    count(tx, "findings", i64::try_from(findings).unwrap_or(i64::MAX))
}

fn count(tx: &Transaction, name: &str, more: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO counters (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
    )?
    .execute(params![name, more])?;
    Ok(())
}

/// Forgets what is old; never an alert that is open or owed, never a mail that is not in the outbox.
fn retain(tx: &Transaction, now: Timestamp) -> rusqlite::Result<()> {
    let oldest = micros(now).saturating_sub(KEEP_DAYS * 86_400 * 1_000_000);
    tx.prepare_cached("DELETE FROM alerts WHERE live = 0 AND resolved < ?1")?.execute([oldest])?;
    tx.prepare_cached(
        "DELETE FROM alerts WHERE live = 0 AND resolved <
           (SELECT resolved FROM alerts WHERE live = 0 ORDER BY resolved DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([KEEP_ALERTS - 1])?;
    tx.prepare_cached(
        "DELETE FROM digests WHERE state = 'queued' AND at <
           (SELECT at FROM digests WHERE state = 'queued' ORDER BY at DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([KEEP_DIGESTS - 1])?;
    Ok(())
}
