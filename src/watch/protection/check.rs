//! Comparing what protects the host with what the policy asks for. What could not be told is a gap, and said by the
//! looking.

use super::{Action, Antivirus, Defender, Desktop, Firewall, Network, Outcome, Profile, Protection};
use super::{ProtectionFacts, RemoteDesktop, Rules};
use crate::finding::{Code, Finding, Nearest, Severity};
use crate::rule::{self, Placed, Rule as _, Span};
use jiff::Timestamp;

/// All that is not as the policy asks.
pub fn check(facts: &ProtectionFacts, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let Some(placed) = &rules.protection else { return Vec::new() };
    if !placed.rule.holds(now) {
        return vec![expired(placed)];
    }
    let mut findings = Vec::new();
    if let Some(seen) = &facts.firewall {
        findings.extend(firewall(seen, placed));
    }
    if let (Some(asked), Some(seen)) = (&placed.rule.antivirus, &facts.defender) {
        findings.extend(antivirus(*asked, seen, placed, now));
    }
    if let (Some(asked), Some(seen)) = (placed.rule.remote_desktop, facts.remote_desktop) {
        findings.extend(remote_desktop(asked, seen, placed));
    }
    if placed.rule.smb1.is_some() && facts.smb1 == Some(true) {
        findings.push(
            Finding::new(Code::LegacySmb, "smb1", "the host shares its files by SMB 1 too")
                .with("to turn it off", "Set-SmbServerConfiguration -EnableSMB1Protocol $false")
                .nearest(Some(nearest(placed, "smb1 must be off")))
                .suggest(suggest(placed, |rule| rule.smb1 = None)),
        );
    }
    if let Some(logged) = &facts.logon_audit {
        findings.extend(logon_audit(logged, placed));
    }
    findings
}

fn nearest(placed: &Placed<Protection>, why_not: &str) -> Nearest {
    Nearest { rule: format!("{} ({})", placed.rule.describe(), placed.origin), why_not: why_not.to_owned() }
}

/// The same table, loosened just so far.
fn suggest(placed: &Placed<Protection>, loosen: impl FnOnce(&mut Protection)) -> String {
    let mut rule = placed.rule.clone();
    loosen(&mut rule);
    format!("# in place of the table at {}\n{}", placed.origin, rule::to_toml("[protection]", &rule))
}

/// What does not hold any more would else be silence.
fn expired(placed: &Placed<Protection>) -> Finding {
    let title = "what the policy asks of the protection has expired, and nothing holds in its place";
    Finding::new(Code::CoverageGap, "expired protection", title)
        .severity(Severity::Notice)
        .with("rule", placed.origin.to_string())
        .with("expired on", placed.rule.expires.map(|last| last.to_string()))
        .suggest(suggest(placed, |rule| rule.expires = None))
}

fn firewall(seen: &Firewall, placed: &Placed<Protection>) -> Vec<Finding> {
    let asked = &placed.rule.firewall;
    if asked.is_empty() {
        return Vec::new();
    }
    if seen.running == Some(false) {
        let title = "the firewall does not run";
        return vec![
            Finding::new(Code::FirewallOff, "firewall", title)
                .with("service", "MpsSvc is stopped")
                .with("to start it", "Start-Service MpsSvc")
                .nearest(Some(nearest(placed, "the firewall must be on")))
                .suggest(suggest(placed, |rule| rule.firewall.clear())),
        ];
    }
    let mut findings = Vec::new();
    for profile in seen.profiles.iter().copied().filter(|profile| asked.contains(&profile.network)) {
        if profile.enabled {
            findings.extend(open(profile, placed));
        } else {
            findings.push(off(profile, placed));
        }
    }
    findings
}

fn off(profile: Profile, placed: &Placed<Protection>) -> Finding {
    let network = profile.network;
    let title = format!("the firewall is off on {network} networks");
    let finding = Finding::new(Code::FirewallOff, format!("firewall {network}"), title);
    evidence(finding, profile)
        .with("to turn it on", format!("Set-NetFirewallProfile -Name {network} -Enabled True"))
        .nearest(Some(nearest(
            placed,
            &format!("the firewall must be on in every network that it names, and it names {network}"),
        )))
        .suggest(suggest(placed, |rule| rule.firewall.retain(|asked| *asked != network)))
}

/// What it lets through of both directions is one difference in the settings of one profile.
fn open(profile: Profile, placed: &Placed<Protection>) -> Option<Finding> {
    let network = profile.network;
    let inbound = placed.rule.inbound.is_some() && profile.inbound == Action::Allow;
    let outbound = placed.rule.outbound.is_some() && profile.outbound == Action::Allow;
    let (what, keys) = match (inbound, outbound) {
        (true, true) => ("comes in and goes out", "inbound and outbound"),
        (true, false) => ("comes in", "inbound"),
        (false, true) => ("goes out", "outbound"),
        (false, false) => return None,
    };
    let title = format!("the firewall lets through whatever {what} on {network} networks");
    let finding = Finding::new(Code::FirewallOpen, format!("firewall {network} {keys}"), title);
    let loosen = |rule: &mut Protection| {
        rule.inbound = rule.inbound.filter(|_| !inbound);
        rule.outbound = rule.outbound.filter(|_| !outbound);
    };
    Some(
        evidence(finding, profile)
            .nearest(Some(nearest(
                placed,
                &format!("{keys} must be blocked unless a rule of the firewall allows it"),
            )))
            .suggest(suggest(placed, loosen)),
    )
}

fn evidence(finding: Finding, profile: Profile) -> Finding {
    finding
        .with("profile", profile.network)
        .with("enabled", profile.enabled)
        .with("inbound", profile.inbound)
        .with("outbound", profile.outbound)
        .with("set by", profile.by_group_policy.then_some("Group Policy"))
}

fn antivirus(
    asked: Antivirus,
    seen: &Defender,
    placed: &Placed<Protection>,
    now: Timestamp,
) -> Option<Finding> {
    let fault = if !seen.installed {
        Some(("not installed", "is not installed, and no other antivirus can be seen"))
    } else if !seen.running {
        Some(("stopped", "does not run"))
    } else if asked.real_time && seen.passive {
        Some(("passive", "only looks on, as another antivirus is there that cannot be seen"))
    } else if asked.real_time && !seen.real_time {
        Some(("real-time", "does not look at files as they are used"))
    } else if asked.tamper_protection && seen.tamper_protection == Some(false) {
        Some(("tamper-protection", "may be turned off: its tamper protection is off"))
    } else {
        None
    };
    if let Some((which, fault)) = fault {
        let title = format!("Microsoft Defender {fault}");
        let finding = Finding::new(Code::AntivirusOff, format!("defender {which}"), title)
            .with("installed", seen.installed)
            .with("running", seen.running)
            .with("real-time", seen.real_time)
            .with("tamper protection", seen.tamper_protection)
            .with("passive", seen.passive.then_some(true))
            .with("signatures of", seen.signatures.map(|at| at.to_string()));
        let loosen = |rule: &mut Protection| rule.antivirus = loosened(asked, seen);
        return Some(
            finding
                .nearest(Some(nearest(placed, "it asks for an antivirus that runs")))
                .suggest(suggest(placed, loosen)),
        );
    }
    stale(asked, seen, placed, now)
}

/// What may still be asked of it as it is.
fn loosened(asked: Antivirus, seen: &Defender) -> Option<Antivirus> {
    let left = Antivirus {
        real_time: asked.real_time && seen.protects(),
        tamper_protection: asked.tamper_protection && seen.tamper_protection != Some(false),
        ..asked
    };
    (seen.installed && seen.running).then_some(left)
}

fn stale(asked: Antivirus, seen: &Defender, placed: &Placed<Protection>, now: Timestamp) -> Option<Finding> {
    let limit = asked.signatures_max_age?;
    let set = |age: Option<Span>| {
        move |rule: &mut Protection| {
            rule.antivirus = Some(Antivirus { signatures_max_age: age, ..asked });
        }
    };
    let Some(signatures) = seen.signatures else {
        let title = "Microsoft Defender has no signatures, or does not say of when";
        return Some(
            Finding::new(Code::AntivirusStale, "defender signatures", title)
                .with("to renew them", "Update-MpSignature")
                .nearest(Some(nearest(placed, &format!("signatures-max-age is {limit}"))))
                .suggest(suggest(placed, set(None))),
        );
    };
    let age = super::learn::age(signatures, now);
    if age <= limit.signed() {
        return None;
    }
    let words = super::learn::in_words(age);
    Some(
        Finding::new(
            Code::AntivirusStale,
            "defender signatures",
            format!("the signatures of Microsoft Defender are {words} old"),
        )
        .with("signatures of", signatures.to_string())
        .with("limit", limit.to_string())
        .with("to renew them", "Update-MpSignature")
        .nearest(Some(nearest(placed, &format!("signatures-max-age is {limit}, but they are {words} old"))))
        .suggest(suggest(placed, set(super::learn::days_above(age)))),
    )
}

fn remote_desktop(asked: Desktop, seen: RemoteDesktop, placed: &Placed<Protection>) -> Option<Finding> {
    let (title, why_not, left) = match asked {
        _ if !seen.enabled => return None,
        Desktop::Off => {
            let left = seen.network_level_authentication.then_some(Desktop::NetworkLevelAuthentication);
            ("Remote Desktop is on", "remote-desktop must be off", left)
        }
        Desktop::NetworkLevelAuthentication if !seen.network_level_authentication => (
            "Remote Desktop opens a session before it knows who comes",
            "remote-desktop must ask for network-level-authentication",
            None,
        ),
        Desktop::NetworkLevelAuthentication => return None,
    };
    Some(
        Finding::new(Code::WeakRemoteDesktop, "remote-desktop", title)
            .with("on", seen.enabled)
            .with("network level authentication", seen.network_level_authentication)
            .nearest(Some(nearest(placed, why_not)))
            .suggest(suggest(placed, |rule| rule.remote_desktop = left)),
    )
}

/// What makes Windows log logins. By the number of what is logged: its name is in the language of the host. In quotes, as a
/// PowerShell takes braces for its own.
pub const LOG_LOGONS: &str =
    "auditpol /set /subcategory:\"{0CCE9215-69AE-11D9-BED3-505054503030}\" /success:enable /failure:enable";

fn logon_audit(logged: &[Outcome], placed: &Placed<Protection>) -> Option<Finding> {
    let missing: Vec<Outcome> =
        placed.rule.logon_audit.iter().filter(|asked| !logged.contains(asked)).copied().collect();
    let what = match missing.as_slice() {
        [] => return None,
        [Outcome::Success] => "logins that succeed",
        [Outcome::Failure] => "logins that fail",
        _ => "logins",
    };
    Some(
        Finding::new(Code::LogonAuditOff, format!("logon-audit {what}"), format!("{what} are not logged"))
            .with("logged", logged)
            .with("asked for", &placed.rule.logon_audit)
            .with("to turn it on", LOG_LOGONS)
            .nearest(Some(nearest(placed, &format!("logon-audit asks for {what}"))))
            .suggest(suggest(placed, |rule| rule.logon_audit.retain(|asked| logged.contains(asked)))),
    )
}

/// So that nobody has to write them all: those of a host that is looked after.
pub const NETWORKS: [Network; 3] = [Network::Domain, Network::Private, Network::Public];
