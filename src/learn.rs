//! Learning: a whole policy from a snapshot.

use crate::coverage;
use crate::pass::Watching;
use crate::schedule;
use crate::snapshot::Snapshot;
use jiff::tz::TimeZone;

/// A policy that allows what `snapshot` holds, as TOML: a section for each watch, sorted, every rule with why and
/// by whom.
#[must_use]
pub fn policy(watches: &[Box<dyn Watching>], snapshot: &Snapshot) -> String {
    let zone = TimeZone::system();
    let by = format!("watchdog snapshot {}", snapshot.taken.to_zoned(zone.clone()).date());
    let mut out = format!(
        "# What is allowed on {}, learned from what was there on {}.\n\
         # Everything else is a finding. Read it, take out what should not be there, and keep it under version\n\
         # control: it is sorted, so that a difference is a review.\n\n\
         schema = 1\n",
        snapshot.host,
        schedule::in_words(snapshot.taken, &zone),
    );
    let gaps: Vec<_> = watches.iter().flat_map(|watch| watch.gaps(snapshot)).collect();
    let sections = watches.iter().map(|watch| watch.learn(snapshot, &by));
    for section in sections.chain([coverage::learn(&gaps, &by)]).filter(|section| !section.is_empty()) {
        out.push('\n');
        out.push_str(&section);
    }
    out
}
