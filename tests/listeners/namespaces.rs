//! Sockets in network namespaces of their own: seen, and told apart from the host's.

use super::support::player::Player;
use super::support::{is_root, left_out};
use super::{all, eyes, finding, leaderless, pids, seen};
use host_watchdog::finding::Code;
use host_watchdog::watch::listener::{Listener, Protocol};
use jiff::SignedDuration;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

fn no_namespace() -> bool {
    left_out("root, to make a network namespace", is_root())
}

#[test]
fn a_socket_in_another_network_namespace_is_seen_and_told_apart() {
    if no_namespace() {
        return;
    }
    let mut eyes = eyes();
    all(&mut eyes);
    let script =
        "import socket,sys\ns=socket.create_server(('0.0.0.0',4747))\nprint('ready')\nsys.stdin.read(1)\n";
    let mut command = Command::new("unshare");
    let door = Player::ready(command.args(["-n", "/usr/bin/python3", "-u", "-c", script]));

    let all = all(&mut eyes);
    let elsewhere = |listener: &&Listener| listener.namespace.is_some();
    let its = all.iter().filter(elsewhere).find(|listener| pids(&listener.owners).contains(&door.pid()));
    let its = its.unwrap();
    assert_eq!((its.port, its.address), (4747, IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    let namespace = std::fs::read_link(format!("/proc/{}/ns/net", door.pid())).unwrap();
    assert_eq!(namespace.to_str().unwrap(), format!("net:[{}]", its.namespace.unwrap()));

    let found = finding(&mut eyes, Code::NewListener, "tcp port 4747 ").unwrap();
    assert!(found.title.ends_with(" in a network namespace of its own"), "{}", found.title);
    let suggest = found.suggest.unwrap();
    let of_the_host = suggest.replace("container = true\n", "");
    assert_ne!(suggest, of_the_host);
    assert!(eyes.check(&of_the_host).iter().any(|other| other.subject == found.subject));
    assert!(!eyes.check(&suggest).iter().any(|other| other.subject == found.subject));

    drop(door);
    assert_eq!(finding(&mut eyes, Code::NewListener, "tcp port 4747 "), None);
}

#[test]
fn a_network_namespace_is_seen_though_the_first_thread_in_it_has_ended() {
    if no_namespace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let command = "exec unshare -n sh -c 'ip link set lo up 2>/dev/null; exec \"$0\"'";
    let (door, port) = leaderless(&folder, command);
    let seen = seen(&mut eyes(), Protocol::Tcp, port);
    let there = seen.iter().find(|listener| listener.namespace.is_some()).expect("it is seen");
    assert_eq!(pids(&there.owners), [door.pid()]);
}

#[test]
fn a_network_namespace_that_is_entered_late_is_seen_within_five_minutes() {
    if no_namespace() {
        return;
    }
    let mut door = Player::ready(&mut Player::python(
        "import ctypes,socket,sys\nprint('ready')\nsys.stdin.readline()\n\
         assert ctypes.CDLL(None).unshare(0x40000000) == 0\ns=socket.create_server(('0.0.0.0',4748))\n\
         print('ready')\nsys.stdin.readline()\n",
    ));
    let mut eyes = eyes();
    // It is old by then, and known to be in the host's.
    eyes.let_pass(SignedDuration::from_mins(10));
    all(&mut eyes);
    assert_eq!(door.ask("go on"), "ready");
    eyes.let_pass(SignedDuration::from_mins(6));
    let all = all(&mut eyes);
    let owned = all
        .iter()
        .filter(|listener| listener.namespace.is_some() && pids(&listener.owners).contains(&door.pid()));
    assert_eq!(owned.map(|listener| listener.port).collect::<Vec<u16>>(), [4748]);
}
