//! Telemetry as others get it: counts that Prometheus' own parser reads, from the file and over a connection, and
//! records in the journal; and that none of it holds up the service.

// The journal, and connections by systemd; the event log of Windows: tests/windows/life.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]
#![expect(clippy::disallowed_methods, reason = "tests start real programs")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::{Running, copy_program, left_out, wait_for, watchdog, world};
use tempfile::TempDir;

const JOURNAL: &str = "/run/systemd/journal/socket";

/// A state folder, with settings beside it.
struct State(TempDir);

impl State {
    /// In a world without packages: to ask a real apt takes longer than all these tests together.
    fn new(telemetry: &str) -> Self {
        let status = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/lib/dpkg"]).status().unwrap();
        assert!(status.success());
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let settings = format!(
            "state-dir = \"{0}/state\"\n[mail]\nvia = \"folder\"\nfolder.path = \"{0}/mails\"\n[telemetry]\n{telemetry}\n",
            folder.path().display()
        );
        std::fs::write(folder.path().join("watchdog.toml"), settings).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchdog"));
        command.args(args).arg("--config").arg(self.path("watchdog.toml"));
        // What systemd sets for the tests themselves is not meant for the program under test.
        command.env_remove("JOURNAL_STREAM").env_remove("INVOCATION_ID").env_remove("RUNTIME_DIRECTORY");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn once(&self) {
        let output = self.run(&["run", "--once"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn passes(&self) -> u64 {
        let output = self.run(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        status["counters"]["passes"].as_u64().unwrap_or(0)
    }
}

/// What Prometheus' own parser makes of a text: each sample with its labels as one line.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    const PARSER: &str = "
import sys, json
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation and family.type in ('gauge', 'counter'), family
    for sample in family.samples:
        print(json.dumps([sample.name, sample.labels, sample.value]))
";
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "Prometheus cannot read:\n{text}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let sample = |line: &str| {
        let (name, labels, value): (String, BTreeMap<String, String>, f64) =
            serde_json::from_str(line).unwrap();
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!(" {label}={value}")).collect();
        (name + &labels.concat(), value)
    };
    lines.lines().map(sample).collect()
}

fn has_parser() -> bool {
    let probe = Command::new("/usr/bin/python3")
        .args(["-c", "import prometheus_client"])
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

fn evil(folder: &Path) -> Running {
    let exe = folder.join("evil\"} 1\nforged 1");
    copy_program("/bin/sleep", &exe);
    Running::start(Command::new(&exe).arg("600"))
}

/// The `KEY=value` of a datagram of the journal.
fn fields(mut datagram: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(end) = datagram.iter().position(|b| *b == b'\n') {
        let length = u64::from_le_bytes(datagram[end + 1..end + 9].try_into().unwrap());
        let value = &datagram[end + 9..][..usize::try_from(length).unwrap()];
        let name = String::from_utf8(datagram[..end].to_vec()).unwrap();
        assert_eq!(fields.insert(name, String::from_utf8(value.to_vec()).unwrap()), None);
        datagram = &datagram[end + 9 + value.len() + 1..];
    }
    fields
}

fn bind(path: &str) -> UnixDatagram {
    std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn received(socket: &UnixDatagram) -> Vec<u8> {
    let mut datagram = vec![0; 65_536];
    let length = socket.recv(&mut datagram).expect("a record comes");
    datagram.truncate(length);
    datagram
}

#[test]
fn counts_are_written_after_each_pass_and_prometheus_reads_them() {
    if !world::is_entered("counts_are_written_after_each_pass_and_prometheus_reads_them")
        || left_out("python3-prometheus-client", has_parser())
    {
        return;
    }
    let state = State::new("");
    let run = |state: &State| {
        let output =
            state.command(&["run", "--once"]).env("RUNTIME_DIRECTORY", state.0.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&state);
    let _evil = evil(state.0.path());
    run(&state);
    let file = state.path("metrics.prom");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let samples = parsed(&text);
    assert_eq!(samples["host_watchdog_open_alerts code=unknown-process severity=urgent"], 1.0, "{text}");
    assert_eq!(samples["host_watchdog_open_alerts code=full-disk severity=urgent"], 0.0);
    assert_eq!(samples["host_watchdog_findings_total code=unknown-process"], 1.0);
    assert_eq!(samples["host_watchdog_passes_total"], 2.0);
    assert_eq!(samples["host_watchdog_watch_saw watch=process"], 1.0);
    assert!(samples["host_watchdog_last_pass_timestamp_seconds"] > 1.7e9);
    assert!(samples["host_watchdog_resident_memory_bytes"] > 1e6);
    assert!(!text.contains("evil") && !text.contains("forged"), "{text}");
    // The command counts the same, but for the mail that has gone since.
    let printed = String::from_utf8(state.run(&["metrics"]).stdout).unwrap();
    let steady = |text: &str| {
        let mut samples = parsed(text);
        samples.retain(|name, _| !name.contains("outbox") && !name.contains("running"));
        samples
    };
    assert_eq!(steady(&printed), steady(&text));
}

#[test]
fn a_request_over_a_connection_gets_the_counts() {
    if !world::is_entered("a_request_over_a_connection_gets_the_counts")
        || left_out("python3-prometheus-client", has_parser())
    {
        return;
    }
    let state = State::new("");
    let ask = |request: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let connection: std::os::fd::OwnedFd = listener.accept().unwrap().0.into();
        let mut command = state.command(&["metrics", "--http"]);
        command.stdin(connection.try_clone().unwrap()).stdout(connection);
        let mut child = Running::start(&mut command);
        drop(command);
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        (child.0.wait().unwrap().code(), answer)
    };
    let (code, answer) = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(code == Some(0) && answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    state.once();
    let (code, answer) = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(code == Some(0) && head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert_eq!(parsed(body)["host_watchdog_passes_total"], 1.0);
    assert!(ask("GET /etc/passwd HTTP/1.1\r\n\r\n").1.starts_with("HTTP/1.1 404 "));
    assert!(ask("PUT /metrics HTTP/1.1\r\n\r\n").1.starts_with("HTTP/1.1 405 "));
    assert!(ask("\r\n\r\n").1.starts_with("HTTP/1.1 400 "));
    // What the service has written is what is served, so that whoever serves needs no right to its state.
    std::fs::create_dir_all("/run/host-watchdog").unwrap();
    std::fs::write("/run/host-watchdog/metrics.prom", "written_by_the_service 1\n").unwrap();
    assert!(ask("GET /metrics HTTP/1.1\r\n\r\n").1.ends_with("\r\n\r\nwritten_by_the_service 1\n"));
}

#[test]
fn each_alert_is_one_record_of_the_journal_whatever_a_process_is_called() {
    if !world::is_entered("each_alert_is_one_record_of_the_journal_whatever_a_process_is_called") {
        return;
    }
    let state = State::new("log = \"journal\"");
    let journal = bind(JOURNAL);
    state.once();
    let _evil = evil(state.0.path());
    state.once();
    let record = fields(&received(&journal));
    let subject = format!("{}/evil\"}} 1\\x0aforged 1", state.0.path().display());
    assert_eq!(record["WATCHDOG_CODE"], "unknown-process");
    assert!(record["WATCHDOG_SUBJECT"].contains(&subject), "{record:?}");
    assert!(record["MESSAGE"].starts_with("urgent: "), "{record:?}");
    for (name, value) in [
        ("MESSAGE_ID", "adc72a43bef54b0184c05d5658055096"),
        ("PRIORITY", "2"),
        ("SYSLOG_IDENTIFIER", "host-watchdog"),
        ("WATCHDOG_SEVERITY", "urgent"),
        ("WATCHDOG_STATE", "opened"),
        ("WATCHDOG_WATCH", "process"),
    ] {
        assert_eq!(record[name], value);
    }
    let alerts = String::from_utf8(state.run(&["alerts"]).stdout).unwrap();
    assert!(alerts.starts_with(&record["WATCHDOG_ALERT"]), "{alerts}");
    state.once();
    journal.set_nonblocking(true).unwrap();
    assert!(journal.recv(&mut [0; 1]).is_err(), "what goes on is no new record");
}

#[test]
fn systemds_own_journal_takes_a_record_with_its_fields() {
    const JOURNALD: &str = "/usr/lib/systemd/systemd-journald";
    if !world::is_entered("systemds_own_journal_takes_a_record_with_its_fields")
        || left_out("systemd", Path::new(JOURNALD).exists())
    {
        return;
    }
    let state = State::new("log = \"journal\"");
    std::fs::create_dir_all("/run/systemd/journal").unwrap();
    let _journald = Running::start(Command::new(JOURNALD).stderr(Stdio::null()));
    wait_for("the journal", || Path::new(JOURNAL).exists());
    state.once();
    let _evil = evil(state.0.path());
    state.once();
    let entries = || {
        let id = "MESSAGE_ID=adc72a43bef54b0184c05d5658055096";
        let mut command = Command::new("journalctl");
        let output = command.args(["-D", "/run/log/journal", "-o", "json", id]).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    wait_for("the record", || !entries().is_empty());
    let [entry] = &entries()[..] else { panic!("more than one record") };
    assert_eq!(entry["WATCHDOG_CODE"], "unknown-process");
    assert_eq!(entry["SYSLOG_IDENTIFIER"], "host-watchdog");
    assert!(entry["WATCHDOG_SUBJECT"].as_str().unwrap().contains("/evil\"} 1\\x0aforged 1"), "{entry}");
    assert!(entry["MESSAGE"].as_str().unwrap().starts_with("urgent: "), "{entry}");
}

#[test]
fn each_alert_is_one_line_of_the_syslog() {
    if !world::is_entered("each_alert_is_one_line_of_the_syslog") {
        return;
    }
    let state = State::new("log = \"syslog\"");
    let syslog = bind("/dev/log");
    state.once();
    let _evil = evil(state.0.path());
    state.once();
    let line = String::from_utf8(received(&syslog)).unwrap();
    assert!(line.starts_with("<26>1 ") && !line.contains('\n'), "{line}");
    assert!(line.contains(" web1 host-watchdog "), "{line}");
    assert!(
        line.contains(" opened [watchdog@32473 code=\"unknown-process\" severity=\"urgent\" subject=\""),
        "{line}"
    );
    assert!(line.contains("/evil\\\"} 1\\\\x0aforged 1"), "{line}");
}

/// A log that nobody reads, and a file that cannot be written: the service goes on, and counts what was lost.
#[test]
fn neither_a_full_log_nor_a_file_that_cannot_be_written_holds_up_the_service() {
    if !world::is_entered("neither_a_full_log_nor_a_file_that_cannot_be_written_holds_up_the_service") {
        return;
    }
    let state = State::new("log = \"journal\"\nprometheus-file = \"/nowhere/metrics.prom\"");
    state.once();
    let journal = bind(JOURNAL);
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", JOURNAL).is_ok() {}
    let mut command = state.command(&["run"]);
    let _evil = evil(state.0.path());
    let before = state.passes();
    let mut service = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    wait_for("a pass", || state.passes() > before);
    let reload = || Command::new("kill").args(["-HUP", &service.pid().to_string()]).status().unwrap();
    assert!(reload().success());
    wait_for("another pass", || state.passes() > before + 1);
    wait_for("the count of what was lost", || {
        let text = String::from_utf8(state.run(&["metrics"]).stdout).unwrap();
        text.contains("host_watchdog_telemetry_lost_total 1\n")
    });
    assert!(Command::new("kill").arg(service.pid().to_string()).status().unwrap().success());
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    service.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let complaints = said.lines().filter(|line| line.contains("telemetry is not complete")).count();
    assert!((1..=3).contains(&complaints), "said, and not in every pass:\n{said}");
    drop(journal);
}

#[test]
fn nothing_is_published_unless_somebody_asks_for_it() {
    if !world::is_entered("nothing_is_published_unless_somebody_asks_for_it") {
        return;
    }
    let state = State::new("");
    let journal = bind(JOURNAL);
    state.once();
    let _evil = evil(state.0.path());
    state.once();
    journal.set_nonblocking(true).unwrap();
    assert!(journal.recv(&mut [0; 1]).is_err());
    assert!(!Path::new("/run/host-watchdog").exists() && !state.path("metrics.prom").exists());
}

#[test]
fn a_setting_of_telemetry_that_is_wrong_is_an_error_with_a_caret() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("watchdog.toml");
    std::fs::write(&file, "[telemetry]\nprometheus-file = \"metrics.prom\"\n").unwrap();
    let output = watchdog(&["validate", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("^^^") && said.contains("neither the whole path of a file nor \"none\""), "{said}");
}
