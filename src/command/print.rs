//! Findings and alerts on a terminal: the words of the mails, in colour where it is one.

use crate::alert::words::{self, Kind};
use crate::alert::{Alert, State};
use crate::finding::{Finding, Severity};
use crate::say;
use crate::schedule;
use crate::text::clean;
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;

fn colour(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Urgent => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Notice => AnsiColor::Cyan,
    };
    colour.on_default().bold()
}

/// One finding with its evidence and the rule to add.
pub fn finding(finding: &Finding) {
    let dim = Style::new().dimmed();
    let green = AnsiColor::Green.on_default();
    let bold = Style::new().bold();
    for line in words::finding_lines(finding, None) {
        let text = clean(&line.text);
        match line.kind {
            Kind::Title => {
                let severity = colour(finding.severity);
                let word = finding.severity.as_str().to_uppercase();
                say!("{severity}{word}{severity:#} {bold}{text}{bold:#}");
            }
            Kind::Evidence => say!("{text}"),
            Kind::Nearest | Kind::Hint => say!("{dim}{text}{dim:#}"),
            Kind::Suggest => say!("{green}{text}{green:#}"),
        }
    }
    say!("");
}

/// One alert in a line.
pub fn alert_line(alert: &Alert, since: &str) {
    let severity = colour(alert.finding.severity);
    let title = clean(&alert.finding.title).into_owned();
    let word = format!("{:7}", alert.finding.severity.as_str());
    say!("{}  {severity}{word}{severity:#}  {title}  ({since})", alert.id);
}

/// What has happened to an alert so far.
pub fn life(alert: &Alert, now: Timestamp) {
    let zone = TimeZone::system();
    let at = |moment| format!("{} ({})", schedule::in_words(moment, &zone), words::ago(moment, now));
    let state = match alert.state {
        State::Open => "open",
        State::Acknowledged => "acknowledged",
        State::Resolved => "over",
    };
    say!("alert {}: {state}", alert.id);
    say!("   code        {}", alert.finding.code);
    say!("   first seen  {}", at(alert.opened));
    say!("   last seen   {}", at(alert.last_seen));
    say!("   times       {}", alert.times);
    if let Some(last) = alert.told.last {
        say!("   mailed      {} times, last {}", alert.told.mails, at(last));
    }
    if let Some(resolved) = alert.resolved {
        say!("   over since  {}", at(resolved));
    }
}
