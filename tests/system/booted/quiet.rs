//! A quiet host for a long time: no mail, no memory that grows, no descriptor that stays open.

use crate::host::{Host, subjects};
use jiff::Timestamp;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the service holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident_kb: u64,
    descriptors: usize,
}

/// Looked at some times: while it looks around it holds more descriptors for a moment.
fn held(pid: u32) -> Held {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the service runs");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let descriptors = (0..100).map(|_| {
        std::thread::sleep(Duration::from_millis(7));
        std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    });
    Held {
        resident_kb: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        descriptors: descriptors.min().unwrap(),
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
    host.run("systemctl daemon-reload; systemctl --no-block restart host-watchdog");
    let started = Instant::now();
    // By how many hours its clock is ahead of ours; read from the outside, as what runs inside would be seen.
    let ahead = || {
        let last = host.noted().and_then(|status| status.run).and_then(|run| run.last);
        last.map_or(0, |last| last.duration_since(Timestamp::now()).as_hours())
    };
    let wait_for = |hours: i64| {
        while ahead() < hours {
            let waited = started.elapsed();
            assert!(waited < Duration::from_mins(25), "{} hours in 25 minutes\n{}", ahead(), host.journal());
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    // What it remembers of an hour's requests, of packages and processes has its full size after some hours.
    wait_for(6);
    let pid = host.pid_of("/usr/bin/watchdog", "run");
    let early = held(pid);
    wait_for(24);
    let middle = held(pid);
    wait_for(48);
    let late = held(pid);
    note!(
        "two days in {} s: after 6 hours {early:?}, a day {middle:?}, two days {late:?}",
        started.elapsed().as_secs()
    );
    assert_eq!(subjects(&host.mails()), [""; 0]);
    let count = |name: &str| host.noted().unwrap().counters.get(name).copied().unwrap_or(0);
    assert_eq!(count("digests"), 0);
    assert_eq!(late.descriptors, early.descriptors);
    assert!(late.resident_kb < early.resident_kb + 1024, "memory grew: {early:?} {middle:?} {late:?}");
    // It was one process all the time, and it looked each minute.
    assert_eq!(host.pid_of("/usr/bin/watchdog", "run"), pid);
    assert!(count("passes") >= 2 * 24 * 60, "{} passes", count("passes"));
}

#[test]
fn some_minutes_of_the_real_service_cost_little_and_say_nothing() {
    if !crate::host::can_boot() {
        return;
    }
    let soak = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/system/soak");
    let output =
        Command::new(soak).args(["3", "--package"]).arg(crate::host::package().unwrap()).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    note!("{said}");
    assert!(output.status.success(), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("3 minutes: ") && last.ends_with(" 0 mails"), "{said}");
}
