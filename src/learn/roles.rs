//! The ready-made policies that fit a Windows. It has no packages to tell a role by, so a role is what is seen at work.

use super::OURS;
use crate::processes::{Executable, Process};
use crate::snapshot::Snapshot;
use crate::watch::Seen;
use std::sync::Arc;

/// The ready-made policies of the roles of a host, none if it is no Windows.
pub fn of(snapshot: &Snapshot) -> Vec<&'static str> {
    let processes: &[Arc<Process>] = match &snapshot.processes {
        Some(Seen::Facts(facts)) => &facts.processes,
        _ => &[],
    };
    let mut roles = Vec::new();
    if processes.iter().any(|process| is_windows(process)) {
        // The service leaves itself out of what it sees, and administrators will ask whether it runs.
        roles.extend([OURS, "windows-server"]);
        if processes.iter().any(|process| runs(process, "W3SVC")) {
            roles.push("iis");
        }
        if offers_remote_desktop(snapshot) {
            roles.push("rdp");
        }
    }
    roles
}

/// Remote Desktop's service runs everywhere; only where it is switched on does it listen.
fn offers_remote_desktop(snapshot: &Snapshot) -> bool {
    let Some(Seen::Facts(facts)) = &snapshot.listeners else { return false };
    let owners = facts.listeners.iter().flat_map(|listener| &listener.owners);
    owners.into_iter().any(|owner| runs(owner, "TermService"))
}

fn is_windows(process: &Process) -> bool {
    let lies_there = |path: &str| path.to_ascii_lowercase().ends_with("\\system32\\lsass.exe");
    matches!(&process.exe, Executable::Path(path) if lies_there(path))
}

/// True if this service runs in this process, be it among others.
fn runs(process: &Process, service: &str) -> bool {
    let own = process.unit.as_deref().unwrap_or_default();
    own.split('+').any(|name| name.eq_ignore_ascii_case(service))
}
