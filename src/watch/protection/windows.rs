//! Reading what protects a Windows host: from the registry and from the service manager, which answer at once. Asking
//! Defender itself goes through WMI, which may hang for minutes.

use super::{Action, Defender, Firewall, Network, Outcome, Profile, ProtectionFacts, RemoteDesktop, Rules};
use crate::coverage::Gap;
use crate::watch::{Look, Seen};
use crate::win32::registry::{Root, bytes, key, number, open};
use crate::win32::{audit, folder};
use jiff::Timestamp;
use windows_service::service::{ServiceAccess, ServiceState};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

const FIREWALL: &str = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";
const FIREWALL_BY_POLICY: &str = r"SOFTWARE\Policies\Microsoft\WindowsFirewall";
const DEFENDER: &str = r"SOFTWARE\Microsoft\Windows Defender";
const DEFENDER_BY_POLICY: &str = r"SOFTWARE\Policies\Microsoft\Windows Defender";
const TERMINAL_SERVER: &str = r"SYSTEM\CurrentControlSet\Control\Terminal Server";
const TERMINAL_SERVER_BY_POLICY: &str = r"SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services";
const SMB: &str = r"SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters";

/// What the system answers for a service or a key that is not there.
const NO_SUCH_SERVICE: i32 = 1060;

/// Each kind of network, and what the local settings and those of a Group Policy call it.
const PROFILES: [(Network, &str, &[&str]); 3] = [
    (Network::Domain, "DomainProfile", &["DomainProfile"]),
    (Network::Private, "StandardProfile", &["PrivateProfile", "StandardProfile"]),
    (Network::Public, "PublicProfile", &["PublicProfile"]),
];

/// Looks at it.
pub fn collect(look: &mut Look<Rules>) -> Seen<ProtectionFacts> {
    let mut gap = |name: &str, why: String| {
        look.gaps.push(Gap { gap: name.to_owned(), seen: 0, of: 1, why });
    };
    let firewall = read_firewall().map_err(|why| gap("firewall", why)).ok();
    let defender = read_defender().map_err(|why| gap("antivirus", why)).ok();
    let logged = audit::of_logins();
    let logged =
        logged.map_err(|error| gap("logon-audit", format!("cannot read the audit policy: {error}"))).ok();
    let remote_desktop = read_remote_desktop();
    if remote_desktop.is_none() {
        gap("remote-desktop", "the registry does not say whether Remote Desktop is on".to_owned());
    }
    let smb1 = read_smb1();
    let logon_audit = logged.map(|(success, failure)| {
        let outcomes = [(success, Outcome::Success), (failure, Outcome::Failure)];
        outcomes.into_iter().filter(|(is_logged, _)| *is_logged).map(|(_, outcome)| outcome).collect()
    });
    let facts = ProtectionFacts { firewall, defender, remote_desktop, smb1, logon_audit };
    if facts == ProtectionFacts::default() {
        return Seen::NoData("nothing on this host says how it is protected".to_owned());
    }
    Seen::Facts(facts)
}

/// True if a service runs; none if it is not there.
fn runs(service: &str) -> Result<Option<bool>, String> {
    let say = |error: windows_service::Error| match error {
        windows_service::Error::Winapi(error) => error,
        other => std::io::Error::other(other.to_string()),
    };
    let ask = || {
        let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?;
        manager.open_service(service, ServiceAccess::QUERY_STATUS)?.query_status()
    };
    match ask().map_err(say) {
        Ok(status) => Ok(Some(status.current_state == ServiceState::Running)),
        Err(error) if error.raw_os_error() == Some(NO_SUCH_SERVICE) => Ok(None),
        Err(error) => Err(format!("cannot ask for the service {service}: {error}")),
    }
}

fn read_firewall() -> Result<Firewall, String> {
    let local =
        open(Root::Machine, FIREWALL).map_err(|error| format!("cannot read its settings: {error}"))?;
    let profiles = PROFILES.iter().map(|(network, name, by_policy)| {
        let local = local.open(name).map_err(|error| format!("cannot read the profile {name}: {error}"))?;
        let policies: Vec<_> = by_policy
            .iter()
            .filter_map(|name| key(Root::Machine, &format!(r"{FIREWALL_BY_POLICY}\{name}")))
            .collect();
        let ordered = |value: &str| policies.iter().find_map(|policy| number(policy, value));
        let either = |value: &str| ordered(value).or_else(|| number(&local, value));
        // A profile that does not even say whether it is on is none that could be reported on.
        let enabled =
            either("EnableFirewall").ok_or_else(|| format!("{name} does not say whether it is on"))?;
        // Where nothing is said, Windows blocks what comes in and lets out what goes.
        let action = |value: Option<u32>, unsaid| match value {
            Some(0) => Action::Allow,
            Some(_) => Action::Block,
            None => unsaid,
        };
        let values = ["EnableFirewall", "DefaultInboundAction", "DefaultOutboundAction"];
        Ok(Profile {
            network: *network,
            enabled: enabled != 0,
            inbound: action(either("DefaultInboundAction"), Action::Block),
            outbound: action(either("DefaultOutboundAction"), Action::Allow),
            notifies: either("DisableNotifications").unwrap_or(0) == 0,
            by_group_policy: values.iter().any(|value| ordered(value).is_some()),
        })
    });
    let profiles = profiles.collect::<Result<Vec<Profile>, String>>()?;
    // A host without the service has no firewall that could run.
    let running = runs("MpsSvc")?.unwrap_or(false);
    Ok(Firewall { running: Some(running), profiles })
}

fn read_defender() -> Result<Defender, String> {
    let Some(running) = runs("WinDefend")? else { return Ok(Defender::default()) };
    let local =
        open(Root::Machine, DEFENDER).map_err(|error| format!("cannot read its settings: {error}"))?;
    let policy = key(Root::Machine, DEFENDER_BY_POLICY);
    let is_set = |path: Option<&str>, value: &str| {
        [Some(&local), policy.as_ref()].into_iter().flatten().any(|root| match path {
            None => number(root, value) == Some(1),
            Some(path) => root.open(path).is_ok_and(|inner| number(&inner, value) == Some(1)),
        })
    };
    let off = is_set(None, "DisableAntiSpyware")
        || is_set(None, "DisableAntiVirus")
        || is_set(Some("Real-Time Protection"), "DisableRealtimeMonitoring");
    let tamper = local.open("Features").ok().and_then(|features| number(&features, "TamperProtection"));
    let updates = local.open("Signature Updates").ok();
    let at = |value| updates.as_ref().and_then(|key| bytes(key, value)).and_then(|bytes| file_time(&bytes));
    Ok(Defender {
        installed: true,
        running,
        real_time: !off,
        // Odd numbers stand for on: 5 is on, 4 and 0 are off, 1 is on and not to be changed by people.
        tamper_protection: tamper.map(|state| state % 2 == 1),
        passive: is_set(None, "PassiveMode"),
        signatures: at("AVSignatureApplied").or_else(|| at("SignaturesLastUpdated")),
    })
}

/// A moment as Windows writes it: eight bytes, tenths of microseconds since 1601.
fn file_time(bytes: &[u8]) -> Option<Timestamp> {
    const TO_1970: i64 = 11_644_473_600;
    let ticks = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let seconds = i64::try_from(ticks / 10_000_000).ok()? - TO_1970;
    (seconds > 0).then(|| Timestamp::from_second(seconds).ok()).flatten()
}

fn read_remote_desktop() -> Option<RemoteDesktop> {
    let policy = key(Root::Machine, TERMINAL_SERVER_BY_POLICY);
    let ordered = |value: &str| policy.as_ref().and_then(|key| number(key, value));
    let local = key(Root::Machine, TERMINAL_SERVER);
    let station = key(Root::Machine, &format!(r"{TERMINAL_SERVER}\WinStations\RDP-Tcp"));
    let denied = ordered("fDenyTSConnections").or_else(|| number(local.as_ref()?, "fDenyTSConnections"))?;
    let asks = ordered("UserAuthentication").or_else(|| number(station.as_ref()?, "UserAuthentication"));
    Some(RemoteDesktop { enabled: denied == 0, network_level_authentication: asks.unwrap_or(0) != 0 })
}

/// Where nothing is said, SMB 1 is spoken if its driver is installed.
fn read_smb1() -> Option<bool> {
    let settings = key(Root::Machine, SMB)?;
    let driver = folder::windows().join(r"System32\drivers\srv.sys");
    Some(number(&settings, "SMB1").map_or_else(|| driver.exists(), |said| said != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_windows_is_read() {
        let moment: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let ticks = (u64::try_from(moment.as_second()).unwrap() + 11_644_473_600) * 10_000_000;
        assert_eq!(file_time(&ticks.to_le_bytes()), Some(moment));
        assert_eq!(file_time(&[0; 8]), None);
        assert_eq!(file_time(&[1; 3]), None);
    }
}
