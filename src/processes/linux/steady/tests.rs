//! Real processes that change without a word of the kernel: it is said to have told nothing.

#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

use super::*;
use crate::processes::Process;
use crate::text::Text;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// A child that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A copy of `sleep` at a path of its own.
fn sleeper(folder: &Path, name: &str) -> PathBuf {
    let path = folder.canonicalize().unwrap().join(name);
    assert!(Command::new("cp").arg("/bin/sleep").arg(&path).status().unwrap().success());
    path
}

fn start(exe: &Path) -> Running {
    let running = Running(Command::new(exe).arg("60").stdin(Stdio::null()).spawn().unwrap());
    let link = format!("/proc/{}/exe", running.0.id());
    while std::fs::read_link(&link).is_ok_and(|link| link != exe) {
        std::thread::yield_now();
    }
    running
}

/// An hour from now, when no file was changed a moment ago.
fn later() -> Host {
    let host = Host::this();
    let moment = host.now() + SignedDuration::from_hours(1);
    host.at_moment(moment)
}

/// What is seen in a look before which nothing was told.
fn untold(reader: &mut Reader, host: &Host) -> (u64, Vec<Arc<Process>>) {
    let read = reader.read(host, Some(HashMap::new())).unwrap();
    (read.renewed, read.processes)
}

fn find(processes: &[Arc<Process>], running: &Running) -> Option<Arc<Process>> {
    processes.iter().find(|process| process.pid == running.0.id()).cloned()
}

/// What is seen of a process after this was done to its file, told by nobody.
fn after(running: &Running, host: &Host, act: impl FnOnce()) -> Process {
    let mut reader = Reader::default();
    let all = reader.read(host, None).unwrap();
    let before = find(&all.processes, running).unwrap();
    let (_, unchanged) = untold(&mut reader, host);
    assert!(Arc::ptr_eq(&find(&unchanged, running).unwrap(), &before), "it is not read again");
    act();
    let (renewed, processes) = untold(&mut reader, host);
    assert!(renewed < all.processes.len() as u64, "not all are read");
    find(&processes, running).unwrap().as_ref().clone()
}

fn text(path: &Path) -> Text {
    Text::new(path.as_os_str().as_bytes())
}

#[test]
fn a_file_that_is_deleted_replaced_or_moved_is_noticed_without_a_word_of_the_kernel() {
    let folder = TempDir::new().unwrap();
    let host = later();
    let exe = sleeper(folder.path(), "deleted");
    let seen = after(&start(&exe), &host, || std::fs::remove_file(&exe).unwrap());
    assert_eq!(seen.exe, Executable::Deleted(text(&exe)));

    let exe = sleeper(folder.path(), "replaced");
    let other = sleeper(folder.path(), "other");
    let seen = after(&start(&exe), &host, || std::fs::rename(&other, &exe).unwrap());
    assert_eq!(seen.exe, Executable::Deleted(text(&exe)));

    // The same file, as it has two names; but not the name that was started.
    let exe = sleeper(folder.path(), "linked");
    let other = exe.with_file_name("second");
    std::fs::hard_link(&exe, &other).unwrap();
    let seen = after(&start(&exe), &host, || {
        std::fs::remove_file(&exe).unwrap();
        std::fs::hard_link(&other, &exe).unwrap();
    });
    assert_eq!(seen.exe, Executable::Deleted(text(&exe)));

    std::fs::create_dir(folder.path().join("a")).unwrap();
    let exe = sleeper(&folder.path().join("a"), "moved");
    let moved = folder.path().canonicalize().unwrap().join("b/moved");
    let seen = after(&start(&exe), &host, || {
        std::fs::rename(folder.path().join("a"), folder.path().join("b")).unwrap();
    });
    assert_eq!(seen.exe, Executable::Path(text(&moved)));
}

#[test]
fn a_file_that_was_changed_just_now_is_not_relied_on() {
    let folder = TempDir::new().unwrap();
    let exe = sleeper(folder.path(), "fresh");
    let running = start(&exe);
    // Of now: within the same tick of the clock its file may change again.
    let host = Host::this();
    let host = host.clone().at_moment(host.now());
    let stamp = Moment::new(&host, std::fs::File::open("/proc").unwrap().as_fd())
        .unwrap()
        .stamp(text(&exe).as_bytes());
    assert!(!stamp.unwrap().has_settled(host.now()));
    let seen = after(&running, &host, || std::fs::remove_file(&exe).unwrap());
    assert_eq!(seen.exe, Executable::Deleted(text(&exe)));
}

#[test]
fn a_process_of_which_nothing_was_told_is_found_and_missed_and_one_whose_parent_ends_has_another() {
    let folder = TempDir::new().unwrap();
    let host = later();
    let exe = sleeper(folder.path(), "untold");
    let mut reader = Reader::default();
    reader.read(&host, None).unwrap();
    let running = start(&exe);
    let script = format!("{} 60 & echo $!; read line", exe.display());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = Running(shell.spawn().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.0.stdout.take().unwrap()), &mut line)
        .unwrap();
    let child: u32 = line.trim().parse().unwrap();
    let parent_of = |processes: &[Arc<Process>]| {
        processes.iter().find(|process| process.pid == child).map(|process| process.parent)
    };
    let (_, processes) = untold(&mut reader, &host);
    assert_eq!(find(&processes, &running).unwrap().exe, Executable::Path(text(&exe)));
    assert_eq!(parent_of(&processes), Some(shell.0.id()));

    shell.0.kill().unwrap();
    shell.0.wait().unwrap();
    let number = running.0.id();
    drop(running);
    let (_, processes) = untold(&mut reader, &host);
    assert!(processes.iter().all(|process| process.pid != number), "it has ended");
    let parent = parent_of(&processes).unwrap();
    let child = rustix::process::Pid::from_raw(i32::try_from(child).unwrap()).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    assert_ne!(parent, shell.0.id());
    assert!(processes.iter().any(|process| process.pid == parent));
}

#[test]
fn what_sshd_says_of_itself_while_it_runs_is_read_in_each_look() {
    use std::io::{BufRead, BufReader, Write};
    let folder = TempDir::new().unwrap();
    let sshd = folder.path().canonicalize().unwrap().join("sshd");
    assert!(Command::new("cp").arg("/usr/bin/perl").arg(&sshd).status().unwrap().success());
    // perl writes a title over its arguments, as sshd does.
    let script = "$| = 1; for (@ARGV) { $0 = $_; print qq(said\\n); <STDIN> }";
    let mut command = Command::new(&sshd);
    command.args(["-e", script, "sshd: [accepted]", "sshd: root [priv]", "sshd: root@notty"]);
    let mut running = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let title = |processes: &[Arc<Process>], running: &Running| {
        let args = find(processes, running).unwrap().args.clone();
        args.iter().map(Text::as_str).collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    let mut reader = Reader::default();
    let host = later();
    said.next().unwrap().unwrap();
    assert_eq!(title(&reader.read(&host, None).unwrap().processes, &running), "sshd: [accepted]");
    let mut next = |running: &mut Running| {
        running.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        said.next().unwrap().unwrap();
    };
    next(&mut running);
    assert_eq!(title(&untold(&mut reader, &host).1, &running), "sshd: root [priv]");
    next(&mut running);
    assert_eq!(title(&reader.read(&host, None).unwrap().processes, &running), "sshd: root@notty");
}

#[test]
fn all_are_read_every_few_minutes_whatever_was_told() {
    let mut reader = Reader::default();
    let host = later();
    let all = reader.read(&host, None).unwrap().renewed;
    assert!(untold(&mut reader, &host).0 < all / 2);
    let soon = host.clone().at_moment(host.now() + SignedDuration::from_mins(4));
    assert!(untold(&mut reader, &soon).0 < all / 2);
    let then = host.clone().at_moment(host.now() + SignedDuration::from_mins(5));
    let read = untold(&mut reader, &then);
    assert!(read.0 >= read.1.len() as u64);
    let before = host.clone().at_moment(host.now() - SignedDuration::from_mins(5));
    let read = untold(&mut reader, &before);
    assert!(read.0 >= read.1.len() as u64, "nor if the clock was set back");
}

#[test]
fn a_program_that_is_started_again_at_the_same_addresses_is_read_again() {
    let folder = TempDir::new().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().canonicalize().unwrap().join(name));
    std::fs::write(&one, format!("read line; exec bash {} \n", two.display())).unwrap();
    std::fs::write(&two, "read line\n").unwrap();
    // Without random places the same program with arguments of the same length lies where it lay.
    let mut command = Command::new("setarch");
    command.args(["-R", "bash"]).arg(&one).stdin(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let arguments = format!("/proc/{}/cmdline", running.0.id());
    let runs = |script: &Path| {
        let what = [b"bash\0", script.as_os_str().as_bytes(), b"\0"].concat();
        while std::fs::read(&arguments).unwrap() != what {
            std::thread::yield_now();
        }
    };
    runs(&one);
    let mut reader = Reader::default();
    let host = later();
    let script =
        |read: Read, running: &Running| find(&read.processes, running).unwrap().script.clone().unwrap();
    assert_eq!(script(reader.read(&host, None).unwrap(), &running), text(&one));
    std::io::Write::write_all(running.0.stdin.as_mut().unwrap(), b"\n").unwrap();
    runs(&two);
    let told = HashMap::from([(running.0.id(), Change::Program)]);
    assert_eq!(script(reader.read(&host, Some(told)).unwrap(), &running), text(&two));
}

#[test]
fn what_is_mounted_over_a_running_program_is_noticed() {
    const INSIDE: &str = "HOST_WATCHDOG_TEST_MOUNTS";
    let name = "processes::linux::steady::tests::what_is_mounted_over_a_running_program_is_noticed";
    if std::env::var_os(INSIDE).is_some() {
        let folder = TempDir::new().unwrap();
        let exe = sleeper(folder.path(), "covered");
        let seen = after(&start(&exe), &later(), || {
            let done = Command::new("mount").args(["--bind", "/bin/true"]).arg(&exe).status().unwrap();
            assert!(done.success());
        });
        assert_eq!((seen.exe, seen.container), (Executable::Path(text(&exe)), true));
        assert!(Command::new("umount").arg(&exe).status().unwrap().success());
        return;
    }
    if !crate::system::is_administrator() {
        assert!(std::env::var_os("CI").is_none(), "CI must have root");
        return;
    }
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["-m", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn an_interpreter_that_is_just_being_started_is_seen_once_it_runs() {
    let folder = TempDir::new().unwrap();
    let process = folder.path().join("proc/13");
    std::fs::create_dir_all(&process).unwrap();
    std::fs::write(folder.path().join("proc/stat"), "btime 1\n").unwrap();
    std::os::unix::fs::symlink("/usr/bin/dash", process.join("exe")).unwrap();
    std::fs::write(process.join("cgroup"), "0::/system.slice/cron.service\n").unwrap();
    let mut reader = Reader::default();
    let mut scripts = |environment: &str, arguments: &str| -> Vec<Option<String>> {
        // The fields 3 to 52, of which 50 and 51 are where the environment begins and ends.
        let stat = format!("13 (sh) R 1 {} 1 1 {environment} {environment} 0\n", ["1"; 43].join(" "));
        std::fs::write(process.join("stat"), stat).unwrap();
        std::fs::write(process.join("cmdline"), arguments).unwrap();
        let read = reader.read(&Host::at(folder.path()), None).unwrap();
        read.processes.iter().map(|process| process.script.as_ref().map(ToString::to_string)).collect()
    };
    assert_eq!(scripts("0", ""), []);
    assert_eq!(scripts("9", "sh\0-c\0id\0"), [Some("-c id".to_owned())]);
    // This one has run, and hides its arguments.
    std::fs::write(process.join("cmdline"), "").unwrap();
    let hidden = Reader::default().read(&Host::at(folder.path()), None).unwrap().processes;
    assert_eq!(hidden[0].script.as_deref(), Some("(unclear) no arguments"));
}

#[test]
fn where_the_kernel_tells_of_nothing_what_has_one_thread_and_has_not_run_is_not_read_again() {
    let folder = TempDir::new().unwrap();
    let process = folder.path().join("proc/13");
    std::fs::create_dir_all(&process).unwrap();
    std::fs::write(folder.path().join("proc/stat"), "btime 1\n").unwrap();
    std::os::unix::fs::symlink("/usr/bin/sleep", process.join("exe")).unwrap();
    std::fs::write(process.join("cmdline"), "sleep\x0060\0").unwrap();
    let mut reader = Reader::default();
    // Its name says whether it is read.
    let mut name = |name: &str, threads: u32, ran: Option<&str>| -> String {
        let stat = format!("13 ({name}) S 0 {} {threads} {}\n", ["1"; 15].join(" "), ["7"; 32].join(" "));
        std::fs::write(process.join("stat"), stat).unwrap();
        match ran {
            Some(ran) => std::fs::write(process.join("schedstat"), ran).unwrap(),
            None => std::fs::remove_file(process.join("schedstat")).unwrap(),
        }
        let read = reader.read(&Host::at(folder.path()), None).unwrap();
        read.processes.into_iter().map(|process| process.name.to_string()).collect()
    };
    for (step, (now, threads, ran), seen) in [
        ("it is new", ("a", 1, Some("500 0 3\n")), "a"),
        ("its runtime is not known", ("b", 1, Some("500 0 3\n")), "b"),
        ("it has not run", ("c", 1, Some("500 9 3\n")), "b"),
        ("nor now", ("d", 1, Some("500 9 3\n")), "b"),
        ("it has run for a moment", ("e", 1, Some("501 9 4\n")), "e"),
        ("and so shortly that the clock did not show it", ("f", 1, Some("501 9 5\n")), "f"),
        ("it has not run again", ("g", 1, Some("501 9 5\n")), "f"),
        ("a second thread", ("h", 2, Some("502 9 6\n")), "h"),
        ("may do what the first one does not show", ("i", 2, Some("502 9 6\n")), "i"),
        ("until it has ended", ("j", 1, Some("502 9 6\n")), "j"),
        ("so that one is left", ("k", 1, Some("502 9 6\n")), "j"),
        ("the kernel does not count", ("l", 1, Some("0 0 0\n")), "l"),
        ("nor later", ("m", 1, Some("0 0 0\n")), "m"),
        ("nor does it say so", ("n", 1, None), "n"),
    ] {
        assert_eq!(name(now, threads, ran), seen, "{step}");
    }
}

#[test]
fn a_process_that_renames_itself_or_starts_another_program_is_read_again_where_the_kernel_tells_of_nothing() {
    use std::io::{BufRead, BufReader, Write};
    let script =
        "$| = 1; print qq(said\n); <STDIN>; $0 = 'other'; print qq(said\n); <STDIN>; exec 'sleep', '60'";
    let mut perl = Command::new("perl");
    perl.args(["-e", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running(perl.spawn().unwrap());
    let mut said = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut stdin = running.0.stdin.take().unwrap();
    let (mut reader, host) = (Reader::default(), later());
    let mut looks = || {
        [(); 3].map(|()| {
            let process = find(&reader.read(&host, None).unwrap().processes, &running).unwrap();
            (process.name.to_string(), process.exe.clone())
        })
    };
    let seen =
        |name: &str, exe: &str| [(); 3].map(|()| (name.to_owned(), Executable::Path(text(Path::new(exe)))));
    said.next().unwrap().unwrap();
    assert_eq!(looks(), seen("perl", "/usr/bin/perl"));
    stdin.write_all(b"\n").unwrap();
    said.next().unwrap().unwrap();
    assert_eq!(looks(), seen("other", "/usr/bin/perl"));
    stdin.write_all(b"\n").unwrap();
    while std::fs::read_link(format!("/proc/{}/exe", running.0.id())).unwrap() != Path::new("/usr/bin/sleep")
    {
        std::thread::yield_now();
    }
    assert_eq!(looks(), seen("sleep", "/usr/bin/sleep"));
}
