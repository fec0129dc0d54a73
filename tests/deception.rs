//! What hides or listens in, played out for real: each is found with its evidence, allowed by what its finding suggests,
//! and the honest things that look like it are quiet.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "deception/hidden.rs"]
mod hidden;
#[path = "deception/listening_in.rs"]
mod listening_in;
#[path = "deception/shells.rs"]
mod shells;
mod support;

use host_watchdog::finding::{Code, Finding};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::eyes::Eyes;
use support::player::Player;
use support::{Running, left_out, wait_for};
use tempfile::TempDir;

fn is_of(finding: &Finding, pid: u32) -> bool {
    finding.evidence.get("pid").and_then(Value::as_array).is_some_and(|pids| pids.contains(&pid.into()))
}

/// What is found of this process.
fn of(eyes: &mut Eyes, pid: u32) -> Vec<Finding> {
    let mut found = eyes.check("");
    found.retain(|finding| is_of(finding, pid));
    found
}

/// The one finding of this code and process; what it suggests, added, silences it.
fn one(eyes: &mut Eyes, code: Code, pid: u32) -> Finding {
    let found: Vec<Finding> = of(eyes, pid).into_iter().filter(|finding| finding.code == code).collect();
    assert_eq!(found.len(), 1, "{code}: {found:?}");
    let finding = found.into_iter().next().unwrap();
    let left = eyes.check(finding.suggest.as_ref().unwrap());
    assert!(!left.iter().any(|other| other.key() == finding.key()), "{finding:?}");
    finding
}

/// What, in Python, says that it is ready and then waits.
const STAY: &str = "\nprint('ready', flush=True)\nimport sys\nsys.stdin.read()\n";

/// A program of Python that stays.
fn play(program: &str) -> Player {
    Player::ready(&mut Player::python(&format!("{program}{STAY}")))
}

fn sleeper() -> Command {
    let mut command = Command::new("/bin/sleep");
    command.arg("600");
    command
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
fn a_program_that_calls_itself_a_thread_of_the_kernel_is_found_however_it_does_it() {
    let mut eyes = Eyes::of("deception");
    let name = play("import ctypes; ctypes.CDLL(None).prctl(15, b'kworker/0:1', 0, 0, 0)");
    let found = one(&mut eyes, Code::FalseKernelThread, name.pid());
    assert!(
        found.title.ends_with("calls itself kworker/0:1, like a thread of the kernel"),
        "{}",
        found.title
    );
    for argument in ["[kworker/0:1]", "[kthreadd]", "kworker/u8:2-events"] {
        let running = Running::program(sleeper().arg0(argument), "/bin/sleep");
        assert_eq!(one(&mut eyes, Code::FalseKernelThread, running.pid()).evidence["what"], argument);
    }
    let honest = Running::program(sleeper().arg0("[worker] of something"), "/bin/sleep");
    assert_eq!(of(&mut eyes, honest.pid()), []);
}

#[test]
fn a_library_from_where_others_may_write_is_found_and_others_are_not() {
    let mut eyes = Eyes::of("deception");
    let open = TempDir::new().unwrap();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let library = open.path().join("x.so").display().to_string();
    for (variable, value) in [
        ("LD_PRELOAD", library.clone()),
        ("LD_AUDIT", format!("libm.so.6:{library}")),
        ("LD_LIBRARY_PATH", format!("/usr/lib:{}", open.path().display())),
        // Everybody may lay a library there, whoever owns what lies there now.
        ("LD_LIBRARY_PATH", "/tmp".to_owned()),
        ("PYTHONPATH", open.path().display().to_string()),
        ("BASH_ENV", open.path().join("x.sh").display().to_string()),
        ("PYTHONPATH", "/tmp/$x".to_owned()),
        ("LD_PRELOAD", "/tmp/$LIB/x.so".to_owned()),
        ("NODE_OPTIONS", format!("--no-warnings --require {}", open.path().join("x.js").display())),
    ] {
        let running = Running::program(sleeper().env(variable, &value).stderr(Stdio::null()), "/bin/sleep");
        let found = one(&mut eyes, Code::PreloadedLibrary, running.pid());
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
        ("PYTHONPATH", own.path().display().to_string()),
        ("OTHER_LD_PRELOAD", library),
        ("BASH_ENV", "/dev/null".to_owned()),
    ] {
        let running = Running::program(sleeper().env(variable, &value).stderr(Stdio::null()), "/bin/sleep");
        assert_eq!(of(&mut eyes, running.pid()), [], "{variable}={value}");
    }
}

#[test]
fn a_library_that_stands_in_or_behind_an_environment_of_any_size_is_found() {
    let mut eyes = Eyes::of("deception");
    let open = TempDir::new().unwrap();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let library = open.path().join("x.so").display().to_string();
    // Anybody may show other memory as the environment, and none of it need be there.
    let giant = play(&format!(
        "import ctypes, mmap, struct\n\
         size = 300 << 20\n\
         place = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n\
         place.write(b'LD_PRELOAD={library}\\0')\n\
         start = ctypes.addressof(ctypes.c_char.from_buffer(place))\n\
         fields = open('/proc/self/stat').read().rsplit(')', 1)[1].split()\n\
         at = lambda number: int(fields[number - 3])\n\
         shown = struct.pack('<11QQIi', at(26), at(27), at(45), at(46), at(47), at(47), at(28), at(48), at(49), start, start + size, 0, 0, -1)\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         assert libc.prctl(35, 14, ctypes.create_string_buffer(shown), len(shown), 0) == 0, ctypes.get_errno()",
    ));
    let environment = std::fs::metadata(format!("/proc/{}/environ", giant.pid())).unwrap();
    assert!(environment.is_file());
    let found = one(&mut eyes, Code::PreloadedLibrary, giant.pid());
    assert_eq!(found.evidence["what"], format!("LD_PRELOAD={library}"));

    let many = "/usr/lib:".repeat(1366) + &open.path().display().to_string();
    let running = Running::program(sleeper().env("LD_LIBRARY_PATH", many), "/bin/sleep");
    let found = one(&mut eyes, Code::PreloadedLibrary, running.pid());
    assert_eq!(found.evidence["what"], "LD_LIBRARY_PATH with more than can be looked at");
    let deep = "/usr/..".repeat(32) + &open.path().display().to_string();
    let running = Running::program(sleeper().env("LD_LIBRARY_PATH", deep), "/bin/sleep");
    let found = one(&mut eyes, Code::PreloadedLibrary, running.pid());
    assert_eq!(found.evidence["what"], "LD_LIBRARY_PATH with more than can be looked at");
    let fewer = "/usr/lib:".repeat(1000);
    let running = Running::program(sleeper().env("LD_LIBRARY_PATH", fewer), "/bin/sleep");
    assert_eq!(of(&mut eyes, running.pid()), []);
}

#[test]
fn who_traces_another_is_found_until_it_lets_go() {
    let mut eyes = Eyes::of("deception");
    let tracer = play(
        "import ctypes, subprocess\n\
         child = subprocess.Popen(['/bin/sleep', '600'], stdout=subprocess.DEVNULL)\n\
         assert ctypes.CDLL(None).ptrace(0x4206, child.pid, None, None) == 0",
    );
    let found = one(&mut eyes, Code::TracedProcess, tracer.pid());
    let sleep = Path::new("/bin/sleep").canonicalize().unwrap();
    assert_eq!(found.evidence["what"], sleep.to_str().unwrap());
    let pid = tracer.pid();
    drop(tracer);
    assert_eq!(of(&mut eyes, pid), []);
}

#[test]
fn a_process_without_an_environment_is_found_once_it_is_no_newborn() {
    let mut eyes = Eyes::of("deception");
    let bare = Running::program(sleeper().env_clear(), "/bin/sleep");
    let dressed = Running::program(sleeper().env_clear().env("A", "B"), "/bin/sleep");
    wait_for("it to be found", || !of(&mut eyes, bare.pid()).is_empty());
    one(&mut eyes, Code::NoEnvironment, bare.pid());
    assert_eq!(of(&mut eyes, dressed.pid()), []);
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
    let probe = Command::new("/usr/bin/python3").args(["-c", load]).output().unwrap();
    if left_out("the right to load BPF programs", probe.status.success() && probe.stdout.is_empty()) {
        return;
    }
    let mut eyes = Eyes::of("deception");
    eyes.check("");
    let holder = play(load);
    let found = one(&mut eyes, Code::UnknownBpf, holder.pid());
    assert_eq!(found.evidence["type"], "socket_filter");
    let pid = holder.pid();
    drop(holder);
    assert_eq!(of(&mut eyes, pid), []);
}
