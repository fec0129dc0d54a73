//! What an upgrade explains of processes, and what it does not: the program that runs on from a file that was replaced,
//! the file that is not as its package brought it, and the transaction itself in one line.

mod check;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
mod own;
mod verify;

pub use check::{modified, needs_restart, transaction, with_allowed};
#[cfg(target_os = "linux")]
pub use linux::look;
#[cfg(not(target_os = "linux"))]
pub use other::look;
pub use own::Own;

use crate::text::Text;
use serde::{Deserialize, Serialize};

/// A file that is not as the package brought it which was just installed or upgraded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Modified {
    /// The package it belongs to.
    pub package: Text,
    /// Its SHA-256, if it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Text>,
}
