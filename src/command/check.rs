//! `watchdog check`: one pass with nothing remembered.

use crate::command::{DIFFERS, print};
use crate::pass::{self, Memories};
use crate::say;
use crate::settings::Setup;
use crate::snapshot::{SCHEMA, Snapshot};
use anyhow::{Context, Result, bail};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub fn run(setup: &Setup, policy: Option<PathBuf>, facts: Option<&Path>, json: bool) -> Result<ExitCode> {
    let file = policy.unwrap_or_else(|| setup.policy.clone());
    let policy = super::load_policy(&file)?;
    let (watches, snapshot) = match facts {
        Some(path) => (pass::watches(), recorded(path)?),
        None => super::look_once(&policy),
    };
    let findings = pass::check_all(&watches, &snapshot, &policy, &mut Memories::default());
    if json {
        for finding in &findings {
            say!("{}", serde_json::to_string(finding)?);
        }
    } else {
        findings.iter().for_each(print::finding);
        let seen: Vec<String> = watches.iter().filter_map(|watch| watch.summary(&snapshot)).collect();
        let differ = match findings.len() {
            0 => "nothing differs".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        say!("{}: {differ}. Saw {}.", snapshot.host, seen.join(", "));
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

fn recorded(path: &Path) -> Result<Snapshot> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read facts from standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let snapshot: Snapshot =
        serde_json::from_slice(&bytes).with_context(|| format!("{} holds no facts", path.display()))?;
    if snapshot.schema != SCHEMA {
        bail!(
            "{} holds facts of schema {}, and this version reads {SCHEMA}",
            path.display(),
            snapshot.schema
        );
    }
    Ok(snapshot)
}
