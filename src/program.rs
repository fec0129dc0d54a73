//! Running another program: the one place where that is done. No shell, a clean environment, a deadline, and no
//! more output than asked for.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(windows)]
use windows as system;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// A program that has ended may leave another behind that holds its pipes: so long we still listen to them.
const GRACE: Duration = Duration::from_millis(200);

/// What came of running a program to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote, up to the bound.
    pub stdout: Vec<u8>,
    /// Its complaints, up to the bound.
    pub stderr: Vec<u8>,
    /// True if it wrote more than the bound, and was ended for it.
    pub cut: bool,
}

/// Runs `program` with nothing to read, and waits for it. `most` bounds each of the two outputs, in bytes; a
/// program that writes more is killed and what it wrote up to there is returned.
///
/// # Errors
/// `TimedOut` if it had not ended by the deadline: it and all it started (on Linux in its process group) are killed. Else
/// whatever prevented starting it, like `NotFound`.
pub fn run(program: impl AsRef<Path>, args: &[&str], deadline: Duration, most: usize) -> io::Result<Output> {
    start(program.as_ref(), args, None, deadline, most)
}

/// As [`run`], with `input` for it to read.
///
/// # Errors
/// As [`run`]. That it did not read all of its input is no error: its exit status says what it thinks.
pub fn feed(
    program: impl AsRef<Path>,
    args: &[&str],
    input: &[u8],
    deadline: Duration,
    most: usize,
) -> io::Result<Output> {
    start(program.as_ref(), args, Some(input.to_owned()), deadline, most)
}

fn start(
    program: &Path,
    args: &[&str],
    input: Option<Vec<u8>>,
    deadline: Duration,
    most: usize,
) -> io::Result<Output> {
    let started = Instant::now();
    // What reads for us is of no use without us; what was given something to do, like a mailer, finishes it.
    let mut command = if input.is_none() { system::tied(program)? } else { system::free(program)? };
    command
        .args(args)
        .env_clear()
        .envs(system::environment())
        .current_dir(system::folder())
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let hold = match system::Hold::of(&child) {
        Ok(hold) => hold,
        Err(error) => {
            // What could not be ended at its deadline must not run at all.
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };
    let (sender, events) = mpsc::sync_channel(4);
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        thread::spawn(move || pipe.write_all(&input));
    }
    listen(child.stdout.take(), Pipe::Out, &sender);
    listen(child.stderr.take(), Pipe::Err, &sender);
    drop(sender);
    let collected = collect(&mut child, &events, started, deadline, most);
    if !matches!(&collected, Ok(output) if !output.cut) {
        hold.end(&mut child);
        let status = child.wait()?;
        return collected.map(|output| Output { status, ..output });
    }
    collected
}

#[derive(Clone, Copy)]
enum Pipe {
    Out,
    Err,
}

type Chunk = (Pipe, Vec<u8>);

/// Reads a pipe to its end on a thread of its own, so that neither output can block the other.
fn listen(pipe: Option<impl Read + Send + 'static>, which: Pipe, sender: &SyncSender<Chunk>) {
    let Some(mut pipe) = pipe else { return };
    let sender = sender.clone();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        // Once nobody wants it any more it is read all the same: what the program left behind must not be
        // ended by a broken pipe.
        while let Ok(length) = pipe.read(&mut buffer)
            && length > 0
        {
            let _ = sender.send((which, buffer.get(..length).unwrap_or_default().to_vec()));
        }
    });
}

fn collect(
    child: &mut Child,
    events: &mpsc::Receiver<Chunk>,
    started: Instant,
    deadline: Duration,
    most: usize,
) -> io::Result<Output> {
    let (mut stdout, mut stderr, mut open) = (Vec::new(), Vec::new(), true);
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut pause = Duration::from_millis(1);
    loop {
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        if let Some((status, at)) = ended
            && (!open || at.elapsed() > GRACE)
        {
            return Ok(Output { status, stdout, stderr, cut: false });
        }
        if started.elapsed() > deadline {
            let seconds = deadline.as_secs_f64();
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("did not end within {seconds} s")));
        }
        if !open {
            thread::sleep(pause);
        }
        pause = (pause * 2).min(Duration::from_millis(20));
        let (which, chunk) = match events.recv_timeout(pause) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => {
                open = false;
                continue;
            }
        };
        let kept = match which {
            Pipe::Out => &mut stdout,
            Pipe::Err => &mut stderr,
        };
        kept.extend_from_slice(&chunk);
        if kept.len() > most {
            kept.truncate(most);
            // The status is filled in once it has been ended.
            return Ok(Output { status: ExitStatus::default(), stdout, stderr, cut: true });
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_program_gets_a_clean_environment_and_nothing_to_read() {
        let output = run("sh", &["-c", "cat; env | sort; pwd; echo oh >&2; exit 3"], SOON, 4096).unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout, "LANG=C\nLC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n/\n");
        assert_eq!((output.status.code(), &output.stderr[..], output.cut), (Some(3), &b"oh\n"[..], false));
    }

    #[test]
    fn a_program_reads_what_it_is_fed() {
        let input = vec![b'x'; 300_000];
        let output = feed("cat", &[], &input, SOON, 1 << 20).unwrap();
        assert!(output.stdout == input && output.status.success());
        assert_eq!(feed("false", &[], &input, SOON, 10).unwrap().status.code(), Some(1));
    }

    /// Tries for a while.
    fn soon(mut holds: impl FnMut() -> bool) -> bool {
        (0..100).any(|_| {
            thread::sleep(Duration::from_millis(50));
            holds()
        })
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 100 & echo $! > {}; wait", file.display());
        let started = Instant::now();
        let error = run("sh", &["-c", &script], Duration::from_millis(500), 10).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(20));
        let pid = std::fs::read_to_string(&file).unwrap();
        let command = format!("/proc/{}/cmdline", pid.trim());
        assert!(soon(|| std::fs::read(&command).unwrap_or_default().is_empty()));
    }

    #[test]
    fn output_is_bounded() {
        let output = run("yes", &[], SOON, 100_000).unwrap();
        assert_eq!((output.stdout.len(), output.cut, output.status.success()), (100_000, true, false));
    }

    #[test]
    fn what_a_program_leaves_behind_does_not_hold_us_up_and_lives_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alive");
        let script = format!("(sleep 1; echo more; echo > {}) & echo done", file.display());
        let output = run("sh", &["-c", &script], SOON, 100).unwrap();
        assert_eq!((&output.stdout[..], output.status.success()), (&b"done\n"[..], true));
        assert!(!file.exists(), "it was waited for");
        assert!(soon(|| file.exists()));
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        assert_eq!(run("no-such-program", &[], SOON, 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

#[cfg(test)]
#[cfg(windows)]
mod tests_on_windows {
    use super::*;

    const SOON: Duration = Duration::from_mins(1);

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace("\r\n", "\n")
    }

    #[test]
    fn a_program_gets_a_clean_environment_and_nothing_to_read() {
        let output = run("cmd", &["/c", "set& cd& sort& exit 3"], SOON, 1 << 16).unwrap();
        let stdout = text(&output.stdout);
        let wanted =
            ["SystemRoot=C:\\windows", "SystemDrive=C:", "TEMP=C:\\windows\\Temp", "C:\\windows\\system32"];
        for line in wanted {
            let is_there = stdout.lines().any(|found| found.eq_ignore_ascii_case(line));
            assert!(is_there, "{line} is not in\n{stdout}");
        }
        let from_outside = ["USERNAME", "WINEPREFIX", "CARGO", "HOME="];
        assert!(
            !stdout.lines().any(|line| from_outside.iter().any(|name| line.starts_with(name))),
            "{stdout}"
        );
        assert_eq!((output.status.code(), output.cut), (Some(3), false));
    }

    #[test]
    fn a_program_reads_what_it_is_fed() {
        let output =
            feed("cmd", &["/c", "set /p line=& call echo got %line%"], b"this\r\n", SOON, 1024).unwrap();
        assert!(text(&output.stdout).contains("got this"), "{}", text(&output.stdout));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("grows");
        let script = format!("cmd /c for /L %i in (1,0,2) do @echo more>>{}", file.display());
        let started = Instant::now();
        let error = run("cmd", &["/c", &script], Duration::from_secs(3), 1 << 20).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(30));
        let length = || std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        let before = length();
        assert!(before > 0, "the inner program never ran");
        thread::sleep(Duration::from_secs(1));
        assert_eq!(length(), before, "the inner program still runs");
    }

    #[test]
    fn output_is_bounded() {
        let output = run("cmd", &["/c", "for /L %i in (1,0,2) do @echo more"], SOON, 10_000).unwrap();
        assert_eq!((output.stdout.len(), output.cut), (10_000, true));
    }

    #[test]
    fn a_program_that_is_not_windows_own_is_not_found_by_its_name_alone() {
        assert_eq!(run("no-such-program", &[], SOON, 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
