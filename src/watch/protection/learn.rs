//! The `[protection]` table that a host should keep, loosened where it does not keep it yet.

use super::check::NETWORKS;
use super::{Action, Antivirus, Block, Defender, Desktop, Network, Off, Outcome, Profile, Protection};
use super::{ProtectionFacts, RemoteDesktop};
use crate::rule::{Span, to_toml};
use jiff::{SignedDuration, Timestamp};

/// How old the signatures of a host that is looked after get.
const SIGNATURES: Span = Span::days(3);

/// The longest time that can be written, in days.
const LONGEST: u64 = 3660;

/// The section; nothing if nothing could be told.
#[must_use]
pub fn learn(facts: &ProtectionFacts, by: &str, now: Timestamp) -> String {
    let mut notes: Vec<String> = Vec::new();
    let mut rule = Protection::default();
    if let Some(firewall) = &facts.firewall {
        let runs = firewall.running != Some(false);
        let is_on = |profile: &&Profile| profile.enabled && runs;
        let on: Vec<&Profile> = firewall.profiles.iter().filter(is_on).collect();
        rule.firewall = on.iter().map(|profile| profile.network).collect();
        let off: Vec<Network> = NETWORKS.into_iter().filter(|it| !rule.firewall.contains(it)).collect();
        if !off.is_empty() {
            let off = off.iter().map(Network::to_string).collect::<Vec<_>>().join(", ");
            notes.push(format!("the firewall was off on {off} networks"));
        }
        let blocks = !on.is_empty() && on.iter().all(|profile| profile.inbound == Action::Block);
        rule.inbound = blocks.then_some(Block::Block);
        if !blocks && !on.is_empty() {
            notes.push("the firewall let in whatever came".to_owned());
        }
        // That nothing may go out is asked of a host only where somebody has set it up so.
        let all_out = !on.is_empty() && on.iter().all(|profile| profile.outbound == Action::Block);
        rule.outbound = all_out.then_some(Block::Block);
    }
    if let Some(defender) = &facts.defender {
        rule.antivirus = antivirus(defender, now, &mut notes);
    }
    rule.remote_desktop = facts.remote_desktop.and_then(|desktop| match desktop {
        RemoteDesktop { enabled: false, .. } => Some(Desktop::Off),
        RemoteDesktop { network_level_authentication: true, .. } => Some(Desktop::NetworkLevelAuthentication),
        RemoteDesktop { .. } => {
            notes.push("Remote Desktop opened sessions before it knew who came".to_owned());
            None
        }
    });
    rule.smb1 = facts.smb1.and_then(|spoken| {
        if spoken {
            notes.push("files were shared by SMB 1".to_owned());
        }
        (!spoken).then_some(Off::Off)
    });
    if let Some(logged) = &facts.logon_audit {
        rule.logon_audit.clone_from(logged);
        for outcome in [Outcome::Success, Outcome::Failure].iter().filter(|it| !logged.contains(it)) {
            notes.push(format!("no {outcome} of a login was logged"));
        }
    }
    if rule == Protection::default() && notes.is_empty() {
        return String::new();
    }
    let mut why = "a host that is looked after keeps this".to_owned();
    if !notes.is_empty() {
        why = format!("{why}; when this was learned it did not all: {}", notes.join("; "));
    }
    (rule.why, rule.by) = (Some(why), Some(by.to_owned()));
    format!(
        "# How the host must be protected. A key that is not written is not looked at.\n\n{}",
        to_toml("[protection]", &rule)
    )
}

fn antivirus(defender: &Defender, now: Timestamp, notes: &mut Vec<String>) -> Option<Antivirus> {
    if !defender.installed || !defender.running {
        notes.push("Microsoft Defender did not run".to_owned());
        return None;
    }
    if !defender.protects() {
        notes.push("Microsoft Defender did not look at files as they are used".to_owned());
    }
    if defender.tamper_protection == Some(false) {
        notes.push("its tamper protection was off".to_owned());
    }
    let signatures_max_age = defender.signatures.and_then(|signatures| {
        let age = age(signatures, now);
        if age <= SIGNATURES.signed() {
            return Some(SIGNATURES);
        }
        notes.push(format!("its signatures were of {}", signatures.strftime("%Y-%m-%d")));
        days_above(age)
    });
    Some(Antivirus {
        real_time: defender.protects(),
        tamper_protection: defender.tamper_protection == Some(true),
        signatures_max_age,
    })
}

/// How long ago; never less than nothing, should the clock have been set back.
pub fn age(since: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(since).max(SignedDuration::ZERO)
}

/// An age for a person, in its largest unit.
pub fn in_words(age: SignedDuration) -> String {
    match age.as_hours() {
        hours @ ..48 => format!("{hours} hours"),
        hours => format!("{} days", hours / 24),
    }
}

/// The whole days above `age` with one to spare; none if that cannot be written.
pub fn days_above(age: SignedDuration) -> Option<Span> {
    let days = age.as_hours().unsigned_abs() / 24 + 2;
    (days <= LONGEST).then(|| Span::days(days))
}
