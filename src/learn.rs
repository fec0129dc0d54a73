//! Learning: a whole policy from a snapshot.

use crate::coverage;
use crate::pass::Watching;
use crate::policy::{Policy, shipped};
use crate::processes::Executable;
use crate::schedule;
use crate::snapshot::Snapshot;
use crate::watch::Seen;
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
         schema = 1\n{}",
        snapshot.host,
        schedule::in_words(snapshot.taken, &zone),
        ready_made(snapshot),
    );
    let gaps: Vec<_> = watches.iter().flat_map(|watch| watch.gaps(snapshot)).collect();
    let sections = watches.iter().map(|watch| watch.learn(snapshot, &by));
    for section in sections.chain([coverage::learn(&gaps, &by)]).filter(|section| !section.is_empty()) {
        out.push('\n');
        out.push_str(&section);
    }
    out
}

/// What packages run by themselves now and then, a timer or a rotation of logs, is seldom there at the moment of
/// learning. Whether to allow it is a person's decision, so the ready-made policies are only named, in a comment.
fn ready_made(snapshot: &Snapshot) -> String {
    let Some(Seen::Facts(facts)) = &snapshot.processes else { return String::new() };
    let fits = |text: &str| {
        // A test parses every ready-made policy.
        let Ok(policy) = Policy::from_text("ready-made", text) else { return false };
        facts.processes.iter().any(|process| match &process.exe {
            Executable::Path(path) => {
                policy.process.process.iter().any(|placed| placed.rule.exe.matches_path(path))
            }
            _ => false,
        })
    };
    let names: Vec<String> =
        shipped().iter().filter(|(_, text)| fits(text)).map(|(name, _)| format!("{name:?}")).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "# To allow what these packages run by themselves, now and then too:\n# include = [{}]\n",
        names.join(", ")
    )
}
