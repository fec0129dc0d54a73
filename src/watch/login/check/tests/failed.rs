//! Failed logins: how many are too many, and what is remembered of them.

use super::*;

#[test]
fn too_many_failures_are_one_finding_with_number_sources_and_names() {
    let mut facts = failed(&[3, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 4], "2026-11-20T11:50:00Z");
    facts.failures[0].user = "postgres".into();
    shows(
        &facts,
        POLICY,
        &expect![[r#"
            {
              "code": "failed-logins",
              "severity": "warning",
              "subject": "all",
              "title": "7 logins failed within 10m, 5 are tolerated",
              "evidence": {
                "failed": 7,
                "tolerated": 5,
                "begin": "Fri 2026-11-20 11:52:00 (Europe/London)",
                "end": "Fri 2026-11-20 12:01:59 (Europe/London)",
                "sources": [
                  "192.0.2.11 ×4",
                  "192.0.2.2 ×2",
                  "192.0.2.3 ×1"
                ],
                "names": [
                  "root\\x1b[2J ×7"
                ],
                "methods": [
                  "password ×7"
                ]
              },
              "nearest": {
                "rule": "logins (policy.toml:3)",
                "why-not": "7 failures are more than 5 within 10m"
              },
              "suggest": "[logins]\ntime-zone          = \"Europe/London\"\nhours              = [\"Mon-Fri 09:00-18:00\"]\nfailures           = 7\noff-hours-failures = 3\nfailures-in        = \"10m\"\n"
            }"#]],
    );
}

#[test]
fn failures_at_the_limit_are_tolerated() {
    assert_eq!(findings(&failed(&[3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], "2026-11-20T11:50:00Z"), POLICY), []);
}

#[test]
fn the_count_slides_over_passes_and_forgets_what_is_old() {
    let mut memory = Memory::default();
    let mut pass = |moment: &str, count| {
        let facts = if count == 0 { facts(Vec::new()) } else { failed(&[count], moment) };
        keys(&findings_at(&facts, POLICY, moment, &mut memory))
    };
    assert_eq!(pass("2026-11-20T12:00:00Z", 3), [""; 0]);
    assert_eq!(pass("2026-11-20T12:05:00Z", 3), ["failed-logins all"]);
    assert_eq!(pass("2026-11-20T12:06:00Z", 0), [""; 0], "nothing new happened");
    assert_eq!(pass("2026-11-20T12:14:00Z", 2), [""; 0], "the first three have gone");
    assert_eq!(pass("2026-11-20T12:15:00Z", 4), ["failed-logins all"]);
    assert_eq!(pass("2026-11-20T13:00:00Z", 5), [""; 0]);
}

#[test]
fn what_is_remembered_of_failures_stays_small() {
    let mut memory = Memory::default();
    for minute in 0..120 {
        let moment = at(NOON) + jiff::SignedDuration::from_mins(minute);
        let mut flood = failed(&[1], &moment.to_string());
        flood.failures = vec![flood.failures[0].clone(); 1000];
        let _ = findings_at(&flood, POLICY, &moment.to_string(), &mut memory);
    }
    let remembered: Remembered = memory.recall();
    assert!(remembered.minutes.len() <= 12 && remembered.groups.len() <= MOST_GROUPS);
}

#[test]
fn failures_outside_the_hours_are_one_lesser_finding() {
    shows(
        &failed(&[3, 1], NIGHT),
        POLICY,
        &expect![[r#"
            {
              "code": "off-hours-login",
              "severity": "warning",
              "subject": "failed logins",
              "title": "4 logins failed outside the hours within 10m",
              "evidence": {
                "failed": 4,
                "begin": "Sun 2026-11-15 03:12:44 (Europe/London)",
                "end": "Sun 2026-11-15 03:14:43 (Europe/London)",
                "sources": [
                  "192.0.2.0 ×3",
                  "192.0.2.1 ×1"
                ],
                "names": [
                  "root\\x1b[2J ×4"
                ],
                "methods": [
                  "password ×4"
                ]
              },
              "nearest": {
                "rule": "logins (policy.toml:3)",
                "why-not": "it was Sun 2026-11-15 03:14:43 (Europe/London), the hours are Mon-Fri 09:00-18:00"
              },
              "suggest": "[logins]\ntime-zone          = \"Europe/London\"\nhours              = [\"Mon-Fri 09:00-18:00\"]\nfailures           = 5\noff-hours-failures = 4\nfailures-in        = \"10m\"\n"
            }"#]],
    );
    assert_eq!(findings(&failed(&[3], NIGHT), POLICY), []);
}

#[test]
fn with_no_limits_written_twenty_failures_in_an_hour_are_tolerated_and_none_at_night() {
    let by_day = "schema = 1\n[logins]\ntime-zone = \"UTC\"\nhours = [\"Mon-Fri 09:00-18:00\"]\n";
    assert_eq!(findings(&failed(&[20], NOON), by_day), []);
    assert_eq!(keys(&findings(&failed(&[21], NOON), by_day)), ["failed-logins all"]);
    assert_eq!(keys(&findings(&failed(&[1], NIGHT), by_day)), ["off-hours-login failed logins"]);
}
