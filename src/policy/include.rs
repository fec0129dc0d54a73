//! Includes: the ready-made policies that are shipped inside the program, and files by path.

use super::{PolicyError, Written, parse_policy};
use crate::file;
use crate::system;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The ready-made policies, by name: those of `policies/`.
const SHIPPED: &[(&str, &str)] = &[
    ("apache", include_str!("../../policies/apache.toml")),
    ("debian-base", include_str!("../../policies/debian-base.toml")),
    ("dma", include_str!("../../policies/dma.toml")),
    ("exim4", include_str!("../../policies/exim4.toml")),
    ("host-watchdog", include_str!("../../policies/host-watchdog.toml")),
    ("iis", include_str!("../../policies/iis.toml")),
    ("mariadb", include_str!("../../policies/mariadb.toml")),
    ("nginx", include_str!("../../policies/nginx.toml")),
    ("opensmtpd", include_str!("../../policies/opensmtpd.toml")),
    ("openssh", include_str!("../../policies/openssh.toml")),
    ("postfix", include_str!("../../policies/postfix.toml")),
    ("rdp", include_str!("../../policies/rdp.toml")),
    ("windows-server", include_str!("../../policies/windows-server.toml")),
];

/// The name of the file that observing writes its rules to. One that is not there is as good as an empty one.
pub const OBSERVED: &str = "observed.toml";

/// The ready-made policies that come with the program: name and text.
#[must_use]
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    SHIPPED
}

/// A file that was read.
pub struct Part {
    /// As the user named it.
    pub file: Arc<str>,
    /// Its text.
    pub text: String,
    /// What it says.
    pub written: Written,
}

/// The files read so far. Each is read once, however often it is included.
#[derive(Default)]
pub struct Reading {
    /// In the order they were read.
    pub parts: Vec<Part>,
    seen: Vec<PathBuf>,
}

impl Reading {
    /// Reads a file and what it includes.
    pub fn read_file(&mut self, path: &Path) -> Result<(), PolicyError> {
        let known = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if self.seen.contains(&known) {
            return Ok(());
        }
        self.seen.push(known);
        let text = file::read_text(path).map_err(|error| PolicyError::unreadable(path, &error))?;
        self.read_text(path, &text)
    }

    /// Reads `text` as if it stood in `path`, and what it includes.
    pub fn read_text(&mut self, path: &Path, text: &str) -> Result<(), PolicyError> {
        let file: Arc<str> = path.to_string_lossy().into();
        let written = parse_policy(&file, text)?;
        let includes = written.include.clone();
        self.parts.push(Part { file: Arc::clone(&file), text: text.to_owned(), written });
        for include in includes {
            let (span, name) = (include.span(), include.into_inner());
            self.include(path, &name).map_err(|error| {
                error.unwrap_or_else(|message| PolicyError::at(&file, text, span, &message))
            })?;
        }
        Ok(())
    }

    /// Reads `text` as if it stood in `file`; what it includes is another part.
    pub fn read_part(&mut self, file: &str, text: &str) -> Result<(), PolicyError> {
        let file: Arc<str> = file.into();
        let written = parse_policy(&file, text)?;
        self.parts.push(Part { file, text: text.to_owned(), written });
        Ok(())
    }

    fn include(&mut self, from: &Path, name: &str) -> Result<(), Result<PolicyError, String>> {
        if name.contains(['/', '\\']) || Path::new(name).extension().is_some_and(|e| e == "toml") {
            // A policy may be written with the slashes of either system, and is shown with those of this one.
            let name = name.replace('\\', "/");
            let path: PathBuf = from.with_file_name("").join(name).components().collect();
            return match file::is_there(&path) {
                Ok(true) => self.read_file(&path).map_err(Ok),
                // The watchdog writes this one itself, once it has learned something. Less is allowed without it.
                Ok(false) if path.file_name().is_some_and(|name| name == OBSERVED) => {
                    self.read_text(&path, "schema = 1\n").map_err(Ok)
                }
                Ok(false) => Err(Err(format!("there is no file {}", path.display()))),
                Err(error) => Err(Ok(PolicyError::unreadable(&path, &error))),
            };
        }
        // Where an administrator may put a ready-made policy, or a changed one under a shipped name.
        let folder = system::settings_file().with_file_name("policies");
        let own = folder.join(format!("{name}.toml"));
        match file::is_there(&own) {
            Ok(true) => return self.read_file(&own).map_err(Ok),
            Ok(false) => {}
            Err(error) => return Err(Ok(PolicyError::unreadable(&own, &error))),
        }
        let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) else {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            return Err(Err(format!(
                "there is no ready-made policy {name:?}; there are: {} (a file is named with its ending, \"{name}.toml\")",
                names.join(", ")
            )));
        };
        let path = PathBuf::from(format!("policies/{name}.toml"));
        if self.seen.contains(&path) {
            return Ok(());
        }
        self.seen.push(path.clone());
        self.read_text(&path, text).map_err(Ok)
    }
}
