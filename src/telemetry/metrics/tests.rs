use super::*;
use crate::coverage::Gap;
use crate::store::{Run, WatchMark};
use expect_test::expect;
#[cfg(target_os = "linux")]
use std::os::unix::fs::MetadataExt;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn metrics() -> Metrics {
    let gap = Gap { gap: "login-source".to_owned(), seen: 1, of: 2, why: "\"EVIL\n\\".to_owned() };
    let mark = |saw| WatchMark { looked: at(60), saw };
    Metrics {
        status: Status {
            run: Some(Run { started: at(0), last: Some(at(61)), stopped: None }),
            watches: [("login".to_owned(), mark(None)), ("process".to_owned(), mark(Some(at(60))))].into(),
            counters: [("passes".to_owned(), 2), ("digests".to_owned(), 1)].into(),
            findings: [("unknown-process".to_owned(), 3)].into(),
            last_digest: None,
            unqueued: 1,
        },
        cost: Cost {
            cpu_ms: 1500,
            last_pass_cpu_ms: 12,
            resident_kb: 4096,
            took_ms: [("process".to_owned(), 3.5)].into(),
        },
        view: View {
            version: "0.1.0".to_owned(),
            policy_digest: "4b7b173f738fffff".to_owned(),
            gaps: [("login".to_owned(), vec![gap])].into(),
            telemetry_lost: 4,
            ..View::default()
        },
        open: [((Code::UnknownProcess, Severity::Urgent), 2), ((Code::FullDisk, Severity::Warning), 1)]
            .into(),
        outbox: Some(OutboxStatus {
            waiting: 1,
            refused: 1,
            oldest: Some(at(30)),
            ..OutboxStatus::default()
        }),
    }
}

/// Without the many series that are 0.
fn told(text: &str) -> String {
    text.lines()
        .filter(|line| !(line.contains("code=") && line.ends_with(" 0")))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn the_counts_are_in_the_form_that_prometheus_reads() {
    expect![[r##"
        # HELP host_watchdog_info The version of the service and the policy in force.
        # TYPE host_watchdog_info gauge
        host_watchdog_info{version="0.1.0",policy_digest="4b7b173f738f"} 1
        # HELP host_watchdog_passes_total Passes that were stored.
        # TYPE host_watchdog_passes_total counter
        host_watchdog_passes_total 2
        # HELP host_watchdog_start_timestamp_seconds When the service was started.
        # TYPE host_watchdog_start_timestamp_seconds gauge
        host_watchdog_start_timestamp_seconds 1800000000
        # HELP host_watchdog_running 0 if the service was stopped in good order.
        # TYPE host_watchdog_running gauge
        host_watchdog_running 1
        # HELP host_watchdog_last_pass_timestamp_seconds When the last pass was stored. If this stands still, nobody is watching.
        # TYPE host_watchdog_last_pass_timestamp_seconds gauge
        host_watchdog_last_pass_timestamp_seconds 1800000061
        # HELP host_watchdog_cpu_seconds_total Processor time of the service since its start.
        # TYPE host_watchdog_cpu_seconds_total counter
        host_watchdog_cpu_seconds_total 1.5
        # HELP host_watchdog_last_pass_cpu_seconds Processor time of the last pass.
        # TYPE host_watchdog_last_pass_cpu_seconds gauge
        host_watchdog_last_pass_cpu_seconds 0.012
        # HELP host_watchdog_resident_memory_bytes Memory the service holds.
        # TYPE host_watchdog_resident_memory_bytes gauge
        host_watchdog_resident_memory_bytes 4194304
        # HELP host_watchdog_telemetry_lost_total Records that no log took since the start.
        # TYPE host_watchdog_telemetry_lost_total counter
        host_watchdog_telemetry_lost_total 4
        # HELP host_watchdog_open_alerts Alerts that are open, by code and severity of their finding.
        # TYPE host_watchdog_open_alerts gauge
        host_watchdog_open_alerts{code="unknown-process",severity="urgent"} 2
        host_watchdog_open_alerts{code="full-disk",severity="warning"} 1
        # HELP host_watchdog_findings_total Findings by code; one that lasts is found anew in each pass.
        # TYPE host_watchdog_findings_total counter
        host_watchdog_findings_total{code="unknown-process"} 3
        # HELP host_watchdog_watch_looked_timestamp_seconds When the watch looked last.
        # TYPE host_watchdog_watch_looked_timestamp_seconds gauge
        host_watchdog_watch_looked_timestamp_seconds{watch="login"} 1800000060
        host_watchdog_watch_looked_timestamp_seconds{watch="process"} 1800000060
        # HELP host_watchdog_watch_saw 1 if the watch saw facts when it looked last, 0 if it failed.
        # TYPE host_watchdog_watch_saw gauge
        host_watchdog_watch_saw{watch="login"} 0
        host_watchdog_watch_saw{watch="process"} 1
        # HELP host_watchdog_watch_seconds How long the watch took to look.
        # TYPE host_watchdog_watch_seconds gauge
        host_watchdog_watch_seconds{watch="process"} 0.0035
        # HELP host_watchdog_coverage_gaps Kinds of things the watch could not see, accepted by the policy or not.
        # TYPE host_watchdog_coverage_gaps gauge
        host_watchdog_coverage_gaps{watch="login"} 1
        host_watchdog_coverage_gaps{watch="process"} 0
        # HELP host_watchdog_mails_total Mails that were composed.
        # TYPE host_watchdog_mails_total counter
        host_watchdog_mails_total 1
        # HELP host_watchdog_outbox_waiting Mails that no mail server has accepted yet.
        # TYPE host_watchdog_outbox_waiting gauge
        host_watchdog_outbox_waiting 2
        # HELP host_watchdog_outbox_refused Of them, those that were refused for good.
        # TYPE host_watchdog_outbox_refused gauge
        host_watchdog_outbox_refused 1
        # HELP host_watchdog_outbox_oldest_timestamp_seconds Since when the oldest of them waits; absent if none does.
        # TYPE host_watchdog_outbox_oldest_timestamp_seconds gauge
        host_watchdog_outbox_oldest_timestamp_seconds 1800000030
    "##]].assert_eq(&told(&metrics().render()));
}

#[test]
fn every_code_has_a_series_even_if_nothing_was_ever_found() {
    let text = Metrics { open: BTreeMap::new(), ..metrics() }.render();
    for code in Code::ALL {
        let severity = code.severity().as_str();
        assert!(
            text.contains(&format!(
                "host_watchdog_open_alerts{{code=\"{code}\",severity=\"{severity}\"}} 0\n"
            ))
        );
        assert!(text.contains(&format!("host_watchdog_findings_total{{code=\"{code}\"}} ")));
    }
}

#[test]
fn nothing_that_a_fact_holds_is_in_the_counts() {
    assert!(!metrics().render().contains("EVIL"));
}

#[test]
fn an_outbox_that_cannot_be_read_has_no_numbers() {
    let text = Metrics { outbox: None, ..metrics() }.render();
    assert!(text.contains("host_watchdog_mails_total 1\n") && !text.contains("outbox"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_file_is_replaced_whole_and_everybody_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.prom");
    write(&file, "one\n").unwrap();
    let reader = fs::File::open(&file).unwrap();
    write(&file, "two\n").unwrap();
    assert_eq!(io::read_to_string(reader).unwrap(), "one\n", "who reads it reads all of the old one");
    assert_eq!(fs::read_to_string(&file).unwrap(), "two\n");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // What cannot take its place is not left beside it.
    let taken = folder.path().join("folder");
    fs::create_dir(&taken).unwrap();
    assert!(write(&taken, "x").is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
