//! The start: the state folder, the database, the outbox. A full or read-only disk is waited for, and said.

use super::own::unwatched;
use super::{Event, Notify, Signal, UNWATCHED};
use crate::file;
use crate::finding::Finding;
use crate::host::Host;
use crate::mail::Outbox;
use crate::store::{self, Store, StoreError};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// What stands in the way at the start is tried again after so long.
const AGAIN: Duration = Duration::from_secs(10);

/// And is said again after so long.
const SAY_AGAIN: Duration = Duration::from_mins(10);

/// What the service stands on.
pub struct Ground {
    pub store: Store,
    pub outbox: Outbox,
    /// What befell it before, to be told.
    pub notes: Vec<Finding>,
    /// It was never run here before.
    pub first: bool,
}

/// Makes and opens what is in the state folder.
///
/// # Errors
/// What stands in the way.
pub fn ground(host: &Host, folder: &Path) -> Result<Ground> {
    let now = host.now();
    file::make_private_folder(folder)
        .with_context(|| format!("cannot make the state folder {}", folder.display()))?;
    file::must_be_ours(folder).with_context(|| format!("cannot keep anything in {}", folder.display()))?;
    let mut store = Store::open(&folder.join(store::FILE), now)?;
    // A database that was damaged, and begun afresh, is no first start.
    let first = store.reader().status()?.run.is_none() && store.notes()?.is_empty();
    let mut notes: Vec<Finding> = Vec::new();
    if let Some(blind) = store.begin(now, UNWATCHED)? {
        notes.push(unwatched(&blind));
    }
    notes.extend(store.notes()?);
    let outbox = Outbox::open(folder.join("outbox"));
    let outbox = outbox.with_context(|| format!("cannot open the outbox in {}", folder.display()))?;
    Ok(Ground { store, outbox, notes, first })
}

/// As [`ground`]; but what may pass, like a full disk, is waited for. `None` if we are told to stop meanwhile.
///
/// # Errors
/// What a person must decide: another watchdog at work there, a newer database, a folder of somebody else.
pub fn wait_for_ground(
    host: &Host,
    folder: &Path,
    notify: &mut Notify,
    inbox: &Receiver<Event>,
) -> Result<Option<Ground>> {
    let mut said: Option<(String, Instant)> = None;
    loop {
        let error = match ground(host, folder) {
            Ok(ground) => return Ok(Some(ground)),
            Err(error) if may_pass(&error) => format!("{error:#}"),
            Err(error) => return Err(error),
        };
        // It is up and does what it can; how little that is stands in the status.
        if said.is_none() {
            notify.ready();
        }
        notify.status(&format!("NOT WATCHING: {error}"));
        if said.as_ref().is_none_or(|(before, at)| *before != error || at.elapsed() > SAY_AGAIN) {
            tracing::error!("NOT WATCHING, and trying again every {} seconds: {error}", AGAIN.as_secs());
            said = Some((error, Instant::now()));
        }
        let until = Instant::now() + AGAIN;
        loop {
            notify.alive();
            let left = until.saturating_duration_since(Instant::now());
            match inbox.recv_timeout(notify.slice(AGAIN).min(left)) {
                Ok(Event::Signal(Signal::Stop)) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                // Somebody has repaired something.
                Ok(Event::Signal(Signal::Reload)) => break,
                Ok(Event::Looked(_) | Event::Started) | Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    break;
                }
                Ok(Event::Looked(_) | Event::Started) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

fn may_pass(error: &anyhow::Error) -> bool {
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return !matches!(error, StoreError::InUse(_) | StoreError::Newer { .. });
    }
    // Rights do not change by themselves.
    let io = error.downcast_ref::<std::io::Error>();
    io.is_none_or(|error| error.kind() != std::io::ErrorKind::PermissionDenied)
}
