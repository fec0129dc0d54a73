//! What is learned from logins allows them.

use super::*;

#[test]
fn the_learned_policy_names_user_sources_and_methods_exactly_as_seen() {
    let mut facts = facts(vec![
        login("alice", "10.8.0.2", "publickey", NOON),
        login("alice", "10.8.0.3", "publickey", NIGHT),
        login("alice", "10.8.0.4", "password", NIGHT),
        login("bob", "console", "console", NIGHT),
    ]);
    facts.failed_in = failed(&[30], NIGHT).failed_in;
    facts.time_zone = Some("Europe/London".into());
    let learned = learn::learn(&facts, "watchdog 2026-11-20");
    expect![[r#"
        # Who may log in, from where and how. Narrow the hours, like "Mon-Fri 09:00-18:00".

        [logins]
        time-zone   = "Europe/London"
        hours       = ["Mon-Sun 00:00-24:00"]
        failures    = 50
        failures-in = "1h"
        why         = "at most 30 logins failed within an hour when this policy was learned"
        by          = "watchdog 2026-11-20"

        [[login]]
        users   = ["alice"]
        from    = ["10.8.0.4"]
        methods = ["password"]
        why     = "alice logged in 3 times in the week before this policy was learned"
        by      = "watchdog 2026-11-20"

        [[login]]
        users   = ["alice"]
        from    = ["10.8.0.2", "10.8.0.3"]
        methods = ["publickey"]
        why     = "alice logged in 3 times in the week before this policy was learned"
        by      = "watchdog 2026-11-20"

        [[login]]
        users   = ["bob"]
        from    = ["console"]
        methods = ["console"]
        why     = "bob logged in 1 times in the week before this policy was learned"
        by      = "watchdog 2026-11-20"
    "#]]
    .assert_eq(&learned);
    assert_eq!(findings(&facts, &format!("schema = 1\n{learned}")), []);
}

#[test]
fn where_nobody_logged_in_the_learned_policy_lets_nobody_in() {
    let learned = format!("schema = 1\n{}", learn::learn(&facts(Vec::new()), "test"));
    assert!(learned.contains("[logins]") && !learned.contains("[[login]]"));
    let found = findings(&facts(vec![login("root", "192.0.2.1", "password", NOON)]), &learned);
    assert_eq!(keys(&found), ["unknown-login root from 192.0.2.1"]);
}

fn any_login() -> impl Strategy<Value = Login> {
    let text = || "(root|alice|10\\.8\\.0\\.[0-9]|::ffff:10\\.8\\.0\\.1|console|unclear|password|\\PC{0,8})";
    (text(), text(), text(), 0..600_000i64).prop_map(|(user, from, method, ago)| {
        let mut login = login(&user, &from, &method, NOON);
        login.at -= jiff::SignedDuration::from_secs(ago);
        login
    })
}

proptest! {
    #[test]
    fn what_is_learned_allows_what_was_seen(
        logins in proptest::collection::vec(any_login(), 0..6),
        counts in proptest::collection::vec(0..40u64, 0..200),
    ) {
        let facts = LoginFacts { logins, ..failed(&counts, NIGHT) };
        let learned = format!("schema = 1\n{}", learn::learn(&facts, "test"));
        prop_assert_eq!(findings(&facts, &learned), []);
    }

    #[test]
    fn each_suggestion_makes_its_finding_go_away(logins in proptest::collection::vec(any_login(), 0..6)) {
        let facts = facts(logins);
        for finding in findings(&facts, POLICY) {
            let amended = format!("{POLICY}{}", finding.suggest.as_ref().unwrap());
            prop_assert!(!keys(&findings(&facts, &amended)).contains(&finding.key()), "{}", amended);
        }
    }

    #[test]
    fn the_worst_count_is_that_of_trying_every_window(
        counts in proptest::collection::vec(0..5u64, 1..60), window in 1..20u64,
    ) {
        let facts = failed(&counts, NOON);
        let length = usize::try_from(window).unwrap();
        let slow = (0..counts.len()).map(|end| counts[(end + 1).saturating_sub(length)..=end].iter().sum::<u64>());
        prop_assert_eq!(most_failures(&facts, Span::minutes(window)), slow.max().unwrap());
    }
}
