//! What has ended since the last pass, and what shows itself otherwise than when it started.

use super::*;

#[test]
fn what_one_was_when_it_started_is_judged_as_well_if_it_shows_itself_otherwise() {
    let policy = &counted("/usr/bin/python3.11", "1");
    let shows = process(40, "/usr/bin/python3.11", "alice");
    let mut facts = facts(vec![shows.clone()]);
    assert_eq!(findings(&facts, policy), []);
    let was = Process { script: Some("(standard input)".into()), ..shows };
    facts.earlier = vec![Ended { until: None, ..ended(was, 1) }];
    says(
        &facts,
        policy,
        &expect![[r#"
        urgent unknown-process: unknown process /usr/bin/python3.11 running (standard input) run by alice (it runs on, and shows itself otherwise)
          process /usr/bin/python3.11 (policy.toml:2): it allows no script
    "#]],
    );
    let found = findings(&facts, policy);
    assert_eq!(found[0].evidence["shows itself as"], "/usr/bin/python3.11 (40), script none");
    let allowed = format!("{policy}\n{}", found[0].suggest.clone().unwrap());
    assert_eq!(findings(&facts, &allowed), [], "and it is counted once");
    // What it shows now needs no rule of its own; another process does.
    let only = found[0].suggest.clone().unwrap();
    assert_eq!(findings(&facts, &only), []);
    assert_eq!(findings(&facts, "").len(), 1);
    facts.processes.push(Arc::new(process(41, "/usr/bin/python3.11", "alice")));
    assert_eq!(findings(&facts, &only).len(), 1);
}

#[test]
fn what_has_ended_is_judged_like_what_runs_and_says_where_it_came_from() {
    let mut facts = facts(vec![process(1, "/sbin/init", "root")]);
    facts.ended =
        vec![ended(process(4711, "/tmp/x", "alice"), 312), ended(process(20, "/usr/bin/id", "alice"), 1)];
    let policy = "[[process]]\nexe = \"/sbin/init\"\n[[process]]\nexe = \"/usr/bin/*\"\n";
    let found = findings(&facts, policy);
    assert_eq!(found.len(), 1);
    expect![[r#"
        {
          "executable": "/tmp/x",
          "user": "alice",
          "processes": 312,
          "pid": [
            4711
          ],
          "arguments": "/tmp/x",
          "calls itself": "x",
          "started": "2026-11-18T10:50:00Z",
          "ended": "2026-11-18T11:06:40Z",
          "parent": "/usr/bin/bash (912)",
          "ancestors": "bash 912 (ended), sshd 900, systemd 1",
          "login user": "alice",
          "session": "3",
          "from": "192.0.2.7",
          "terminal": "pts/0",
          "folder": "/tmp",
          "group": "session-3.scope"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&found[0].evidence).unwrap());
    assert_eq!(found[0].title, "unknown process /tmp/x run by alice, 312 times (all have ended)");
    assert_eq!(findings(&facts, &format!("{policy}{}", found[0].suggest.as_ref().unwrap())), []);
    let learned = learn::learn(&facts, "test", crate::rule::today(NOW));
    assert_eq!(findings(&facts, &learned), []);
    let again: ProcessFacts = serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
    assert_eq!(again, facts);
}

#[test]
fn what_has_ended_is_not_counted_among_those_that_must_run() {
    let mut facts = facts(Vec::new());
    facts.ended = vec![ended(process(20, "/usr/sbin/cron", "root"), 9)];
    let found = findings(&facts, &counted("/usr/sbin/cron", "1.."));
    let titles: Vec<&str> = found.iter().map(|finding| finding.title.as_str()).collect();
    assert_eq!(titles, ["/usr/sbin/cron does not run"]);
}
