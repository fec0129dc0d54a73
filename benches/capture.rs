//! How many of the programs that live for a millisecond are judged, at a thousand a second, while the processors have nothing
//! else to do and while all of them are busy; and what listening to that costs, in parts of what starting them costs.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    if std::env::var_os(linux::LISTENS).is_some() {
        linux::listen();
    } else if common::wanted() {
        linux::measure();
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::common;
    use host_watchdog::host::Host;
    use host_watchdog::processes::events::{Counts, Starts, Ticket};
    use host_watchdog::processes::parse::parse_starts;
    use host_watchdog::processes::{Executable, Listing, Process, Processes};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::path::Path;
    use std::process::{Child, ChildStdout, Stdio};
    use std::sync::Arc;
    use std::time::Duration;

    /// Set in the process that listens: what it started itself would be its own, and left out.
    pub const LISTENS: &str = "HOST_WATCHDOG_BENCH_LISTENS";

    const COUNT: u64 = 50_000;
    const RATE: u64 = 1000;

    /// What the listener says of the programs at the path it was asked for.
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Answer {
        judged: u64,
        /// Of those that this process started, those that ended before they could be read.
        gone: u64,
        counts: Counts,
        /// The processor time of the listener so far, in nanoseconds.
        used: u64,
    }

    /// Answers each line, which holds a path and the number of who starts it.
    pub fn listen() {
        let processes = Processes::default();
        processes.listen(&Arc::new(Host::this()), || {}).unwrap();
        let pool = processes.starts().unwrap();
        let nothing = Listing::new(Host::this().now(), Vec::<Process>::new());
        let mut stored = Ticket::default();
        for line in std::io::stdin().lines().map(Result::unwrap) {
            let (starter, path) = line.split_once(' ').unwrap();
            let exe = Executable::Path(path.into());
            let kernel = parse_starts(&std::fs::read("/proc/stat").unwrap());
            let taken = pool.take(stored, kernel, &nothing, |_| false);
            stored = taken.ticket;
            let Starts::Told(counts) = taken.starts else {
                println!("{}", serde_json::json!({ "untold": taken.starts.in_words() }));
                continue;
            };
            let ended = taken.ended.iter().filter(|ended| ended.process.exe == exe);
            let living = taken.living.iter().filter(|process| process.exe == exe).count() as u64;
            let by = taken.unread.iter().filter(|unread| unread.by.pid.to_string() == starter);
            let answer = Answer {
                judged: ended.map(|ended| ended.times).sum::<u64>() + living,
                gone: by.map(|unread| unread.times).sum(),
                counts,
                used: used(),
            };
            println!("{}", serde_json::to_string(&answer).unwrap());
        }
    }

    fn used() -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let of = |path: &Path| {
            std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.filter_map(|task| of(&task.ok()?.path())).sum()
    }

    struct Listener(Child, BufReader<ChildStdout>);

    impl Listener {
        fn start() -> Self {
            let mut command = common::command(std::env::current_exe().unwrap());
            let command = command.env(LISTENS, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let answers = BufReader::new(child.stdout.take().unwrap());
            Self(child, answers)
        }

        /// Nothing where the kernel does not tell us.
        fn ask(&mut self, starter: u32, path: &Path) -> Option<Answer> {
            writeln!(self.0.stdin.as_ref().unwrap(), "{starter} {}", path.display()).unwrap();
            let mut line = String::new();
            self.1.read_line(&mut line).unwrap();
            serde_json::from_str(&line).inspect_err(|_| print!("{line}")).ok()
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            drop(self.0.stdin.take());
            let _ = self.0.wait();
        }
    }

    pub fn measure() {
        let starter = common::helper("starter").canonicalize().unwrap();
        // The same at a path of its own, so that only these are counted.
        let brief = starter.with_extension("brief");
        std::fs::copy(&starter, &brief).unwrap();
        println!("{COUNT} programs, {RATE} a second, each for about a millisecond");
        println!(
            "{:>7}  {:>7}  {:>7}  {:>7}  {:>13}  {:>20}",
            "", "judged", "unread", "sum", "messages lost", "listening / starting"
        );
        let processors = std::thread::available_parallelism().unwrap().get();
        for (words, busy) in [("quiet", 0), ("busy", processors)] {
            row(&starter, &brief, words, busy);
        }
        for file in [starter, brief] {
            let _ = std::fs::remove_file(file);
        }
    }

    fn row(starter: &Path, brief: &Path, words: &str, busy: usize) {
        let mut listener = Listener::start();
        std::thread::sleep(Duration::from_secs(2));
        let Some(before) = listener.ask(0, brief) else { return };
        let spin = |_| common::command(starter).arg("busy").stdin(Stdio::piped()).spawn().unwrap();
        let mut spinners: Vec<Child> = (0..busy).map(spin).collect();
        let mut command = common::command(starter);
        command.arg(brief).args([COUNT, RATE].map(|number| number.to_string()));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let (mut sum, mut counts) = (Answer::default(), Counts::default());
        let mut add = |listener: &mut Listener| {
            let answer = listener.ask(pid, brief).unwrap();
            sum.judged += answer.judged;
            sum.gone += answer.gone;
            sum.used = answer.used - before.used;
            counts = counts.plus(answer.counts);
        };
        while child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_secs(1));
            add(&mut listener);
        }
        std::thread::sleep(Duration::from_secs(1));
        add(&mut listener);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        let starting = Duration::from_nanos(said.trim().parse().unwrap());
        for spinner in &mut spinners {
            drop(spinner.stdin.take());
            spinner.wait().unwrap();
        }
        let total = sum.judged + sum.gone;
        println!(
            "{words:>7}  {:>7}  {:>7}  {total:>7}  {:>13}  {:>20.3}",
            sum.judged,
            sum.gone,
            counts.lost,
            common::ratio(Duration::from_nanos(sum.used), starting)
        );
        // A message that is lost may be of any process of the host.
        assert!(total <= COUNT && total + counts.lost >= COUNT, "none is told of twice, and none is missing");
    }
}
