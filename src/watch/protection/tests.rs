//! Facts and policies side by side: what is found, in whole.

use super::check::NETWORKS;
use super::*;
use crate::policy::Policy;
use expect_test::{Expect, expect};
use jiff::SignedDuration;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

fn ago(days: i64) -> Timestamp {
    NOW - SignedDuration::from_hours(24 * days)
}

fn profile(network: Network) -> Profile {
    Profile {
        network,
        enabled: true,
        inbound: Action::Block,
        outbound: Action::Allow,
        notifies: false,
        by_group_policy: false,
    }
}

/// A host on which all is as the policy below says.
fn quiet() -> ProtectionFacts {
    ProtectionFacts {
        firewall: Some(Firewall { running: Some(true), profiles: NETWORKS.map(profile).to_vec() }),
        defender: Some(Defender {
            installed: true,
            running: true,
            real_time: true,
            tamper_protection: Some(true),
            passive: false,
            signatures: Some(ago(1)),
        }),
        remote_desktop: Some(RemoteDesktop { enabled: true, network_level_authentication: true }),
        smb1: Some(false),
        logon_audit: Some(vec![Outcome::Success, Outcome::Failure]),
    }
}

fn firewall(facts: &mut ProtectionFacts) -> &mut Firewall {
    facts.firewall.as_mut().unwrap()
}

fn defender(facts: &mut ProtectionFacts) -> &mut Defender {
    facts.defender.as_mut().unwrap()
}

const POLICY: &str = r#"
[protection]
firewall       = ["domain", "private", "public"]
inbound        = "block"
antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
remote-desktop = "network-level-authentication"
smb1           = "off"
logon-audit    = ["success", "failure"]
"#;

fn findings(facts: &ProtectionFacts, text: &str) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{text}")).unwrap();
    check::check(facts, &policy.protection, NOW)
}

/// The findings as a person reads them; what each suggests, in place of the table, silences it.
fn says(change: impl FnOnce(&mut ProtectionFacts), expected: &Expect) {
    let mut facts = quiet();
    change(&mut facts);
    let found = findings(&facts, POLICY);
    let mut out = String::new();
    for finding in &found {
        out += &format!("{} {}: {}\n", finding.severity.as_str(), finding.code, finding.title);
        out += &format!("  subject: {}\n  evidence:", finding.subject);
        out += &finding.evidence.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
        let nearest = finding.nearest.as_ref().unwrap();
        let suggest = finding.suggest.as_deref().unwrap();
        out += &format!("\n  {}: {}\n{suggest}", nearest.rule, nearest.why_not);
        let left = findings(&facts, suggest);
        assert!(!left.contains(finding) && left.len() == found.len() - 1, "{suggest}\n{left:?}");
    }
    expected.assert_eq(&out);
}

#[test]
fn a_host_as_the_policy_says_is_quiet_and_so_is_any_without_the_table() {
    assert_eq!(findings(&quiet(), POLICY), []);
    assert_eq!(findings(&ProtectionFacts::default(), POLICY), []);
    let mut facts = quiet();
    firewall(&mut facts).running = Some(false);
    assert_eq!(findings(&facts, ""), []);
}

#[test]
fn a_profile_that_was_switched_off_is_one_finding() {
    says(
        |facts| firewall(facts).profiles[2].enabled = false,
        &expect![[r#"
            urgent firewall-off: the firewall is off on public networks
              subject: firewall public
              evidence: profile="public" enabled=false inbound="block" outbound="allow" to turn it on="Set-NetFirewallProfile -Name public -Enabled True"
              protection (policy.toml:3): the firewall must be on in every network that it names, and it names public
            # in place of the table at policy.toml:3
            [protection]
            firewall       = ["domain", "private"]
            inbound        = "block"
            antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
            remote-desktop = "network-level-authentication"
            smb1           = "off"
            logon-audit    = ["success", "failure"]
        "#]],
    );
}

#[test]
fn a_firewall_that_lets_in_whatever_comes_or_does_not_run_is_told() {
    says(
        |facts| {
            firewall(facts).profiles[0].inbound = Action::Allow;
            firewall(facts).profiles[0].by_group_policy = true;
        },
        &expect![[r#"
            urgent firewall-open: the firewall lets through whatever comes in on domain networks
              subject: firewall domain inbound
              evidence: profile="domain" enabled=true inbound="allow" outbound="allow" set by="Group Policy"
              protection (policy.toml:3): inbound must be blocked unless a rule of the firewall allows it
            # in place of the table at policy.toml:3
            [protection]
            firewall       = ["domain", "private", "public"]
            antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
            remote-desktop = "network-level-authentication"
            smb1           = "off"
            logon-audit    = ["success", "failure"]
        "#]],
    );
    says(
        |facts| firewall(facts).running = Some(false),
        &expect![[r#"
        urgent firewall-off: the firewall does not run
          subject: firewall
          evidence: service="MpsSvc is stopped" to start it="Start-Service MpsSvc"
          protection (policy.toml:3): the firewall must be on
        # in place of the table at policy.toml:3
        [protection]
        inbound        = "block"
        antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
        remote-desktop = "network-level-authentication"
        smb1           = "off"
        logon-audit    = ["success", "failure"]
    "#]],
    );
}

#[test]
fn old_signatures_are_one_finding() {
    says(
        |facts| defender(facts).signatures = Some(ago(9)),
        &expect![[r#"
        warning antivirus-stale: the signatures of Microsoft Defender are 9 days old
          subject: defender signatures
          evidence: signatures of="2026-11-09T11:06:40Z" limit="3d" to renew them="Update-MpSignature"
          protection (policy.toml:3): signatures-max-age is 3d, but they are 9 days old
        # in place of the table at policy.toml:3
        [protection]
        firewall       = ["domain", "private", "public"]
        inbound        = "block"
        antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "11d" }
        remote-desktop = "network-level-authentication"
        smb1           = "off"
        logon-audit    = ["success", "failure"]
    "#]],
    );
}

#[test]
fn an_antivirus_that_does_not_protect_says_how() {
    let mut titles = String::new();
    let changes: [fn(&mut Defender); 6] = [
        |defender| *defender = Defender::default(),
        |defender| defender.running = false,
        |defender| defender.passive = true,
        |defender| defender.real_time = false,
        |defender| defender.tamper_protection = Some(false),
        |defender| defender.signatures = None,
    ];
    for change in changes {
        let mut facts = quiet();
        change(defender(&mut facts));
        let found = findings(&facts, POLICY);
        assert_eq!(found.len(), 1);
        titles += &format!("{}: {}\n", found[0].code, found[0].title);
        assert_eq!(findings(&facts, found[0].suggest.as_deref().unwrap()), []);
    }
    expect![[r#"
        antivirus-off: Microsoft Defender is not installed, and no other antivirus can be seen
        antivirus-off: Microsoft Defender does not run
        antivirus-off: Microsoft Defender only looks on, as another antivirus is there that cannot be seen
        antivirus-off: Microsoft Defender does not look at files as they are used
        antivirus-off: Microsoft Defender may be turned off: its tamper protection is off
        antivirus-stale: Microsoft Defender has no signatures, or does not say of when
    "#]]
    .assert_eq(&titles);
}

#[test]
fn remote_desktop_smb_and_the_audit_policy_are_told() {
    says(
        |facts| {
            facts.remote_desktop = Some(RemoteDesktop { enabled: true, network_level_authentication: false });
            facts.smb1 = Some(true);
            facts.logon_audit = Some(vec![Outcome::Success]);
        },
        &expect![[r#"
            urgent weak-remote-desktop: Remote Desktop opens a session before it knows who comes
              subject: remote-desktop
              evidence: on=true network level authentication=false
              protection (policy.toml:3): remote-desktop must ask for network-level-authentication
            # in place of the table at policy.toml:3
            [protection]
            firewall    = ["domain", "private", "public"]
            inbound     = "block"
            antivirus   = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
            smb1        = "off"
            logon-audit = ["success", "failure"]
            warning legacy-smb: the host shares its files by SMB 1 too
              subject: smb1
              evidence: to turn it off="Set-SmbServerConfiguration -EnableSMB1Protocol $false"
              protection (policy.toml:3): smb1 must be off
            # in place of the table at policy.toml:3
            [protection]
            firewall       = ["domain", "private", "public"]
            inbound        = "block"
            antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
            remote-desktop = "network-level-authentication"
            logon-audit    = ["success", "failure"]
            warning logon-audit-off: logins that fail are not logged
              subject: logon-audit logins that fail
              evidence: logged=["success"] asked for=["success","failure"] to turn it on="auditpol /set /subcategory:\"{0CCE9215-69AE-11D9-BED3-505054503030}\" /success:enable /failure:enable"
              protection (policy.toml:3): logon-audit asks for logins that fail
            # in place of the table at policy.toml:3
            [protection]
            firewall       = ["domain", "private", "public"]
            inbound        = "block"
            antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
            remote-desktop = "network-level-authentication"
            smb1           = "off"
            logon-audit    = ["success"]
        "#]],
    );
}

#[test]
fn a_table_that_has_expired_is_no_silence() {
    let found = findings(&quiet(), &format!("{POLICY}expires = 2026-11-17\n"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, "expired protection");
    assert_eq!(findings(&quiet(), found[0].suggest.as_deref().unwrap()), []);
}

#[test]
fn an_unknown_network_and_a_second_table_are_errors() {
    let mut out = String::new();
    for text in ["[protection]\nfirewall = [\"home\"]", "[protection]\ninbound = \"allow\""] {
        let error = Policy::from_text("policy.toml", &format!("schema = 1\n{text}\n")).unwrap_err();
        out += &format!("{error}\n");
    }
    expect![[r#"
        policy.toml:3:13: unknown variant `home`, expected one of `domain`, `private`, `public`
          |
        3 | firewall = ["home"]
          |             ^^^^^^
        policy.toml:3:11: unknown variant `allow`, expected `block`
          |
        3 | inbound = "allow"
          |           ^^^^^^^
    "#]]
    .assert_eq(&out);
}

#[test]
fn a_host_that_is_looked_after_learns_just_that_and_another_learns_what_it_lacks() {
    let mut facts = quiet();
    firewall(&mut facts).profiles[2].enabled = false;
    defender(&mut facts).signatures = Some(ago(9));
    facts.logon_audit = Some(vec![Outcome::Success]);
    let learned = learn::learn(&quiet(), "test", NOW) + "\n" + &learn::learn(&facts, "test", NOW);
    expect![[r##"
        # How the host must be protected. A key that is not written is not looked at.

        [protection]
        firewall       = ["domain", "private", "public"]
        inbound        = "block"
        antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "3d" }
        remote-desktop = "network-level-authentication"
        smb1           = "off"
        logon-audit    = ["success", "failure"]
        why            = "a host that is looked after keeps this"
        by             = "test"

        # How the host must be protected. A key that is not written is not looked at.

        [protection]
        firewall       = ["domain", "private"]
        inbound        = "block"
        antivirus      = { real-time = true, tamper-protection = true, signatures-max-age = "11d" }
        remote-desktop = "network-level-authentication"
        smb1           = "off"
        logon-audit    = ["success"]
        why            = "a host that is looked after keeps this; when this was learned it did not all: the firewall was off on public networks; its signatures were of 2026-11-09; no failure of a login was logged"
        by             = "test"
    "##]]
    .assert_eq(&learned);
}

prop_compose! {
    fn any_facts()(
        running in prop::option::of(any::<bool>()),
        profiles in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 3),
        has in prop::collection::vec(any::<bool>(), 5),
        defends in prop::collection::vec(any::<bool>(), 4),
        tamper in prop::option::of(any::<bool>()),
        days in prop::option::of(-3_i64..9000),
        desktop in (any::<bool>(), any::<bool>()),
        logged in (any::<bool>(), any::<bool>()),
        smb1: bool,
    ) -> ProtectionFacts {
        let action = |blocks| if blocks { Action::Block } else { Action::Allow };
        let profiles = NETWORKS.iter().zip(profiles).map(|(network, (enabled, inbound, outbound))| {
            Profile { enabled, inbound: action(inbound), outbound: action(outbound), ..profile(*network) }
        });
        let defender = Defender {
            installed: defends[0], running: defends[1], real_time: defends[2], passive: defends[3],
            tamper_protection: tamper, signatures: days.map(ago),
        };
        let outcomes = [(logged.0, Outcome::Success), (logged.1, Outcome::Failure)];
        let logged = outcomes.into_iter().filter(|(is, _)| *is).map(|(_, outcome)| outcome).collect();
        ProtectionFacts {
            firewall: has[0].then(|| Firewall { running, profiles: profiles.collect() }),
            defender: has[1].then_some(defender),
            remote_desktop: has[2].then_some(RemoteDesktop {
                enabled: desktop.0, network_level_authentication: desktop.1,
            }),
            smb1: has[3].then_some(smb1),
            logon_audit: has[4].then_some(logged),
        }
    }
}

proptest! {
    #[test]
    fn what_was_learned_allows_all_that_was_there(facts in any_facts()) {
        prop_assert_eq!(findings(&facts, &learn::learn(&facts, "test", NOW)), []);
    }

    #[test]
    fn every_suggestion_silences_what_it_stands_with(facts in any_facts()) {
        for finding in findings(&facts, POLICY) {
            let left = findings(&facts, finding.suggest.as_deref().unwrap());
            prop_assert!(left.iter().all(|other| other.key() != finding.key()), "{finding:?}");
        }
    }
}
