//! Telemetry for those who have it: counts for Prometheus in a file, and each change of an alert as one record of the
//! journal or the syslog.
//!
//! All of it is done by a thread of its own with a short queue. If that thread is stuck (a file system that hangs), or
//! the log takes nothing, records are dropped and counted: the service never waits for telemetry, and never ends
//! because of it. Text from the host becomes a field of a record, escaped, and never a label of a count.

mod cost;
#[cfg(target_os = "linux")]
pub mod http;
mod log;
mod metrics;
mod record;
mod settings;
mod view;

pub use cost::{COST, Cost};
pub use log::Log;
#[cfg(target_os = "linux")]
pub use log::{DEV_LOG, JOURNAL};
pub use metrics::{Metrics, write};
pub use record::{Change, Event, EventKind, Record, event_string, records};
pub use settings::{DEFAULT_FILE, LogTo, PrometheusFile, Settings, Surroundings};
pub use view::{VIEW, View};

use crate::host::Host;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

/// So many passes may wait for the thread; what comes then is dropped.
const QUEUE: usize = 8;

/// Where the service leaves what is to be published.
#[derive(Debug, Default)]
pub struct Telemetry {
    passes: Option<SyncSender<Vec<Record>>>,
    /// Closed by the thread's end.
    ended: Option<Receiver<()>>,
    lost: Arc<AtomicU64>,
}

/// What the thread works with.
struct Publisher {
    state_dir: PathBuf,
    file: Option<PathBuf>,
    log: Log,
    lost: Arc<AtomicU64>,
    said: Option<String>,
}

impl Telemetry {
    /// Begins to publish as the settings say, or nothing if they say so.
    #[must_use]
    pub fn start(settings: &Settings, state_dir: &Path) -> Self {
        Self::default().changed(settings, state_dir)
    }

    /// Goes on with other settings, and the same count of what was lost.
    #[must_use]
    pub fn changed(&self, settings: &Settings, state_dir: &Path) -> Self {
        let lost = Arc::clone(&self.lost);
        let around = Surroundings::of_this_process();
        let (file, log) = (settings.file(&around), settings.log(&around));
        if file.is_none() && log == LogTo::None {
            return Self { lost, ..Self::default() };
        }
        let host = Host::this();
        let publisher = Publisher {
            state_dir: state_dir.to_owned(),
            file,
            log: Log::new(log, &host),
            lost: Arc::clone(&lost),
            said: None,
        };
        let (passes, inbox) = mpsc::sync_channel(QUEUE);
        let (working, ended) = mpsc::sync_channel(0);
        let started = thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            publisher.work(&inbox);
            drop(working);
        });
        if let Err(error) = started {
            tracing::warn!("there is no telemetry, as no thread can be started: {error}");
            return Self { lost, ..Self::default() };
        }
        Self { passes: Some(passes), ended: Some(ended), lost }
    }

    /// Publishes what is still in the queue, if that takes no longer than `patience`.
    pub fn finish(&mut self, patience: Duration) {
        self.passes = None;
        if let Some(ended) = self.ended.take() {
            let _ = ended.recv_timeout(patience);
        }
    }

    /// A pass is stored, and this came of it. Returns at once.
    pub fn publish(&self, records: Vec<Record>) {
        let Some(passes) = &self.passes else { return };
        let count = records.len() as u64;
        if passes.try_send(records).is_err() {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// How many records were dropped since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Publisher {
    fn work(mut self, inbox: &Receiver<Vec<Record>>) {
        for records in inbox {
            let mut trouble = None;
            for record in &records {
                if let Err(error) = self.log.send(record) {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    trouble = Some(format!("{}: {error}", self.log.describe()));
                }
            }
            if let Some(file) = &self.file {
                let metrics = Metrics::gather(&self.state_dir).map(|metrics| metrics.render());
                let written = metrics.and_then(|text| Ok(write(file, &text)?));
                if let Err(error) = written {
                    trouble = Some(format!("{}: {error:#}", file.display()));
                }
            }
            // Once, and not in every pass.
            if trouble.is_some() && trouble != self.said {
                tracing::warn!("telemetry is not complete: {}", trouble.as_deref().unwrap_or_default());
            }
            self.said = trouble;
        }
    }
}
