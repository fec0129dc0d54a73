//! The clock of a Linux: whether something keeps it right.

use super::{Case, Check};
use crate::program::Output;

/// What is known of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// The kernel, or a daemon, says that it is right.
    Yes,
    /// It says that it is not.
    No,
    /// Nobody can be asked.
    NobodyKnows,
}

/// The kernel's own word first, as `timedatectl` passes it on; then a daemon's.
fn read_sync(case: &Case) -> Sync {
    let said = |program: &str, args: &[&str]| match (case.ask)(program, args) {
        Ok(Output { status, stdout, .. }) if status.success() => String::from_utf8(stdout).ok(),
        _ => None,
    };
    let timedatectl = said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]);
    match timedatectl.as_deref().map(str::trim) {
        Some("yes") => return Sync::Yes,
        Some("no") => return Sync::No,
        _ => {}
    }
    if let Some(tracking) = said("chronyc", &["-n", "tracking"]) {
        let leap = tracking.lines().find_map(|line| line.strip_prefix("Leap status")?.split_once(':'));
        match leap.map(|(_, status)| status.trim()) {
            Some("Not synchronised") => return Sync::No,
            Some(_) => return Sync::Yes,
            None => {}
        }
    }
    // timesyncd touches it whenever it has set the clock in this boot.
    if case.host.path("/run/systemd/timesync/synchronized").exists() { Sync::Yes } else { Sync::NobodyKnows }
}

pub fn clock(case: &Case) -> Vec<Check> {
    const NAME: &str = "clock";
    let in_container = ["/run/systemd/container", "/run/.containerenv", "/.dockerenv"];
    let in_container = in_container.iter().any(|path| case.host.path(path).exists());
    let check = match read_sync(case) {
        Sync::Yes => Check::ok(NAME, "the clock is synchronised"),
        Sync::No | Sync::NobodyKnows if in_container => {
            Check::note(NAME, "this is a container: its clock is that of the host it runs on, look there")
        }
        Sync::No => {
            let says = "the clock is not synchronised: hours of logins, ages of updates and times in mails may be wrong";
            Check::warning(NAME, says).remedy("apt install systemd-timesyncd && timedatectl set-ntp true")
        }
        Sync::NobodyKnows => {
            let says =
                "nobody here can say whether the clock is right (neither timedatectl nor chronyc answers)";
            Check::unknown(NAME, says).remedy("apt install systemd-timesyncd, or chrony")
        }
    };
    vec![check]
}
