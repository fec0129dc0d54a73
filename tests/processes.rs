//! Processes that try not to be seen, or to be taken for others: real ones.

// Reads /proc; what a Windows tells is tested beside src/processes/windows.rs.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

#[path = "processes/changing.rs"]
mod changing;
#[path = "processes/mounted.rs"]
mod mounted;
mod support;
#[path = "processes/threads.rs"]
mod threads;

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
use support::player::Player;
use support::{Running, check, copy_program, is_root, left_out, wait_for, watchdog};
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

fn path_of(path: &Path) -> Executable {
    Executable::Path(Text::new(path.as_os_str().as_bytes()))
}

/// Compiles a program.
fn compiled(folder: &TempDir, name: &str, source: &str) -> PathBuf {
    let exe = folder.path().canonicalize().unwrap().join(name);
    support::compile(source, &["-pthread"], &exe);
    exe
}

#[test]
fn a_process_whose_name_is_not_utf8_is_seen() {
    let folder = TempDir::new().unwrap();
    let mut script = std::fs::File::create(folder.path().join("x.sh")).unwrap();
    writeln!(script, r#"printf '\377) R 2 (\n' > /proc/$$/comm; echo ready; read line"#).unwrap();
    let mut command = Command::new("/bin/bash");
    command.arg(folder.path().join("x.sh")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let running = Running::program(&mut command, "/usr/bin/bash");
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
    let running = Running::program(&mut command, &exe);
    assert_eq!(seen(running.pid()).exe, path_of(&exe));
    assert_eq!(seen(running.pid()).args.first().unwrap(), "<script>\\x0a\\x1b]0;x\\x07");

    let exe = sleeper(&folder, b"bash-like");
    copy_program("/bin/bash", &exe);
    let mut command = Command::new(&exe);
    command.args(["-c", "read line", "\n\x1b[2J"]).arg("A".repeat(100_000)).stdin(Stdio::piped());
    let running = Running::program(&mut command, &exe);
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
    let running = Running::program(Command::new(&exe).arg("600").args(vec!["0"; 1500]), &exe);
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
    let running = Running::program(command.arg0("[kworker/0:1]").arg("60"), &exe);
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
    let running = Running::program(Command::new(&exe).arg("60"), &exe);
    assert_eq!(seen(running.pid()).exe, path_of(&exe));
    std::fs::remove_file(&exe).unwrap();
    assert_eq!(seen(running.pid()).exe, Executable::Deleted(Text::new(exe.as_os_str().as_bytes())));

    let odd = sleeper(&folder, b"gone (deleted)");
    let running = Running::program(Command::new(&odd).arg("60"), &odd);
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
    let running = Running::program(Command::new(path).arg("60"), Path::new("/memfd:"));
    assert_eq!(seen(running.pid()).exe, Executable::Memory("hidden\n".into()));
}

#[test]
fn an_interpreter_that_emptied_its_arguments_is_not_one_at_a_terminal() {
    let folder = TempDir::new().unwrap();
    let source = "#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\n\
        int main(int c, char **v) { memset(v[0], 0, v[c - 1] + strlen(v[c - 1]) - v[0]); puts(\"gone\"); fflush(stdout); sleep(60); }\n";
    let exe = compiled(&folder, "python3", source);
    let mut player = Player::start(Command::new(&exe).arg("/tmp/x.py"));
    assert_eq!(player.line(), "gone");
    assert_eq!(seen(player.pid()).script.unwrap(), "(unclear) no arguments");
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
    let running = Running::program(&mut command, "/usr/bin/bash");
    assert!(seen(running.pid()).script.unwrap().starts_with("(unclear) "));
}

#[test]
fn the_program_of_another_user_is_not_taken_for_ours() {
    if left_out("root and setpriv", is_root() && Path::new("/usr/bin/setpriv").exists()) {
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
    let _running = Running::program(&mut command, &program);
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
