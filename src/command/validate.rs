//! `watchdog validate`: the same reading of settings and policies that `run` does at its start.

use crate::command::COULD_NOT;
use crate::file;
use crate::policy::{Policy, PolicyError};
use crate::settings::{self, Setup};
use crate::{complain, say};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub fn run(setup: impl Fn() -> Result<Setup>, files: &[PathBuf]) -> Result<ExitCode> {
    let mut files = files.to_vec();
    if files.is_empty() {
        let setup = setup()?;
        files.extend(setup.file);
        files.push(setup.policy);
    }
    let mut wrong = false;
    for file in files {
        match one(&file) {
            Ok(what) => say!("{}: {what}", file.display()),
            Err(error) => {
                wrong = true;
                complain!("{error:#}");
            }
        }
    }
    Ok(if wrong { ExitCode::from(COULD_NOT) } else { ExitCode::SUCCESS })
}

/// Settings and policies are told apart by what only a policy must have.
fn one(path: &Path) -> Result<String> {
    let text = file::read_text(path).map_err(|error| PolicyError::unreadable(path, &error))?;
    let is_policy = match toml::from_str::<toml::Table>(&text) {
        Ok(table) => table.contains_key("schema"),
        Err(error) => return Err(PolicyError::toml(&path.to_string_lossy(), &text, &error).into()),
    };
    if is_policy {
        let policy = Policy::load(path)?;
        let digest = policy.digest.get(..12).unwrap_or_default();
        return Ok(format!(
            "a valid policy of {} rules in {} files, digest {digest}",
            policy.rules(),
            policy.files.len()
        ));
    }
    let name_of = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name_of.contains("policy") {
        return Err(PolicyError::whole(&path.to_string_lossy(), "a policy begins with `schema = 1`").into());
    }
    settings::parse_settings(&path.to_string_lossy(), &text)?;
    Ok("valid settings".to_owned())
}
