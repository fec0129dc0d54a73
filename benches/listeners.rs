//! What watching listening sockets and their owners costs, in parts of `ss -lntup`, of `lsof`, and of a C program that
//! only asks for the same.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::{Passes, median, of_program, of_work, ratio};
use host_watchdog::policy::Policy;
use std::path::Path;
use std::time::Duration;

/// Of the design: a pass after which nothing changed, in parts of `ss`.
const BUDGET: f64 = 0.05;

/// How many processes are there besides, of which `ss` asks each, and how many sockets.
const SIZES: [(usize, usize); 3] = [(200, 10), (200, 1_000), (2_000, 1_000)];

fn main() {
    if !common::wanted() {
        return;
    }
    let floor = common::helper("doors");
    let lsof = common::installed("lsof");
    println!(
        "processor time of a pass over all listening sockets (look, compare with a learned policy), medians"
    );
    println!(
        "{:>9}  {:>9}  {:>6}  {:>8}  {:>9}  {:>8}  {:>9}  {:>13}",
        "processes", "listeners", "pass", "/ ss", "of it", "/ lsof", "/ C floor", "/ C list only"
    );
    for (processes, count) in SIZES {
        let _sleepers = common::Running::start("sleepers", processes);
        let _listening = common::Running::start("listeners", count);
        let policy = common::learned("listener");
        let mut rows: [[Vec<f64>; 5]; 2] = Default::default();
        for _ in 0..15 {
            let passes = [first_pass, steady_pass].map(|pass| pass(&policy));
            let ss = of_program("ss", &["-lntup"]);
            let lsof = lsof.as_deref().map_or(Duration::ZERO, of_lsof);
            let (both, list) = (of_program(&floor, &[]), of_program(&floor, &["list"]));
            for (row, (look, check)) in rows.iter_mut().zip(passes) {
                let whole = look + check;
                let figures = [
                    ratio(whole, ss),
                    ratio(look, whole),
                    ratio(whole, lsof),
                    ratio(whole, both),
                    ratio(whole, list),
                ];
                row.iter_mut().zip(figures).for_each(|(row, figure)| row.push(figure));
            }
        }
        for (pass, row) in ["first", "steady"].into_iter().zip(rows) {
            let [ss, looking, lsof, both, list] = row.map(median);
            let looking = format!("{:.0} % look", looking * 100.0);
            println!(
                "{processes:>9}  {count:>9}  {pass:>6}  {ss:>8.3}  {looking:>9}  {lsof:>8.3}  {both:>9.3}  {list:>13.2}"
            );
        }
    }
    println!("{:>9}  {:>9}  {:>6}  {BUDGET:>8.3}", "budget", "", "steady");
    let _ = std::fs::remove_file(floor);
}

/// The processor time of looking for the first time, and that of comparing. In the service the processes have been read for
/// the process watch already.
fn first_pass(policy: &Policy) -> (Duration, Duration) {
    let mut passes = Passes::of("listener");
    passes.read_processes();
    pass(&mut passes, policy)
}

/// As [`first_pass`], when nothing has changed since. A socket whose owner cannot be found is searched for in the first few.
fn steady_pass(policy: &Policy) -> (Duration, Duration) {
    let mut passes = Passes::of("listener");
    for _ in 0..6 {
        passes.read_processes();
        passes.look(policy);
        passes.next();
    }
    passes.read_processes();
    pass(&mut passes, policy)
}

fn pass(passes: &mut Passes, policy: &Policy) -> (Duration, Duration) {
    let (look, snapshot) = of_work(|| passes.snapshot(policy));
    let (check, findings) = of_work(|| passes.check(&snapshot, policy));
    assert!(findings.iter().all(|finding| !finding.title.contains("bench-listeners")), "{findings:#?}");
    (look, check)
}

fn of_lsof(lsof: &Path) -> Duration {
    of_program(lsof, &["-i", "-nP", "-sTCP:LISTEN"])
}
