#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

mod parsing;

use super::*;
use crate::policy::Policy;
use expect_test::{Expect, expect};
use jiff::SignedDuration;

fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T05:00:00Z")
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn update(package: &str, origin: &str, since: Timestamp) -> Pending {
    Pending {
        package: package.into(),
        arch: "amd64".into(),
        installed: "1.0-1".into(),
        candidate: "1.0-2".into(),
        security: origin.contains("Security"),
        held: false,
        origins: vec![origin.into()],
        since,
    }
}

const SECURITY: &str = "Debian-Security:12/oldstable-security";
const MAIN: &str = "Debian:12.15/oldstable";

fn list(name: &str, good: Timestamp) -> List {
    List { name: name.into(), made: good, valid_until: None, good }
}

/// A host on which all is as it should be.
fn calm() -> UpdateFacts {
    UpdateFacts {
        installed: 312,
        computed: Some(now()),
        lists: vec![list("Debian bookworm", ago(10))],
        ..UpdateFacts::default()
    }
}

fn findings(facts: &UpdateFacts, policy: &str) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
    UpdateWatch::check(&Facts { facts, rules: &policy.update, now: now() }, &mut Memory::default())
}

/// The one finding in whole; and what it suggests must make it go.
fn finding(facts: &UpdateFacts, policy: &str, expected: &Expect) {
    let found = findings(facts, policy);
    expected.assert_eq(&serde_json::to_string_pretty(&found).unwrap());
    for one in found {
        let after = findings(facts, one.suggest.as_deref().unwrap());
        assert!(after.iter().all(|other| other.key() != one.key()), "{after:?}");
    }
}

const LIMITS: &str = r#"
[updates]
max-age          = "30d"
security-max-age = "3d"
lists-max-age    = "7d"
reboot-max-age   = "14d"
why              = "house rule"
"#;

#[test]
fn nothing_is_found_on_a_calm_host() {
    assert_eq!(findings(&calm(), LIMITS), []);
}

#[test]
fn security_updates_that_wait_too_long_are_one_finding() {
    let pending = vec![
        update("openssl", SECURITY, ago(100)),
        update("nginx", SECURITY, ago(80)),
        update("bash", MAIN, ago(600)),
        update("curl", SECURITY, ago(71)),
        Pending { held: true, ..update("zlib1g", SECURITY, ago(90)) },
    ];
    let facts = UpdateFacts { pending, ..calm() };
    finding(
        &facts,
        LIMITS,
        &expect![[r##"
            [
              {
                "code": "security-updates",
                "severity": "warning",
                "subject": "updates security",
                "title": "3 security updates wait, the oldest for 4 days: openssl, zlib1g, nginx",
                "evidence": {
                  "updates": [
                    "openssl 1.0-1 -> 1.0-2 since 2026-11-18 (Debian-Security:12/oldstable-security)",
                    "zlib1g 1.0-1 -> 1.0-2 since 2026-11-18 (Debian-Security:12/oldstable-security, on hold)",
                    "nginx 1.0-1 -> 1.0-2 since 2026-11-18 (Debian-Security:12/oldstable-security)"
                  ],
                  "waiting-less-long": 1,
                  "to-install": "apt-get dist-upgrade"
                },
                "nearest": {
                  "rule": "updates (policy.toml:3)",
                  "why-not": "security-max-age is 3d, but it is 4 days"
                },
                "suggest": "# in place of the table at policy.toml:3\n[updates]\nmax-age          = \"30d\"\nsecurity-max-age = \"5d\"\nlists-max-age    = \"1w\"\nreboot-max-age   = \"2w\"\nwhy              = \"house rule\"\n"
              }
            ]"##]],
    );
}

#[test]
fn other_updates_that_wait_too_long_are_one_finding_without_those_on_hold() {
    let mut pending: Vec<Pending> =
        (10..17).map(|number| update(&format!("lib{number}"), MAIN, ago(800))).collect();
    pending.push(Pending { held: true, ..update("held", MAIN, ago(9000)) });
    let facts = UpdateFacts { pending, ..calm() };
    finding(
        &facts,
        LIMITS,
        &expect![[r##"
            [
              {
                "code": "pending-updates",
                "severity": "notice",
                "subject": "updates other",
                "title": "7 updates wait, the oldest for 33 days: lib10, lib11, lib12, lib13, lib14 and 2 more",
                "evidence": {
                  "updates": [
                    "lib10 1.0-1 -> 1.0-2 since 2026-10-19 (Debian:12.15/oldstable)",
                    "lib11 1.0-1 -> 1.0-2 since 2026-10-19 (Debian:12.15/oldstable)",
                    "lib12 1.0-1 -> 1.0-2 since 2026-10-19 (Debian:12.15/oldstable)",
                    "lib13 1.0-1 -> 1.0-2 since 2026-10-19 (Debian:12.15/oldstable)",
                    "lib14 1.0-1 -> 1.0-2 since 2026-10-19 (Debian:12.15/oldstable)",
                    "lib15 1.0-1 -> 1.0-2 since 2026-10-19 (Debian:12.15/oldstable)",
                    "lib16 1.0-1 -> 1.0-2 since 2026-10-19 (Debian:12.15/oldstable)"
                  ],
                  "to-install": "apt-get dist-upgrade"
                },
                "nearest": {
                  "rule": "updates (policy.toml:3)",
                  "why-not": "max-age is 30d, but it is 33 days"
                },
                "suggest": "# in place of the table at policy.toml:3\n[updates]\nmax-age          = \"34d\"\nsecurity-max-age = \"3d\"\nlists-max-age    = \"1w\"\nreboot-max-age   = \"2w\"\nwhy              = \"house rule\"\n"
              }
            ]"##]],
    );
}

#[test]
fn no_wait_at_all_may_be_allowed() {
    let facts = UpdateFacts { pending: vec![update("openssl", SECURITY, now())], ..calm() };
    let titles =
        |policy: &str| -> Vec<String> { findings(&facts, policy).into_iter().map(|f| f.title).collect() };
    let expected = ["1 security update waits for less than a minute: openssl"];
    assert_eq!(titles("[updates]\nsecurity-max-age = \"0s\""), expected);
    // What holds for any update holds for those.
    assert_eq!(titles("[updates]\nmax-age = \"0s\""), expected);
    assert!(titles("[updates]\nlists-max-age = \"7d\"").is_empty());
    assert!(titles("").is_empty());
}

#[test]
fn a_table_that_has_expired_allows_no_wait() {
    let facts = UpdateFacts { pending: vec![update("openssl", SECURITY, ago(1))], ..calm() };
    finding(
        &facts,
        "[updates]\nsecurity-max-age = \"3d\"\nexpires = \"2026-11-01\"",
        &expect![[r##"
        [
          {
            "code": "security-updates",
            "severity": "warning",
            "subject": "updates security",
            "title": "1 security update waits for 1 hour: openssl",
            "evidence": {
              "updates": [
                "openssl 1.0-1 -> 1.0-2 since 2026-11-22 (Debian-Security:12/oldstable-security)"
              ],
              "to-install": "apt-get dist-upgrade"
            },
            "nearest": {
              "rule": "updates (policy.toml:2)",
              "why-not": "the rule expired on 2026-11-01"
            },
            "suggest": "# in place of the table at policy.toml:2\n[updates]\nsecurity-max-age = \"3d\"\n"
          }
        ]"##]],
    );
}

#[test]
fn lists_that_are_too_old_are_found() {
    let lists =
        vec![list("Debian bookworm", ago(10)), list("Debian-Security bookworm-security", ago(24 * 9))];
    finding(
        &UpdateFacts { lists, ..calm() },
        LIMITS,
        &expect![[r##"
            [
              {
                "code": "stale-package-lists",
                "severity": "warning",
                "subject": "package lists",
                "title": "the package lists are 9 days old (Debian-Security bookworm-security): newer updates are not known",
                "evidence": {
                  "lists": [
                    "Debian bookworm of 2026-11-21",
                    "Debian-Security bookworm-security of 2026-11-13"
                  ],
                  "known-good": "2026-11-13 05:00 UTC",
                  "to-fetch": "apt-get update"
                },
                "nearest": {
                  "rule": "updates (policy.toml:3)",
                  "why-not": "lists-max-age is 1w, but it is 9 days"
                },
                "suggest": "# in place of the table at policy.toml:3\n[updates]\nmax-age          = \"30d\"\nsecurity-max-age = \"3d\"\nlists-max-age    = \"10d\"\nreboot-max-age   = \"2w\"\nwhy              = \"house rule\"\n"
              }
            ]"##]],
    );
}

#[test]
fn lists_that_were_never_fetched_are_found() {
    let facts = UpdateFacts {
        lists: Vec::new(),
        missing_lists: vec!["deb.debian.org/debian bookworm".into()],
        ..calm()
    };
    finding(
        &facts,
        LIMITS,
        &expect![[r##"
        [
          {
            "code": "stale-package-lists",
            "severity": "warning",
            "subject": "package lists",
            "title": "the package lists were never fetched: nobody knows which updates there are",
            "evidence": {
              "to-fetch": "apt-get update",
              "missing": [
                "deb.debian.org/debian bookworm"
              ]
            },
            "nearest": {
              "rule": "updates (policy.toml:3)",
              "why-not": "there is no package list, of whatever age"
            },
            "suggest": "# in place of the table at policy.toml:3\n[updates]\nmax-age          = \"30d\"\nsecurity-max-age = \"3d\"\nreboot-max-age   = \"2w\"\nwhy              = \"house rule\"\n"
          }
        ]"##]],
    );
}

#[test]
fn a_reboot_that_waits_too_long_is_found() {
    let packages = vec!["libc6".into(), "linux-image-6.1.0-39-amd64".into()];
    let reboot = Some(Reboot { since: ago(24 * 15), packages, running: None });
    finding(
        &UpdateFacts { reboot, ..calm() },
        LIMITS,
        &expect![[r##"
            [
              {
                "code": "reboot-required",
                "severity": "notice",
                "subject": "reboot",
                "title": "a reboot has been needed for 15 days: libc6, linux-image-6.1.0-39-amd64",
                "evidence": {
                  "packages": [
                    "libc6",
                    "linux-image-6.1.0-39-amd64"
                  ],
                  "since": "2026-11-07 05:00 UTC"
                },
                "nearest": {
                  "rule": "updates (policy.toml:3)",
                  "why-not": "reboot-max-age is 2w, but it is 15 days"
                },
                "suggest": "# in place of the table at policy.toml:3\n[updates]\nmax-age          = \"30d\"\nsecurity-max-age = \"3d\"\nlists-max-age    = \"1w\"\nreboot-max-age   = \"16d\"\nwhy              = \"house rule\"\n"
              }
            ]"##]],
    );
}

fn learned(facts: &UpdateFacts, expected: &Expect) {
    let toml = UpdateWatch::learn(facts, "watchdog 2026-11-22", now());
    expected.assert_eq(&toml);
    assert_eq!(findings(facts, &toml), []);
}

#[test]
fn a_calm_host_learns_the_usual_limits() {
    learned(
        &calm(),
        &expect![[r##"
        # How long updates and a reboot may wait, and how old the package lists may be.

        [updates]
        max-age          = "30d"
        security-max-age = "3d"
        lists-max-age    = "1w"
        reboot-max-age   = "2w"
        why              = "a host that is looked after keeps these times"
        by               = "watchdog 2026-11-22"
    "##]],
    );
}

#[test]
fn a_neglected_host_learns_wider_limits_and_why() {
    let facts = UpdateFacts {
        pending: vec![update("openssl", SECURITY, ago(24 * 40)), update("bash", MAIN, ago(24 * 20))],
        lists: vec![list("Debian bookworm", ago(24 * 400))],
        reboot: Some(Reboot { since: ago(24 * 14), packages: Vec::new(), running: None }),
        ..calm()
    };
    learned(
        &facts,
        &expect![[r##"
        # How long updates and a reboot may wait, and how old the package lists may be.

        [updates]
        max-age          = "71d"
        security-max-age = "44d"
        lists-max-age    = "408d"
        reboot-max-age   = "29d"
        why              = "a host that is looked after keeps these times; when this was learned it did not: security-max-age is 44d as a security update had waited for 40 days already; max-age is 71d as an update had waited for 40 days already; lists-max-age is 408d as a new package list had waited for 400 days already; reboot-max-age is 29d as a reboot had waited for 14 days already"
        by               = "watchdog 2026-11-22"
    "##]],
    );
    let without = UpdateFacts { lists: Vec::new(), ..calm() };
    learned(
        &without,
        &expect![[r##"
            # How long updates and a reboot may wait, and how old the package lists may be.

            [updates]
            max-age          = "30d"
            security-max-age = "3d"
            reboot-max-age   = "2w"
            why              = "a host that is looked after keeps these times; when this was learned it did not: lists-max-age is left out as no package list was ever fetched"
            by               = "watchdog 2026-11-22"
        "##]],
    );
    let ages = [0, 24 * 3, 24 * 3 + 11, 24 * 30, 24 * 3660, 24 * 20_000];
    for age in ages {
        let facts = UpdateFacts {
            pending: vec![update("x", SECURITY, ago(age))],
            lists: vec![list("x", ago(age))],
            ..calm()
        };
        let toml = UpdateWatch::learn(&facts, "t", now());
        assert_eq!(findings(&facts, &toml), [], "{age}");
    }
}

#[test]
fn the_facts_go_through_json_and_back() {
    let facts = UpdateFacts {
        pending: vec![update("openssl", SECURITY, ago(1))],
        reboot: Some(Reboot { since: now(), packages: Vec::new(), running: Some("6.1.147-1".into()) }),
        ..calm()
    };
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<UpdateFacts>(&json).unwrap(), facts);
    let summary = UpdateWatch::summary(&facts);
    assert_eq!(summary, "312 packages, 1 update waits, 1 for security, lists of 2026-11-21, reboot needed");
    assert_eq!(
        UpdateWatch::summary(&UpdateFacts::default()),
        "0 packages, updates unknown, no package lists"
    );
}
