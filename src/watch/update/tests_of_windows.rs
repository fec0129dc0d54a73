//! What the update agent and the registry of Windows say, as facts and as findings. On every system: the facts of a Windows
//! host are checked by the same code wherever that is done.

use super::*;
use crate::policy::Policy;
use expect_test::{Expect, expect};
use jiff::SignedDuration;

fn now() -> Timestamp {
    "2026-11-22T05:00:00Z".parse().unwrap()
}

/// As the process prints it that asks the agent; two updates wait, one of them for security.
const PRINTED: &str = r#"{"known":{
    "state": "2026-11-21T03:00:00Z/2026-10-15T02:00:00Z/57",
    "searched": "2026-11-21T03:00:00Z",
    "installed": 41,
    "offered": [
        {"id": "b-2", "title": "2026-11 Cumulative Update for Windows Server 2022 (KB5046616)", "articles": ["5046616"],
         "categories": [["0FA1201D-4330-4FA8-8AE9-B877473B6441", "Security Updates"], ["71718f13", "Windows Server 2022"]],
         "severity": "", "given-out": "2026-11-12T18:00:00Z", "hidden": false, "replaces": ["b-1", "b-0"]},
        {"id": "c-1", "title": "Windows Malicious Software Removal Tool x64 - v5.130", "articles": ["890830"],
         "categories": [["28bc880e-0592-4cbf-8f95-c79b17911d5f", "Update Rollups"]],
         "severity": "", "given-out": "2026-11-20T18:00:00Z", "hidden": false, "replaces": []},
        {"id": "d-1", "title": "A driver's tool\u001b[2J", "articles": [], "categories": [],
         "severity": "Important", "given-out": null, "hidden": true, "replaces": []}
    ]}}"#;

fn known() -> Known {
    match parse_answer(PRINTED.as_bytes()) {
        Ok(Answer::Known(known)) => known,
        other => panic!("{other:?}"),
    }
}

fn remembered() -> Remembered {
    Remembered { computed: Some(now()), known: known(), ..Remembered::default() }
}

fn findings(facts: &UpdateFacts, policy: &str) -> Vec<Finding> {
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
    // Recorded there, checked here.
    let facts: UpdateFacts = serde_json::from_str(&serde_json::to_string(facts).unwrap()).unwrap();
    let seen = Facts { facts: &facts, rules: &policy.update, now: now() };
    UpdateWatch::check(&seen, &mut Memory::default())
}

fn whole(findings: &[Finding], expected: &Expect) {
    let text: Vec<String> = findings
        .iter()
        .map(|finding| {
            let evidence = serde_json::to_string(&finding.evidence).unwrap();
            let nearest =
                finding.nearest.as_ref().map_or("none".to_owned(), |n| format!("{}: {}", n.rule, n.why_not));
            let suggest = finding.suggest.as_deref().unwrap_or("nothing to suggest\n");
            format!("{}\n{}\n{evidence}\nnearest: {nearest}\n{suggest}", finding.key(), finding.title)
        })
        .collect();
    expected.assert_eq(&text.join("\n"));
}

const STRICT: &str = r#"
[updates]
max-age          = "1d"
security-max-age = "1h"
lists-max-age    = "12h"
reboot-max-age   = "1h"
"#;

#[test]
fn what_the_agent_offers_is_facts_like_those_of_any_host() {
    let facts = remembered().facts(now());
    expect![[r#"
        {
          "manager": "windows-update",
          "installed": 41,
          "computed": "2026-11-22T05:00:00Z",
          "pending": [
            {
              "package": "A driver's tool\\x1b[2J",
              "arch": "all",
              "installed": "",
              "candidate": "A driver's tool\\x1b[2J",
              "security": true,
              "held": true,
              "origins": [],
              "since": "2026-11-22T05:00:00Z"
            },
            {
              "package": "KB5046616",
              "arch": "all",
              "installed": "",
              "candidate": "2026-11 Cumulative Update for Windows Server 2022 (KB5046616)",
              "security": true,
              "origins": [
                "Security Updates",
                "Windows Server 2022"
              ],
              "since": "2026-11-12T18:00:00Z"
            },
            {
              "package": "KB890830",
              "arch": "all",
              "installed": "",
              "candidate": "Windows Malicious Software Removal Tool x64 - v5.130",
              "security": false,
              "origins": [
                "Update Rollups"
              ],
              "since": "2026-11-20T18:00:00Z"
            }
          ],
          "lists": [
            {
              "name": "Windows Update",
              "made": "2026-11-21T03:00:00Z",
              "good": "2026-11-21T03:00:00Z"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&facts).unwrap());
    expect!["41 installed updates, 3 updates wait, 2 for security, searched on 2026-11-21"]
        .assert_eq(&UpdateWatch::summary(&facts));
}

#[test]
fn what_waits_longer_than_allowed_on_windows_is_found_in_its_words() {
    let signs = Signs { updates: Some(Some(now() - SignedDuration::from_hours(30))), ..Signs::default() };
    let reboot = reboot_of(&signs, None, now());
    let facts = UpdateFacts { reboot, ..remembered().facts(now()) };
    whole(
        &findings(&facts, STRICT),
        &expect![[r#"
        security-updates updates security
        1 security update waits for 9 days: KB5046616
        {"updates":["KB5046616 2026-11 Cumulative Update for Windows Server 2022 (KB5046616) since 2026-11-12 (Security Updates, Windows Server 2022)"],"waiting-less-long":1,"to-install":"sconfig, or Windows Update in the settings","reboot-also-needed":"yes"}
        nearest: updates (policy.toml:3): security-max-age is 1h, but it is 9 days
        # in place of the table at policy.toml:3
        [updates]
        max-age          = "10d"
        security-max-age = "10d"
        lists-max-age    = "12h"
        reboot-max-age   = "1h"

        pending-updates updates other
        1 update waits for 35 hours: KB890830
        {"updates":["KB890830 Windows Malicious Software Removal Tool x64 - v5.130 since 2026-11-20 (Update Rollups)"],"to-install":"sconfig, or Windows Update in the settings"}
        nearest: updates (policy.toml:3): max-age is 1d, but it is 35 hours
        # in place of the table at policy.toml:3
        [updates]
        max-age          = "2d"
        security-max-age = "1h"
        lists-max-age    = "12h"
        reboot-max-age   = "1h"

        stale-package-lists package lists
        the last search for updates was 26 hours ago (Windows Update): newer ones are not known
        {"lists":["Windows Update of 2026-11-21"],"known-good":"2026-11-21 03:00 UTC","to-fetch":"UsoClient StartScan, or Windows Update in the settings"}
        nearest: updates (policy.toml:3): lists-max-age is 12h, but it is 26 hours
        # in place of the table at policy.toml:3
        [updates]
        max-age          = "1d"
        security-max-age = "1h"
        lists-max-age    = "2d"
        reboot-max-age   = "1h"

        reboot-required reboot
        a reboot has been needed for 30 hours: Windows Update
        {"packages":["Windows Update"],"since":"2026-11-20 23:00 UTC"}
        nearest: updates (policy.toml:3): reboot-max-age is 1h, but it is 30 hours
        # in place of the table at policy.toml:3
        [updates]
        max-age          = "1d"
        security-max-age = "1h"
        lists-max-age    = "12h"
        reboot-max-age   = "2d"
    "#]],
    );
    assert_eq!(findings(&facts, "[updates]\nsecurity-max-age = '30d'\nlists-max-age = '7d'\n"), []);
}

#[test]
fn an_update_that_replaces_one_that_has_waited_has_waited_as_long() {
    let october: Timestamp = "2026-10-14T18:00:00Z".parse().unwrap();
    let mut remembered = remembered();
    remembered.waiting.insert("b-1".to_owned(), october);
    remembered.waiting.insert("x-1".to_owned(), Timestamp::UNIX_EPOCH);
    let since = |facts: &UpdateFacts| -> Vec<String> {
        facts.pending.iter().map(|update| format!("{} {}", update.package, update.since)).collect()
    };
    let first = since(&remembered.facts(now()));
    expect![[r#"
        A driver's tool\x1b[2J 2026-11-22T05:00:00Z
        KB5046616 2026-10-14T18:00:00Z
        KB890830 2026-11-20T18:00:00Z"#]]
    .assert_eq(&first.join("\n"));
    // Also when it is told later, with a later date: a day after, nothing has become younger.
    for offered in &mut remembered.known.offered {
        offered.given_out = Some(now());
    }
    assert_eq!(since(&remembered.facts(now() + SignedDuration::from_hours(24))), first);
}

#[test]
fn a_host_whose_agent_never_searched_is_found_and_one_that_gave_no_answer_is_not() {
    let mut never = remembered();
    never.known.searched = None;
    whole(
        &findings(&never.facts(now()), "[updates]\nlists-max-age = '7d'\n"),
        &expect![[r#"
        stale-package-lists package lists
        no search for updates has ever succeeded: nobody knows which there are
        {"to-fetch":"UsoClient StartScan, or Windows Update in the settings"}
        nearest: updates (policy.toml:2): there was no search, however long ago
        # in place of the table at policy.toml:2
        [updates]
    "#]],
    );
    let silent = Remembered::default().facts(now());
    assert_eq!(findings(&silent, STRICT), []);
}

#[test]
fn a_policy_learned_on_windows_finds_nothing_there() {
    let signs = Signs { volatile: 1, ..Signs::default() };
    let facts = UpdateFacts { reboot: reboot_of(&signs, None, now()), ..remembered().facts(now()) };
    let learned = UpdateWatch::learn(&facts, "the test", now());
    expect![[r##"
        # How long updates and a reboot may wait, and how long ago the last search for them may be.

        [updates]
        max-age          = "30d"
        security-max-age = "13d"
        lists-max-age    = "1w"
        reboot-max-age   = "2w"
        why              = "a host that is looked after keeps these times; when this was learned it did not: security-max-age is 13d as a security update had waited for 9 days already"
        by               = "the test"
    "##]].assert_eq(&learned);
    assert_eq!(findings(&facts, &learned), []);
    // An agent that gives no answer has not said either when it last searched.
    let silent = UpdateWatch::learn(&Remembered::default().facts(now()), "the test", now());
    assert!(silent.contains("lists-max-age    = \"1w\""), "{silent}");
    let mut never = remembered();
    never.known.searched = None;
    let never = UpdateWatch::learn(&never.facts(now()), "the test", now());
    assert!(never.contains("left out as no search for updates has ever succeeded"), "{never}");
}

#[test]
fn a_reboot_is_needed_if_any_sign_says_so() {
    let text = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let hours = |hours| now() - SignedDuration::from_hours(hours);
    let cases = [
        Signs::default(),
        Signs { updates: Some(Some(hours(5))), components: Some(Some(hours(7))), ..Signs::default() },
        Signs { components: Some(None), volatile: 2, ..Signs::default() },
        Signs { updates: Some(Some(now() + SignedDuration::from_hours(1))), ..Signs::default() },
        Signs {
            renames: text(&[
                r"\??\C:\Windows\System32\drivers\SET1.tmp",
                r"!\??\C:\Windows\System32\drivers\net.sys",
                r"\??\C:\Program Files\App\new.dll",
                r"\??\C:\Program Files\App\app.dll",
            ]),
            ..Signs::default()
        },
        // Only deletions, programs of users that renew themselves, and what has no pair.
        Signs {
            renames: text(&[
                r"\??\C:\Windows\Temp\x.tmp",
                "",
                r"\??\C:\Users\alice\AppData\Local\App\new.exe",
                r"\??\C:\Users\alice\AppData\Local\App\app.exe",
                r"\??\C:\Windows\System32\spool\DRIVERS\x64\3\New\p.dll",
                r"\??\C:\Windows\System32\spool\DRIVERS\x64\3\p.dll",
                r"\??\C:\alone",
            ]),
            ..Signs::default()
        },
    ];
    let all: Vec<String> = cases
        .iter()
        .map(|signs| match reboot_of(signs, Some(hours(2)), now()) {
            None => "none".to_owned(),
            Some(reboot) => format!("{} {:?}", reboot.since, reboot.packages),
        })
        .collect();
    expect![[r#"
        none
        2026-11-21T22:00:00Z ["Windows Update", "component servicing"]
        2026-11-22T03:00:00Z ["component servicing", "an update that runs at the next start"]
        2026-11-22T03:00:00Z ["Windows Update"]
        2026-11-22T03:00:00Z ["2 files to be replaced at the next start"]
        none"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn moments_are_counted_in_days_since_the_end_of_1899() {
    let shown = |days| moment_of_ole(days).map_or("never".to_owned(), |moment| moment.to_string());
    let all = [0.0, 25_569.0, 46_348.125, 46_348.999_999_9, -5.0, f64::NAN, f64::INFINITY, 1e300].map(shown);
    expect![[r#"
        never
        1970-01-01T00:00:00Z
        2026-11-22T03:00:00Z
        2026-11-23T00:00:00Z
        never
        never
        never
        never"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn what_is_no_answer_of_the_agent_is_said_to_be_none() {
    for (printed, answer) in [
        (r#"{"same":"x"}"#, Ok(Answer::Same("x".to_owned()))),
        (r#"{"no-agent":"why"}"#, Ok(Answer::NoAgent("why".to_owned()))),
        (r#"{"failed":"why"}"#, Ok(Answer::Failed("why".to_owned()))),
    ] {
        assert_eq!(parse_answer(printed.as_bytes()), answer);
    }
    for printed in ["", "{}", r#"{"known":{}}"#, r#"{"same":"x","failed":"y"}"#, "\u{feff}{\"same\":\"x\"}"] {
        let error = parse_answer(printed.as_bytes()).unwrap_err();
        assert!(error.starts_with("what the update agent said is no answer: "), "{error}");
    }
    let again = serde_json::to_string(&Answer::Known(known())).unwrap();
    assert_eq!(parse_answer(again.as_bytes()), Ok(Answer::Known(known())));
}
