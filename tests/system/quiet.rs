//! A quiet host for a long time: no mail, no memory that grows, no descriptor that stays open.

use crate::host::{Host, subjects};
use host_watchdog::store::{self, Reader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Passes of two days, one a minute.
const TWO_DAYS: u64 = 2 * 24 * 60;

/// What the service holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident_kb: u64,
    descriptors: usize,
}

/// Passes and mails so far, read from the outside: with a pass every few milliseconds whatever ran inside would be seen.
fn so_far(host: &Host) -> (u64, u64) {
    let file = host.path("/var/lib/host-watchdog").join(store::FILE);
    let counters = Reader::open(&file).and_then(|reader| reader.status()).map(|status| status.counters);
    let counters = serde_json::to_value(counters.unwrap_or_default()).unwrap();
    let count = |name: &str| counters[name].as_u64().unwrap_or(0);
    (count("passes"), count("digests"))
}

fn held(pid: u32) -> Held {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the service runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    Held {
        resident_kb: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        descriptors: std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
    }
}

#[test]
fn two_days_on_a_quiet_host_are_no_mail_no_growth_and_no_open_descriptor() {
    let Some(host) = Host::boot("two-days") else { return };
    let folder = tempfile::TempDir::new().unwrap();
    let library = folder.path().join("skip_waiting.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/system/skip_waiting.c");
    let built = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(built.unwrap().success(), "the C compiler");

    host.install("none");
    host.push(Path::new(&library), "/usr/lib/skip_waiting.so");
    // The machine's processors and load show in the bed, and the other tests use them.
    host.run("sed -i -E 's/^(cpu|memory) *= .*/\\1 = { max = \"100%\", for = \"10m\" }/; s/^load *= .*/load = { max = 10000.0, for = \"15m\" }/' /etc/host-watchdog/policy.toml
        watchdog validate");
    host.write(
        "/etc/systemd/system/host-watchdog.service.d/two-days.conf",
        // A moment, until nothing is left of those who started it.
        "[Service]\nEnvironment=LD_PRELOAD=/usr/lib/skip_waiting.so\nExecStartPre=/bin/sleep 5\nCPUQuota=\n",
    );
    let before = so_far(&host);
    host.run("systemctl daemon-reload; systemctl --no-block restart host-watchdog");
    let passed = |host: &Host| so_far(host).0 - before.0;
    let started = Instant::now();
    let wait_for = |passes: u64| {
        while passed(&host) < passes {
            assert!(
                started.elapsed() < Duration::from_mins(25),
                "{} passes in 25 minutes\n{}",
                passed(&host),
                host.journal()
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    // What it remembers of an hour's requests, of packages and processes has its full size after some hours.
    wait_for(TWO_DAYS / 8);
    let pid = host.pid_of("/usr/bin/watchdog", "run");
    let early = held(pid);
    wait_for(TWO_DAYS / 2);
    let middle = held(pid);
    wait_for(TWO_DAYS);
    let late = held(pid);
    println!(
        "two days in {} s: after 6 hours {early:?}, a day {middle:?}, two days {late:?}",
        started.elapsed().as_secs()
    );
    assert_eq!(subjects(&host.mails()), [""; 0]);
    assert_eq!(so_far(&host).1, 0, "digests");
    assert_eq!(late.descriptors, early.descriptors);
    assert!(late.resident_kb < early.resident_kb + 1024, "memory grew: {early:?} {middle:?} {late:?}");
    // It was one process all the time, and it really believed in two days.
    assert_eq!(host.pid_of("/usr/bin/watchdog", "run"), pid);
    let ahead = host.ahead();
    assert!((46.0..60.0).contains(&ahead), "its clock is {ahead} hours ahead");
}

#[test]
fn some_minutes_of_the_real_service_cost_little_and_say_nothing() {
    let Some(_) = Host::boot("soak-can-run") else { return };
    let soak = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/system/soak");
    let output =
        Command::new(soak).args(["3", "--package"]).arg(crate::host::package().unwrap()).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("3 minutes: ") && last.ends_with(" 0 mails"), "{said}");
}
