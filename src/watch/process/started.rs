//! The processes that started since the last pass, and where those come from that no rule allows.

use super::{Look, ProcessFacts, Rules, check, gap, is_own};
use crate::coverage::Gap;
use crate::processes::events::{Counts, Starts, Ticket};
use crate::processes::{Listing, Process, origin, parse};
use std::sync::Arc;

/// Of so many kinds that no rule allows it is read where they come from.
const ORIGINS: usize = 512;

/// Programs that end before they can be read are an ordinary thing on a busy host, and counted. So many of them, and more than a
/// tenth of all, are a gap.
const UNREAD: u64 = 20;

/// The kernel now and then leaves out a single message when somebody else begins to listen: counted and said, and no gap.
const LOST: u64 = 10;

/// Adds what was told since the last pass that was stored.
pub fn add(facts: &mut ProcessFacts, look: &mut Look<Rules>, listing: &Listing, stored: &mut Ticket) {
    let Some(pool) = look.processes.starts() else { return };
    let kernel = look.host.read("/proc/stat").ok().and_then(|stat| parse::parse_starts(&stat));
    let taken = pool.take(*stored, kernel, listing, is_own(listing));
    *stored = taken.ticket;
    if let Starts::Told(counts) = &taken.starts {
        look.gaps.extend(gaps(counts));
    }
    facts.processes.extend(taken.living);
    facts.processes.sort_by_key(|process| process.pid);
    facts.ended = taken.ended;
    facts.starts = Some(taken.starts);
}

fn gaps(counts: &Counts) -> impl Iterator<Item = Gap> {
    let Counts { started, seen, programs, unread, lost } = *counts;
    let why = format!(
        "more started than could be followed: {lost} messages of the kernel about starts and ends were lost"
    );
    let of_starts =
        (lost >= LOST || seen < started).then(|| gap("process-starts", seen, started.max(seen), &why));
    let why = "programs ended before they could be read; who starts so many at once?";
    let of_programs = (unread >= UNREAD && unread > programs / 10)
        .then(|| gap("short-processes", programs - unread, programs, why));
    of_starts.into_iter().chain(of_programs)
}

/// How the starts were seen, in a few words.
pub fn summary(starts: &Starts) -> String {
    match starts {
        Starts::Told(Counts { started, seen, unread, lost, .. }) => {
            let but = match (unread, lost) {
                (0, 0) => String::new(),
                (unread, 0) => format!(" ({unread} ended unread)"),
                (unread, lost) => format!(" ({unread} ended unread, {lost} messages lost)"),
            };
            format!(" and {seen} of {} started since{but}", started.max(seen))
        }
        Starts::Untold(_) => " at the moment of each look".to_owned(),
    }
}

/// Reads where those come from that no rule allows: for a person who wants to know what it is.
pub fn add_origins(facts: &mut ProcessFacts, kinds: &[Arc<Process>], look: &Look<Rules>, listing: &Listing) {
    let strangers = check::strangers(facts, kinds, look.rules, look.now);
    let origins = strangers.into_iter().take(ORIGINS).map(|process| {
        let seen = look.processes.starts().and_then(|pool| pool.origin(process));
        (process.pid, seen.unwrap_or_else(|| origin::read(look.host, process, listing)))
    });
    facts.origins = origins.collect();
}
