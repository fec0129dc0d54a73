//! Any sockets: what is learned and suggested allows them.

use super::*;

fn any_listener() -> impl Strategy<Value = Listener> {
    let places = prop::sample::select(vec![
        "0.0.0.0",
        "::",
        "127.0.0.1",
        "::1",
        "10.0.0.7",
        "fe80::7",
        "::ffff:127.0.0.1",
    ]);
    let protocols =
        prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::UdpLite, Protocol::Sctp]);
    let owner = (
        2_u32..9,
        prop::sample::select(vec!["/bin/a", "/bin/a*b", "memfd:k", "/bin/\\x0a"]),
        any::<bool>(),
        any::<[bool; 3]>(),
    );
    let owners = prop::collection::vec(owner, 0..3);
    let port = prop::sample::select(vec![1_u16, 443, 32_768, 60_999, 61_000]);
    (protocols, places, port, owners, any::<[bool; 2]>()).prop_map(
        |(protocol, place, port, owners, [apart, first])| {
            let mut seen = listener(protocol, "0.0.0.0:1", vec![]);
            (seen.address, seen.port) = (place.parse().unwrap(), port);
            seen.namespace = apart.then_some(1);
            seen.owners = owners
                .into_iter()
                .map(|(pid, exe, container, [script, hidden, deleted])| {
                    let mut owner = process(pid, exe, "alice");
                    (owner.container, owner.script) = (container, script.then(|| "/s*.py".into()));
                    if deleted && let Executable::Path(path) = &owner.exe {
                        owner.exe = Executable::Deleted(path.clone());
                    }
                    if hidden {
                        owner.exe = Executable::Unreadable("hides".into());
                    }
                    Arc::new(owner)
                })
                .collect();
            if first {
                seen.owners = vec![Arc::new(process(1, "/sbin/init", "root"))];
                seen.heirs = vec![Arc::new(process(9, "/bin/heir", "root"))];
            }
            seen
        },
    )
}

proptest! {
    #[test]
    fn what_is_learned_is_allowed(listeners in prop::collection::vec(any_listener(), 0..6), sees_all: bool) {
        let facts = ListenerFacts { sees_all, ..facts(listeners) };
        let learned = learn(&facts, "watchdog");
        let found = check(&facts, &rules(&learned), now());
        prop_assert!(found.is_empty(), "{learned}\n{found:#?}");
    }

    #[test]
    fn what_a_finding_suggests_allows_just_it(listeners in prop::collection::vec(any_listener(), 0..6), sees_all: bool) {
        let facts = ListenerFacts { sees_all, ..facts(listeners) };
        let found = check(&facts, &Rules::default(), now());
        for finding in &found {
            let left = check(&facts, &rules(finding.suggest.as_ref().unwrap()), now());
            prop_assert!(!left.iter().any(|other| other.subject == finding.subject), "{finding:#?}");
        }
        let all: String = found.iter().filter_map(|finding| finding.suggest.clone()).collect();
        prop_assert!(check(&facts, &rules(&all), now()).is_empty());
    }

    #[test]
    fn facts_survive_their_json_form(listeners in prop::collection::vec(any_listener(), 0..3)) {
        let facts = facts(listeners);
        let json = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<ListenerFacts>(&json).unwrap(), facts);
    }
}
