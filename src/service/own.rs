//! What the service finds of itself.

use super::{HANGS, Looker};
use crate::alert::Blind;
use crate::finding::{Code, Finding, Severity};

/// The name under which the service reports on itself.
pub const SELF: &str = "service";

pub fn unwatched(blind: &Blind) -> Finding {
    let minutes = blind.until.duration_since(blind.from).as_mins();
    Finding::new(Code::NotWatching, SELF, format!("nobody was watching for {minutes} minutes: {}", blind.why))
        .with("from", blind.from.to_string())
        .with("until", blind.until.to_string())
        .with("why", &blind.why)
}

pub fn hanging(looker: &Looker) -> Finding {
    let name = looker.name();
    let title =
        format!("the {name} watch hangs: it has been looking for more than {} minutes", HANGS.as_secs() / 60);
    Finding::new(Code::CoverageGap, format!("hangs {name}"), title).with(
        "what to do",
        "see what it waits for: a disk or a program that does not answer; then restart the service",
    )
}

/// What holds while the files are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InForce {
    /// Those from before.
    Before,
    /// Nothing: nobody is watching.
    Nothing,
}

pub fn policy_rejected(error: &str, in_force: InForce) -> Finding {
    let title = match in_force {
        InForce::Before => "the settings or the policy on disk are wrong; the ones before stay in force",
        InForce::Nothing => {
            "the settings or the policy on disk are wrong, and there are none from before: NOBODY IS WATCHING"
        }
    };
    let lines: Vec<&str> = error.lines().collect();
    let finding = Finding::new(Code::PolicyRejected, SELF, title).with("what is wrong", lines).with(
        "what to do",
        "correct it and check it with `watchdog validate`; within a minute it is read again, or reload at once",
    );
    match in_force {
        InForce::Before => finding,
        InForce::Nothing => finding.severity(Severity::Urgent),
    }
}
