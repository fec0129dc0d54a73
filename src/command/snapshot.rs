//! `watchdog snapshot`: a policy from what runs now, or the facts themselves.

use crate::cli::Extra;
use crate::file::{self, Existing};
use crate::learn::How;
use crate::pass::Watching;
use crate::snapshot::Snapshot;
use crate::text;
use crate::{complain, say};
use anyhow::Result;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The facts as JSON.
pub fn facts(output: Option<&Path>, force: bool, with: &[Extra]) -> Result<ExitCode> {
    let (watches, snapshot) = super::look_to_learn(with);
    put(output, force, &(serde_json::to_string_pretty(&snapshot)? + "\n"))?;
    say_gaps(&watches, &snapshot);
    Ok(ExitCode::SUCCESS)
}

/// A policy that allows what runs now.
pub fn policy(output: Option<&Path>, force: bool, with: &[Extra], how: &How) -> Result<ExitCode> {
    let (watches, snapshot) = super::look_to_learn(with);
    let (text, _) = super::learned(&watches, &snapshot, how)?;
    put(output, force, &text)?;
    say_gaps(&watches, &snapshot);
    Ok(ExitCode::SUCCESS)
}

fn put(output: Option<&Path>, force: bool, written: &str) -> Result<()> {
    let Some(path) = output else {
        say!("{}", written.trim_end());
        return Ok(());
    };
    let existing = if force { Existing::Replace } else { Existing::Keep };
    file::write(path, written.as_bytes(), existing).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow::anyhow!(
            "{0} is there already and was left alone: write to another file and compare, or use --force",
            path.display()
        ),
        _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
    })
}

fn say_gaps(watches: &[Box<dyn Watching>], snapshot: &Snapshot) {
    for gap in watches.iter().flat_map(|watch| watch.gaps(snapshot)) {
        complain!(
            "watchdog: could not see all: {} ({} of {}): {}",
            gap.gap,
            gap.seen,
            gap.of,
            text::clean(&gap.why)
        );
    }
}
