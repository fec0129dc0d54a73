//! What the service says of itself, as events of Windows: one line, one event.

use crate::telemetry::event_string;
use crate::win32::event_report::{EventSource, Kind};
use std::io::{self, Write};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// A line is cut after so many characters: the event log refuses longer strings.
const LONGEST: usize = 16_000;

/// Says everything to the event log from now on, also what a panic says.
pub fn start() {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::INFO).with_writer(Lines);
    let log = log.with_target(false).with_level(false).with_ansi(false).without_time();
    // The only other logger there can be is one a test has set.
    let _ = log.log_internal_errors(false).try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("a fault in the watchdog itself: {panic}")));
}

/// Makes a line of each event.
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { level: Level::INFO, text: Vec::new() }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line {
        Line { level: *about.level(), text: Vec::new() }
    }
}

/// A line, which is written when it is whole.
struct Line {
    level: Level,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let (id, kind) = match self.level {
            Level::ERROR => (3, Kind::Error),
            Level::WARN => (2, Kind::Warning),
            _ => (1, Kind::Information),
        };
        let text = String::from_utf8_lossy(&self.text);
        let text: String = event_string(text.trim_end()).chars().take(LONGEST).collect();
        // If nobody hears it, nobody can be told so either.
        if let Ok(source) = EventSource::open() {
            let _ = source.report(kind, id, &[text]);
        }
    }
}
