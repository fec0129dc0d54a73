//! Facts and policies side by side: what is found, in whole.

use super::*;
use crate::policy::Policy;
use expect_test::{Expect, expect};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

fn account(name: &str, number: u32) -> Account {
    Account {
        name: name.into(),
        sid: format!("S-1-5-21-1-2-3-{number}").as_str().into(),
        enabled: true,
        password_required: true,
        password_expires: true,
        ..Account::default()
    }
}

fn member(name: &str, sid: &str) -> Member {
    Member { name: name.into(), sid: sid.into(), kind: "user".into() }
}

fn group(name: &str, members: Vec<Member>) -> Group {
    let (sid, _) = GROUPS.iter().find(|(_, known)| *known == name).unwrap();
    Group { group: name.into(), sid: (*sid).into(), name: "Administratoren".into(), members }
}

/// A host on which all is as the policy below says.
fn quiet() -> AccountFacts {
    let guest = Account { enabled: false, password_required: false, ..account("Guest", 501) };
    AccountFacts {
        accounts: vec![account("Administrator", 500), guest, account("alice", 1001)],
        groups: vec![
            group(
                "Administrators",
                vec![
                    member(r"WEB1\Administrator", "S-1-5-21-1-2-3-500"),
                    member(r"CORP\Domain Admins", "S-1-5-21-9-9-9-512"),
                ],
            ),
            group("Remote Desktop Users", vec![member(r"WEB1\alice", "S-1-5-21-1-2-3-1001")]),
        ],
    }
}

const POLICY: &str = r#"
[[account]]
name   = "Administrator"
sid    = "S-1-5-21-*-500"
groups = ["Administrators"]

[[account]]
name           = "Guest"
enabled        = false
empty-password = true

[[account]]
name   = "ALICE"
groups = ["Remote Desktop Users"]

[[account]]
name   = 'CORP\Domain Admins'
groups = ["Administrators"]
"#;

fn policy(text: &str) -> Rules {
    Policy::from_text("policy.toml", &format!("schema = 1\n{text}")).unwrap().account
}

fn findings(facts: &AccountFacts, text: &str) -> Vec<Finding> {
    check::check(facts, &policy(text), NOW)
}

/// The findings as a person reads them; what each suggests, added, silences it.
fn says(facts: &AccountFacts, expected: &Expect) {
    let found = findings(facts, POLICY);
    let mut out = String::new();
    for finding in &found {
        out += &format!("{} {}: {}\n", finding.severity.as_str(), finding.code, finding.title);
        out += &format!("  subject: {}\n  evidence:", finding.subject);
        out += &finding.evidence.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
        if let Some(nearest) = &finding.nearest {
            out += &format!("\n  {}: {}", nearest.rule, nearest.why_not);
        }
        out += "\n";
        let suggest = finding.suggest.as_deref().unwrap();
        let left = findings(facts, &format!("{POLICY}\n{suggest}"));
        assert!(!left.contains(finding) && left.len() == found.len() - 1, "{suggest}\n{left:?}");
    }
    expected.assert_eq(&out);
}

#[test]
fn a_host_as_the_policy_says_is_quiet() {
    assert_eq!(findings(&quiet(), POLICY), []);
}

#[test]
fn a_new_administrator_is_one_finding() {
    let mut facts = quiet();
    facts.accounts.push(account("mallory", 1002));
    facts.groups[0].members.push(member(r"WEB1\mallory", "S-1-5-21-1-2-3-1002"));
    says(
        &facts,
        &expect![[r#"
        urgent unknown-account: unknown account mallory, in Administrators
          subject: mallory S-1-5-21-1-2-3-1002 544
          evidence: name="mallory" sid="S-1-5-21-1-2-3-1002" kind="user" groups=["Administrators"] enabled=true password required=true password expires=true last login="never"
    "#]],
    );
}

#[test]
fn somebody_known_in_a_group_where_nobody_allowed_them_is_a_member_unknown_there() {
    let mut facts = quiet();
    facts.groups[0].members.push(member(r"WEB1\alice", "S-1-5-21-1-2-3-1001"));
    facts.groups[0].members.push(member(r"CORP\bob", "S-1-5-21-9-9-9-1107"));
    says(
        &facts,
        &expect![[r#"
        urgent unknown-member: alice is in Administrators, Remote Desktop Users
          subject: alice S-1-5-21-1-2-3-1001 544 555
          evidence: name="alice" sid="S-1-5-21-1-2-3-1001" kind="user" groups=["Administrators","Remote Desktop Users"] enabled=true password required=true password expires=true last login="never"
          account ALICE (policy.toml:13): it allows Remote Desktop Users, not Administrators
        urgent unknown-member: CORP\bob is in Administrators
          subject: CORP\bob S-1-5-21-9-9-9-1107 544
          evidence: name="CORP\\bob" sid="S-1-5-21-9-9-9-1107" kind="user" groups=["Administrators"]
    "#]],
    );
}

#[test]
fn a_guest_who_is_enabled_and_an_account_that_lost_its_password_are_told() {
    let mut facts = quiet();
    facts.accounts[1].enabled = true;
    facts.accounts[2].password_required = false;
    says(
        &facts,
        &expect![[r#"
        urgent enabled-account: account Guest is enabled
          subject: Guest S-1-5-21-1-2-3-501
          evidence: name="Guest" sid="S-1-5-21-1-2-3-501" enabled=true password required=false password expires=true last login="never"
          account Guest (policy.toml:8): it allows the account only while it is disabled
        warning password-not-required: account alice may have an empty password
          subject: alice S-1-5-21-1-2-3-1001
          evidence: name="alice" sid="S-1-5-21-1-2-3-1001" kind="user" groups=["Remote Desktop Users"] enabled=true password required=false password expires=true last login="never"
          account ALICE (policy.toml:13): it does not allow an empty password
    "#]],
    );
}

#[test]
fn an_account_made_anew_under_an_old_name_is_another() {
    let mut facts = quiet();
    facts.accounts[0].sid = "S-1-5-21-1-2-3-1009".into();
    facts.groups[0].members.remove(0);
    says(
        &facts,
        &expect![[r#"
        urgent unknown-account: unknown account Administrator
          subject: Administrator S-1-5-21-1-2-3-1009
          evidence: name="Administrator" sid="S-1-5-21-1-2-3-1009" enabled=true password required=true password expires=true last login="never"
          account Administrator (policy.toml:3): the SID is S-1-5-21-1-2-3-1009, not S-1-5-21-*-500: it is another account of that name
    "#]],
    );
}

#[test]
fn a_disabled_account_without_power_can_wait() {
    let mut facts = quiet();
    facts.accounts.push(Account { enabled: false, ..account("old", 1003) });
    says(
        &facts,
        &expect![[r#"
        notice unknown-account: unknown account old, disabled
          subject: old S-1-5-21-1-2-3-1003
          evidence: name="old" sid="S-1-5-21-1-2-3-1003" enabled=false password required=true password expires=true last login="never"
    "#]],
    );
}

#[test]
fn a_group_that_is_not_watched_is_an_error_with_a_caret() {
    let text = "schema = 1\n[[account]]\nname = \"alice\"\ngroups = [\"Administratoren\"]\n";
    expect![[r#"
        policy.toml:4:10: "Administratoren" is not a group that is watched, by its English name; there are Administrators, Power Users, Account Operators, Server Operators, Print Operators, Backup Operators, Remote Desktop Users, Network Configuration Operators, Distributed COM Users, Cryptographic Operators, Hyper-V Administrators, Remote Management Users, Storage Replica Administrators
          |
        4 | groups = ["Administratoren"]
          |          ^^^^^^^^^^^^^^^^^^^"#]]
    .assert_eq(&Policy::from_text("policy.toml", text).unwrap_err().to_string());
}

#[test]
fn the_learned_policy_is_sorted_and_narrow() {
    expect![[r##"
        # Accounts of this host, and who else may belong to which powerful group. What names no group allows none.

        [[account]]
        name   = "Administrator"
        sid    = "S-1-5-21-1-2-3-500"
        groups = ["Administrators"]
        why    = "was there when this policy was learned"
        by     = "test"

        [[account]]
        name   = "alice"
        sid    = "S-1-5-21-1-2-3-1001"
        groups = ["Remote Desktop Users"]
        why    = "was there when this policy was learned"
        by     = "test"

        [[account]]
        name           = "Guest"
        sid            = "S-1-5-21-1-2-3-501"
        enabled        = false
        empty-password = true
        why            = "was there when this policy was learned"
        by             = "test"

        [[account]]
        name   = 'CORP\Domain Admins'
        sid    = "S-1-5-21-9-9-9-512"
        groups = ["Administrators"]
        why    = "was there when this policy was learned"
        by     = "test"
    "##]]
    .assert_eq(&learn::learn(&quiet(), "test"));
}

#[test]
fn what_an_included_policy_allows_is_not_learned_again() {
    let left = without_allowed(&quiet(), &policy(POLICY), NOW);
    assert_eq!(learn::learn(&left, "test"), "");
    let mut facts = quiet();
    facts.accounts.push(account("mallory", 1002));
    let left = without_allowed(&facts, &policy(POLICY), NOW);
    assert!(learn::learn(&left, "test").contains("mallory"));
}

prop_compose! {
    fn any_facts()(
        accounts in prop::collection::vec(("[a-zA*\\\\é\u{202e}]{0,5}", 0..9_u32, any::<bool>(), any::<bool>()), 0..6),
        groups in prop::collection::vec((0..GROUPS.len(), prop::collection::vec(("[a-z*\\\\]{0,5}", 0..9_u32), 0..4)), 0..4),
    ) -> AccountFacts {
        let accounts = accounts.iter().map(|(name, number, enabled, password_required)| {
            Account { enabled: *enabled, password_required: *password_required, ..account(name, *number) }
        });
        let groups = groups.iter().map(|(at, members)| {
            let members = members.iter().map(|(name, number)| member(name, &format!("S-1-5-21-1-2-3-{number}")));
            group(GROUPS[*at].1, members.collect())
        });
        AccountFacts { accounts: accounts.collect(), groups: groups.collect() }
    }
}

proptest! {
    #[test]
    fn what_was_learned_allows_all_that_was_there(facts in any_facts()) {
        let learned = learn::learn(&facts, "test");
        prop_assert_eq!(findings(&facts, &learned), []);
    }
}
