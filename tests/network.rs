//! The network of a world of its own, set up and changed by `ip` and `nft` for real.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start the programs they need")]

mod support;

use host_watchdog::finding::Finding;
use host_watchdog::policy::Policy;
use jiff::SignedDuration;
use std::io::Write;
use std::process::{Command, Stdio};
use support::eyes::Eyes;
use support::player::Player;
use support::world;

fn learn(eyes: &mut Eyes) -> String {
    let mut policy = Policy::default();
    policy.network.to_learn = true;
    policy.connection.to_learn = true;
    eyes.let_pass(SignedDuration::from_mins(1));
    let snapshot = eyes.look(&policy);
    eyes.learn(&snapshot)
}

/// What the second of two looks finds, a minute apart.
fn check(eyes: &mut Eyes, policy: &str) -> Vec<Finding> {
    let [_, found] = [(); 2].map(|()| {
        eyes.let_pass(SignedDuration::from_mins(1));
        eyes.check(policy)
    });
    found
}

fn keys(eyes: &mut Eyes, policy: &str) -> Vec<String> {
    check(eyes, policy).iter().map(Finding::key).collect()
}

fn sh(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A link `eth0` to a neighbour in a namespace of its own, who is the gateway, and a link `wg0` to another.
fn connect() {
    sh("mkdir -p /run/netns
        ip netns add elsewhere
        ip link add eth0 type veth peer name far0 netns elsewhere
        ip link add wg0 type veth peer name far1 netns elsewhere
        ip -n elsewhere link set far0 address 52:54:00:00:00:01
        ip -n elsewhere addr add 192.0.2.1/24 dev far0
        ip -n elsewhere addr add 10.9.0.1/24 dev far1
        ip -n elsewhere link set lo up
        ip -n elsewhere link set far0 up
        ip -n elsewhere link set far1 up
        ip addr add 192.0.2.10/24 dev eth0
        ip addr add 10.9.0.2/24 dev wg0
        ip link set eth0 up
        ip link set wg0 up
        ip route add default via 192.0.2.1
        ip neigh replace 192.0.2.1 lladdr 52:54:00:00:00:01 dev eth0 nud reachable");
}

#[test]
fn links_addresses_routes_and_the_gateway_are_seen_as_they_change() {
    if !world::is_entered("links_addresses_routes_and_the_gateway_are_seen_as_they_change") {
        return;
    }
    connect();
    let mut eyes = Eyes::of("network");
    let learned = learn(&mut eyes);
    assert!(learned.contains("macs    = [\"52:54:00:00:00:01\"]"), "{learned}");
    assert_eq!(keys(&mut eyes, &learned), [""; 0], "{learned}");

    // A carrier that goes away and comes back; a link that nobody asked for comes, with an address.
    sh(
        "ip link set wg0 down; ip link set wg0 up; ip link add br7 type bridge; ip addr add 203.0.113.9/32 dev br7",
    );
    assert_eq!(keys(&mut eyes, &learned), ["new-link link br7"]);
    sh("ip link del br7");
    assert_eq!(keys(&mut eyes, &learned), [""; 0]);

    // The gateway is somebody else; another way out; somebody listens in.
    sh("ip neigh replace 192.0.2.1 lladdr 52:54:00:66:66:66 dev eth0 nud reachable");
    sh("ip route add 198.51.100.0/24 via 192.0.2.66; ip link set eth0 promisc on");
    assert_eq!(
        keys(&mut eyes, &learned),
        [
            "promiscuous-link link eth0",
            "gateway-changed gateway 192.0.2.1 link eth0",
            "new-route route to 198.51.100.0/24 via 192.0.2.66 over eth0"
        ]
    );
    sh("ip route replace default via 192.0.2.66");
    assert!(
        keys(&mut eyes, &learned).contains(&"new-route route to default via 192.0.2.66 over eth0".to_owned())
    );
}

#[test]
fn a_port_of_a_bridge_is_not_called_promiscuous_and_one_that_is_listened_on_is() {
    if !world::is_entered("a_port_of_a_bridge_is_not_called_promiscuous_and_one_that_is_listened_on_is") {
        return;
    }
    connect();
    sh("ip link add br0 type bridge; ip link set br0 up; ip link set eth0 master br0");
    let policy = "[network]\nwatch = [\"links\"]\n[[link]]\nname = \"*\"\n";
    let mut eyes = Eyes::of("network");
    assert_eq!(keys(&mut eyes, policy), [""; 0]);
    // What tcpdump does: no flag of the link says it.
    let listen = "import socket,struct,sys
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW)
s.setsockopt(263,1,struct.pack('iHH8s',socket.if_nametoindex('eth0'),1,0,b''))
print('ready'); sys.stdin.read()";
    let listener = Player::ready(&mut Player::python(listen));
    assert_eq!(keys(&mut eyes, policy), ["promiscuous-link link eth0"]);
    drop(listener);
    assert_eq!(keys(&mut eyes, policy), [""; 0]);
}

#[test]
fn the_way_over_the_vpn_is_missed_when_it_is_gone_and_when_a_narrower_route_leads_around_it() {
    let name = "the_way_over_the_vpn_is_missed_when_it_is_gone_and_when_a_narrower_route_leads_around_it";
    if !world::is_entered(name) {
        return;
    }
    connect();
    let policy = "[[link]]\nname = \"wg0\"\nrequired = true\n
        [[route]]\nto = \"10.9.0.0/24\"\nlink = \"wg0\"\nrequired = true\n";
    let mut eyes = Eyes::of("network");
    assert_eq!(keys(&mut eyes, policy), [""; 0]);
    sh("ip route add 10.9.0.5 via 192.0.2.1");
    assert_eq!(keys(&mut eyes, policy), ["missing-route route to 10.9.0.0/24 over wg0"]);
    sh("ip route del 10.9.0.5; ip -n elsewhere link set far1 down");
    assert_eq!(keys(&mut eyes, policy), ["missing-link link wg0"]);
    sh("ip link del wg0");
    assert_eq!(
        keys(&mut eyes, policy),
        ["missing-link link wg0", "missing-route route to 10.9.0.0/24 over wg0"]
    );
}

#[test]
fn the_firewall_is_compared_without_counters_and_told_by_its_rules() {
    if !world::is_entered("the_firewall_is_compared_without_counters_and_told_by_its_rules") {
        return;
    }
    if support::left_out("nft", std::path::Path::new("/usr/sbin/nft").exists()) {
        return;
    }
    let mut eyes = Eyes::of("network");
    let bare = learn(&mut eyes);
    assert!(!bare.contains("[[firewall]]"), "{bare}");
    sh("nft -f - <<'X'
table inet filter {
    set banned { type ipv4_addr; flags timeout; }
    set allowed { type ipv4_addr; elements = { 192.0.2.7, 192.0.2.9 }; }
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo counter accept
        ip saddr @banned drop
        ip saddr @allowed tcp dport 22 accept
    }
}
X");
    let found = check(&mut eyes, &bare);
    assert_eq!(found.iter().map(Finding::key).collect::<Vec<_>>(), ["firewall-changed firewall inet filter"]);
    let learned = format!("{bare}\n{}", found[0].suggest.as_deref().unwrap());
    assert_eq!(keys(&mut eyes, &learned), [""; 0], "{learned}");

    // Packets are counted, somebody is banned for a time: neither is a change.
    sh("python3 -c \"import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b'x',('127.0.0.1',9))\"
        nft add element inet filter banned '{ 203.0.113.5 timeout 1h }'");
    assert_eq!(keys(&mut eyes, &learned), [""; 0]);

    sh("nft insert rule inet filter input tcp dport 4444 accept; nft add element inet filter allowed '{ 203.0.113.66 }'
        nft add chain inet filter other");
    let found = check(&mut eyes, &learned);
    assert_eq!(found.len(), 1);
    let evidence = &found[0].evidence;
    assert_eq!(
        evidence["differs"],
        serde_json::json!([
            "inet filter chain input differs",
            "inet filter chain other is new",
            "inet filter set allowed differs"
        ])
    );
    assert_eq!(
        evidence["appeared"],
        serde_json::json!([
            "inet filter chain input: tcp dport 4444 accept",
            "inet filter set allowed: 203.0.113.66"
        ])
    );
    assert_eq!(evidence.get("gone"), None);

    sh("nft flush ruleset");
    let found = check(&mut eyes, &learned);
    assert_eq!(
        found[0].evidence["differs"],
        serde_json::json!(["inet filter chain input is gone", "inet filter set allowed is gone"])
    );
    assert!(found[0].evidence["gone"].to_string().contains("ip saddr @allowed tcp dport 22 accept"));
}

#[test]
fn the_helper_answers_with_the_rules_and_only_with_their_number_to_who_knows_them() {
    if !world::is_entered("the_helper_answers_with_the_rules_and_only_with_their_number_to_who_knows_them") {
        return;
    }
    if support::left_out("nft", std::path::Path::new("/usr/sbin/nft").exists()) {
        return;
    }
    let ask = |question: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        let mut helper =
            command.arg("firewall").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        helper.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
        String::from_utf8(helper.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(ask("-\n"), "1\n# whole\n", "there never was a rule");
    sh("nft 'add table inet filter; add chain inet filter input'");
    let told = ask("-\n");
    let (number, rules) = told.split_once('\n').unwrap();
    assert_eq!(rules, "table inet filter {\n\tchain input {\n\t}\n}\n# whole\n");
    assert_eq!(ask(&format!("{number}\n")), format!("{number}\n# whole\n"));
    // Whatever else is asked is answered with everything.
    for question in ["", "nonsense\n", "99999999999999999999999999999\n", "\n"] {
        assert_eq!(ask(question), told, "{question:?}");
    }
    sh("nft add rule inet filter input tcp dport 4444 accept");
    assert!(ask(&format!("{number}\n")).contains("tcp dport 4444 accept"));
}

#[test]
fn who_may_not_read_the_firewall_says_so_and_how_to_cure_it() {
    if !world::is_entered("who_may_not_read_the_firewall_says_so_and_how_to_cure_it") {
        return;
    }
    let program = env!("CARGO_BIN_EXE_watchdog");
    // To ask a real apt takes longer than all these tests together.
    sh("mount -t tmpfs tmpfs /var/lib/dpkg");
    let limited = |args: &[&str]| {
        let output =
            Command::new("setpriv").args(["--bounding-set=-net_admin", program]).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let facts = limited(&["snapshot", "--facts"]);
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let why = facts["gaps"]["network"][0]["why"].as_str().unwrap();
    assert!(why.contains("CAP_NET_ADMIN"), "{why}");
    // It is learned as such, and then no finding.
    let learned = limited(&["snapshot"]);
    assert!(learned.contains("gap = \"firewall\""), "{learned}");
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n[network]\nwatch = [\"firewall\"]\n").unwrap();
    let check = || limited(&["check", "--json", "--policy", policy.to_str().unwrap()]);
    assert!(check().contains("\"firewall\""));
    std::fs::write(
        &policy,
        "schema = 1\n[network]\nwatch = [\"firewall\"]\n[[coverage]]\ngap = \"firewall\"\n",
    )
    .unwrap();
    assert!(!check().contains("\"subject\":\"firewall\""));
}

#[test]
fn a_connection_to_elsewhere_is_told_with_its_program_and_one_that_came_in_is_not() {
    if !world::is_entered("a_connection_to_elsewhere_is_told_with_its_program_and_one_that_came_in_is_not") {
        return;
    }
    connect();
    let mut players = Vec::new();
    let mut run = |before: &[&str], script: &str| {
        let mut command = Command::new(before[0]);
        players.push(Player::ready(command.args(&before[1..]).args(["-u", "-c", script])));
    };
    let there = ["ip", "netns", "exec", "elsewhere", "/usr/bin/python3"];
    let server = "import socket,sys\ns=socket.create_server(('0.0.0.0',PORT))\nprint('ready')\nk=[s.accept(),s.accept()]\nsys.stdin.read()";
    let client = "import socket,sys\nk=[socket.create_connection(('PLACE',PORT)) for _ in range(2)]\nprint('ready')\nsys.stdin.read()";
    let at = |script: &str, place: &str, port: &str| script.replace("PLACE", place).replace("PORT", port);
    // Out, by TCP and UDP; in; and within the host.
    run(&there, &at(server, "", "5432"));
    run(&["/usr/bin/python3"], &at(client, "192.0.2.1", "5432"));
    run(
        &["/usr/bin/python3"],
        "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.connect(('192.0.2.1',123))\nprint('ready')\nsys.stdin.read()",
    );
    run(&["/usr/bin/python3"], &at(server, "", "22"));
    run(&there, &at(client, "192.0.2.10", "22"));
    run(&["/usr/bin/python3"], &at(server, "", "8080"));
    run(&["/usr/bin/python3"], &at(client, "127.0.0.1", "8080"));
    // By the port of another's door, which is for another address; and in by a worker of another user, who has the door.
    run(
        &["/usr/bin/python3"],
        &at(server, "", "3306").replace("0.0.0.0", "127.0.0.1").replace("k=[", "0 and ["),
    );
    run(
        &["/usr/bin/setpriv", "--reuid=5", "--regid=60", "--clear-groups", "/usr/bin/python3"],
        "import socket,sys\ns=socket.socket()\ns.bind(('192.0.2.10',3306))\ns.connect(('192.0.2.1',5432))\nprint('ready')\nsys.stdin.read()",
    );
    let worker =
        server.replace("k=[", "import os\nif os.fork()==0: os.setuid(5)\nelse: sys.stdin.read()\nk=[");
    run(&["/usr/bin/python3"], &at(&worker, "", "443"));
    run(&there, &at(client, "192.0.2.10", "443"));

    let mut eyes = Eyes::of("connection");
    assert_eq!(keys(&mut eyes, ""), [""; 0]);
    let policy = "[[connection]]\nprotocol = \"tcp\"\nport = 53\n";
    let found = check(&mut eyes, policy);
    let python = std::fs::canonicalize("/usr/bin/python3").unwrap();
    let mut told: Vec<(String, u64)> = found
        .iter()
        .filter(|one| !one.subject.ends_with(" outside"))
        .map(|one| {
            assert_eq!(one.evidence["executable"], python.to_str().unwrap());
            let (place, _) = one.subject.split_once(" exe=").unwrap();
            (place.to_owned(), one.evidence["connections"].as_u64().unwrap())
        })
        .collect();
    told.sort();
    let told: Vec<(&str, u64)> = told.iter().map(|(place, count)| (&**place, *count)).collect();
    let database = "tcp to 192.0.2.1:5432";
    assert_eq!(told, [(database, 1), (database, 2), ("udp to 192.0.2.1:123", 1)]);
    assert!(found.iter().any(|one| one.subject.starts_with(database) && one.evidence["user"] == "games"));
    // Seen from the other namespace, what came in here went out there.
    let outside: Vec<&Finding> = found.iter().filter(|one| one.subject.ends_with(" outside")).collect();
    let mut ports: Vec<&str> = outside.iter().map(|one| one.subject.split_once(" exe=").unwrap().0).collect();
    ports.sort_unstable();
    assert_eq!(ports, ["tcp to 192.0.2.10:22", "tcp to 192.0.2.10:443"]);

    let learned = learn(&mut eyes);
    assert_eq!(keys(&mut eyes, &learned), [""; 0], "{learned}");
    let suggested: String = found.iter().filter_map(|one| one.suggest.clone()).collect();
    assert_eq!(keys(&mut eyes, &suggested), [""; 0], "{suggested}");
}
