//! Real sockets on this machine: what opens is reported with its owner, what closes is gone.
// Reads /proc and netlink; what a Windows tells is tested beside src/watch/listener/windows.rs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
#![expect(clippy::disallowed_methods, reason = "tests start the programs they need")]

use host_watchdog::finding::{Code, Finding, Severity};
use host_watchdog::host::Host;
use host_watchdog::pass::{self, At, Memories, Watching};
use host_watchdog::policy::Policy;
use host_watchdog::processes::{Executable, Processes};
use host_watchdog::snapshot::Snapshot;
use host_watchdog::watch::listener::linux::{Wanted, proc_net, sock_diag};
use host_watchdog::watch::listener::{Listener, ListenerFacts, Protocol};
use jiff::SignedDuration;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

/// A watchdog with only its eyes: the listener watch, remembering from pass to pass.
struct Eyes {
    watches: Vec<Box<dyn Watching>>,
    memory: Memories,
    host: Host,
}

impl Eyes {
    fn new() -> Self {
        let mut watches = pass::watches();
        watches.retain(|watch| watch.name() == "listener");
        Self { watches, memory: Memories::default(), host: Host::this() }
    }

    fn look(&mut self) -> Snapshot {
        self.look_after(SignedDuration::ZERO)
    }

    /// Looks as if so long had passed.
    fn look_after(&mut self, time: SignedDuration) -> Snapshot {
        let processes = Processes::default();
        let at = At { host: &self.host, processes: &processes, now: self.host.now() + time };
        pass::look_all(&mut self.watches, &at, &Policy::default(), &mut self.memory)
    }

    fn facts(&mut self) -> ListenerFacts {
        self.look().listeners.unwrap().facts().unwrap().clone()
    }

    fn check(&mut self, policy: &str) -> Vec<Finding> {
        let snapshot = self.look();
        let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
        pass::check_all(&self.watches, &snapshot, &policy, &mut self.memory)
    }

    fn finding(&mut self, code: Code, word: &str) -> Option<Finding> {
        self.check("").into_iter().find(|finding| finding.code == code && finding.title.contains(word))
    }
}

fn of(facts: &ListenerFacts, protocol: Protocol, port: u16) -> Vec<Listener> {
    let fits = |listener: &&Listener| listener.protocol == protocol && listener.port == port;
    facts.listeners.iter().filter(fits).cloned().collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Tests that need root must not be skipped where everything is tested.
fn skip(why: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "cannot be skipped in CI: {why}");
    println!("skipped: {why}");
    true
}

#[test]
fn a_port_that_opens_is_reported_with_its_owner_and_is_gone_when_it_closes() {
    let mut eyes = Eyes::new();
    eyes.look();
    let own_exe = std::env::current_exe().unwrap().canonicalize().unwrap();
    for (address, bind, severity, only_ipv6) in [
        ("127.0.0.1:0", "loopback only", Severity::Warning, None),
        ("0.0.0.0:0", "every address", Severity::Urgent, None),
        ("[::]:0", "every address", Severity::Urgent, Some(false)),
        ("[::1]:0", "loopback only", Severity::Warning, Some(true)),
    ] {
        let door = TcpListener::bind(address).unwrap();
        let port = door.local_addr().unwrap().port();
        let found = eyes.finding(Code::NewListener, &format!("tcp port {port} ")).expect(address);
        let opened = format!("tcp port {port} on {bind} is opened by {} ", own_exe.display());
        assert!(found.title.starts_with(&opened), "{}", found.title);
        assert_eq!(found.severity, severity);
        assert_eq!(found.evidence["pid"][0], std::process::id());
        let facts = eyes.facts();
        assert_eq!(of(&facts, Protocol::Tcp, port)[0].only_ipv6, only_ipv6);

        let allowed = eyes.check(&found.suggest.unwrap());
        assert!(!allowed.iter().any(|other| other.subject == found.subject));
        drop(door);
        assert_eq!(eyes.finding(Code::NewListener, &format!("tcp port {port} ")), None);
    }
}

#[test]
fn a_udp_socket_counts_until_it_talks_to_one_peer_alone() {
    let mut eyes = Eyes::new();
    let (first, last) = proc_net::read_ephemeral(&Host::this());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    assert!((first..=last).contains(&port));
    assert_eq!(of(&eyes.facts(), Protocol::Udp, port).len(), 1);
    assert!(eyes.finding(Code::NewListener, "an ephemeral udp port on loopback").is_some());
    socket.connect("127.0.0.1:9").unwrap();
    assert_eq!(of(&eyes.facts(), Protocol::Udp, port), []);

    // Below the range of ports that the system hands out, a port is a port.
    let (door, port) =
        (2000..first).find_map(|port| Some((UdpSocket::bind(("0.0.0.0", port)).ok()?, port))).unwrap();
    assert!(eyes.finding(Code::NewListener, &format!("udp port {port} on every address")).is_some());
    drop(door);
    assert!(eyes.finding(Code::NewListener, &format!("udp port {port} on every address")).is_none());
}

#[test]
fn udp_lite_and_multipath_tcp_are_seen_where_the_kernel_has_them() {
    use rustix::net::{AddressFamily, Protocol as Number, SocketType, bind, getsockname, listen, socket};
    let mut eyes = Eyes::new();
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
        let seen = of(&eyes.facts(), protocol, address.port());
        assert_eq!(seen.len(), 1, "{protocol}");
        assert_eq!(seen[0].owners[0].pid, std::process::id());
    }
}

/// Starts a program that opens what it is told to, and prints a line when it has.
fn python(script: &str) -> (Child, String) {
    let mut child = Command::new("python3")
        .args(["-u", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

#[test]
fn a_socket_that_others_inherit_belongs_to_the_one_that_opened_it() {
    let mut eyes = Eyes::new();
    eyes.look();
    // The parent opens; its child becomes another program and keeps the socket open.
    let (mut parent, line) = python(
        "import socket,subprocess,sys\n\
         s=socket.create_server(('127.0.0.1',0)); s.set_inheritable(True)\n\
         c=subprocess.Popen(['sleep','600'],close_fds=False)\n\
         print(s.getsockname()[1],c.pid)\n\
         sys.stdin.read(1)\n",
    );
    let mut words = line.split(' ');
    let port: u16 = words.next().unwrap().parse().unwrap();
    let child: i32 = words.next().unwrap().parse().unwrap();
    let seen = of(&eyes.facts(), Protocol::Tcp, port);
    let owners: Vec<u32> = seen[0].owners.iter().map(|owner| owner.pid).collect();
    let heirs: Vec<i32> = seen[0].heirs.iter().map(|heir| i32::try_from(heir.pid).unwrap()).collect();
    assert_eq!((owners, heirs), (vec![parent.id()], vec![child]));

    // When the parent is gone, the door is the child's, though no new socket appeared.
    parent.kill().unwrap();
    parent.wait().unwrap();
    let seen = of(&eyes.facts(), Protocol::Tcp, port);
    assert_eq!(
        seen[0].owners.iter().map(|owner| i32::try_from(owner.pid).unwrap()).collect::<Vec<_>>(),
        [child]
    );
    assert!(matches!(&seen[0].owners[0].exe, Executable::Path(path) if path.ends_with("/sleep")));

    rustix::process::kill_process(
        rustix::process::Pid::from_raw(child).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let is_gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        of(&eyes.facts(), Protocol::Tcp, port).is_empty()
    });
    assert!(is_gone);
}

#[test]
fn an_heir_that_comes_later_is_found_without_a_new_socket() {
    let mut eyes = Eyes::new();
    let (mut parent, line) = python(
        "import socket,subprocess,sys\n\
         s=socket.create_server(('127.0.0.1',0)); s.set_inheritable(True)\n\
         print(s.getsockname()[1])\n\
         sys.stdin.read(1)\n\
         c=subprocess.Popen(['sleep','600'],close_fds=False,stdout=subprocess.DEVNULL)\n\
         c.wait()\n",
    );
    let port: u16 = line.parse().unwrap();
    assert_eq!(of(&eyes.facts(), Protocol::Tcp, port)[0].heirs, []);
    std::io::Write::write_all(parent.stdin.as_mut().unwrap(), b"x").unwrap();
    let heir = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        of(&eyes.facts(), Protocol::Tcp, port)[0]
            .heirs
            .iter()
            .find(|heir| matches!(&heir.exe, Executable::Path(path) if path.ends_with("/sleep")))
            .map(|heir| heir.pid)
    });
    let heir = rustix::process::Pid::from_raw(i32::try_from(heir.unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(heir, rustix::process::Signal::KILL).unwrap();
    parent.wait().unwrap();
}

#[test]
fn a_socket_that_is_handed_to_a_process_that_was_there_before_is_found_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("between").display().to_string();
    let (taker, _) = python(&format!(
        "import socket,sys\n\
         s=socket.socket(socket.AF_UNIX); s.bind('{path}'); s.listen(9); print('ready')\n\
         taken=[]\n\
         while True:\n \
           c,_=s.accept(); taken+=socket.recv_fds(c,9,9)[1]; c.send(b'x')\n"
    ));
    let mut giver = Command::new("python3");
    let script = format!(
        "import os,socket,sys\n\
         doors=[socket.create_server(('127.0.0.1',0)) for _ in range(2)]\n\
         def hand(door):\n \
           c=socket.socket(socket.AF_UNIX); c.connect('{path}'); socket.send_fds(c,[b'x'],[door.fileno()]); c.recv(1)\n\
         print(*(door.getsockname()[1] for door in doors)); sys.stdin.readline()\n\
         hand(doors[0]); doors[0].close(); os.open('/dev/null',0); print('handed'); sys.stdin.readline()\n\
         hand(doors[1]); print('handed'); sys.stdin.readline()\n"
    );
    let mut giver =
        giver.args(["-u", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(giver.stdout.take().unwrap()).lines();
    let ports: Vec<u16> =
        said.next().unwrap().unwrap().split(' ').map(|port| port.parse().unwrap()).collect();
    let mut eyes = Eyes::new();
    let mut owners = |port: u16, after: i64| -> Vec<u32> {
        let snapshot = eyes.look_after(SignedDuration::from_mins(after));
        let seen = of(snapshot.listeners.unwrap().facts().unwrap(), Protocol::Tcp, port);
        seen.iter().flat_map(|listener| listener.owners.iter().map(|owner| owner.pid)).collect()
    };
    for minute in 0..3 {
        assert_eq!(owners(ports[0], minute), [giver.id()]);
    }
    let mut input = giver.stdin.take().unwrap();
    let mut hand = || {
        input.write_all(b"\n").unwrap();
        assert_eq!(said.next().unwrap().unwrap(), "handed");
    };

    // It closes it and opens another file instead: whose the door is now shows in the next pass.
    hand();
    assert_eq!(owners(ports[0], 3), [taker.id()]);

    // It keeps it: within the hour the other one is an owner too.
    hand();
    let mut both = [giver.id(), taker.id()];
    both.sort_unstable();
    assert_eq!(owners(ports[1], 64), both);
    for mut child in [giver, taker] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A door that is opened by a program whose first thread ends then, started by `command`.
fn leaderless(folder: &tempfile::TempDir, command: &str) -> (Child, u16) {
    let source = folder.path().join("door.c");
    let text = "#include <arpa/inet.h>\n#include <pthread.h>\n#include <stdio.h>\n#include <sys/socket.h>\n\
        #include <sys/syscall.h>\n#include <unistd.h>\n\
        static void *go(void *x) { sleep(60); _exit(0); return x; }\n\
        int main(void) { struct sockaddr_in a = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};\n\
        socklen_t l = sizeof a; int s = socket(AF_INET, SOCK_STREAM, 0); bind(s, (void *)&a, l); listen(s, 5);\n\
        getsockname(s, (void *)&a, &l); printf(\"%d\\n\", ntohs(a.sin_port)); fflush(stdout);\n\
        pthread_t t; pthread_create(&t, 0, go, 0); syscall(SYS_exit, 0); }\n";
    std::fs::write(&source, text).unwrap();
    let exe = folder.path().join("door");
    assert!(Command::new("cc").args(["-pthread", "-o"]).arg(&exe).arg(&source).status().unwrap().success());
    let command = format!("{command} {}", exe.display());
    let mut child = Command::new("sh").args(["-c", &command]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let is_dead = || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap().contains(") Z ")
    };
    assert!((0..500).any(|_| is_dead()));
    (child, line.trim().parse().unwrap())
}

#[test]
fn the_owner_of_a_socket_is_found_though_its_first_thread_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, port) = leaderless(&folder, "exec");
    let mut eyes = Eyes::new();
    for _ in 0..2 {
        let seen = of(&eyes.facts(), Protocol::Tcp, port);
        assert_eq!(seen[0].owners.iter().map(|owner| owner.pid).collect::<Vec<_>>(), [child.id()]);
        assert!(!seen[0].owners[0].container);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_network_namespace_is_seen_though_the_first_thread_in_it_has_ended() {
    if !is_root() && skip("making a network namespace needs root") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut child, port) =
        leaderless(&folder, "exec unshare -n sh -c 'ip link set lo up 2>/dev/null; exec \"$0\"'");
    let seen = of(&Eyes::new().facts(), Protocol::Tcp, port);
    let there = seen.iter().find(|listener| listener.namespace.is_some()).expect("it is seen");
    assert_eq!(there.owners.iter().map(|owner| owner.pid).collect::<Vec<_>>(), [child.id()]);
    child.kill().unwrap();
    child.wait().unwrap();
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
fn a_socket_in_another_network_namespace_is_seen_and_told_apart() {
    if !is_root() && skip("making a network namespace needs root") {
        return;
    }
    let mut eyes = Eyes::new();
    eyes.look();
    let mut child = Command::new("unshare")
        .args(["-n", "python3", "-u", "-c"])
        .arg("import socket,sys\ns=socket.create_server(('0.0.0.0',4747))\nprint('ready')\nsys.stdin.read(1)\n")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");

    let facts = eyes.facts();
    let seen: Vec<&Listener> =
        facts.listeners.iter().filter(|listener| listener.namespace.is_some()).collect();
    let ours =
        seen.iter().find(|listener| listener.owners.iter().any(|owner| owner.pid == child.id())).unwrap();
    assert_eq!((ours.port, ours.address), (4747, IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    let namespace = std::fs::read_link(format!("/proc/{}/ns/net", child.id())).unwrap();
    assert_eq!(namespace.to_str().unwrap(), format!("net:[{}]", ours.namespace.unwrap()));

    let found = eyes.finding(Code::NewListener, "tcp port 4747 ").unwrap();
    assert!(found.title.ends_with(" in a network namespace of its own"), "{}", found.title);
    let suggest = found.suggest.unwrap();
    let of_the_host = suggest.replace("container = true\n", "");
    assert_ne!(suggest, of_the_host);
    assert!(eyes.check(&of_the_host).iter().any(|other| other.subject == found.subject));
    assert!(!eyes.check(&suggest).iter().any(|other| other.subject == found.subject));

    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(eyes.finding(Code::NewListener, "tcp port 4747 "), None);
}

#[test]
fn a_network_namespace_that_is_entered_late_is_seen_within_five_minutes() {
    if !is_root() && skip("making a network namespace needs root") {
        return;
    }
    let mut child = Command::new("python3")
        .args(["-u", "-c"])
        .arg(
            "import ctypes,socket,sys\nprint('ready')\nsys.stdin.readline()\nassert ctypes.CDLL(None).unshare(0x40000000) == 0\ns=socket.create_server(('0.0.0.0',4748))\nprint('ready')\nsys.stdin.readline()\n",
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "ready");
    let mut eyes = Eyes::new();
    // It is old by then, and known to be in the host's.
    eyes.look_after(SignedDuration::from_mins(10));
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(answers.next().unwrap().unwrap(), "ready");
    let snapshot = eyes.look_after(SignedDuration::from_mins(16));
    let facts = snapshot.listeners.unwrap().facts().unwrap().clone();
    let owned = facts.listeners.iter().filter(|listener| {
        listener.namespace.is_some() && listener.owners.iter().any(|owner| owner.pid == child.id())
    });
    assert_eq!(owned.map(|listener| listener.port).collect::<Vec<u16>>(), [4748]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn of_hundreds_of_sockets_the_one_that_was_closed_is_somebody_elses_at_once() {
    let script = "import os,socket,sys
s=[socket.create_server(('127.0.0.1',0)) for _ in range(200)]
r,w=os.pipe()
child=os.fork()
if child==0:
    os.close(w); os.read(r,1); os._exit(0)
os.close(r)
print(s[150].getsockname()[1], child)
sys.stdin.readline(); s[150].close(); print('closed'); sys.stdin.readline()
";
    let mut parent = Command::new("python3")
        .args(["-u", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(parent.stdout.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    let (port, child) = line.split_once(' ').unwrap();
    let (port, child): (u16, u32) = (port.parse().unwrap(), child.parse().unwrap());
    let mut eyes = Eyes::new();
    let mut owners = || -> Vec<u32> {
        let seen = of(&eyes.facts(), Protocol::Tcp, port);
        seen.iter().flat_map(|listener| listener.owners.iter().map(|owner| owner.pid)).collect()
    };
    for _ in 0..3 {
        assert_eq!(owners(), [parent.id()]);
    }
    let input = parent.stdin.as_mut().unwrap();
    input.write_all(b"\n").unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "closed");
    assert_eq!(owners(), [child]);
    parent.kill().unwrap();
    parent.wait().unwrap();
}

#[test]
fn of_the_sockets_at_paths_those_are_seen_that_everybody_may_talk_to() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let script = "import os,socket,sys
folder=sys.argv[1]; os.chmod(folder,0o755)
def door(name,mode,kind=socket.SOCK_STREAM):
    s=socket.socket(socket.AF_UNIX,kind); s.bind(name)
    if name[0]=='/': os.chmod(name,mode)
    if kind!=socket.SOCK_DGRAM: s.listen()
    return s
os.mkdir(folder+'/closed',0o700)
k=[door(folder+'/open',0o666),door(folder+'/mine',0o660),door(folder+'/closed/open',0o666),
   door(folder+'/log',0o622,socket.SOCK_DGRAM),door('\\0watchdog-test-%d'%os.getpid(),0),
   door(folder+'/a\\nb',0o777,socket.SOCK_SEQPACKET),door(folder+'/gone',0o666)]
os.unlink(folder+'/gone')
client=socket.socket(socket.AF_UNIX); client.connect(folder+'/open')
print('ready'); sys.stdin.read()
";
    let mut child = Command::new("python3")
        .args(["-u", "-c", script])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let mut watches = pass::watches();
    watches.retain(|watch| watch.name() == "unix-listener");
    let (host, processes) = (Host::this(), Processes::default());
    let at = At { host: &host, processes: &processes, now: host.now() };
    let policy =
        Policy::from_text("policy.toml", "schema = 1\n[[unix-listener]]\npath = \"/none\"\n").unwrap();
    let snapshot = pass::look_all(&mut watches, &at, &policy, &mut Memories::default());
    let seen = snapshot.unix_listeners.as_ref().unwrap().facts().unwrap().sockets.as_ref().unwrap();
    let is_its = |owner: &std::sync::Arc<host_watchdog::processes::Process>| owner.pid == child.id();
    let its: Vec<String> = seen
        .iter()
        .filter(|socket| socket.owners.iter().any(is_its))
        .map(|socket| socket.path.replace(folder.path().to_str().unwrap(), ""))
        .collect();
    let abstract_one = format!("@watchdog-test-{}", child.id());
    assert_eq!(its, ["/a\\x0ab", "/log", "/open", &abstract_one]);
    let learned: String = watches.iter().map(|watch| watch.learn(&snapshot, "test")).collect();
    let learned = Policy::from_text("policy.toml", &format!("schema = 1\n{learned}")).unwrap();
    let found = pass::check_all(&watches, &snapshot, &learned, &mut Memories::default());
    assert!(found.iter().all(|finding| finding.code == Code::CoverageGap), "{found:#?}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_program_that_was_not_there_before_is_named_with_its_script_and_user() {
    let mut eyes = Eyes::new();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("door.py");
    std::fs::write(&script, "import socket,sys\ns=socket.create_server(('0.0.0.0',0))\nprint(s.getsockname()[1])\nsys.stdin.read(1)\n")
        .unwrap();
    let mut child = Command::new("python3")
        .arg("-u")
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let found = eyes.finding(Code::NewListener, &format!("tcp port {} ", line.trim())).unwrap();
    assert_eq!(found.evidence["script"], script.to_str().unwrap());
    assert_eq!(found.evidence["pid"][0], child.id());
    assert!(found.evidence["arguments"].as_str().unwrap().contains("door.py"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_learned_from_this_machine_is_allowed_on_it() {
    let mut eyes = Eyes::new();
    let _door = TcpListener::bind("0.0.0.0:0").unwrap();
    let snapshot = eyes.look();
    let learned: String = eyes.watches.iter().map(|watch| watch.learn(&snapshot, "watchdog")).collect();
    let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{learned}")).unwrap();
    let found = pass::check_all(&eyes.watches, &snapshot, &policy, &mut Memories::default());
    assert!(found.iter().all(|finding| finding.code == Code::CoverageGap), "{learned}\n{found:#?}");
    assert!(learned.contains("protocol = \"tcp\"\nbind     = \"any\"\n"));
}
