//! Learning: a whole policy from a snapshot.

mod roles;

use crate::coverage;
use crate::pass::Watching;
use crate::policy::{Policy, PolicyError, shipped};
use crate::schedule;
use crate::snapshot::Snapshot;
use crate::watch::account::{self, AccountWatch};
use crate::watch::autorun::{self, AutorunWatch};
use crate::watch::deception::{self, DeceptionWatch};
use crate::watch::listener::{self, ListenerWatch};
use crate::watch::process::{self, ProcessWatch};
use crate::watch::{Seen, Watch};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The ready-made policy of the watchdog's own parts, and of the package that brings them.
const OURS: &str = "host-watchdog";

/// The ready-made policy of what every Debian has.
const BASE: &str = "debian-base";

/// What becomes of the ready-made policies that fit the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadyMade {
    /// They are named in a comment: whether to allow what packages run by themselves is a person's decision.
    #[default]
    Named,
    /// They are included, and what they allow is not learned again.
    Included,
}

/// What is learned besides what was seen.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// What becomes of ready-made policies.
    pub ready_made: ReadyMade,
    /// The names of the packages that are installed.
    pub installed: BTreeSet<String>,
    /// The file of the rules that are learned while observing, to be included.
    pub observed: Option<PathBuf>,
}

/// A policy that allows what `snapshot` holds, as TOML: a section for each watch, sorted, every rule with why and
/// by whom.
///
/// # Errors
/// What is wrong with a policy that is included, as an administrator may have put another in a shipped one's place.
pub fn policy(watches: &[Box<dyn Watching>], snapshot: &Snapshot, how: &How) -> Result<String, PolicyError> {
    let zone = TimeZone::system();
    let by = format!("watchdog snapshot {}", snapshot.taken.to_zoned(zone.clone()).date());
    let mut fitting = fitting(&how.installed);
    fitting.extend(roles::of(snapshot));
    let (included, named): (Vec<&str>, Vec<&str>) =
        fitting.into_iter().partition(|name| how.ready_made == ReadyMade::Included || *name == OURS);
    let mut out = format!(
        "# What is allowed on {}, learned from what was there on {}.\n\
         # Everything else is a finding. Read it, take out what should not be there, and keep it under version\n\
         # control: it is sorted, so that a difference is a review.\n\n\
         schema = 1\n{}",
        snapshot.host,
        schedule::in_words(snapshot.taken, &zone),
        includes(&included, &named, how),
    );
    let own = without_known(snapshot, &included)?;
    let gaps: Vec<_> = watches.iter().flat_map(|watch| watch.gaps(snapshot)).collect();
    let sections = watches.iter().map(|watch| {
        let known = [
            ProcessWatch::NAME,
            ListenerWatch::NAME,
            AccountWatch::NAME,
            AutorunWatch::NAME,
            DeceptionWatch::NAME,
        ];
        let is_left = known.contains(&watch.name());
        watch.learn(if is_left { &own } else { snapshot }, &by)
    });
    for section in sections.chain([coverage::learn(&gaps, &by)]).filter(|section| !section.is_empty()) {
        out.push('\n');
        out.push_str(&section);
    }
    Ok(out)
}

/// The names of the ready-made policies that fit a host with these packages: those of which it has one that is not
/// part of every Debian. Each of their rules names a package, so one for a package that is not there allows nothing.
fn fitting(installed: &BTreeSet<String>) -> Vec<&'static str> {
    let packages = |(name, text): &(&'static str, &'static str)| {
        // A test parses every ready-made policy.
        let policy = Policy::from_text(name, text).unwrap_or_default();
        // An interpreter is nobody's own.
        let rules = policy.process.process.into_iter().filter(|placed| placed.rule.script.is_none());
        let packages: BTreeSet<String> = rules.filter_map(|placed| placed.rule.package).collect();
        (*name, packages)
    };
    let all: Vec<(&str, BTreeSet<String>)> = shipped().iter().map(packages).collect();
    let base = all.iter().find(|(name, _)| *name == BASE).map(|(_, packages)| packages.clone());
    let base = base.unwrap_or_default();
    let fits = |(name, packages): &(&str, BTreeSet<String>)| {
        packages
            .iter()
            .any(|package| installed.contains(package) && (*name == BASE || !base.contains(package)))
    };
    all.iter().filter(|entry| fits(entry)).map(|(name, _)| *name).collect()
}

fn includes(included: &[&str], named: &[&str], how: &How) -> String {
    let mut files: Vec<String> = included.iter().map(|name| (*name).to_owned()).collect();
    files.extend(how.observed.iter().map(|file| file.display().to_string()));
    let list = |names: &[String]| toml::Value::from(names.to_vec()).to_string();
    let mut out = String::new();
    if !files.is_empty() {
        out += &format!("include = {}\n", list(&files));
    }
    if !named.is_empty() {
        let all: Vec<String> = named.iter().map(|name| (*name).to_owned()).chain(files).collect();
        out += &format!(
            "# To allow what these packages run by themselves, now and then too:\n# include = {}\n",
            list(&all)
        );
    }
    out
}

/// What of a snapshot the included policies do not allow: processes, sockets, accounts, what starts by itself.
fn without_known(snapshot: &Snapshot, included: &[&str]) -> Result<Snapshot, PolicyError> {
    let mut left = Snapshot::empty(snapshot.host.clone(), snapshot.boot_id.clone(), snapshot.taken);
    let names: Vec<String> = included.iter().map(|name| (*name).to_owned()).collect();
    let text = format!("schema = 1\ninclude = {}\n", toml::Value::from(names));
    let known = Policy::from_text("the ready-made policies", &text)?;
    left.processes = snapshot.processes.as_ref().map(|seen| match seen {
        Seen::Facts(facts) => Seen::Facts(process::without_allowed(facts, &known.process, snapshot.taken)),
        other => other.clone(),
    });
    left.listeners = snapshot.listeners.as_ref().map(|seen| match seen {
        Seen::Facts(facts) => Seen::Facts(listener::without_allowed(facts, &known.listener, snapshot.taken)),
        other => other.clone(),
    });
    left.accounts = snapshot.accounts.as_ref().map(|seen| match seen {
        Seen::Facts(facts) => Seen::Facts(account::without_allowed(facts, &known.account, snapshot.taken)),
        other => other.clone(),
    });
    left.autoruns = snapshot.autoruns.as_ref().map(|seen| match seen {
        Seen::Facts(facts) => Seen::Facts(autorun::without_allowed(facts, &known.autorun, snapshot.taken)),
        other => other.clone(),
    });
    left.deception = snapshot.deception.as_ref().map(|seen| match seen {
        Seen::Facts(facts) => {
            Seen::Facts(deception::without_allowed(facts, &known.deception, snapshot.taken))
        }
        other => other.clone(),
    });
    Ok(left)
}

#[cfg(test)]
mod tests;
