//! Running another program: the one place where that is done. No shell, a clean environment, a deadline, and no
//! more output than asked for.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// Where programs are looked for that are named without a folder.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

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
/// `TimedOut` if it had not ended by the deadline: it and all it started in its process group are killed. Else
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

#[expect(clippy::disallowed_methods, reason = "the one place where programs are run")]
fn start(
    program: &Path,
    args: &[&str],
    input: Option<Vec<u8>>,
    deadline: Duration,
    most: usize,
) -> io::Result<Output> {
    let started = Instant::now();
    // What reads for us is of no use without us; what was given something to do, like a mailer, finishes it.
    let mut command = if input.is_none() { tied(program)? } else { Command::new(program) };
    command
        .args(args)
        .env_clear()
        .envs([("PATH", PATH), ("LANG", "C"), ("LC_ALL", "C")])
        .current_dir("/")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A group of its own, so that what it starts can be ended with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let (sender, events) = mpsc::sync_channel(4);
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        thread::spawn(move || pipe.write_all(&input));
    }
    listen(child.stdout.take(), Pipe::Out, &sender);
    listen(child.stderr.take(), Pipe::Err, &sender);
    drop(sender);
    let collected = collect(&mut child, &events, started, deadline, most);
    if !matches!(&collected, Ok(output) if !output.cut) {
        kill(&mut child);
        let status = child.wait()?;
        return collected.map(|output| Output { status, ..output });
    }
    collected
}

/// A command that the kernel ends when we end, even if we are killed: else what we left behind would be found as
/// an unknown process after a restart. `setpriv` of util-linux can ask for that without unsafe code here; where it
/// is missing or too old, the command runs as it is.
#[expect(clippy::disallowed_methods, reason = "the one place where programs are run")]
fn tied(program: &Path) -> io::Result<Command> {
    const SETPRIV: &str = "/usr/bin/setpriv";
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = || {
        let mut probe = Command::new(SETPRIV);
        probe.args(["--pdeathsig", "KILL", "true"]).env_clear().env("PATH", PATH);
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let is_there = |program: &Path| PATH.split(':').any(|folder| Path::new(folder).join(program).exists());
    if !is_there(program) {
        return Err(io::ErrorKind::NotFound.into());
    }
    if !*CAN.get_or_init(can) {
        return Ok(Command::new(program));
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL"]).arg(program);
    Ok(command)
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

fn kill(child: &mut Child) {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::kill_process_group(
        rustix::process::Pid::from_child(child),
        rustix::process::Signal::KILL,
    );
    let _ = child.kill();
}

#[cfg(all(test, target_os = "linux"))]
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
