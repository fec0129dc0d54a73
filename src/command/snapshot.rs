//! `watchdog snapshot`: a policy from what runs now, or the facts themselves.

use crate::file::{self, Existing};
use crate::learn;
use crate::policy::Policy;
use crate::text;
use crate::{complain, say};
use anyhow::{Context, Result};
use std::io;
use std::path::Path;
use std::process::ExitCode;

pub fn run(output: Option<&Path>, force: bool, facts: bool) -> Result<ExitCode> {
    let (watches, snapshot) = super::look_once(&Policy::default());
    let written = if facts {
        serde_json::to_string_pretty(&snapshot)? + "\n"
    } else {
        let policy = learn::policy(&watches, &snapshot);
        Policy::from_text("the learned policy", &policy)
            .context("a fault in the watchdog itself, please report it")?;
        policy
    };
    match output {
        None => say!("{}", written.trim_end()),
        Some(path) => {
            let existing = if force { Existing::Replace } else { Existing::Keep };
            file::write(path, written.as_bytes(), existing).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => anyhow::anyhow!(
                    "{0} is there already and was left alone: write to another file and compare, or use --force",
                    path.display()
                ),
                _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
            })?;
        }
    }
    for watch in &watches {
        for gap in watch.gaps(&snapshot) {
            complain!(
                "watchdog: could not see all: {} ({} of {}): {}",
                gap.gap,
                gap.seen,
                gap.of,
                text::clean(&gap.why)
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
