//! What holds whatever happens.

use super::*;
use proptest::prelude::*;

const NAMES: [&str; 5] = ["process x", "listener y", "cpu z", "login bob", "failed ssh"];

/// Minutes since the last pass, what is seen and whether urgently, whether the watch saw facts.
type Plan = (i64, Vec<(usize, bool)>, bool);

fn any_pass() -> impl Strategy<Value = Plan> {
    let waits = prop_oneof![4 => 1i64..6, 2 => 1i64..200, 1 => 1i64..4000, 1 => -3000i64..0];
    (
        waits,
        prop::collection::vec((0..NAMES.len(), prop::bool::weighted(0.2)), 0..4),
        prop::bool::weighted(0.85),
    )
}

fn passes_of(plan: &[Plan]) -> Vec<Pass> {
    let mut now = 10_000;
    let mut passes = Vec::new();
    for ((wait, seen, saw_facts), number) in plan.iter().zip(1..) {
        now += wait;
        let shorts: Vec<String> = seen
            .iter()
            .map(|(name, urgent)| format!("{}{}", NAMES[*name], if *urgent { "!" } else { "" }))
            .collect();
        let shorts: Vec<&str> = shorts.iter().map(String::as_str).collect();
        // A clock that was set back shows a minute again, but not a nanosecond: by that alerts are told apart.
        let mut pass = saw(minute(now) + SignedDuration::from_nanos(number), &shorts);
        pass.looked[0].saw = *saw_facts;
        passes.push(pass);
    }
    // Long quiet at the end: everything ends and is told.
    passes.extend((1..200).map(|n| saw(minute(now + n * 60), &[])));
    passes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// For each alert the mails say: there, over, there again, over. Never twice the same, never an end of
    /// something that was not told, and in the end everything is over.
    #[test]
    fn openings_and_ends_are_told_alternately_and_all(
        plan in prop::collection::vec(any_pass(), 1..60), digests in 1u32..13,
    ) {
        let limits = per_hour(digests);
        let mut book = Book::default();
        let mut believed: BTreeMap<String, bool> = BTreeMap::new();
        let mut opened = std::collections::BTreeSet::new();
        let mut sent: Vec<Timestamp> = Vec::new();
        for pass in passes_of(&plan) {
            let before = book.clone();
            sent.retain(|at| *at <= pass.now && pass.now.duration_since(*at) < SignedDuration::from_hours(1));
            let step = step(&book, &pass, &limits);
            opened.extend(step.changed.iter().map(|alert| alert.id.clone()));
            if let Some(digest) = &step.digest {
                prop_assert!(!digest.entries.is_empty());
                for entry in &digest.entries {
                    let there = believed.insert(entry.alert.id.clone(), !entry.ended);
                    match entry.news {
                        News::Opened => prop_assert_eq!(there, None),
                        News::Again if entry.alert.kind() == Kind::State => prop_assert_eq!(there, Some(false)),
                        News::Again => prop_assert!(there.is_some()),
                        News::Worse => prop_assert!(there.is_some()),
                        News::Still | News::Ended => prop_assert_eq!(there, Some(true)),
                    }
                }
                sent.push(pass.now);
                prop_assert!(sent.len() <= digests as usize);
            }
            book.apply(step);
            for alert in book.alerts.values() {
                let same = book.alerts.values().filter(|other| other.id == alert.id).count();
                prop_assert_eq!(same, 1);
                // What ends while its watch saw nothing has ended wrongly.
                let was_open = before.alerts.get(&alert.key).is_some_and(Alert::is_open);
                prop_assert!(!was_open || alert.is_open() || pass.looked[0].saw);
            }
        }
        prop_assert_eq!(believed.keys().cloned().collect::<std::collections::BTreeSet<_>>(), opened);
        prop_assert!(believed.values().all(|there| !there), "{:?}", believed);
        prop_assert_eq!(book.open().len(), 0);
    }

    /// However it flaps, a state is mailed at most thrice and once more a day.
    #[test]
    fn one_state_never_floods(seen in prop::collection::vec(any::<bool>(), 1..3000), every in 1i64..30) {
        let length = i64::try_from(seen.len()).unwrap();
        let passes = (0..length).zip(&seen).map(|(n, seen)| saw(minute(n * every), &only(*seen, "process x")));
        let days = length * every / 1440;
        let mails = i64::try_from(timeline(&limits(), passes).lines().count()).unwrap();
        prop_assert!(mails <= 3 + days * 2, "{mails} mails in {days} days");
    }

    #[test]
    fn urgent_news_is_told_in_the_pass_that_saw_it_while_mails_are_left(others in 0usize..300) {
        let names: Vec<String> = (0..others).map(|n| format!("cpu c{n}")).collect();
        let mut seen: Vec<&str> = names.iter().map(String::as_str).collect();
        seen.push("process x");
        let step = step(&Book::default(), &saw(minute(0), &seen), &limits());
        prop_assert_eq!(step.digest.unwrap().entries.len(), others + 1);
    }
}
