//! The processes that started since the last pass, and where those come from that no rule allows.

use super::{Look, ProcessFacts, Rules, gap, is_own, strangers};
use crate::coverage::Gap;
use crate::processes::events::{Counts, KINDS, Starts, Ticket, Unread};
use crate::processes::{Listing, Process, origin, parse};
use std::sync::Arc;

/// Of so many kinds that no rule allows it is read where they come from.
const ORIGINS: usize = 512;

/// Programs that end before they can be read are an ordinary thing on a busy host, and counted. So many of them, and more than a
/// tenth of all, are a gap.
const UNREAD: u64 = 20;

/// The kernel now and then leaves out a single message when somebody else begins to listen: counted and said, and no gap.
const LOST: u64 = 10;

/// So many of those who started what could not be read are named.
const STARTERS: usize = 3;

/// Adds what was told since the last pass that was stored.
pub fn add(facts: &mut ProcessFacts, look: &mut Look<Rules>, listing: &Listing, stored: &mut Ticket) {
    let Some(pool) = look.processes.starts() else { return };
    let kernel = look.host.read("/proc/stat").ok().and_then(|stat| parse::parse_starts(&stat));
    let taken = pool.take(*stored, kernel, listing, is_own(listing));
    *stored = taken.ticket;
    if let Starts::Told(counts) = &taken.starts {
        look.gaps.extend(gaps(counts, &taken.unread));
        look.gaps.extend(crowd(taken.beyond, counts.programs, &taken.unread));
    }
    facts.processes.extend(taken.living);
    facts.processes.sort_by_key(|process| process.pid);
    facts.ended = taken.ended;
    facts.earlier = taken.earlier;
    facts.unread = taken.unread;
    facts.starts = Some(taken.starts);
}

fn gaps(counts: &Counts, unread_by: &[Unread]) -> impl Iterator<Item = Gap> {
    let Counts { started, seen, programs, unread, lost } = *counts;
    let why = format!(
        "more started than could be followed: {lost} messages of the kernel about starts and ends were lost"
    );
    let of_starts =
        (lost >= LOST || seen < started).then(|| gap("process-starts", seen, started.max(seen), &why));
    let why = match starters(unread_by) {
        starters if starters.is_empty() => {
            "programs ended before they could be read; who starts so many at once?".to_owned()
        }
        starters => format!("programs ended before they could be read; most were started by {starters}"),
    };
    let of_programs = (unread >= UNREAD && unread > programs / 10)
        .then(|| gap("short-processes", programs - unread, programs, &why));
    of_starts.into_iter().chain(of_programs)
}

/// Whoever starts programs of thousands of kinds at once, each with other arguments, may hide one among them: a gap from the first that
/// was not kept.
fn crowd(beyond: u64, programs: u64, unread_by: &[Unread]) -> Option<Gap> {
    let by = match starters(unread_by) {
        starters if starters.is_empty() => String::new(),
        starters => format!("; most were started by {starters}"),
    };
    let why = format!(
        "between two looks programs of more than {KINDS} kinds started, and the rest is not known{by}"
    );
    (beyond > 0).then(|| gap("many-processes", programs.saturating_sub(beyond), programs, &why))
}

/// Who started most of what could not be read: `/usr/bin/make 77 as root (1729)`.
fn starters(unread: &[Unread]) -> String {
    let one = |Unread { by, times }: &Unread| format!("{} {} as {} ({times})", by.what, by.pid, by.user);
    unread.iter().take(STARTERS).map(one).collect::<Vec<_>>().join(", ")
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
    let unknown = strangers::of(facts, kinds, look.rules, look.now);
    let origins = unknown.into_iter().take(ORIGINS).map(|process| {
        let seen = look.processes.starts().and_then(|pool| pool.origin(process));
        (process.pid, seen.unwrap_or_else(|| origin::read(look.host, process, listing)))
    });
    facts.origins = origins.collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::origin::Ancestor;

    #[test]
    fn a_single_program_of_too_many_kinds_is_a_gap_that_says_who_started_it() {
        let by = serde_json::json!({ "pid": 7, "what": "/usr/bin/bash", "user": "games" });
        let unread = Unread { by: serde_json::from_value(by).unwrap(), times: 1 };
        let gap = crowd(1, 4097, &[unread]).unwrap();
        assert_eq!((gap.gap.as_str(), gap.seen, gap.of), ("many-processes", 4096, 4097));
        let why = "between two looks programs of more than 4096 kinds started, and the rest is not known; most were \
                   started by /usr/bin/bash 7 as games (1)";
        assert_eq!(gap.why, why);
        assert!(crowd(0, 4096, &[]).is_none());
    }

    #[test]
    fn who_started_most_of_what_could_not_be_read_is_named() {
        let counts = Counts { started: 1000, seen: 1000, programs: 900, unread: 100, lost: 0 };
        let by = |pid| Ancestor {
            pid,
            what: "/usr/bin/make".into(),
            user: "root".into(),
            ended: false,
            typed: false,
        };
        let unread: Vec<Unread> =
            (1..6).map(|pid| Unread { by: by(pid), times: 50 - u64::from(pid) }).collect();
        let words = |counts: &Counts, unread: &[Unread]| {
            gaps(counts, unread)
                .map(|gap| format!("{} {}: {}", gap.gap, gap.seen, gap.why))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(&counts, &unread),
            ["short-processes 800: programs ended before they could be read; most were started by \
                 /usr/bin/make 1 as root (49), /usr/bin/make 2 as root (48), /usr/bin/make 3 as root (47)"]
        );
        let unknown =
            "short-processes 800: programs ended before they could be read; who starts so many at once?";
        assert_eq!(words(&counts, &[]), [unknown]);
        // An ordinary host now and then.
        assert!(words(&Counts { unread: 89, ..counts }, &unread).is_empty());
    }
}
