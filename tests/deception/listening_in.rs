//! Programs that take packets that are not for them, and interfaces that were told to.

use super::support::eyes::Eyes;
use super::support::player::Player;
use super::support::{is_root, left_out};
use super::{STAY, check_within, of, one, with_code};
use host_watchdog::finding::Code;
use serde_json::Value;
use std::process::Command;
use tempfile::TempDir;

#[test]
fn packet_and_raw_sockets_are_found_with_their_owners_also_in_other_network_namespaces() {
    if left_out("root", is_root()) {
        return;
    }
    let mut eyes = Eyes::of("deception");
    let sockets = "import socket\n\
                   a = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))\n\
                   b = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n\
                   c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)";
    let program = format!("{sockets}{STAY}");
    let mut elsewhere = Command::new("unshare");
    elsewhere.args(["-n", "/usr/bin/python3", "-c", &program]);
    for mut command in [Player::python(&program), elsewhere] {
        let running = Player::ready(&mut command);
        assert_eq!(one(&mut eyes, Code::PacketSocket, running.pid()).evidence["what"], "all packets");
        assert_eq!(one(&mut eyes, Code::RawSocket, running.pid()).evidence["what"], "ICMP");
        assert_eq!(of(&mut eyes, running.pid()).len(), 2);
    }
}

#[test]
fn a_socket_that_has_an_interface_take_packets_for_others_says_so() {
    if left_out("root", is_root()) {
        return;
    }
    let sniff = "import socket, struct, time\n\
                 s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))\n\
                 n = socket.if_nametoindex(\"dummy1\")\n\
                 s.setsockopt(263, 1, struct.pack(\"IHH8s\", n, 1, 0, b\"\"))\n\
                 print(\"ready\", flush=True)\ntime.sleep(600)";
    let script = format!(
        "mount -t sysfs sysfs /sys\n\
         for at in 0 1 2; do ip link add dummy$at type veth peer name other$at; ip link set dummy$at up; done\n\
         ip link add bridge0 type bridge\nip link set dummy2 master bridge0\n\
         ip link set dummy0 promisc on\n\
         mkfifo $PIPE\n/usr/bin/python3 -c '{sniff}' >$PIPE &\nread ready <$PIPE"
    );
    let folder = TempDir::new().unwrap();
    let script = script.replace("$PIPE", &folder.path().join("pipe").display().to_string());
    let found = check_within("-mnpf --kill-child --mount-proc", &script);
    // Made so by hand, asked for by a socket, and not the port of a bridge.
    let names: Vec<&Value> =
        with_code(&found, Code::PromiscuousLink).iter().map(|finding| &finding["subject"]).collect();
    assert_eq!(names, ["link dummy0", "link dummy1"]);
    let sniffers = with_code(&found, Code::PacketSocket);
    let how =
        |finding: &&&Value| finding["evidence"]["how"][0] == "it had dummy1 take packets that are for others";
    assert_eq!(sniffers.iter().filter(how).count(), 1, "{sniffers:?}");
}
