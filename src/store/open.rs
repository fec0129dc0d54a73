//! Opening the database: the lock, the file's mode, its version, and what to do with a damaged one.

use super::{Reader, Store, StoreError, json};
use crate::finding::{Code, Finding};
use crate::pass::Memories;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Marks a database as ours: `WDOG`.
const APPLICATION: i64 = 0x5744_4f47;

/// How long to wait for a reader or writer that holds the database.
const BUSY: Duration = Duration::from_secs(10);

/// What makes version n + 1 of version n. Only ever append.
const MIGRATIONS: &[&str] = &["
CREATE TABLE alerts (
  key      TEXT NOT NULL,
  opened   TEXT NOT NULL,
  id       TEXT NOT NULL,
  resolved INTEGER,          -- microseconds since 1970
  live     INTEGER NOT NULL, -- 1: part of the book
  alert    TEXT NOT NULL,    -- all of it, as JSON
  PRIMARY KEY (key, opened)
) STRICT;
CREATE INDEX alerts_id ON alerts (id);
CREATE INDEX alerts_resolved ON alerts (live, resolved);
CREATE TABLE memories (name TEXT PRIMARY KEY, memory TEXT NOT NULL) STRICT;
CREATE TABLE digests (
  message_id TEXT PRIMARY KEY,
  at         INTEGER NOT NULL, -- microseconds since 1970
  state      TEXT NOT NULL CHECK (state IN ('composed', 'queued')),
  letter     TEXT NOT NULL
) STRICT;
CREATE INDEX digests_at ON digests (state, at);
CREATE TABLE watches (watch TEXT PRIMARY KEY, looked TEXT NOT NULL, saw TEXT) STRICT;
CREATE TABLE runs (id INTEGER PRIMARY KEY, started TEXT NOT NULL, last TEXT, stopped TEXT) STRICT;
CREATE TABLE blind (id INTEGER PRIMARY KEY, blind TEXT NOT NULL) STRICT;
CREATE TABLE notes (key TEXT PRIMARY KEY, finding TEXT NOT NULL) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
"];

pub(super) fn open(path: &Path, now: Timestamp) -> Result<Store, StoreError> {
    let lock = lock(path)?;
    let (reader, saved) = match open_whole(path) {
        Err(StoreError::Damaged(_, why)) => {
            move_aside(path, now)?;
            let (mut reader, saved) = open_whole(path)?;
            note(&mut reader, &why).map_err(|error| StoreError::sql(path, error))?;
            (reader, saved)
        }
        opened => opened?,
    };
    Ok(Store { reader, saved, run: None, _lock: lock })
}

/// The right to write the database. It is given back when this is dropped, and when the program is killed.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a program that another thread is just starting has a copy of it.
        let _ = self.0.unlock();
    }
}

fn lock(path: &Path) -> Result<Lock, StoreError> {
    let lock = beside(path, ".lock");
    let failed = |error| StoreError::io(&lock, error);
    let file = private(&lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Opens a file that only its owner may read, and makes it if there is none.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens the database and reads all of it that a start needs, so that damage shows now and not in a week.
fn open_whole(path: &Path) -> Result<(Reader, Memories), StoreError> {
    if !path.try_exists().map_err(|error| StoreError::io(path, error))? {
        create(path)?;
    }
    // SQLite gives its side files the mode of the database.
    private(path).map_err(|error| StoreError::io(path, error))?;
    read_whole(path).map_err(|error| match error {
        // Its version is right and still a table or column is missing.
        StoreError::Sql(path, error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
            StoreError::Damaged(path, error.to_string())
        }
        error => error,
    })
}

fn read_whole(path: &Path) -> Result<(Reader, Memories), StoreError> {
    let mut conn = connect(path)?;
    prepare(&mut conn, path)?;
    let reader = Reader { conn, path: path.to_owned() };
    reader.book()?;
    reader.status()?;
    reader.blind()?;
    reader.notes()?;
    let saved = reader.memories()?;
    Ok((reader, saved))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|error| StoreError::sql(path, error))?;
    conn.busy_timeout(BUSY).map_err(|error| StoreError::sql(path, error))?;
    Ok(conn)
}

/// Makes a database under another name first: one under the right name is always whole, or was damaged.
fn create(path: &Path) -> Result<(), StoreError> {
    let fresh = beside(path, ".new");
    let failed = |error| StoreError::io(path, error);
    // Side files without their database are worth nothing, and SQLite would read them into the fresh one.
    for left in [beside(path, "-wal"), beside(path, "-shm"), beside(&fresh, "-journal"), fresh.clone()] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    private(&fresh).map_err(failed)?;
    let mut conn = connect(&fresh)?;
    migrate(&mut conn, 0, earlier(path)).map_err(|error| StoreError::sql(path, error))?;
    conn.close().map_err(|(_, error)| StoreError::sql(path, error))?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    #[cfg(unix)]
    File::open(folder(path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn prepare(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::sql(path, error);
    let damaged = |why: &str| StoreError::Damaged(path.to_owned(), why.to_owned());
    let version = version(conn, path)?;
    let application: i64 =
        conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION {
        return Err(damaged("it is empty or of another program"));
    }
    let check: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if check != "ok" {
        return Err(damaged(&check));
    }
    conn.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    conn.pragma_update(None, "synchronous", "full").map_err(failed)?;
    migrate(conn, version, None).map_err(failed)
}

/// The version of the database, if this program can work with it.
pub(super) fn version(conn: &Connection, path: &Path) -> Result<i64, StoreError> {
    let known = known();
    let found: i64 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| StoreError::sql(path, error))?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// The version that this program writes.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn migrate(conn: &mut Connection, version: i64, note: Option<Finding>) -> rusqlite::Result<()> {
    let done = usize::try_from(version).unwrap_or(0);
    if MIGRATIONS.len() == done {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for sql in MIGRATIONS.iter().skip(done) {
        tx.execute_batch(sql)?;
    }
    if let Some(finding) = note {
        put_note(&tx, &finding)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION)?;
    tx.pragma_update(None, "user_version", known())?;
    tx.commit()
}

/// The file and those that are kept beside it get a name that says when.
fn move_aside(path: &Path, now: Timestamp) -> Result<(), StoreError> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let names =
        (0..1000).map(|n| if n == 0 { format!(".corrupt-{stamp}") } else { format!(".corrupt-{stamp}.{n}") });
    let free = names.map(|suffix| beside(path, &suffix)).find(|target| !target.exists());
    let Some(target) = free else {
        return Err(StoreError::Io(path.to_owned(), io::ErrorKind::AlreadyExists.into()));
    };
    // The side files first: without them beside it, the fresh database cannot mistake them for its own.
    for suffix in ["-wal", "-shm", ""] {
        let from = beside(path, suffix);
        match std::fs::rename(&from, beside(&target, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io(&from, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The latest damaged database that was moved aside, as a finding. It is looked for whenever a database is made,
/// so that a kill between the moving and the making does not make it silent.
fn earlier(path: &Path) -> Option<Finding> {
    let prefix = format!("{}.corrupt-", path.file_name()?.to_string_lossy());
    let folder = folder(path);
    let names =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let moved =
        names.filter(|name| name.starts_with(&prefix) && !name.ends_with("-wal") && !name.ends_with("-shm"));
    let moved = folder.join(moved.max()?);
    let title = format!(
        "the watchdog's database was damaged and has begun afresh; the old one is {}",
        moved.display()
    );
    Some(
        Finding::new(Code::CoverageGap, "database", crate::text::clean(&title))
            .with("moved to", crate::text::Text::new(moved.as_os_str().as_encoded_bytes()))
            .with(
                "lost",
                [
                    "which alerts were open and what was mailed (what still differs is mailed again as new)",
                    "how far logs were read and what was remembered of earlier hours",
                ],
            ),
    )
}

/// Adds why the database was damaged to the note that it was.
fn note(reader: &mut Reader, why: &str) -> rusqlite::Result<()> {
    let found = earlier(&reader.path);
    let finding = found
        .unwrap_or_else(|| Finding::new(Code::CoverageGap, "database", "the watchdog's database was damaged"))
        .with("why", crate::text::Text::from(why));
    super::transaction(&mut reader.conn, |tx| put_note(tx, &finding))
}

fn put_note(tx: &rusqlite::Transaction, finding: &Finding) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR REPLACE INTO notes (key, finding) VALUES (?1, ?2)",
        [finding.key(), json(finding)?],
    )?;
    Ok(())
}
