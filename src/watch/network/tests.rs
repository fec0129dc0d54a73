use super::firewall::Block;
use super::*;
use crate::policy::Policy;
use expect_test::expect;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn rules(text: &str) -> Rules {
    match Policy::from_text("policy.toml", &format!("schema = 1\n{text}")) {
        Ok(policy) => policy.network,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn link(name: &str, kind: Option<&str>, addresses: &[&str]) -> Link {
    let address = |written: &&str| {
        let (net, leased) = written.strip_suffix(" leased").map_or((*written, false), |net| (net, true));
        Address { net: net.parse().unwrap(), leased }
    };
    Link {
        name: name.into(),
        kind: kind.map(Text::from),
        up: true,
        addresses: addresses.iter().map(address).collect(),
        ..Link::default()
    }
}

fn route(to: &str, via: Option<&str>, link: &str, by: &str) -> Route {
    let via = via.map(|via| via.parse().unwrap());
    Route { to: to.parse().unwrap(), via, link: Some(link.into()), table: MAIN, metric: 0, by: by.into() }
}

/// An ordinary server with a VPN and a container.
fn server() -> NetworkFacts {
    let block = |name: &str, rules: &[&str]| Block {
        table: "inet filter".into(),
        name: name.into(),
        rules: rules.iter().map(|rule| Text::from(*rule)).collect(),
    };
    NetworkFacts {
        links: vec![
            Link { master: Some("docker0".into()), ..link("veth1a2b3c4", Some("veth"), &[]) },
            link("docker0", Some("bridge"), &["172.17.0.1/16"]),
            link("eth0", None, &["192.0.2.10/24 leased", "2001:db8::10/64 leased"]),
            Link { loopback: true, ..link("lo", None, &[]) },
            link("wg0", Some("wireguard"), &["10.9.0.2/24"]),
        ],
        routes: vec![
            route("0.0.0.0/0", Some("192.0.2.1"), "eth0", "dhcp"),
            route("10.9.0.0/24", None, "wg0", "kernel"),
            route("192.0.2.0/24", None, "eth0", "kernel"),
        ],
        gateways: vec![Gateway {
            address: "192.0.2.1".parse().unwrap(),
            link: "eth0".into(),
            mac: "52:54:00:00:00:01".into(),
        }],
        firewall: Firewall::Blocks(vec![
            block(
                "chain input",
                &["type filter hook input priority filter; policy drop;", "tcp dport 22 accept"],
            ),
            block("set addr-set-sshd", &["type ipv4_addr", "198.51.100.7"]),
        ]),
    }
}

/// What two looks in a row find, the first with nothing remembered.
fn found(facts: &NetworkFacts, policy: &str) -> Vec<Finding> {
    check::check(facts, &rules(policy), now(), &mut Memory::default())
}

fn subjects(facts: &NetworkFacts, policy: &str) -> Vec<String> {
    found(facts, policy).iter().map(Finding::key).collect()
}

fn learned() -> String {
    learn::learn(&server(), "test")
}

#[test]
fn what_is_learned_is_allowed() {
    assert_eq!(subjects(&server(), &learned()), [""; 0]);
    expect![[r##"
        # How this host is connected. What [network] names needs a rule.

        [network]
        watch = ["links", "addresses", "routes", "gateways", "firewall"]
        by    = "test"

        [[link]]
        name = "veth*"
        why  = "so it was when this policy was learned"
        by   = "test"

        [[link]]
        name      = "docker0"
        addresses = ["172.17.0.1"]
        why       = "so it was when this policy was learned"
        by        = "test"

        [[link]]
        name      = "eth0"
        addresses = ["192.0.2.0/24", "2001:db8::/64"]
        why       = "so it was when this policy was learned"
        by        = "test"

        [[link]]
        name      = "wg0"
        addresses = ["10.9.0.2"]
        why       = "so it was when this policy was learned"
        by        = "test"

        [[route]]
        to   = "default"
        via  = "192.0.2.1"
        link = "eth0"
        why  = "so it was when this policy was learned"
        by   = "test"

        [[gateway]]
        address = "192.0.2.1"
        link    = "eth0"
        macs    = ["52:54:00:00:00:01"]
        why     = "so it was when this policy was learned"
        by      = "test"

        [[firewall]]
        part   = "inet filter chain input"
        digest = "2e460c0264f360635047aecc34f15e1c628c72b712470282d00364d341effa6e"
        why    = "so it was when this policy was learned"
        by     = "test"

        [[firewall]]
        part = "inet filter set addr-set-*"
        why  = "so it was when this policy was learned; it changes by itself"
        by   = "test"
    "##]]
    .assert_eq(&learned());
}

#[test]
fn a_firewall_that_could_not_be_read_is_not_all_new_once_it_can_be() {
    let facts = NetworkFacts { firewall: Firewall::Unread("no right".to_owned()), ..server() };
    let learned = learn::learn(&facts, "test");
    assert!(learned.contains("# The firewall could not be read."), "{learned}");
    assert_eq!(subjects(&server(), &learned), [""; 0]);
    assert_eq!(subjects(&facts, &learned), [""; 0]);
}

#[test]
fn without_the_table_nothing_needs_a_rule() {
    assert_eq!(subjects(&server(), ""), [""; 0]);
    assert_eq!(subjects(&server(), "[[link]]\nname = \"eth0\"\n"), [""; 0]);
}

#[test]
fn what_moves_by_itself_is_no_finding() {
    let mut facts = server();
    // Another lease, another container, another ban, a kernel's route for them.
    facts.links[2] = link("eth0", None, &["192.0.2.77/24 leased", "2001:db8::77/64 leased"]);
    facts.links[0].name = "veth9999999".into();
    facts.links.push(Link { master: Some("docker0".into()), ..link("vethabc", Some("veth"), &[]) });
    facts.routes.push(route("172.17.0.0/16", None, "docker0", "kernel"));
    facts.routes.push(route("10.88.0.5/32", None, "vethabc", "static"));
    let Firewall::Blocks(blocks) = &mut facts.firewall else { unreachable!() };
    blocks[1].rules.push("203.0.113.66".into());
    assert_eq!(subjects(&facts, &learned()), [""; 0]);
    // The container's link needs no rule of its own while its bridge has one.
    let without = learned().replace("name = \"veth*\"", "name = \"other\"");
    assert_eq!(subjects(&facts, &without), [""; 0]);
}

#[test]
fn what_somebody_changed_is_a_finding_each_with_a_rule_that_silences_it() {
    let mut facts = server();
    facts.links.push(link("tun7", Some("tun"), &["10.66.0.1/24"]));
    facts.links[2].promiscuous = true;
    facts.links[2].addresses.push(Address { net: "203.0.113.3/32".parse().unwrap(), leased: false });
    facts.routes.push(route("10.0.0.0/8", Some("192.0.2.66"), "eth0", "static"));
    facts.routes[0].via = Some("192.0.2.66".parse().unwrap());
    facts.gateways[0].mac = "52:54:00:66:66:66".into();
    let found = found(&facts, &learned());
    let told: Vec<String> =
        found.iter().map(|one| format!("{} {}", one.severity.as_str(), one.title)).collect();
    expect![[r#"
        warning a tun link tun7 is there that no rule allows
        urgent link eth0 takes in the packets of others (promiscuous): somebody listens in
        warning link eth0 has the address 203.0.113.3/32 that no rule allows
        urgent all packets without another way go by 192.0.2.66 over eth0, and no rule allows that
        warning packets to 10.0.0.0/8 go by 192.0.2.66 over eth0, and no rule allows that
        urgent the gateway 192.0.2.1 answers as 52:54:00:66:66:66, and not as 52:54:00:00:00:01"#]]
    .assert_eq(&told.join("\n"));
    for one in &found {
        let policy = format!("{}\n{}", learned(), one.suggest.as_deref().unwrap());
        let left = subjects(&facts, &policy);
        assert!(!left.contains(&one.key()), "{policy}");
        assert_eq!(left.len(), found.len() - 1, "{}", one.title);
    }
}

#[test]
fn a_gateway_without_a_rule_must_go_on_answering_as_it_did_first() {
    let policy = rules("[network]\nwatch = [\"gateways\"]\n");
    let mut memory = Memory::default();
    let mut facts = server();
    let mut look = |facts: &NetworkFacts| check::check(facts, &policy, now(), &mut memory).len();
    assert_eq!(look(&facts), 0);
    let gateway = facts.gateways.remove(0);
    assert_eq!(look(&facts), 0);
    facts.gateways.push(Gateway { mac: "52:54:00:66:66:66".into(), ..gateway.clone() });
    assert_eq!((look(&facts), look(&facts)), (1, 1));
    facts.gateways[0] = gateway;
    assert_eq!(look(&facts), 0);
}

const DATABASE: &str = "
[[link]]
name = \"wg0\"
required = true
[[route]]
to = \"10.9.0.5\"
link = \"wg0\"
required = true
";

#[test]
fn the_database_must_be_reached_over_the_vpn() {
    assert_eq!(subjects(&server(), DATABASE), [""; 0]);
    let mut down = server();
    down.links[4].up = false;
    assert_eq!(subjects(&down, DATABASE), ["missing-link link wg0"]);
    let mut gone = server();
    gone.links.remove(4);
    gone.routes.remove(1);
    let found = found(&gone, DATABASE);
    let titles: Vec<&str> = found.iter().map(|one| one.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "link wg0 is not there, as it must be",
            "packets to 10.9.0.5 must go over wg0, and it is default by 192.0.2.1 over eth0"
        ]
    );
    let mut astray = server();
    astray.routes.push(route("10.9.0.5/32", Some("192.0.2.66"), "eth0", "static"));
    assert_eq!(subjects(&astray, DATABASE), ["missing-route route to 10.9.0.5 over wg0"]);
    // Part of a net that goes another way is as bad.
    let net = DATABASE.replace("10.9.0.5", "10.9.0.0/24");
    assert_eq!(subjects(&server(), &net), [""; 0]);
    assert_eq!(subjects(&astray, &net), ["missing-route route to 10.9.0.0/24 over wg0"]);
}

#[test]
fn of_two_default_routes_the_one_with_the_smaller_metric_is_taken() {
    let policy = "[[route]]\nto = \"default\"\nlink = \"eth0\"\nrequired = true\n";
    let mut facts = server();
    facts.routes.push(Route { metric: 600, ..route("0.0.0.0/0", Some("10.9.0.1"), "wg0", "static") });
    assert_eq!(subjects(&facts, policy), [""; 0]);
    facts.routes[0].metric = 1000;
    assert_eq!(subjects(&facts, policy), ["missing-route route to default over eth0"]);
    // One of IPv6 that leads elsewhere is another way out.
    facts.routes[0].metric = 0;
    facts.routes.push(route("::/0", Some("fe80::1"), "wg0", "ra"));
    assert_eq!(subjects(&facts, policy), ["missing-route route to default over eth0"]);
}

#[test]
fn a_link_that_flaps_and_a_reload_of_the_firewall_are_seen_twice_before_they_are_told() {
    let policy = rules(&format!("{}{DATABASE}", learned()));
    let mut memory = Memory::default();
    let mut look = |facts: &NetworkFacts| -> Vec<String> {
        check::check(facts, &policy, now(), &mut memory).iter().map(Finding::key).collect()
    };
    let good = server();
    let mut bad = server();
    bad.links[4].up = false;
    bad.firewall = Firewall::Blocks(Vec::new());
    assert_eq!(look(&good), [""; 0]);
    assert_eq!(look(&bad), [""; 0]);
    assert_eq!(look(&good), [""; 0]);
    assert_eq!(look(&bad), [""; 0]);
    assert_eq!(look(&bad), ["missing-link link wg0", "firewall-changed firewall inet filter"]);
}

#[test]
fn a_change_of_the_firewall_is_told_by_what_appeared_and_what_is_gone() {
    let policy = rules(&learned());
    let mut memory = Memory::default();
    let mut facts = server();
    assert_eq!(check::check(&facts, &policy, now(), &mut memory), []);
    let Firewall::Blocks(blocks) = &mut facts.firewall else { unreachable!() };
    blocks[0].rules[1] = "tcp dport { 22, 4444 } accept".into();
    blocks.push(Block { table: "inet filter".into(), name: "chain x".into(), rules: vec!["accept".into()] });
    check::check(&facts, &policy, now(), &mut memory);
    let found = check::check(&facts, &policy, now(), &mut memory);
    assert_eq!(found.len(), 1);
    expect![[r#"
        {
          "code": "firewall-changed",
          "severity": "urgent",
          "subject": "firewall inet filter",
          "title": "the firewall is not as the policy says: inet filter chain input differs, and 1 more parts of its table",
          "evidence": {
            "differs": [
              "inet filter chain input differs",
              "inet filter chain x is new"
            ],
            "appeared": [
              "inet filter chain input: tcp dport { 22, 4444 } accept",
              "inet filter chain x: accept"
            ],
            "gone": [
              "inet filter chain input: tcp dport 22 accept"
            ],
            "to see all of it": "nft list table inet filter"
          },
          "suggest": "[[firewall]]\npart   = \"inet filter chain input\"\ndigest = \"e774d094112a8c57beda37836f480d8320699182bb4b8848f5dc7604d68b7dc2\"\nwhy    = \"…\"\n\n[[firewall]]\npart   = \"inet filter chain x\"\ndigest = \"a7569daef68e7aa91f0cc9856e2461c5cb2bd5494eaf28818c3e059972d987e5\"\nwhy    = \"…\"\n"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&found[0]).unwrap());
    let more = rules(&format!("{}\n{}", learned(), found[0].suggest.as_deref().unwrap()));
    assert_eq!(check::check(&facts, &more, now(), &mut memory), []);
    facts.firewall = Firewall::Unread("no right".to_owned());
    assert_eq!(check::check(&facts, &policy, now(), &mut memory), []);
}

#[test]
fn a_wrong_route_is_refused_with_words() {
    for (to, says) in [("everywhere", "write \"default\""), ("10.0.0.1/8", "write 10.0.0.1 or 10.0.0.0/8")] {
        let text = format!("schema = 1\n[[route]]\nto = \"{to}\"\n");
        let error = Policy::from_text("policy.toml", &text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
