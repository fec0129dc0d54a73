//! Real sockets on this machine: what opens is reported with its owner, what closes is gone.

// Reads /proc and netlink; what a Windows tells is tested beside src/watch/listener/windows.rs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start the programs they need")]

#[path = "listeners/namespaces.rs"]
mod namespaces;
#[path = "listeners/owners.rs"]
mod owners;
#[path = "listeners/paths.rs"]
mod paths;
mod support;

use host_watchdog::finding::{Code, Finding, Severity};
use host_watchdog::host::Host;
use host_watchdog::policy::Policy;
use host_watchdog::processes::Process;
use host_watchdog::watch::listener::linux::{Wanted, proc_net, sock_diag};
use host_watchdog::watch::listener::{Listener, Protocol};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use support::eyes::Eyes;
use support::player::Player;

fn eyes() -> Eyes {
    Eyes::of("listener")
}

/// All that is seen in one look.
fn all(eyes: &mut Eyes) -> Vec<Listener> {
    eyes.look(&Policy::default()).listeners.unwrap().facts().unwrap().listeners.clone()
}

/// What is seen of one port.
fn seen(eyes: &mut Eyes, protocol: Protocol, port: u16) -> Vec<Listener> {
    let mut all = all(eyes);
    all.retain(|listener| listener.protocol == protocol && listener.port == port);
    all
}

fn pids(processes: &[Arc<Process>]) -> Vec<u32> {
    processes.iter().map(|process| process.pid).collect()
}

/// Whose this port of TCP is.
fn owners_of(eyes: &mut Eyes, port: u16) -> Vec<u32> {
    seen(eyes, Protocol::Tcp, port).iter().flat_map(|listener| pids(&listener.owners)).collect()
}

fn finding(eyes: &mut Eyes, code: Code, word: &str) -> Option<Finding> {
    eyes.check("").into_iter().find(|finding| finding.code == code && finding.title.contains(word))
}

/// A door that is opened by a program whose first thread ends then, started by `command`.
fn leaderless(folder: &tempfile::TempDir, command: &str) -> (Player, u16) {
    let exe = folder.path().join("door");
    let source = "#include <arpa/inet.h>\n#include <pthread.h>\n#include <stdio.h>\n#include <sys/socket.h>\n\
        #include <sys/syscall.h>\n#include <unistd.h>\n\
        static void *go(void *x) { sleep(60); _exit(0); return x; }\n\
        int main(void) { struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};\n\
        socklen_t l = sizeof a; int s = socket(AF_INET, SOCK_STREAM, 0); bind(s, (void *)&a, l); listen(s, 5);\n\
        getsockname(s, (void *)&a, &l); printf(\"%d\\n\", ntohs(a.sin_port)); fflush(stdout);\n\
        pthread_t t; pthread_create(&t, 0, go, 0); syscall(SYS_exit, 0); }\n";
    support::compile(source, &["-pthread"], &exe);
    let mut door = Player::start(Command::new("sh").args(["-c", &format!("{command} {}", exe.display())]));
    let port = door.line().parse().unwrap();
    support::wait_for_zombie(door.pid());
    (door, port)
}

#[test]
fn a_port_that_opens_is_reported_with_its_owner_and_is_gone_when_it_closes() {
    let mut eyes = eyes();
    all(&mut eyes);
    let own_exe = std::env::current_exe().unwrap().canonicalize().unwrap();
    for (address, bind, severity, only_ipv6) in [
        ("127.0.0.1:0", "loopback only", Severity::Warning, None),
        ("0.0.0.0:0", "every address", Severity::Urgent, None),
        ("[::]:0", "every address", Severity::Urgent, Some(false)),
        ("[::1]:0", "loopback only", Severity::Warning, Some(true)),
    ] {
        let door = TcpListener::bind(address).unwrap();
        let port = door.local_addr().unwrap().port();
        let found = finding(&mut eyes, Code::NewListener, &format!("tcp port {port} ")).expect(address);
        let opened = format!("tcp port {port} on {bind} is opened by {} ", own_exe.display());
        assert!(found.title.starts_with(&opened), "{}", found.title);
        assert_eq!(found.severity, severity);
        assert_eq!(found.evidence["pid"][0], std::process::id());
        assert_eq!(seen(&mut eyes, Protocol::Tcp, port)[0].only_ipv6, only_ipv6);

        let allowed = eyes.check(&found.suggest.unwrap());
        assert!(!allowed.iter().any(|other| other.subject == found.subject));
        drop(door);
        assert_eq!(finding(&mut eyes, Code::NewListener, &format!("tcp port {port} ")), None);
    }
}

#[test]
fn a_udp_socket_counts_until_it_talks_to_one_peer_alone() {
    let mut eyes = eyes();
    let (first, last) = proc_net::read_ephemeral(&Host::this());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    assert!((first..=last).contains(&port));
    assert_eq!(seen(&mut eyes, Protocol::Udp, port).len(), 1);
    assert!(finding(&mut eyes, Code::NewListener, "an ephemeral udp port on loopback").is_some());
    socket.connect("127.0.0.1:9").unwrap();
    assert_eq!(seen(&mut eyes, Protocol::Udp, port), []);

    // Below the range of ports that the system hands out, a port is a port.
    let (door, port) =
        (2000..first).find_map(|port| Some((UdpSocket::bind(("0.0.0.0", port)).ok()?, port))).unwrap();
    let word = format!("udp port {port} on every address");
    assert!(finding(&mut eyes, Code::NewListener, &word).is_some());
    drop(door);
    assert!(finding(&mut eyes, Code::NewListener, &word).is_none());
}

#[test]
fn udp_lite_and_multipath_tcp_are_seen_where_the_kernel_has_them() {
    use rustix::net::{AddressFamily, Protocol as Number, SocketType, bind, getsockname, listen, socket};
    let mut eyes = eyes();
    let loopback = std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    for (kind, number, protocol) in
        [(SocketType::DGRAM, 136, Protocol::UdpLite), (SocketType::STREAM, 262, Protocol::Tcp)]
    {
        let number = Number::from_raw(std::num::NonZeroU32::new(number).unwrap());
        let Ok(socket) = socket(AddressFamily::INET, kind, Some(number)) else {
            println!("skipped: this kernel has no protocol {number:?}");
            continue;
        };
        bind(&socket, &loopback).unwrap();
        if protocol == Protocol::Tcp {
            listen(&socket, 1).unwrap();
        }
        let address = std::net::SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        let seen = seen(&mut eyes, protocol, address.port());
        assert_eq!(seen.len(), 1, "{protocol}");
        assert_eq!(seen[0].owners[0].pid, std::process::id());
    }
}

#[test]
fn the_kernel_and_proc_tell_the_same() {
    let host = Host::this();
    let _doors: Vec<TcpListener> = ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"]
        .iter()
        .map(|at| TcpListener::bind(at).unwrap())
        .collect();
    let _clients: Vec<UdpSocket> =
        ["127.0.0.1:0", "[::]:0"].iter().map(|at| UdpSocket::bind(at).unwrap()).collect();
    // Other tests open and close sockets meanwhile: some moment is quiet.
    let agree = (0..200).any(|_| {
        let mut kernel = sock_diag::read_sockets(Wanted::Listening).unwrap();
        let mut proc = proc_net::read_sockets(&host, "/proc/self/net", Wanted::Listening).unwrap();
        for socket in &mut kernel {
            socket.only_ipv6 = None;
        }
        kernel.sort();
        proc.sort();
        assert!(kernel.len() >= 6);
        kernel == proc
    });
    assert!(agree);
}

#[test]
fn what_is_learned_from_this_machine_is_allowed_on_it() {
    let mut eyes = eyes();
    let _door = TcpListener::bind("0.0.0.0:0").unwrap();
    let snapshot = eyes.look(&Policy::default());
    let learned = eyes.learn(&snapshot);
    let found = eyes.judge(&snapshot, &learned);
    assert!(found.iter().all(|finding| finding.code == Code::CoverageGap), "{learned}\n{found:#?}");
    assert!(learned.contains("protocol = \"tcp\"\nbind     = \"any\"\n"));
}
