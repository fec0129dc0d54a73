//! Whose a socket is: also when it is inherited, handed on, closed among hundreds, or held by other threads than the first.

use super::support::player::Player;
use super::support::wait_for;
use super::{eyes, finding, leaderless, owners_of, pids, seen};
use host_watchdog::finding::Code;
use host_watchdog::processes::Executable;
use host_watchdog::watch::listener::Protocol;
use jiff::SignedDuration;
use std::process::Command;

#[test]
fn a_program_that_was_not_there_before_is_named_with_its_script_and_user() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("door.py");
    let text = "import socket,sys\ns=socket.create_server(('0.0.0.0',0))\nprint(s.getsockname()[1])\nsys.stdin.read(1)\n";
    std::fs::write(&script, text).unwrap();
    let mut door = Player::start(Command::new("/usr/bin/python3").arg("-u").arg(&script));
    let port = door.line();
    let found = finding(&mut eyes(), Code::NewListener, &format!("tcp port {port} ")).unwrap();
    assert_eq!(found.evidence["script"], script.to_str().unwrap());
    assert_eq!(found.evidence["pid"][0], door.pid());
    assert!(found.evidence["arguments"].as_str().unwrap().contains("door.py"));
}

#[test]
fn a_socket_that_others_inherit_belongs_to_the_one_that_opened_it() {
    let mut eyes = eyes();
    // The parent opens; its child becomes another program and keeps the socket open.
    let mut parent = Player::start(&mut Player::python(
        "import socket,subprocess,sys\n\
         s=socket.create_server(('127.0.0.1',0)); s.set_inheritable(True)\n\
         c=subprocess.Popen(['sleep','600'],close_fds=False,stdout=subprocess.DEVNULL)\n\
         print(s.getsockname()[1],c.pid)\n\
         sys.stdin.read(1)\n",
    ));
    let line = parent.line();
    let (port, child) = line.split_once(' ').unwrap();
    let (port, child): (u16, u32) = (port.parse().unwrap(), child.parse().unwrap());
    let doors = seen(&mut eyes, Protocol::Tcp, port);
    assert_eq!((pids(&doors[0].owners), pids(&doors[0].heirs)), (vec![parent.pid()], vec![child]));

    // When the parent is gone, the door is the child's, though no new socket appeared.
    parent.kill();
    let doors = seen(&mut eyes, Protocol::Tcp, port);
    assert_eq!(pids(&doors[0].owners), [child]);
    assert!(matches!(&doors[0].owners[0].exe, Executable::Path(path) if path.ends_with("/sleep")));

    drop(parent);
    wait_for("the end of the child", || seen(&mut eyes, Protocol::Tcp, port).is_empty());
}

#[test]
fn an_heir_that_comes_later_is_found_without_a_new_socket() {
    let mut eyes = eyes();
    let mut parent = Player::start(&mut Player::python(
        "import socket,subprocess,sys\n\
         s=socket.create_server(('127.0.0.1',0)); s.set_inheritable(True)\n\
         print(s.getsockname()[1])\n\
         sys.stdin.readline()\n\
         c=subprocess.Popen(['sleep','600'],close_fds=False,stdout=subprocess.DEVNULL)\n\
         c.wait()\n",
    ));
    let port = parent.line().parse().unwrap();
    assert_eq!(seen(&mut eyes, Protocol::Tcp, port)[0].heirs, []);
    parent.say("go on");
    wait_for("the heir", || {
        let heirs = &seen(&mut eyes, Protocol::Tcp, port)[0].heirs;
        heirs.iter().any(|heir| matches!(&heir.exe, Executable::Path(path) if path.ends_with("/sleep")))
    });
}

#[test]
fn a_socket_that_is_handed_to_a_process_that_was_there_before_is_found_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("between").display().to_string();
    let taker = Player::ready(&mut Player::python(&format!(
        "import socket,sys\n\
         s=socket.socket(socket.AF_UNIX); s.bind('{path}'); s.listen(9); print('ready')\n\
         taken=[]\n\
         while True:\n \
           c,_=s.accept(); taken+=socket.recv_fds(c,9,9)[1]; c.send(b'x')\n"
    )));
    let mut giver = Player::start(&mut Player::python(&format!(
        "import os,socket,sys\n\
         doors=[socket.create_server(('127.0.0.1',0)) for _ in range(2)]\n\
         def hand(door):\n \
           c=socket.socket(socket.AF_UNIX); c.connect('{path}'); socket.send_fds(c,[b'x'],[door.fileno()]); c.recv(1)\n\
         print(*(door.getsockname()[1] for door in doors)); sys.stdin.readline()\n\
         hand(doors[0]); doors[0].close(); os.open('/dev/null',0); print('handed'); sys.stdin.readline()\n\
         hand(doors[1]); print('handed'); sys.stdin.readline()\n"
    )));
    let ports: Vec<u16> = giver.line().split(' ').map(|port| port.parse().unwrap()).collect();
    let mut eyes = eyes();
    let mut owners_after = |minutes: i64, port: u16| {
        eyes.let_pass(SignedDuration::from_mins(minutes));
        owners_of(&mut eyes, port)
    };
    for _ in 0..3 {
        assert_eq!(owners_after(1, ports[0]), [giver.pid()]);
    }

    // It closes it and opens another file instead: whose the door is now shows in the next pass.
    assert_eq!(giver.ask("go on"), "handed");
    assert_eq!(owners_after(1, ports[0]), [taker.pid()]);

    // It keeps it: within the hour the other one is an owner too.
    assert_eq!(giver.ask("go on"), "handed");
    let mut both = [giver.pid(), taker.pid()];
    both.sort_unstable();
    assert_eq!(owners_after(61, ports[1]), both);
}

#[test]
fn the_owner_of_a_socket_is_found_though_its_first_thread_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (door, port) = leaderless(&folder, "exec");
    let mut eyes = eyes();
    for _ in 0..2 {
        let doors = seen(&mut eyes, Protocol::Tcp, port);
        assert_eq!(pids(&doors[0].owners), [door.pid()]);
        assert!(!doors[0].owners[0].container);
    }
}

#[test]
fn of_hundreds_of_sockets_the_one_that_was_closed_is_somebody_elses_at_once() {
    let mut parent = Player::start(&mut Player::python(
        "import os,socket,sys
s=[socket.create_server(('127.0.0.1',0)) for _ in range(200)]
r,w=os.pipe()
child=os.fork()
if child==0:
    os.close(w); os.read(r,1); os._exit(0)
os.close(r)
print(s[150].getsockname()[1], child)
sys.stdin.readline(); s[150].close(); print('closed'); sys.stdin.readline()
",
    ));
    let line = parent.line();
    let (port, child) = line.split_once(' ').unwrap();
    let (port, child): (u16, u32) = (port.parse().unwrap(), child.parse().unwrap());
    let mut eyes = eyes();
    for _ in 0..3 {
        assert_eq!(owners_of(&mut eyes, port), [parent.pid()]);
    }
    assert_eq!(parent.ask("close"), "closed");
    assert_eq!(owners_of(&mut eyes, port), [child]);
}
