//! Counts in the text form of Prometheus. Every label is a word of our own (a code, a severity, a watch) or a digest:
//! nothing that a fact holds ever becomes one.

use super::cost::{COST, Cost};
use super::view::{VIEW, View};
use crate::finding::{Code, Severity};
use crate::mail::{Outbox, OutboxStatus};
use crate::store::{self, Reader, Status};
use anyhow::Result;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// All that is counted, at one moment.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// How the service does.
    pub status: Status,
    /// What it costs.
    pub cost: Cost,
    /// What it says of itself.
    pub view: View,
    /// The alerts that are open.
    pub open: BTreeMap<(Code, Severity), u64>,
    /// What waits in the outbox; none if it could not be read.
    pub outbox: Option<OutboxStatus>,
}

impl Metrics {
    /// Counts what the store and the outbox of this state folder hold, without changing anything.
    ///
    /// # Errors
    /// If there is no store, or it cannot be read.
    pub fn gather(state_dir: &Path) -> Result<Self> {
        let reader = Reader::open(&state_dir.join(store::FILE))?;
        let mut open = BTreeMap::new();
        for alert in reader.open_alerts()? {
            *open.entry((alert.finding.code, alert.finding.severity)).or_default() += 1;
        }
        Ok(Self {
            status: reader.status()?,
            cost: reader.memory(COST)?.recall(),
            view: reader.memory(VIEW)?.recall(),
            open,
            outbox: Outbox::at(state_dir.join("outbox")).status().ok(),
        })
    }

    /// As Prometheus reads it.
    #[must_use]
    pub fn render(&self) -> String {
        let mut page = Page::default();
        self.itself(&mut page);
        self.alerts(&mut page);
        self.watches(&mut page);
        self.mails(&mut page);
        page.0
    }

    fn itself(&self, page: &mut Page) {
        let Self { status, cost, view, .. } = self;
        page.family("host_watchdog_info", "gauge", "The version of the service and the policy in force.");
        let digest = view.policy_digest.get(..12).unwrap_or_default();
        page.sample("host_watchdog_info", &[("version", &view.version), ("policy_digest", digest)], 1.0);
        page.counter("host_watchdog_passes_total", "Passes that were stored.", counter(status, "passes"));
        if let Some(run) = status.run {
            let started = seconds(run.started);
            page.gauge("host_watchdog_start_timestamp_seconds", "When the service was started.", started);
            let running = f64::from(u8::from(run.stopped.is_none()));
            page.gauge("host_watchdog_running", "0 if the service was stopped in good order.", running);
        }
        if let Some(last) = status.run.and_then(|run| run.last) {
            let help = "When the last pass was stored. If this stands still, nobody is watching.";
            page.gauge("host_watchdog_last_pass_timestamp_seconds", help, seconds(last));
        }
        let cpu = cost.cpu_ms as f64 / 1000.0;
        page.counter(
            "host_watchdog_cpu_seconds_total",
            "Processor time of the service since its start.",
            cpu,
        );
        let cpu = cost.last_pass_cpu_ms as f64 / 1000.0;
        page.gauge("host_watchdog_last_pass_cpu_seconds", "Processor time of the last pass.", cpu);
        let memory = cost.resident_kb as f64 * 1024.0;
        page.gauge("host_watchdog_resident_memory_bytes", "Memory the service holds.", memory);
        let lost = view.telemetry_lost as f64;
        page.counter("host_watchdog_telemetry_lost_total", "Records that no log took since the start.", lost);
    }

    fn alerts(&self, page: &mut Page) {
        let name = "host_watchdog_open_alerts";
        page.family(name, "gauge", "Alerts that are open, by code and severity of their finding.");
        let mut open = self.open.clone();
        // A series that is there with 0 can be told from one that nobody counts.
        for code in Code::ALL {
            open.entry((*code, code.severity())).or_default();
        }
        for ((code, severity), count) in open {
            page.sample(name, &[("code", code.as_str()), ("severity", severity.as_str())], count as f64);
        }
        let name = "host_watchdog_findings_total";
        page.family(name, "counter", "Findings by code; one that lasts is found anew in each pass.");
        for code in Code::ALL {
            let count = self.status.findings.get(code.as_str()).copied().unwrap_or(0);
            page.sample(name, &[("code", code.as_str())], count as f64);
        }
    }

    fn watches(&self, page: &mut Page) {
        let watches = || self.status.watches.iter();
        let name = "host_watchdog_watch_looked_timestamp_seconds";
        page.family(name, "gauge", "When the watch looked last.");
        for (watch, mark) in watches() {
            page.sample(name, &[("watch", watch)], seconds(mark.looked));
        }
        let name = "host_watchdog_watch_saw";
        page.family(name, "gauge", "1 if the watch saw facts when it looked last, 0 if it failed.");
        for (watch, mark) in watches() {
            page.sample(name, &[("watch", watch)], f64::from(u8::from(mark.saw == Some(mark.looked))));
        }
        let name = "host_watchdog_watch_seconds";
        page.family(name, "gauge", "How long the watch took to look.");
        for (watch, took) in &self.cost.took_ms {
            page.sample(name, &[("watch", watch)], took / 1000.0);
        }
        let name = "host_watchdog_coverage_gaps";
        page.family(name, "gauge", "Kinds of things the watch could not see, accepted by the policy or not.");
        for (watch, _) in watches() {
            let gaps = self.view.gaps.get(watch).map_or(0, Vec::len);
            page.sample(name, &[("watch", watch)], gaps as f64);
        }
    }

    fn mails(&self, page: &mut Page) {
        let composed = counter(&self.status, "digests");
        page.counter("host_watchdog_mails_total", "Mails that were composed.", composed);
        // Where the outbox cannot be read, no number is better than a wrong one.
        let Some(outbox) = &self.outbox else { return };
        let waiting = (outbox.waiting + self.status.unqueued) as f64;
        page.gauge("host_watchdog_outbox_waiting", "Mails that no mail server has accepted yet.", waiting);
        let refused = outbox.refused as f64;
        page.gauge("host_watchdog_outbox_refused", "Of them, those that were refused for good.", refused);
        if let Some(oldest) = outbox.oldest {
            let help = "Since when the oldest of them waits; absent if none does.";
            page.gauge("host_watchdog_outbox_oldest_timestamp_seconds", help, seconds(oldest));
        }
    }
}

fn counter(status: &Status, name: &str) -> f64 {
    status.counters.get(name).map_or(0.0, |value| *value as f64)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

/// The text as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        self.0.push_str(&format!("{name}{labels} {value}\n"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }
}

/// The values are our own words, read back from the store; the escape costs nothing and ends all doubt.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Puts `text` in place of the file, whole or not at all. It holds only counts, so everybody may read it.
///
/// # Errors
/// The system's.
pub fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    // Not `.prom` at its end: what reads a folder of such files must not read half of one.
    name.push(format!(".{}.new", std::process::id()));
    let temporary = file.with_file_name(name);
    crate::file::write_new(&temporary, text.as_bytes())?;
    let placed = crate::file::let_everybody_read(&temporary).and_then(|()| fs::rename(&temporary, file));
    placed.inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
