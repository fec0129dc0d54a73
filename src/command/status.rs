//! `watchdog status`: how the watchdog itself is.

use crate::alert::words;
use crate::command::load_policy;
use crate::host::Host;
use crate::mail::{Outbox, OutboxStatus};
use crate::observe::{self, Record};
use crate::say;
use crate::schedule;
use crate::settings::Setup;
use crate::store::{self, Reader, Status};
use crate::telemetry::{COST, Cost, VIEW, View};
use crate::text::clean;
use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;
use serde_json::json;
use std::process::ExitCode;

pub fn run(setup: &Setup, json: bool) -> Result<ExitCode> {
    let path = setup.state_dir.join(store::FILE);
    if !path.exists() {
        bail!("nothing has been watched with {} yet: `watchdog run` begins it", setup.state_dir.display());
    }
    let reader = Reader::open(&path)?;
    let status = reader.status()?;
    let cost: Cost = reader.memory(COST)?.recall();
    let view: View = reader.memory(VIEW)?.recall();
    let observing = observing(setup, reader.memory(observe::MEMORY)?.recall());
    let outbox = Outbox::at(setup.state_dir.join("outbox")).status().context("cannot read the outbox")?;
    let open = reader.open_alerts()?.len();
    let policy = load_policy(&setup.policy);
    let digest =
        policy.as_ref().map_or_else(|error| format!("WRONG: {error:#}"), |policy| policy.digest.clone());
    if json {
        let watches: serde_json::Map<_, _> = status
            .watches
            .iter()
            .map(|(name, mark)| {
                (
                    name.clone(),
                    json!({ "looked": mark.looked, "saw": mark.saw, "took-ms": cost.took_ms.get(name) }),
                )
            })
            .collect();
        let value = json!({
            "policy": setup.policy, "policy-digest": digest, "open-alerts": open, "watches": watches, "cost": cost,
            "run": status.run.map(|run| json!({ "started": run.started, "last": run.last, "stopped": run.stopped })),
            "outbox": { "waiting": outbox.waiting, "handed-over": outbox.handed_over, "oldest": outbox.oldest, "last-error": outbox.last_error },
            "observing": observing.as_ref().map(|record| json!({ "until": record.until, "learned": record.learned.len() })),
            "starts": view.starts, "last-digest": status.last_digest, "counters": status.counters, "findings": status.findings,
        });
        say!("{value}");
    } else {
        print(setup, &status, &cost, &outbox, open, &digest);
        if let Some(starts) = &view.starts {
            say!("starts     {}", clean(&starts.in_words()));
        }
        if let Some(record) = observing {
            let until = schedule::in_words(record.until, &TimeZone::system());
            let rules = words::count(record.learned.len() as u64, "rule");
            let file = setup.state_dir.join(observe::FILE);
            say!("observing  until {until}, {rules} learned so far: {}", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The record, while it is observed.
fn observing(setup: &Setup, record: Option<Record>) -> Option<Record> {
    let now = Host::this().now();
    record.filter(|record| record.state(now, setup.settings.observe) == observe::State::On)
}

fn print(setup: &Setup, status: &Status, cost: &Cost, outbox: &OutboxStatus, open: usize, digest: &str) {
    let (now, zone) = (Host::this().now(), TimeZone::system());
    let at = |moment| format!("{} ({})", schedule::in_words(moment, &zone), words::ago(moment, now));
    match status.run {
        Some(run) => {
            let state = match run.stopped {
                Some(stopped) => format!("stopped {}", at(stopped)),
                None => format!("last pass {}", run.last.map_or("none yet".to_owned(), at)),
            };
            say!("watching   since {}, {state}", at(run.started));
        }
        None => say!("watching   never yet"),
    }
    let digest = digest.get(..12).filter(|_| !digest.starts_with("WRONG")).unwrap_or(digest);
    say!("policy     {} {digest}", setup.policy.display());
    say!("alerts     {open} open");
    let waiting = match (outbox.waiting, outbox.oldest) {
        (0, _) => "no mail waits".to_owned(),
        (1, Some(since)) => format!("1 mail waits since {}", at(since)),
        (count, Some(oldest)) => format!("{count} mails wait, the oldest since {}", at(oldest)),
        (count, None) => format!("{count} mails wait"),
    };
    let aside = match outbox.handed_over {
        0 => String::new(),
        count => format!(", {count} of them for the sendmail program"),
    };
    say!("outbox     {waiting}{aside}");
    if let Some(error) = &outbox.last_error {
        say!("           {}", clean(error));
    }
    say!(
        "cost       {} ms of processor in the last pass, {} kB of memory",
        cost.last_pass_cpu_ms,
        cost.resident_kb
    );
    for (name, mark) in &status.watches {
        let took = cost.took_ms.get(name).map_or(String::new(), |ms| format!(", took {ms:.1} ms"));
        let saw = if mark.saw == Some(mark.looked) { "" } else { ", SAW NOTHING" };
        say!("{name:10} looked {}{took}{saw}", words::ago(mark.looked, now));
    }
}
