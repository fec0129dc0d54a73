//! What reading and counting web requests costs: lines a second and core, and in parts of what grep and awk take
//! for the same file.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench")]

mod common;

use common::{Passes, median, of_program, of_program_read, of_work, ratio};
use host_watchdog::host::Host;
use host_watchdog::policy::Policy;
use jiff::{SignedDuration, tz::TimeZone};
use std::fmt::Write as _;
use std::path::Path;

/// Of the design: lines a second and core.
const BUDGET: f64 = 1_000_000.0;

const LINES: usize = 1_000_000;

fn main() {
    if !common::wanted() {
        return;
    }
    let log = std::env::temp_dir().join(format!("watchdog-bench-{}.log", std::process::id()));
    println!("processor time for {LINES} lines of an access log (read, parse, count, compare), medians");
    println!(
        "{:>6}  {:>9}  {:>14}  {:>10}  {:>10}  {:>10}",
        "form", "clients", "lines a second", "/ grep -c", "/ awk", "/ wc -l"
    );
    for (form, clients) in [(Form::Nginx, 100), (Form::Nginx, 10_000), (Form::Iis, 100), (Form::Iis, 10_000)]
    {
        std::fs::write(&log, lines(form, clients)).unwrap();
        let name = log.to_str().unwrap();
        let policy = policy(name);
        let mut rows: [Vec<f64>; 4] = Default::default();
        for _ in 0..5 {
            let answered = if form == Form::Nginx { "\" 200 " } else { " 200 0 " };
            let grep = of_program_read("grep", &["-c", answered, name]);
            let (ours, ()) = of_work(|| look(&policy, &log));
            let column = if form == Form::Nginx { 1 } else { 9 };
            let script =
                format!("{{ count[${column}]++ }} END {{ for (who in count) print who, count[who] }}");
            let awk = of_program("awk", &[&script, name]);
            let wc = of_program("wc", &["-l", name]);
            let speed = LINES as f64 / ours.as_secs_f64();
            let figures = [speed, ratio(ours, grep), ratio(ours, awk), ratio(ours, wc)];
            rows.iter_mut().zip(figures).for_each(|(row, figure)| row.push(figure));
        }
        let [speed, grep, awk, wc] = rows.map(median);
        let form = if form == Form::Nginx { "nginx" } else { "IIS" };
        println!("{form:>6}  {clients:>9}  {speed:>14.0}  {grep:>10.2}  {awk:>10.2}  {wc:>10.2}");
    }
    println!("{:>6}  {:>9}  {BUDGET:>14.0}", "", "budget");
    let _ = std::fs::remove_file(&log);
}

/// One pass with nothing remembered: all of the last hour counts, so every line is read.
fn look(policy: &Policy, log: &Path) {
    let mut passes = Passes::of("request");
    let snapshot = passes.snapshot(policy);
    let findings = passes.check(&snapshot, policy);
    let facts = snapshot.requests.as_ref().unwrap().facts().unwrap();
    let seen: u64 =
        facts.logs.iter().filter(|facts| facts.log == *log.to_str().unwrap()).map(|facts| facts.lines).sum();
    assert_eq!(seen, LINES as u64, "lines were passed over");
    assert!(findings.iter().all(|finding| !finding.title.contains("requests")), "{findings:#?}");
}

fn policy(log: &str) -> Policy {
    let text = format!(
        "schema = 1\n[[requests]]\nlog = \"{log}\"\nmethods = [\"GET\", \"HEAD\", \"POST\"]\n\
         limit = {{ per = \"client\", max = 900000, in = \"1h\" }}\n\
         spike = {{ per = \"all\", factor = 5.0, against = \"same-hour-of-week\", min = 9000000 }}\n"
    );
    Policy::from_text("bench", &text).unwrap()
}

/// Whose log it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nginx's combined form.
    Nginx,
    /// The columns that IIS logs unless told otherwise.
    Iis,
}

const IIS: &str = "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken\r\n";

/// A log of the last fifty minutes.
fn lines(form: Form, clients: usize) -> String {
    const PATHS: [&str; 5] =
        ["/", "/index.html", "/assets/app.1f3c.js?v=12", "/api/v1/items/4711/comments", "/login"];
    const AGENTS: [&str; 3] = [
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        "curl/8.10.1",
    ];
    let begin = Host::this().now() - SignedDuration::from_mins(50);
    let mut log = String::with_capacity(LINES * 220);
    if form == Form::Iis {
        log.push_str(IIS);
    }
    let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = |below: usize| {
        // xorshift: the same log each time, but for its times.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let pick = |list: &[&'static str], at: usize| list.get(at).copied().unwrap_or_default();
    for line in 0..LINES {
        let at = begin + SignedDuration::from_secs(i64::try_from(line * 3000 / LINES).unwrap());
        let at = at.to_zoned(TimeZone::UTC);
        let client = next(clients);
        if form == Form::Iis {
            let _ = write!(
                log,
                "{} 10.0.0.5 GET {} - 443 - 10.{}.{}.{} {} https://www.example.org/ 200 0 0 {}\r\n",
                at.strftime("%Y-%m-%d %H:%M:%S"),
                pick(&PATHS, next(PATHS.len())),
                client / 65_536,
                client / 256 % 256,
                client % 256,
                pick(&AGENTS, next(AGENTS.len())).replace(' ', "+"),
                next(1000),
            );
            continue;
        }
        let _ = writeln!(
            log,
            "10.{}.{}.{} - - [{}] \"GET {} HTTP/1.1\" 200 {} \"https://www.example.org/\" \"{}\"",
            client / 65_536,
            client / 256 % 256,
            client % 256,
            at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            pick(&PATHS, next(PATHS.len())),
            next(100_000),
            pick(&AGENTS, next(AGENTS.len())),
        );
    }
    log
}
