//! Processes that try not to be seen, or to be taken for others: real ones.

// Reads /proc; what a Windows tells is tested beside src/processes/windows.rs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

mod support;

use host_watchdog::host::Host;
use host_watchdog::processes::{Executable, Process, Processes};
use host_watchdog::text::Text;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Running, check, copy_program, wait_for, watchdog};
use tempfile::TempDir;

/// What the program sees of a process.
fn seen(pid: u32) -> Process {
    let listing = Processes::default().now(&Host::this()).expect("/proc can be read");
    listing.get(pid).unwrap_or_else(|| panic!("process {pid} was not seen")).clone()
}

/// A copy of `sleep` under another name.
fn sleeper(folder: &TempDir, name: &[u8]) -> PathBuf {
    let path = folder.path().canonicalize().unwrap().join(OsStr::from_bytes(name));
    copy_program("/bin/sleep", &path);
    path
}

/// Starts `command` and waits until it runs what it was told to run.
fn start(command: &mut Command, exe: &Path) -> Running {
    let running = Running::start(command);
    let link = format!("/proc/{}/exe", running.pid());
    let begins = |link: &Path| link.as_os_str().as_bytes().starts_with(exe.as_os_str().as_bytes());
    // The kernel names the new program a moment before it shows its arguments.
    let arguments = format!("/proc/{}/cmdline", running.pid());
    wait_for("the process to start", || {
        std::fs::read_link(&link).is_ok_and(|link| begins(&link))
            && std::fs::read(&arguments).is_ok_and(|arguments| !arguments.is_empty())
    });
    running
}

fn path_of(path: &Path) -> Executable {
    Executable::Path(Text::new(path.as_os_str().as_bytes()))
}

#[test]
fn a_process_whose_name_is_not_utf8_is_seen() {
    let folder = TempDir::new().unwrap();
    let mut script = std::fs::File::create(folder.path().join("x.sh")).unwrap();
    writeln!(script, r#"printf '\377) R 2 (\n' > /proc/$$/comm; echo ready; read line"#).unwrap();
    let mut command = Command::new("/bin/bash");
    command.arg(folder.path().join("x.sh")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let running = start(&mut command, Path::new("/usr/bin/bash"));
    let comm = format!("/proc/{}/comm", running.pid());
    wait_for("the name", || std::fs::read(&comm).is_ok_and(|name| name.starts_with(b"\xff")));
    let process = seen(running.pid());
    assert_eq!(process.name, "\\xff) R 2 (\\x0a");
    assert_eq!(process.parent, std::process::id());
    assert_eq!(process.script.unwrap(), Text::new(folder.path().join("x.sh").as_os_str().as_bytes()));
}

#[test]
fn a_file_name_of_controls_and_arguments_of_a_hundred_kilobytes_come_out_harmless() {
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"a\n\x1b[31m<b>\xff");
    let mut command = Command::new(&exe);
    command.arg0("<script>\n\x1b]0;x\x07").args(["60", "--"]).arg("0s").env_clear();
    let running = start(&mut command, &exe);
    assert_eq!(seen(running.pid()).exe, path_of(&exe));
    assert_eq!(seen(running.pid()).args.first().unwrap(), "<script>\\x0a\\x1b]0;x\\x07");

    let exe = sleeper(&folder, b"bash-like");
    copy_program("/bin/bash", &exe);
    let mut command = Command::new(&exe);
    command.args(["-c", "read line", "\n\x1b[2J"]).arg("A".repeat(100_000)).stdin(Stdio::piped());
    let running = start(&mut command, &exe);
    let process = seen(running.pid());
    assert_eq!(process.args.last().unwrap(), "…");
    assert!(process.args.iter().map(|arg| arg.len()).sum::<usize>() < 5000);

    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n").unwrap();
    let output = watchdog(&["check", "--policy", policy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("a\\x0a\\x1b[31m<b>\\xff"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn of_thousands_of_arguments_of_one_letter_a_few_are_kept() {
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"many");
    let running = start(Command::new(&exe).arg("600").args(vec!["0"; 1500]), &exe);
    let process = seen(running.pid());
    let mut wanted = vec![exe.to_str().unwrap(), "600"];
    wanted.extend(vec!["0"; 62]);
    wanted.push("…");
    assert_eq!(process.args.iter().map(Text::as_str).collect::<Vec<_>>(), wanted);
}

#[test]
fn a_process_that_calls_itself_a_kernel_thread_is_an_unknown_process() {
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"kworker");
    let mut command = Command::new(&exe);
    let running = start(command.arg0("[kworker/0:1]").arg("60"), &exe);
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n").unwrap();
    let pid = running.pid();
    let found = check(&policy).into_iter().find(|finding| finding["evidence"]["pid"][0] == pid).unwrap();
    assert_eq!(found["code"], "unknown-process");
    assert_eq!(
        found["title"],
        format!("unknown process {} run by {}", exe.display(), found["evidence"]["user"].as_str().unwrap())
    );
    assert_eq!(found["evidence"]["arguments"], "[kworker/0:1] 60");
}

#[test]
fn kernel_threads_are_known_by_what_the_kernel_says() {
    let listing = Processes::default().now(&Host::this()).unwrap();
    for process in listing.processes.iter().filter(|process| process.exe == Executable::Kernel) {
        assert!(process.pid == 2 || process.parent == 2, "{process:?}");
        assert!(std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default().is_empty());
    }
}

#[test]
fn a_deleted_executable_is_named_as_such_and_a_file_just_called_so_is_not() {
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"gone");
    let running = start(Command::new(&exe).arg("60"), &exe);
    assert_eq!(seen(running.pid()).exe, path_of(&exe));
    std::fs::remove_file(&exe).unwrap();
    assert_eq!(seen(running.pid()).exe, Executable::Deleted(Text::new(exe.as_os_str().as_bytes())));

    let odd = sleeper(&folder, b"gone (deleted)");
    let running = start(Command::new(&odd).arg("60"), &odd);
    assert_eq!(seen(running.pid()).exe, path_of(&odd));
}

#[test]
fn a_program_that_lives_in_memory_only_is_named_as_such() {
    let memory = rustix::fs::memfd_create("hidden\n", rustix::fs::MemfdFlags::empty()).unwrap();
    let mut memory = std::fs::File::from(memory);
    memory.write_all(&std::fs::read("/bin/sleep").unwrap()).unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&memory));
    // A file that is still open for writing cannot be run, so it is opened anew and the first handle closed.
    let read_only = std::fs::File::open(&path).unwrap();
    drop(memory);
    let path = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&read_only));
    let running = start(Command::new(path).arg("60"), Path::new("/memfd:"));
    assert_eq!(seen(running.pid()).exe, Executable::Memory("hidden\n".into()));
}

/// Compiles a program.
fn compiled(folder: &TempDir, name: &str, source: &str) -> PathBuf {
    let file = folder.path().join("source.c");
    std::fs::write(&file, source).unwrap();
    let exe = folder.path().canonicalize().unwrap().join(name);
    let built = Command::new("cc").arg("-pthread").arg("-o").arg(&exe).arg(&file).status().expect("cc runs");
    assert!(built.success());
    exe
}

/// Its first thread ends, and another one sleeps.
const LEADERLESS: &str = "#include <pthread.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
     static void *go(void *x) { sleep(60); _exit(0); return x; }\n\
     int main(void) { pthread_t t; pthread_create(&t, 0, go, 0); syscall(SYS_exit, 0); }\n";

fn wait_for_end_of_first_thread(running: &Running) {
    let stat = format!("/proc/{}/stat", running.pid());
    wait_for("the first thread to end", || {
        std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "))
    });
}

#[test]
fn a_process_whose_first_thread_has_ended_is_seen_by_its_others() {
    let folder = TempDir::new().unwrap();
    let exe = compiled(&folder, "leader", LEADERLESS);
    let running = Running::start(Command::new(&exe).arg("an argument"));
    wait_for_end_of_first_thread(&running);
    let process = seen(running.pid());
    assert_eq!((&process.exe, process.container), (&path_of(&exe), false));
    assert_eq!(process.args.last().unwrap(), "an argument");
}

#[test]
fn a_file_mounted_over_an_allowed_one_does_not_pass_for_it_without_its_first_thread() {
    if support::left_out("root and unshare", support::is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let exe = compiled(&folder, "evil", LEADERLESS);
    let mut command = Command::new("/usr/bin/unshare");
    let script = format!("mount --bind {} /usr/bin/tail && exec /usr/bin/tail", exe.display());
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", &script]);
    let running = Running::start(&mut command);
    wait_for_end_of_first_thread(&running);
    let process = seen(running.pid());
    assert_eq!((process.exe, process.container), (Executable::Path("/usr/bin/tail".into()), true));
}

#[test]
fn an_interpreter_whose_first_thread_has_ended_is_named_with_its_script() {
    let folder = TempDir::new().unwrap();
    let script = folder.path().join("x.py");
    let text = "import threading, time, ctypes, platform\n\
        threading.Thread(target=lambda: time.sleep(60)).start()\n\
        ctypes.CDLL(None).syscall(93 if platform.machine() == 'aarch64' else 60, 0)\n";
    std::fs::write(&script, text).unwrap();
    let mut command = Command::new("python3");
    let running = Running::start(command.arg("x.py").current_dir(folder.path()).stdin(Stdio::null()));
    wait_for_end_of_first_thread(&running);
    let expected = folder.path().canonicalize().unwrap().join("x.py");
    assert_eq!(seen(running.pid()).script.unwrap(), Text::new(expected.as_os_str().as_bytes()));
}

#[test]
fn an_interpreter_that_emptied_its_arguments_is_not_one_at_a_terminal() {
    let folder = TempDir::new().unwrap();
    let source = "#include <string.h>\n#include <unistd.h>\n\
        int main(int c, char **v) { memset(v[0], 0, v[c - 1] + strlen(v[c - 1]) - v[0]); sleep(60); }\n";
    let exe = compiled(&folder, "python3", source);
    let running = Running::start(Command::new(&exe).arg("/tmp/x.py").stdin(Stdio::null()));
    let arguments = format!("/proc/{}/cmdline", running.pid());
    wait_for("the arguments to go", || {
        std::fs::read_link(format!("/proc/{}/exe", running.pid())).is_ok_and(|link| link == exe)
            && std::fs::read(&arguments).is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0))
    });
    assert_eq!(seen(running.pid()).script.unwrap(), "(unclear) no arguments");
}

#[test]
fn a_process_whose_threads_end_and_start_others_all_the_time_is_always_seen() {
    // The list of threads ends early where the one that was just listed is gone: in some looks none is found.
    let source = "#define _GNU_SOURCE\n#include <sched.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
        #define F CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM\n\
        #define G F|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID\n\
        static char st[64][8192] __attribute__((aligned(16))); static volatile int used[64];\n\
        /* A stack is free when the kernel says that its thread has let go of it. */\n\
        static int t(void *x) { int i = 0; while (used[i]) i = (i + 1) & 63;\n\
            clone(t, st[i] + 8192, G, 0, &used[i], 0, &used[i]); syscall(SYS_exit, 0); return 0; }\n\
        int main(void) { t(0); }\n";
    let folder = TempDir::new().unwrap();
    let exe = compiled(&folder, "hopping", source);
    let running = Running::start(&mut Command::new(&exe));
    wait_for_end_of_first_thread(&running);
    let missed = (0..200)
        .filter(|_| {
            let listing = Processes::default().now(&Host::this()).unwrap();
            listing.get(running.pid()).is_none_or(|process| process.exe != path_of(&exe) || process.container)
        })
        .count();
    // With one listing each it was some six.
    assert!(missed <= 1, "{missed} of 200 looks missed it");
}

#[test]
fn a_program_that_starts_a_set_uid_one_and_is_started_by_it_is_never_seen_as_its_user() {
    if support::left_out("root", support::is_root()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let open = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    open(folder.path(), 0o755);
    // Each rests for a millisecond, and then starts the other; only the one of root has its user, for that time.
    let source = |other: &str| {
        format!(
            "#include <unistd.h>\n\
             int main(void) {{ usleep(1000); if (setuid(getuid())) return 1;\n\
             return execl(\"{0}/{other}\", \"{other}\", (char *)0); }}\n",
            folder.path().display()
        )
    };
    let lifted = compiled(&folder, "lifted", &source("plain"));
    let plain = compiled(&folder, "plain", &source("lifted"));
    open(&lifted, 0o4755);
    let running = Running::start(Command::new(&plain).uid(65534));
    let link = format!("/proc/{}/exe", running.pid());
    wait_for("the set-uid program", || std::fs::read_link(&link).is_ok_and(|link| link == lifted));
    let listings = (0..300).map(|_| Processes::default().now(&Host::this()).unwrap());
    let seen: Vec<(Executable, u32)> = listings
        .filter_map(|listing| listing.get(running.pid()).map(|process| (process.exe.clone(), process.uid)))
        .collect();
    assert!(seen.contains(&(path_of(&lifted), 0)), "it is root's at times");
    let wrong = seen.iter().filter(|seen| **seen == (path_of(&plain), 0)).count();
    assert!(wrong <= 1, "{wrong} of {} looks took the one for the other", seen.len());
}

#[test]
fn another_program_in_the_same_process_is_noticed() {
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"second");
    let mut command = Command::new("/bin/bash");
    command.arg("-c").arg(format!("read line; exec {} 60", exe.display())).stdin(Stdio::piped());
    let mut running = start(&mut command, Path::new("/usr/bin/bash"));
    let processes = Processes::default();
    let at =
        |seconds: i64| Host::this().at_moment(jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap());
    let exe_of = |seconds| processes.now(&at(seconds)).unwrap().get(running.0.id()).unwrap().exe.clone();
    assert_eq!(exe_of(0), Executable::Path("/usr/bin/bash".into()));
    running.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let link = format!("/proc/{}/exe", running.pid());
    wait_for("the second program", || std::fs::read_link(&link).is_ok_and(|link| link == exe));
    assert_eq!(processes.now(&at(60)).unwrap().get(running.pid()).unwrap().exe, path_of(&exe));
}

#[test]
fn a_known_process_that_becomes_another_user_is_noticed_even_if_it_may_not_be_traced() {
    if support::left_out("root and python3", support::is_root() && Path::new("/usr/bin/python3").exists()) {
        return;
    }
    let mut command = Command::new("/usr/bin/python3");
    // Who changes users may not be traced any more, and root owns its files then.
    command.args(["-c", "import os; input(); os.setresuid(0, 12345, 0); input()"]).stdin(Stdio::piped());
    let mut running = start(&mut command, Path::new("/usr/bin/python3"));
    let pid = running.pid();
    let processes = Processes::default();
    let at =
        |seconds: i64| Host::this().at_moment(jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap());
    let user_of = |seconds| {
        let process = processes.now(&at(seconds)).unwrap().get(pid).unwrap().clone();
        (process.uid, process.user.to_string())
    };
    assert_eq!(user_of(0), (0, "root".to_owned()));
    let mut input = running.0.stdin.take().unwrap();
    input.write_all(b"\n").unwrap();
    let status = format!("/proc/{pid}/status");
    wait_for("another user", || {
        std::fs::read_to_string(&status).is_ok_and(|status| status.contains("Uid:\t0\t12345\t0"))
    });
    assert_eq!(user_of(60), (12345, "12345".to_owned()));
}

#[test]
fn a_file_mounted_over_an_allowed_one_does_not_pass_for_it() {
    if support::left_out("root and unshare", support::is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let exe = sleeper(&folder, b"evil");
    let mut command = Command::new("/usr/bin/unshare");
    let script = format!("mount --bind {} /usr/bin/yes && exec /usr/bin/yes 60", exe.display());
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", &script]);
    let running = start(&mut command, Path::new("/usr/bin/yes"));
    let process = seen(running.pid());
    assert_eq!((process.exe, process.container), (Executable::Path("/usr/bin/yes".into()), true));
}

#[test]
fn a_script_mounted_over_an_allowed_one_does_not_pass_for_it() {
    if support::left_out("root and unshare", support::is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (allowed, evil) = (folder.path().join("allowed.sh"), folder.path().join("evil.sh"));
    std::fs::write(&allowed, "true\n").unwrap();
    std::fs::write(&evil, "read line\n").unwrap();
    let mut command = Command::new("/usr/bin/unshare");
    let script = format!("mount --bind {} {1} && exec /bin/bash {1}", evil.display(), allowed.display());
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", &script]).stdin(Stdio::piped());
    let running = start(&mut command, Path::new("/usr/bin/bash"));
    let process = seen(running.pid());
    assert_eq!(process.script.unwrap(), Text::new(allowed.as_os_str().as_bytes()));
    assert!(process.container);
}

#[test]
fn a_script_behind_a_link_and_dots_does_not_pass_for_that_of_a_package() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    // Seen as text, it goes up to the root; the link leads as deep as that is high.
    let steps = folder.join("l").components().count() - 1;
    let deep = folder.join("other").join("d/".repeat(steps));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::create_dir_all(folder.join("other/usr/bin")).unwrap();
    std::fs::write(folder.join("other/usr/bin/ldd"), "read line\n").unwrap();
    std::os::unix::fs::symlink(&deep, folder.join("l")).unwrap();
    let path = format!("{}/l/{}usr/bin/ldd", folder.display(), "../".repeat(steps));
    assert_eq!(Path::new(&path).canonicalize().unwrap(), folder.join("other/usr/bin/ldd"));
    let mut command = Command::new("/usr/bin/bash");
    command.arg(&path).stdin(Stdio::piped());
    let running = start(&mut command, Path::new("/usr/bin/bash"));
    assert!(seen(running.pid()).script.unwrap().starts_with("(unclear) "));
}

#[test]
fn a_file_that_is_called_like_the_null_device_is_not_taken_for_it() {
    if support::left_out("root and unshare", support::is_root() && Path::new("/usr/bin/unshare").exists()) {
        return;
    }
    let mut command = Command::new("/usr/bin/unshare");
    let script = "mount -t tmpfs none /dev && echo 'import time; time.sleep(60)' > /dev/null \\
        && exec /usr/bin/python3 < /dev/null";
    command.args(["-m", "--propagation", "private", "/bin/sh", "-c", script]);
    let running = start(&mut command, Path::new("/usr/bin/python3"));
    assert_eq!(seen(running.pid()).script.unwrap(), "(standard input)");
    let running = start(
        Command::new("/usr/bin/python3").args(["-c", "import time; time.sleep(60)"]).stdin(Stdio::null()),
        Path::new("/usr/bin/python3"),
    );
    assert_eq!(seen(running.pid()).script.unwrap(), "-c import time; time.sleep(60)");
}

#[test]
fn the_program_of_another_user_is_not_taken_for_ours() {
    if support::left_out("root and setpriv", support::is_root() && Path::new("/usr/bin/setpriv").exists()) {
        return;
    }
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.path().canonicalize().unwrap().join("watchdog");
    copy_program(env!("CARGO_BIN_EXE_watchdog"), &program);
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n").unwrap();
    // It reads facts from a pipe that never ends, so it stays.
    let mut command = Command::new("/usr/bin/setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .env("HOME", folder.path());
    command
        .args(["check", "--facts", "-", "--policy"])
        .arg(&policy)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let _running = start(&mut command, &program);
    let output = Command::new(&program).args(["check", "--json", "--policy"]).arg(&policy).output().unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    assert!(found.contains(&format!("exe={} user=nobody", program.display())), "{found}");
}

#[test]
fn the_program_does_not_report_itself() {
    let folder = TempDir::new().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "schema = 1\n").unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_watchdog")).canonicalize().unwrap();
    let found = check(&policy);
    assert!(!found.is_empty());
    assert!(
        found.iter().all(|finding| finding["evidence"]["executable"] != own.to_str().unwrap()),
        "{found:?}"
    );
}

#[test]
fn a_process_that_ends_while_it_is_looked_at_hides_nothing() {
    // It has much memory to give back: for some time it has let go of its program and is not dead yet.
    let processes = Processes::default();
    for _ in 0..5 {
        let mut command = Command::new("/usr/bin/perl");
        command.args(["-MPOSIX", "-e", "my $x = 'x' x 4e8; POSIX::_exit(0)"]);
        let mut ending = Running::start(&mut command);
        while ending.0.try_wait().unwrap().is_none() {
            let listing = processes.now(&Host::this()).expect("/proc can be read");
            let seen = listing.get(ending.pid()).map(|process| &process.exe);
            assert!(!matches!(seen, Some(Executable::Unreadable(_))), "{seen:?}");
        }
    }
}
