//! The policy: what is allowed. Loading it, its includes and its `policy.d`, and saying what is wrong with it.

mod error;
mod include;
mod source;
mod written;

pub use error::PolicyError;
pub use include::{OBSERVED, shipped};
pub use written::{Written, parse_policy};

use crate::coverage::CoverageRule;
use crate::rule::Placed;
use crate::watch::{
    account, autorun, connection, deception, listener, login, network, process, protection, request,
    resource, session, unix_listener, update,
};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// All rules in force, one field per watch: the union of every file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// Processes.
    pub process: process::Rules,
    /// Listening sockets.
    pub listener: listener::Rules,
    /// Sockets that everybody on the host may talk to.
    pub unix_listener: unix_listener::Rules,
    /// Connections to elsewhere.
    pub connection: connection::Rules,
    /// How the host is connected.
    pub network: network::Rules,
    /// Logins.
    pub login: login::Rules,
    /// SSH sessions.
    pub session: session::Rules,
    /// Package updates.
    pub update: update::Rules,
    /// Processor, memory and disk use.
    pub resource: resource::Rules,
    /// Web requests.
    pub request: request::Rules,
    /// Accounts.
    pub account: account::Rules,
    /// What starts by itself.
    pub autorun: autorun::Rules,
    /// What protects the host.
    pub protection: protection::Rules,
    /// What hides or listens in, and what may be loaded into the kernel.
    pub deception: deception::Rules,
    /// Gaps that are accepted.
    pub coverage: Vec<Placed<CoverageRule>>,
    /// The files it was read from, in the order they were read.
    pub files: Vec<String>,
    /// Their texts, in the same order.
    pub texts: Vec<String>,
    /// The SHA-256 of all their texts, in hexadecimal: which policy is in force.
    pub digest: String,
}

impl Policy {
    /// Loads a policy file, all it includes, and the `*.toml` of the folder `policy.d` beside it.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and a caret.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let mut files = vec![path.to_owned()];
        files.extend(beside(path)?);
        let mut reading = include::Reading::default();
        for file in &files {
            reading.read_file(file)?;
        }
        Self::unite(reading)
    }

    /// A policy from text alone, as if it stood in `file`.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn from_text(file: &str, text: &str) -> Result<Self, PolicyError> {
        let mut reading = include::Reading::default();
        reading.read_text(Path::new(file), text)?;
        Self::unite(reading)
    }

    /// A policy from the [files](Policy::files) and [texts](Policy::texts) of one that was loaded before.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn from_parts(parts: &[(String, String)]) -> Result<Self, PolicyError> {
        let mut reading = include::Reading::default();
        parts.iter().try_for_each(|(file, text)| reading.read_part(file, text))?;
        Self::unite(reading)
    }

    /// How many rules it holds.
    #[must_use]
    pub fn rules(&self) -> usize {
        let tables = [
            self.network.network.is_some(),
            self.login.logins.is_some(),
            self.session.sessions.is_some(),
            self.update.updates.is_some(),
            self.resource.resources.is_some(),
            self.protection.protection.is_some(),
        ];
        let lists = [
            self.process.process.len(),
            self.process.command.len(),
            self.process.modified_file.len(),
            self.process.transaction.len(),
            self.listener.listener.len(),
            self.unix_listener.unix_listener.len(),
            self.connection.connection.len(),
            self.network.link.len(),
            self.network.route.len(),
            self.network.gateway.len(),
            self.network.firewall.len(),
            self.login.login.len(),
            self.login.change.len(),
            self.session.session.len(),
            self.session.keyholder.len(),
            self.resource.disk.len(),
            self.request.requests.len(),
            self.account.account.len(),
            self.autorun.autorun.len(),
            self.deception.deception.len(),
            self.deception.module.len(),
            self.deception.bpf.len(),
            self.coverage.len(),
        ];
        tables.into_iter().filter(|is_there| *is_there).count() + lists.iter().sum::<usize>()
    }

    fn unite(reading: include::Reading) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        let mut digest = Sha256::new();
        for part in reading.parts {
            digest.update(part.text.as_bytes());
            policy.files.push(part.file.to_string());
            part.written.add_to(&mut policy, &source::Source::new(&part.file, &part.text))?;
            policy.texts.push(part.text);
        }
        policy.digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(policy)
    }
}

/// The files of `policy.d`, by name.
fn beside(path: &Path) -> Result<Vec<PathBuf>, PolicyError> {
    let folder = path.with_file_name("policy.d");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(PolicyError::unreadable(&folder, &error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| PolicyError::unreadable(&folder, &error))?.path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
