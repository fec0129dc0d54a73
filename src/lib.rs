//! Host Watchdog: looks at a host, compares what it sees with an allowlist, and mails root what differs.
//!
//! Data goes one way: the [`watch`]es look, [`pass`] puts what they see into a [`snapshot::Snapshot`] and checks
//! it against a [`policy::Policy`], and the [`finding::Finding`]s become mails.
//!
//! Imports go one way: `command` → `doctor` → `service` → `learn`, `observe`, `settings` → `telemetry` → `store` → `pass` →
//! `snapshot`, `policy` → `watch`, `alert`, `mail` → `coverage`, `processes`, `transaction`, `dpkg`, `digest`, `tail` → `rule`, `finding`, `host`, `text` → `file`, `system`.

pub mod alert;
pub mod cli;
pub mod command;
pub mod coverage;
pub mod digest;
pub mod doctor;
pub mod dpkg;
pub mod file;
pub mod finding;
pub mod host;
pub mod learn;
pub mod letter;
pub mod mail;
pub mod observe;
pub mod pass;
pub mod policy;
pub mod processes;
pub mod program;
pub mod rpm;
pub mod rule;
pub mod schedule;
pub mod service;
pub mod settings;
pub mod snapshot;
pub mod store;
pub mod system;
pub mod tail;
pub mod telemetry;
pub mod terminal;
pub mod text;
pub mod transaction;
pub mod watch;
#[cfg(windows)]
pub mod win32;
