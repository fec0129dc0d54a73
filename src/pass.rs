//! The table of watches, and one pass over them: each looks, is timed, and is checked; one that fails never
//! stops the rest.

use crate::coverage::{self, Gap};
use crate::finding::{Code, Finding};
use crate::host::Host;
use crate::policy::Policy;
use crate::processes::Processes;
use crate::schedule::{self, Cron};
use crate::snapshot::Snapshot;
use crate::watch::{self, Facts, Look, Memory, Seen, Watch};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::time::Instant;

/// The table. To add a watch: its file and folder, a field in `Snapshot` and `Policy`, and a line here.
///
/// It is the same on every system, so that a snapshot of any host can be checked anywhere. A watch that has nothing to
/// look at on this one [says so](Watching::looks_here).
#[must_use]
pub fn watches() -> Vec<Box<dyn Watching>> {
    use watch::{account, autorun, connection, deception, listener, login, network, process, protection};
    use watch::{request, resource, session, unix_listener, update};
    vec![
        entry(process::ProcessWatch::default(), |p| &p.process, |s| &mut s.processes, |s| &s.processes),
        entry(listener::ListenerWatch::default(), |p| &p.listener, |s| &mut s.listeners, |s| &s.listeners),
        entry(
            unix_listener::UnixListenerWatch::default(),
            |p| &p.unix_listener,
            |s| &mut s.unix_listeners,
            |s| &s.unix_listeners,
        ),
        entry(
            connection::ConnectionWatch::default(),
            |p| &p.connection,
            |s| &mut s.connections,
            |s| &s.connections,
        ),
        entry(network::NetworkWatch::default(), |p| &p.network, |s| &mut s.network, |s| &s.network),
        entry(login::LoginWatch::default(), |p| &p.login, |s| &mut s.logins, |s| &s.logins),
        entry(session::SessionWatch::default(), |p| &p.session, |s| &mut s.sessions, |s| &s.sessions),
        entry(update::UpdateWatch::default(), |p| &p.update, |s| &mut s.updates, |s| &s.updates),
        entry(resource::ResourceWatch::default(), |p| &p.resource, |s| &mut s.resources, |s| &s.resources),
        entry(request::RequestWatch::default(), |p| &p.request, |s| &mut s.requests, |s| &s.requests),
        entry(account::AccountWatch::default(), |p| &p.account, |s| &mut s.accounts, |s| &s.accounts),
        entry(autorun::AutorunWatch::default(), |p| &p.autorun, |s| &mut s.autoruns, |s| &s.autoruns),
        entry(
            protection::ProtectionWatch::default(),
            |p| &p.protection,
            |s| &mut s.protection,
            |s| &s.protection,
        ),
        entry(deception::DeceptionWatch::default(), |p| &p.deception, |s| &mut s.deception, |s| &s.deception),
    ]
}

/// A watch of whatever kind, as the loop sees it.
pub trait Watching: Send {
    /// Its name.
    fn name(&self) -> &'static str;
    /// When it looks, unless the settings say otherwise.
    fn default_schedule(&self) -> Cron;
    /// True if it looks on this system.
    fn looks_here(&self) -> bool;
    /// Looks, and writes its field, gaps and time into `snapshot`.
    fn look(&mut self, at: &At, policy: &Policy, memory: &mut Memories, snapshot: &mut Snapshot);
    /// Checks its field of `snapshot`, if it was looked at.
    fn check(&self, snapshot: &Snapshot, policy: &Policy, memory: &mut Memories) -> Vec<Finding>;
    /// What it could not see.
    fn gaps(&self, snapshot: &Snapshot) -> Vec<Gap>;
    /// The section of a policy that allows what its field holds.
    fn learn(&self, snapshot: &Snapshot, by: &str) -> String;
    /// Its field in a few words.
    fn summary(&self, snapshot: &Snapshot) -> Option<String>;
}

/// Where and when a pass looks.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// The host.
    pub host: &'a Host,
    /// The processes, shared by the watches of a pass.
    pub processes: &'a Processes,
    /// The moment.
    pub now: Timestamp,
}

/// What all watches remember, by name; what the looking and the checking remember is kept apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memories(pub BTreeMap<String, Memory>);

impl Memories {
    fn of(&mut self, watch: &str, part: &str) -> &mut Memory {
        self.0.entry(format!("{watch}.{part}")).or_default()
    }

    /// What one watch remembers.
    #[must_use]
    pub fn of_watch(&self, watch: &str) -> Self {
        let is_its = |name: &str| name.strip_prefix(watch).is_some_and(|part| part.starts_with('.'));
        Self(
            self.0
                .iter()
                .filter(|(name, _)| is_its(name))
                .map(|(name, memory)| (name.clone(), memory.clone()))
                .collect(),
        )
    }

    /// Adds what others remember.
    pub fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Remembers a value that belongs to no watch.
    pub fn keep(&mut self, name: &str, value: &impl serde::Serialize) {
        self.0.entry(name.to_owned()).or_default().keep(value);
    }
}

type Section<W> = Option<Seen<<W as Watch>::Facts>>;

struct Entry<W: Watch> {
    watch: W,
    rules: fn(&Policy) -> &W::Rules,
    field_mut: fn(&mut Snapshot) -> &mut Section<W>,
    field: fn(&Snapshot) -> &Section<W>,
}

fn entry<W: Watch>(
    watch: W,
    rules: fn(&Policy) -> &W::Rules,
    field_mut: fn(&mut Snapshot) -> &mut Section<W>,
    field: fn(&Snapshot) -> &Section<W>,
) -> Box<dyn Watching> {
    Box::new(Entry { watch, rules, field_mut, field })
}

impl<W: Watch> Watching for Entry<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn default_schedule(&self) -> Cron {
        // A test parses every watch's own schedule; the loop must have one in any case.
        schedule::parse_cron(W::SCHEDULE).unwrap_or_else(|_| Cron::every_minute())
    }

    fn looks_here(&self) -> bool {
        W::LOOKS_HERE
    }

    fn look(&mut self, at: &At, policy: &Policy, memory: &mut Memories, snapshot: &mut Snapshot) {
        let started = Instant::now();
        let mut gaps = Vec::new();
        let memory = memory.of(W::NAME, "look");
        let before = memory.clone();
        let rules = (self.rules)(policy);
        let At { host, processes, now } = *at;
        // A fault in one watch must not silence the others; it is reported like any failure to see.
        let looked = panic::catch_unwind(AssertUnwindSafe(|| {
            self.watch.collect(&mut Look {
                host,
                processes,
                rules,
                now,
                memory: &mut *memory,
                gaps: &mut gaps,
            })
        }));
        let seen = looked.unwrap_or_else(|_| {
            *memory = before;
            Seen::Failed("a fault in the watchdog itself, please report it".to_owned())
        });
        *(self.field_mut)(snapshot) = Some(seen);
        if !gaps.is_empty() {
            snapshot.gaps.insert(W::NAME.to_owned(), gaps);
        }
        let ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        snapshot.took_ms.insert(W::NAME.to_owned(), ms);
    }

    fn check(&self, snapshot: &Snapshot, policy: &Policy, memory: &mut Memories) -> Vec<Finding> {
        let Some(seen) = (self.field)(snapshot) else { return Vec::new() };
        let now = snapshot.taken;
        let mut findings = coverage::check(&self.gaps(snapshot), &policy.coverage, now);
        match seen {
            Seen::Facts(facts) => {
                let rules = (self.rules)(policy);
                let memory = memory.of(W::NAME, "check");
                let before = memory.clone();
                let checked = panic::catch_unwind(AssertUnwindSafe(|| {
                    W::check(&Facts { facts, rules, now }, &mut *memory)
                }));
                findings.extend(checked.unwrap_or_else(|_| {
                    *memory = before;
                    vec![failed(W::NAME, "a fault in the watchdog itself, please report it")]
                }));
            }
            Seen::NoData(_) => {}
            Seen::Failed(why) => {
                findings.push(failed(W::NAME, why));
            }
        }
        findings
    }

    fn gaps(&self, snapshot: &Snapshot) -> Vec<Gap> {
        let mut gaps: Vec<Gap> = snapshot.gaps.get(W::NAME).cloned().unwrap_or_default();
        if let Some(Seen::NoData(why)) = (self.field)(snapshot) {
            gaps.push(Gap { gap: format!("no-{}", W::NAME), seen: 0, of: 1, why: why.clone() });
        }
        gaps
    }

    fn learn(&self, snapshot: &Snapshot, by: &str) -> String {
        match (self.field)(snapshot) {
            Some(Seen::Facts(facts)) => W::learn(facts, by, snapshot.taken),
            _ => String::new(),
        }
    }

    fn summary(&self, snapshot: &Snapshot) -> Option<String> {
        let facts = (self.field)(snapshot).as_ref()?.facts()?;
        Some(W::summary(facts))
    }
}

fn failed(watch: &str, why: &str) -> Finding {
    let title = format!("cannot look at {}: {why}", plural(watch));
    Finding::new(Code::CoverageGap, format!("failed {watch}"), title).with("why", why)
}

fn plural(name: &str) -> String {
    if name.ends_with("ss") { format!("{name}es") } else { format!("{name}s") }
}

/// One whole pass: every watch looks that can on this system.
pub fn look_all(
    watches: &mut [Box<dyn Watching>],
    at: &At,
    policy: &Policy,
    memory: &mut Memories,
) -> Snapshot {
    let mut snapshot = Snapshot::empty(at.host.name(), at.host.boot_id(), at.now);
    for watch in watches.iter_mut().filter(|watch| watch.looks_here()) {
        watch.look(at, policy, memory, &mut snapshot);
    }
    snapshot
}

/// Checks every field that `snapshot` holds; the most urgent findings first, each once.
#[must_use]
pub fn check_all(
    watches: &[Box<dyn Watching>],
    snapshot: &Snapshot,
    policy: &Policy,
    memory: &mut Memories,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        watches.iter().flat_map(|watch| watch.check(snapshot, policy, memory)).collect();
    findings.sort_by(|a, b| (b.severity, a.code, &a.subject).cmp(&(a.severity, b.code, &b.subject)));
    findings.dedup_by(|a, b| a.code == b.code && a.subject == b.subject);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watch_has_a_schedule_that_parses() {
        for watch in watches() {
            assert!(!watch.default_schedule().as_str().is_empty(), "{}", watch.name());
        }
    }
}
