//! Whether Windows must be rebooted, from the signs that its installers leave in the registry.

use super::Reboot;
use crate::text::Text;
use jiff::Timestamp;

/// What the registry holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// `RebootRequired` of Windows Update is there, and when it was made if that is known.
    pub updates: Option<Option<Timestamp>>,
    /// `RebootPending` of the component servicing is there.
    pub components: Option<Option<Timestamp>>,
    /// `PendingFileRenameOperations`: a file and what it is renamed to, in turn; nothing: it is deleted.
    pub renames: Vec<String>,
    /// `UpdateExeVolatile`: not zero while an installer of the old kind waits for a reboot.
    pub volatile: u32,
}

/// What is to be replaced below these needs no reboot to be safe: programs of users that renew themselves, and leavings.
const PASSING: &[&str] = &[r"\temp\", r"\appdata\", r"\windows\softwaredistribution\", r"\spool\drivers\"];

/// The reboot that is needed, if one is. `seen` is since when one was seen to be in this boot.
#[must_use]
pub fn reboot_of(signs: &Signs, seen: Option<Timestamp>, now: Timestamp) -> Option<Reboot> {
    let mut reasons = Vec::new();
    let mut moments = Vec::new();
    for (sign, reason) in [(signs.updates, "Windows Update"), (signs.components, "component servicing")] {
        if let Some(moment) = sign {
            reasons.push(reason.to_owned());
            moments.extend(moment);
        }
    }
    if signs.volatile != 0 {
        reasons.push("an update that runs at the next start".to_owned());
    }
    match replaced(&signs.renames) {
        0 => {}
        1 => reasons.push("1 file to be replaced at the next start".to_owned()),
        count => reasons.push(format!("{count} files to be replaced at the next start")),
    }
    if reasons.is_empty() {
        return None;
    }
    let since = moments.into_iter().chain(seen).chain([now]).min().unwrap_or(now);
    Some(Reboot {
        since,
        packages: reasons.iter().map(|reason| Text::from(&**reason)).collect(),
        running: None,
    })
}

/// How many files are to be replaced. What is only to be deleted is rubbish by then, and needs no reboot.
fn replaced(renames: &[String]) -> usize {
    let pairs = renames.chunks(2).filter_map(|pair| match pair {
        [_, to] if !to.is_empty() => Some(to.to_ascii_lowercase()),
        _ => None,
    });
    pairs.filter(|to| !PASSING.iter().any(|passing| to.contains(passing))).count()
}
