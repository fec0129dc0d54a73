//! Looking: dpkg's and apt's files, and apt's answer if something changed since it was last asked.

use super::{Manager, Pending, Release, Rules, UpdateFacts, apt, reboot, release, sources};
use crate::coverage::Gap;
use crate::dpkg::{self, Installed};
use crate::host::Host;
use crate::text::Text;
use crate::watch::{Look, Seen};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// What is remembered from pass to pass.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    /// What apt's answer depended on.
    key: String,
    /// When apt was asked.
    computed: Option<Timestamp>,
    /// What it said.
    simulation: apt::Simulation,
    /// Since when an update has been seen to wait for an installed version.
    waiting: BTreeMap<String, Waiting>,
    /// The boot in which a reboot was first seen to be needed, and when.
    reboot: Option<(Text, Timestamp)>,
}

/// Since when any update, and a security update, has been seen to wait.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Waiting {
    any: Timestamp,
    security: Option<Timestamp>,
}

pub fn collect(look: &mut Look<Rules>) -> Seen<UpdateFacts> {
    let (host, now) = (look.host, look.now);
    let installed = match dpkg::read_installed(host) {
        Ok(installed) => installed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Seen::NoData(no_dpkg(host)),
        Err(error) => return Seen::Failed(format!("cannot read {}: {error}", dpkg::STATUS)),
    };
    let releases = match release::read_releases(host) {
        Ok(releases) => releases,
        Err(error) => return Seen::Failed(format!("cannot read {}: {error}", release::LISTS)),
    };
    let sources = sources::read_sources(host);
    let missing = sources::never_fetched(host, &sources);
    let mut remembered: Remembered = look.memory.recall();
    look.gaps.extend(ask_apt(host, now, &mut remembered));
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|source| &*source.name).collect();
        look.gaps.push(Gap {
            gap: "package-lists".to_owned(),
            seen: (sources.len() - missing.len()) as u64,
            of: sources.len() as u64,
            why: format!("never fetched, so no update of theirs can be seen: {}", names.join(", ")),
        });
    }
    let mut reboot = reboot::read_reboot(host, &installed, now);
    if let Some(reboot) = &mut reboot {
        let boot = host.boot_id();
        let before = remembered.reboot.filter(|(then, _)| *then == boot).map(|(_, since)| since);
        reboot.since = reboot.since.min(before.unwrap_or(now));
        remembered.reboot = Some((boot, reboot.since));
    } else {
        remembered.reboot = None;
    }
    let facts = UpdateFacts {
        manager: Manager::Apt,
        installed: installed.len() as u64,
        computed: remembered.computed,
        pending: pending(&mut remembered, &installed, &releases, now),
        phased: remembered.simulation.phased.clone(),
        kept_back: remembered.simulation.kept_back.clone(),
        lists: release::lists(host, &releases, now),
        missing_lists: missing.iter().map(|source| source.name.clone()).collect(),
        reboot,
    };
    look.memory.keep(&remembered);
    Seen::Facts(facts)
}

/// Why there is nothing to see on a host without dpkg.
fn no_dpkg(host: &Host) -> String {
    let rpm = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"].iter().any(|folder| host.path(folder).exists());
    if rpm {
        "this host has rpm packages; only those of dpkg and apt can be watched so far".to_owned()
    } else {
        format!("there is no {}", dpkg::STATUS)
    }
}

/// Asks apt, if something changed. If it gives no answer its last one stands, and that is a gap.
fn ask_apt(host: &Host, now: Timestamp, remembered: &mut Remembered) -> Option<Gap> {
    let key = apt::key(host);
    // In the midst of an installation apt finds nothing but broken packages; its last answer stands for a while.
    let is_young = |computed: Timestamp| now.duration_since(computed).abs() < SignedDuration::from_hours(24);
    let may_wait = || remembered.computed.is_some_and(is_young) && dpkg::is_at_work(host);
    if remembered.computed.is_some() && remembered.key == key || may_wait() {
        return None;
    }
    match apt::simulate(host) {
        Ok(simulation) => {
            remembered.simulation = simulation;
            remembered.key = key;
            remembered.computed = Some(now);
            None
        }
        Err(why) => {
            let last = match remembered.computed {
                Some(computed) => {
                    format!("; what is known is from {}", computed.strftime("%Y-%m-%d %H:%M UTC"))
                }
                None => String::new(),
            };
            // The last answer stands, but is asked for again at the next pass.
            remembered.key.clear();
            Some(Gap { gap: "pending-updates".to_owned(), seen: 0, of: 1, why: format!("{why}{last}") })
        }
    }
}

/// The updates with all that is known of each, and what is to be remembered of them.
fn pending(
    remembered: &mut Remembered,
    installed: &[Installed],
    releases: &[(Text, Release)],
    now: Timestamp,
) -> Vec<Pending> {
    let mut waiting = BTreeMap::new();
    let mut pending = Vec::new();
    for update in &remembered.simulation.updates {
        let key = format!("{} {} {}", update.name, update.arch, update.installed);
        // Its list named it when it was made, so it has waited at least since then.
        let listed = |origin: &Text| {
            releases.iter().filter(|(_, r)| r.is_origin(origin)).filter_map(|(_, r)| r.date).min()
        };
        let listed = update.origins.iter().filter_map(listed).min().unwrap_or(now).min(now);
        let before: Option<Waiting> = remembered.waiting.get(&key).copied();
        let any = before.map_or(listed, |before| before.any.min(listed));
        let security = update.security.then(|| {
            let before = before.and_then(|before| before.security);
            before.map_or(listed, |before| before.min(listed))
        });
        waiting.insert(key, Waiting { any, security });
        pending.push(Pending {
            package: Text::from(update.package()),
            arch: update.arch.clone(),
            installed: update.installed.clone(),
            candidate: update.candidate.clone(),
            security: update.security,
            held: is_held(installed, update),
            origins: update.origins.clone(),
            since: security.unwrap_or(any),
        });
    }
    remembered.waiting = waiting;
    pending.sort();
    pending
}

fn is_held(installed: &[Installed], update: &apt::Update) -> bool {
    installed.iter().any(|p| {
        p.held && *p.name == *update.package() && (p.arch == update.arch || p.version == update.installed)
    })
}
