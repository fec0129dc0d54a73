//! Looking: what the update agent knows, asked by a process of its own as it may hang, and the registry's signs that a
//! reboot is needed. Never over the network: the agent says what its own last search has found.

use super::agent::{Answer, Remembered, parse_answer};
use super::pending_reboot::{Signs, reboot_of};
use super::{Rules, UpdateFacts};
use crate::coverage::Gap;
use crate::program;
use crate::text::Text;
use crate::watch::{Look, Seen};
use crate::win32::registry_key;
use jiff::Timestamp;
use std::time::Duration;

/// The command of ours that asks the agent, and its option.
pub const COMMAND: &str = "look-for-updates";
pub const UNLESS: &str = "--unless";

/// So long may the agent take: it walks through all it has ever heard of, on a slow host for minutes.
const DEADLINE: Duration = Duration::from_mins(4);

/// More than the longest list of updates.
const MOST: usize = 16 * 1024 * 1024;

pub fn collect(look: &mut Look<Rules>) -> Seen<UpdateFacts> {
    let now = look.now;
    let mut remembered: Remembered = look.memory.recall();
    let why_not = match ask(remembered.computed.is_some().then_some(&*remembered.known.state)) {
        Ok(Answer::Known(known)) => {
            (remembered.known, remembered.computed) = (known, Some(now));
            None
        }
        Ok(Answer::Same(_)) => None,
        Ok(Answer::NoAgent(why)) if remembered.computed.is_none() => return Seen::Failed(why),
        Ok(Answer::NoAgent(why) | Answer::Failed(why)) | Err(why) => Some(why),
    };
    if let Some(why) = why_not {
        let last = remembered.computed.map_or_else(String::new, |computed| {
            format!("; what is known is from {}", computed.strftime("%Y-%m-%d %H:%M UTC"))
        });
        look.gaps.push(Gap {
            gap: "pending-updates".to_owned(),
            seen: 0,
            of: 1,
            why: format!("{why}{last}"),
        });
    }
    let boot = look.host.boot_id();
    let seen = remembered.reboot.take().filter(|(then, _)| *then == boot).map(|(_, since)| since);
    let reboot = reboot_of(&read_signs(), seen, now);
    remembered.reboot = reboot.as_ref().map(|reboot| (boot, reboot.since));
    let facts = UpdateFacts { reboot, ..remembered.facts(now) };
    look.memory.keep(&remembered);
    Seen::Facts(facts)
}

/// Asks the agent, unless its state is still the one that is known.
fn ask(known: Option<&str>) -> Result<Answer, String> {
    let own = std::env::current_exe()
        .map_err(|error| format!("cannot tell where the watchdog's own file is: {error}"))?;
    let mut args = vec![COMMAND];
    args.extend(known.into_iter().flat_map(|state| [UNLESS, state]));
    let output = program::run(own, &args, DEADLINE, MOST)
        .map_err(|error| format!("the process that asks the update agent: {error}"))?;
    if output.cut {
        return Err(format!("the update agent said more than {MOST} bytes"));
    }
    if !output.status.success() {
        let complaint = output.stderr.split(|b| *b == b'\n').next().unwrap_or_default();
        let complaint = Text::cut(complaint.trim_ascii(), 300);
        return Err(format!(
            "the process that asks the update agent failed ({}): {complaint}",
            output.status
        ));
    }
    parse_answer(&output.stdout)
}

/// What the registry says of a reboot.
fn read_signs() -> Signs {
    const VERSION: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion";
    let made = |key: &str| {
        let made = registry_key::changed(&format!("{VERSION}\\{key}"))?;
        // Since 1601, in units of 100 nanoseconds.
        let seconds = i64::try_from(made / 10_000_000).ok()?.checked_sub(11_644_473_600)?;
        Some(Timestamp::from_second(seconds).ok().filter(|made| *made > Timestamp::UNIX_EPOCH))
    };
    Signs {
        updates: made(r"WindowsUpdate\Auto Update\RebootRequired"),
        components: made(r"Component Based Servicing\RebootPending"),
        renames: registry_key::texts(
            r"SYSTEM\CurrentControlSet\Control\Session Manager",
            "PendingFileRenameOperations",
        ),
        volatile: registry_key::number(r"SOFTWARE\Microsoft\Updates", "UpdateExeVolatile").unwrap_or(0),
    }
}
