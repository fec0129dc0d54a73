use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_348_800 + second).unwrap()
}

fn sighting(kind: Kind, second: i64, user: &str, from: &str, method: &str, id: u64) -> Sighting {
    let login = Login {
        user: Text::new(user),
        from: from.into(),
        method: method.into(),
        at: at(second),
        told_by: format!("{kind:?}").as_str().into(),
        ..Login::default()
    };
    Sighting { login, kind, id, linked: 0 }
}

/// A number that no other logon of a test has.
fn id(second: i64, kind: u64) -> u64 {
    second.unsigned_abs() * 10 + kind
}

fn network(second: i64) -> Sighting {
    sighting(Kind::Network, second, r"CORP\alice", "10.8.0.2", "network", id(second, 1))
}
fn connection(second: i64) -> Sighting {
    sighting(Kind::Connection, second, "alice@corp.example", "10.8.0.2", "rdp", 0)
}
fn desktop(second: i64) -> Sighting {
    sighting(Kind::Desktop, second, r"CORP\alice", "10.8.0.2", "rdp", id(second, 2))
}
fn session(second: i64) -> Sighting {
    let mut session = sighting(Kind::Session, second, r"CORP\alice", "10.8.0.2", "rdp", 0);
    session.login.terminal = Some("session 3".into());
    session
}

fn told(sightings: &[Sighting]) -> String {
    let mut unite = Unite::default();
    sightings.iter().cloned().for_each(|sighting| unite.saw(sighting));
    let (logins, connections) = unite.settle(at(100_000), at(100_000));
    assert_eq!(unite, Unite { waiting: Vec::new(), known: unite.known.clone() });
    shown(&logins)
        + &if connections > 0 {
            format!("{connections} connections without a login\n")
        } else {
            String::new()
        }
}

fn shown(logins: &[Login]) -> String {
    let line = |login: &Login| {
        let terminal = login.terminal.as_deref().unwrap_or("-");
        let rights = if login.administrator { ", administrator" } else { "" };
        let second = login.at.duration_since(at(0)).as_secs();
        format!(
            "{second}: {} from {} by {}, {terminal}, {}{rights}\n",
            login.user, login.from, login.method, login.told_by
        )
    };
    logins.iter().map(line).collect()
}

fn says(sightings: &[Sighting], expected: &Expect) {
    expected.assert_eq(&told(sightings));
}

#[test]
fn all_that_is_told_of_one_rdp_login_is_one_login() {
    let whole = [network(0), connection(1), desktop(2), session(4)];
    says(
        &whole,
        &expect![[r#"
            2: CORP\alice from 10.8.0.2 by rdp, session 3, Desktop
        "#]],
    );
    for one_is_missing in 0..4 {
        let mut some = whole.to_vec();
        some.remove(one_is_missing);
        assert_eq!(told(&some).lines().count(), 1, "{one_is_missing}: {}", told(&some));
    }
    // The other order of what is written in the same second.
    says(
        &[session(0), desktop(0), connection(0), network(0)],
        &expect![[r#"
            0: CORP\alice from 10.8.0.2 by rdp, session 3, Desktop
        "#]],
    );
}

#[test]
fn a_person_may_read_what_stands_before_the_desktop() {
    says(
        &[network(0), connection(1), desktop(90), session(92)],
        &expect![[r#"
            0: CORP\alice from 10.8.0.2 by rdp, -, Network
        "#]],
    );
}

#[test]
fn a_connection_alone_is_no_login_and_a_network_logon_alone_is_one() {
    says(
        &[connection(0)],
        &expect![[r#"
        1 connections without a login
    "#]],
    );
    says(
        &[network(0), network(5)],
        &expect![[r#"
            0: CORP\alice from 10.8.0.2 by network, -, Network
            5: CORP\alice from 10.8.0.2 by network, -, Network
        "#]],
    );
}

#[test]
fn others_are_not_taken_for_the_same() {
    let mut bob = desktop(3);
    bob.login.user = "bob".into();
    let mut elsewhere = network(2);
    elsewhere.login.from = "10.9.9.9".into();
    says(
        &[network(0), bob, elsewhere, desktop(200), desktop(300)],
        &expect![[r#"
            0: CORP\alice from 10.8.0.2 by network, -, Network
            2: CORP\alice from 10.9.9.9 by network, -, Network
            3: bob from 10.8.0.2 by rdp, -, Desktop
            200: CORP\alice from 10.8.0.2 by rdp, -, Desktop
            300: CORP\alice from 10.8.0.2 by rdp, -, Desktop
        "#]],
    );
}

#[test]
fn both_halves_of_an_administrator_are_one_login_with_the_rights_of_both() {
    let (mut full, mut limited) = (desktop(0), desktop(0));
    (full.id, full.linked, limited.id, limited.linked) = (10, 11, 11, 10);
    let mut unite = Unite::default();
    unite.saw(limited);
    unite.saw(full);
    unite.mark(&HashSet::from([10]), &HashMap::from([(11, at(60))]));
    let (logins, _) = unite.settle(at(100), at(100));
    assert_eq!(shown(&logins), "0: CORP\\alice from 10.8.0.2 by rdp, -, Desktop, administrator\n");
    assert_eq!(logins[0].until, Some(at(60)));
}

#[test]
fn what_sshd_tells_stands_above_the_logons_it_asks_for() {
    let mut unite = Unite::default();
    unite.ssh(&Text::new(r"CORP\Alice"), &"10.8.0.2".into(), at(2));
    for second in [0, 1, 60] {
        unite.saw(sighting(Kind::Ssh, second, r"CORP\alice", "unclear", "network", 0));
    }
    let (logins, _) = unite.settle(at(500), at(500));
    assert_eq!(shown(&logins), "60: CORP\\alice from unclear by network, -, Ssh\n");
}

#[test]
fn a_flood_does_not_wait() {
    let mut unite = Unite::default();
    for id in 0..MOST_WAITING as u64 + 7 {
        unite.saw(Sighting { id: id + 1, ..network(0) });
    }
    assert_eq!(unite.settle(at(1), at(1)).0.len(), 7);
    assert_eq!(unite.settle(at(30), at(30)).0.len(), MOST_WAITING);
}

proptest! {
    #[test]
    fn it_does_not_matter_where_a_pass_ends(
        kinds in proptest::collection::vec((0_u8..4, 0_i64..400), 0..12),
        passes in proptest::collection::vec(0_i64..500, 0..6),
    ) {
        let make = [network, connection, desktop, session];
        let mut all: Vec<Sighting> = kinds.iter().map(|(kind, second)| make[usize::from(*kind)](*second)).collect();
        all.sort_by_key(|sighting| sighting.login.at);
        for (id, sighting) in all.iter_mut().enumerate() {
            sighting.id = id as u64 + 1;
        }
        let mut passes = passes;
        passes.sort_unstable();
        passes.push(100_000);
        let (mut cut, mut logins) = (Unite::default(), Vec::new());
        let mut rest = all.clone().into_iter().peekable();
        for now in passes {
            while let Some(sighting) = rest.next_if(|sighting| sighting.login.at <= at(now)) {
                cut.saw(sighting);
            }
            // What waits goes through the store.
            cut = serde_json::from_str(&serde_json::to_string(&cut).unwrap()).unwrap();
            logins.extend(cut.settle(at(now), at(now)).0);
        }
        let mut whole = Unite::default();
        for sighting in all {
            whole.saw(sighting);
        }
        prop_assert_eq!(shown(&logins), shown(&whole.settle(at(100_000), at(100_000)).0));
    }
}
