use super::*;
use crate::policy::Policy;
use expect_test::{Expect, expect};

fn change(kind: ChangeKind, what: &str, group: Option<(&str, &str)>) -> Change {
    Change {
        kind,
        at: "2026-11-22T03:00:00Z".parse().unwrap(),
        what: what.into(),
        sid: Some("S-1-5-21-1-2-3-1105".into()),
        group: group.map(|(name, _)| name.into()),
        group_sid: group.map(|(_, sid)| sid.into()),
        actor: Some(Text::new(r"CORP\bob")),
        client: None,
        told_by: "Security".into(),
    }
}

fn seen() -> LoginFacts {
    let cleared = Change { sid: None, ..change(ChangeKind::AuditLogCleared, "Security", None) };
    LoginFacts {
        names: Names::Windows,
        changes: vec![
            cleared,
            change(ChangeKind::AccountCreated, "eve", None),
            change(ChangeKind::GroupChanged, "eve", Some(("Administratoren", "S-1-5-32-544"))),
            change(ChangeKind::GroupChanged, "eve", Some(("Benutzer der Kasse", "S-1-5-21-1-2-3-2001"))),
            change(ChangeKind::AccountLocked, "alice", None),
            change(ChangeKind::AccountDeleted, "mallory", None),
        ],
        ..LoginFacts::default()
    }
}

fn findings(policy: &str) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
    check(&seen(), &policy.login.change, "2026-11-22T12:00:00Z".parse().unwrap())
}

fn says(policy: &str, expected: &Expect) {
    let shown = |f: &Finding| {
        let nearest = f.nearest.as_ref().map(|n| format!("  nearest: {}: {}\n", n.rule, n.why_not));
        format!(
            "{} {} [{}] {}\n{}{}",
            f.severity.as_str(),
            f.code,
            f.subject,
            f.title,
            nearest.unwrap_or_default(),
            f.suggest.as_deref().unwrap_or("  no rule allows it\n")
        )
    };
    expected.assert_eq(&findings(policy).iter().map(shown).collect::<String>());
}

#[test]
fn without_a_rule_every_change_is_told_and_power_is_urgent_in_any_language() {
    says(
        "",
        &expect![[r#"
            urgent audit-log-cleared [Security] the log Security was cleared by CORP\bob
              no rule allows it
            urgent account-created [eve] account eve was created by CORP\bob
            [[account-change]]
            changes  = ["account-created"]
            accounts = ["eve"]
            actors   = ['CORP\bob']
            why      = "…"
            notice account-deleted [mallory] account mallory was deleted by CORP\bob
            [[account-change]]
            changes  = ["account-deleted"]
            accounts = ["mallory"]
            actors   = ['CORP\bob']
            why      = "…"
            warning account-locked [alice] account alice was locked
            [[account-change]]
            changes  = ["account-locked"]
            accounts = ["alice"]
            actors   = ['CORP\bob']
            why      = "…"
            warning group-changed [eve in Benutzer der Kasse] eve was added to Benutzer der Kasse by CORP\bob
            [[account-change]]
            changes  = ["group-changed"]
            accounts = ["eve"]
            groups   = ["S-1-5-21-1-2-3-2001"]
            actors   = ['CORP\bob']
            why      = "…"
            urgent group-changed [eve in Administratoren] eve was added to Administratoren by CORP\bob
            [[account-change]]
            changes  = ["group-changed"]
            accounts = ["eve"]
            groups   = ["S-1-5-32-544"]
            actors   = ['CORP\bob']
            why      = "…"
        "#]],
    );
}

#[test]
fn a_rule_allows_just_what_it_names_and_never_that_a_log_is_cleared() {
    says(
        r#"
[[account-change]]
actors = ['corp\BOB']
changes = ["account-created", "group-changed"]
groups = ["S-1-5-32-544", "S-1-5-21-1-2-3-2001"]
accounts = ["EVE"]

[[account-change]]
changes = ["account-locked", "account-deleted", "account-created"]

[[account-change]]
"#,
        &expect![[r#"
            urgent audit-log-cleared [Security] the log Security was cleared by CORP\bob
              no rule allows it
        "#]],
    );
}

#[test]
fn what_is_suggested_allows_it() {
    let suggested: String = findings("").into_iter().filter_map(|finding| finding.suggest).collect();
    let left: Vec<Code> = findings(&suggested).iter().map(|finding| finding.code).collect();
    assert_eq!(left, [Code::AuditLogCleared]);
}

#[test]
fn a_rule_cannot_name_what_cannot_be_allowed() {
    let policy = "schema = 1\n[[account-change]]\nchanges = [\"audit-log-cleared\"]\n";
    let error = Policy::from_text("policy.toml", policy).unwrap_err().to_string();
    assert!(error.contains("is no change that a rule can allow") && error.contains('^'), "{error}");
}
