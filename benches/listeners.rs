//! What watching listening sockets and their owners costs, in parts of `ss -lntup`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::{Passes, median, of_program, of_work, ratio};
use host_watchdog::policy::Policy;
use std::time::Duration;

/// Of the design: a pass after which nothing changed.
const BUDGET: f64 = 0.05;

fn main() {
    if !common::wanted() {
        return;
    }
    println!(
        "processor time of a pass over all listening sockets (look, compare with a learned policy), medians"
    );
    println!("{:>9}  {:>14}  {:>14}  {:>14}", "", "first / ss", "steady / ss", "of it looking");
    for count in [10, 1_000] {
        let _listening = common::Running::start("listeners", count);
        let policy = common::learned("listener");
        let mut rows: [Vec<f64>; 3] = Default::default();
        for _ in 0..15 {
            let ss = of_program("ss", &["-lntup"]);
            // In the service the processes have been read for the process watch already.
            let mut passes = Passes::of("listener");
            passes.read_processes();
            let (first_look, first_check) = pass(&mut passes, &policy);
            // A socket whose owner cannot be found is searched for in the first few passes.
            for _ in 0..5 {
                passes.next();
                passes.read_processes();
                passes.look(&policy);
            }
            passes.next();
            passes.read_processes();
            let (look, check) = pass(&mut passes, &policy);
            let figures = [ratio(first_look + first_check, ss), ratio(look + check, ss), ratio(look, ss)];
            rows.iter_mut().zip(figures).for_each(|(row, figure)| row.push(figure));
        }
        let [first, steady, looking] = rows.map(median);
        println!("{count:>9}  {first:>14.2}  {steady:>14.3}  {looking:>14.3}");
    }
    println!("{:>9}  {:>14}  {BUDGET:>14.3}", "budget", "");
}

/// The processor time of looking, and that of comparing.
fn pass(passes: &mut Passes, policy: &Policy) -> (Duration, Duration) {
    let (look, snapshot) = of_work(|| passes.snapshot(policy));
    let (check, findings) = of_work(|| passes.check(&snapshot, policy));
    assert!(findings.iter().all(|finding| !finding.title.contains("bench-listeners")), "{findings:#?}");
    (look, check)
}
