//! What is said of a log that cannot be read or was cleared.

use super::*;

#[test]
fn a_log_that_cannot_be_read_is_a_gap_and_without_any_there_are_no_facts() {
    let mut host = night();
    host.broken.insert(SECURITY, ErrorKind::PermissionDenied);
    host.channels.remove(OPENSSH);
    let (facts, gaps) = host.facts("2026-11-22T04:00:00Z");
    let logins: Vec<&str> = facts.logins.iter().map(|login| login.told_by.as_str()).collect();
    assert_eq!(logins, [LSM_LOG], "the manager of sessions tells of what Security cannot");
    assert_eq!(
        gaps,
        [
            "login-source 3 of 4: Security cannot be read: it may not be: run as SYSTEM or as an administrator, or in the group Event Log Readers"
        ]
    );
    for channel in [SECURITY, "System", RCM_LOG, LSM_LOG, OPENSSH] {
        host.broken.insert(channel, ErrorKind::Unsupported);
    }
    let (outcome, _) = host.look("2026-11-22T04:00:00Z", BOUNDS);
    assert!(matches!(outcome, Outcome::Nothing(why, ErrorKind::Unsupported) if why.len() == 5));
}

#[test]
fn a_security_log_without_any_logon_is_a_gap() {
    let mut host = Host::default().has(SECURITY, vec![security(4720, 1, "2026-11-22T03:00:00Z", &[])]);
    assert!(host.facts("2026-11-22T04:00:00Z").1[0].starts_with("login-audit 0 of 1"));
    let service = logon(2, "2026-11-22T05:00:00Z", "5", &[]);
    let mut host = host.has(SECURITY, vec![service]);
    assert_eq!(host.facts("2026-11-22T05:01:00Z").1, Vec::<String>::new());
    assert_eq!(host.facts("2026-11-23T04:00:00Z").1, Vec::<String>::new());
    assert!(host.facts("2026-11-23T05:01:00Z").1[0].starts_with("login-audit"));
}

#[test]
fn a_log_that_was_cleared_before_it_was_read_is_a_gap() {
    let mut host = night();
    host.facts("2026-11-22T04:00:00Z");
    let left = logon(99, "2026-11-22T04:00:30Z", "2", &[("IpAddress", "-")]);
    host.channels.insert(SECURITY, Shelf { events: vec![left], ..Shelf::default() });
    let (facts, gaps) = host.facts("2026-11-22T04:01:00Z");
    assert_eq!(facts.logins.len(), 1);
    assert_eq!(
        gaps,
        [
            "login-log-cut 1 of 86: Security: 85 events of any kind were lost before they were read: it was cleared, or is too small for what is written to it"
        ]
    );
}
