//! What watching processes costs, in parts of a C program that only reads the same files, and of `ps auxww`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::{Passes, median, of_program, of_work, ratio};
use host_watchdog::policy::Policy;

/// Of the design: in parts of the C program, a first pass, one after which nothing changed, and one of which the kernel told that.
const BUDGET: [f64; 3] = [1.2, 0.30, 0.05];

fn main() {
    if !common::wanted() {
        return;
    }
    let reader = common::helper("reader");
    println!("processor time of a pass over all processes (look, compare with a learned policy), medians");
    println!(
        "{:>9}  {:>14}  {:>15}  {:>15}  {:>13}  {:>10}  {:>11}",
        "",
        "first / reader",
        "second / reader",
        "steady / reader",
        "told / reader",
        "first / ps",
        "steady / ps"
    );
    for count in [200, 2_000, 10_000] {
        let _sleepers = common::Running::start("sleepers", count);
        let strange = Passes::of("process").look(&Policy::default());
        assert!(
            strange.iter().any(|finding| finding.subject.contains("bench-sleepers")),
            "they are not seen"
        );
        let policy = common::learned("process");
        let mut rows: [Vec<f64>; 6] = Default::default();
        let mut renewed = Vec::new();
        for _ in 0..(20_000 / count).clamp(5, 25) {
            // All within a moment of each other, so that whatever else the machine does hits all of them.
            let yardstick = of_program(&reader, &[]);
            let mut passes = Passes::of("process");
            let (first, ()) = of_work(|| look(&mut passes, &policy));
            let ps = of_program("ps", &["auxww"]);
            // This one sees for the first time what does not change.
            passes.next();
            let (second, ()) = of_work(|| look(&mut passes, &policy));
            passes.next();
            let (steady, ()) = of_work(|| look(&mut passes, &policy));
            let is_told = passes.listen(&policy);
            passes.next();
            let (told, ()) = of_work(|| look(&mut passes, &policy));
            let told = if is_told { ratio(told, yardstick) } else { f64::NAN };
            renewed.push(passes.renewed() as f64);
            let figures = [
                ratio(first, yardstick),
                ratio(second, yardstick),
                ratio(steady, yardstick),
                told,
                ratio(first, ps),
                ratio(steady, ps),
            ];
            rows.iter_mut().zip(figures).for_each(|(row, figure)| row.push(figure));
        }
        let [first, second, steady, told, first_ps, steady_ps] = rows.map(median);
        println!(
            "{count:>9}  {first:>14.2}  {second:>15.2}  {steady:>15.2}  {told:>13.3}  {first_ps:>10.2}  {steady_ps:>11.2}   \
             (read anew when told: {})",
            median(renewed)
        );
    }
    let [first, steady, told] = BUDGET;
    println!("{:>9}  {first:>14.2}  {:>15}  {steady:>15.2}  {told:>13.3}", "budget", "");
    let _ = std::fs::remove_file(reader);
}

fn look(passes: &mut Passes, policy: &Policy) {
    let findings = passes.look(policy);
    // The machine's own life may start a process or two meanwhile; our thousands must be allowed.
    assert!(findings.iter().all(|finding| !finding.subject.contains("bench-sleepers")), "{findings:#?}");
}
