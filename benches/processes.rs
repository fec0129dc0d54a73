//! What watching processes costs, in parts of a C program that only reads the same files, and of `ps auxww`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::{median, of_program, of_work, ratio};
use host_watchdog::host::Host;
use host_watchdog::learn;
use host_watchdog::pass::{At, Memories};
use host_watchdog::policy::Policy;
use host_watchdog::processes::Processes;
use host_watchdog::snapshot::Snapshot;
use host_watchdog::pass::Watching;
use jiff::{SignedDuration, Timestamp};

/// Of the design: in parts of the C program, a first pass and one after which nothing changed.
const BUDGET: (f64, f64) = (1.2, 0.30);

fn main() {
    if !common::wanted() {
        return;
    }
    let reader = common::helper("reader");
    println!("processor time of a pass over all processes (look, compare with a learned policy), medians");
    println!("{:>9}  {:>14}  {:>14}  {:>14}  {:>14}", "", "first / reader", "steady / reader", "first / ps", "steady / ps");
    for count in [200, 2_000, 10_000] {
        let _sleepers = common::Running::start("sleepers", count);
        let policy = learned();
        let mut rows: [Vec<f64>; 4] = Default::default();
        for _ in 0..(20_000 / count).clamp(5, 25) {
            // All four within a moment of each other, so that whatever else the machine does hits all of them.
            let yardstick = of_program(&reader, &[]);
            let (first, mut watching) = of_work(|| Watched::first(&policy));
            let ps = of_program("ps", &["auxww"]);
            let (steady, ()) = of_work(|| watching.again(&policy));
            let pair = [ratio(first, yardstick), ratio(steady, yardstick), ratio(first, ps), ratio(steady, ps)];
            rows.iter_mut().zip(pair).for_each(|(row, figure)| row.push(figure));
        }
        let [first, steady, first_ps, steady_ps] = rows.map(median);
        println!("{count:>9}  {first:>14.2}  {steady:>15.2}  {first_ps:>14.2}  {steady_ps:>14.2}");
    }
    println!("{:>9}  {:>14.2}  {:>15.2}", "budget", BUDGET.0, BUDGET.1);
    let _ = std::fs::remove_file(reader);
}

/// The process watch between two passes.
struct Watched {
    watch: Box<dyn Watching>,
    processes: Processes,
    memory: Memories,
    moment: Timestamp,
}

impl Watched {
    fn first(policy: &Policy) -> Self {
        let mut watched = Self {
            watch: common::watch("process"),
            processes: Processes::default(),
            memory: Memories::default(),
            moment: Host::this().now(),
        };
        watched.again(policy);
        watched
    }

    fn again(&mut self, policy: &Policy) {
        // Each pass a minute after the one before, as the service does it.
        self.moment += SignedDuration::from_mins(1);
        let host = Host::this().at_moment(self.moment);
        let at = At { host: &host, processes: &self.processes, now: self.moment };
        let mut snapshot = Snapshot::empty(host.name(), host.boot_id(), self.moment);
        self.watch.look(&at, policy, &mut self.memory, &mut snapshot);
        // The machine's own life may start a process or two meanwhile; our thousands must be allowed.
        let findings = self.watch.check(&snapshot, policy, &mut self.memory);
        assert!(findings.iter().all(|finding| !finding.subject.contains("bench-sleepers")), "{findings:#?}");
    }
}

/// A policy that allows what runs.
fn learned() -> Policy {
    let host = Host::this();
    let processes = Processes::default();
    let at = At { host: &host, processes: &processes, now: host.now() };
    let mut watches = vec![common::watch("process")];
    let snapshot =
        host_watchdog::pass::look_all(&mut watches, &at, &Policy::default(), &mut Memories::default());
    Policy::from_text("learned", &learn::policy(&watches, &snapshot)).unwrap()
}
