//! What watching listening sockets and their owners costs, in parts of `ss -lntup`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::{Passes, median, of_program, of_work, ratio};
use host_watchdog::policy::Policy;

/// Of the design: a pass after which nothing changed.
const BUDGET: f64 = 0.05;

fn main() {
    if !common::wanted() {
        return;
    }
    println!(
        "processor time of a pass over all listening sockets (look, compare with a learned policy), medians"
    );
    println!("{:>9}  {:>14}  {:>14}", "", "first / ss", "steady / ss");
    for count in [10, 1_000] {
        let _listening = common::Running::start("listeners", count);
        let policy = common::learned("listener");
        let mut rows: [Vec<f64>; 2] = Default::default();
        for _ in 0..15 {
            let ss = of_program("ss", &["-lntup"]);
            // In the service the processes have been read for the process watch already.
            let mut passes = Passes::of("listener");
            passes.read_processes();
            let (first, ()) = of_work(|| look(&mut passes, &policy));
            passes.next();
            passes.read_processes();
            let (steady, ()) = of_work(|| look(&mut passes, &policy));
            rows.iter_mut()
                .zip([ratio(first, ss), ratio(steady, ss)])
                .for_each(|(row, figure)| row.push(figure));
        }
        let [first, steady] = rows.map(median);
        println!("{count:>9}  {first:>14.2}  {steady:>14.3}");
    }
    println!("{:>9}  {:>14}  {BUDGET:>14.3}", "budget", "");
}

fn look(passes: &mut Passes, policy: &Policy) {
    let findings = passes.look(policy);
    assert!(findings.iter().all(|finding| !finding.title.contains("bench-listeners")), "{findings:#?}");
}
