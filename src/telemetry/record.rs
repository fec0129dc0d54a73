//! A record: one change of an alert, as the journal, the syslog and the event log take it.
//!
//! Whatever a fact holds, a record stays one record with the fields it has: the journal gets every value with its
//! length before it, the syslog gets quotes, backslashes and brackets escaped, the event log gets nothing that it would
//! put other words in the place of, and none gets control characters.

use crate::alert::{Alert, Book, Step};
use crate::finding::{Code, Severity};
use crate::text;
use jiff::Timestamp;

/// A value is cut after so many characters: a datagram has a bound.
const LONGEST: usize = 1024;

/// The private enterprise number of the structured data: the one for examples, as we own none.
const ENTERPRISE: u32 = 32473;

/// The facility of the syslog: daemons.
const DAEMON: u8 = 3;

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new, or back after its end.
    Opened,
    /// It is more severe than before.
    Worsened,
    /// It is over.
    Ended,
}

impl Change {
    /// Each of them.
    pub const ALL: &[Self] = &[Self::Opened, Self::Worsened, Self::Ended];

    /// The word in `WATCHDOG_STATE` and `MSGID`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worsened => "worsened",
            Self::Ended => "ended",
        }
    }

    /// The journal's `MESSAGE_ID`: fixed for ever, people filter by it.
    #[must_use]
    pub fn message_id(self) -> &'static str {
        match self {
            Self::Opened => "adc72a43bef54b0184c05d5658055096",
            Self::Worsened => "3ab8114672cd4841a215bdbf1a8f6702",
            Self::Ended => "474a67389e1d496eaf01d99d809c05ac",
        }
    }

    /// The number of the event in the event log of Windows: fixed for ever as well, and in `packaging/windows/events.mc`.
    #[must_use]
    pub fn event_id(self) -> u16 {
        match self {
            Self::Opened => 10,
            Self::Worsened => 11,
            Self::Ended => 12,
        }
    }
}

/// One change of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub change: Change,
    /// The alert's id.
    pub alert: String,
    /// The code of its finding.
    pub code: Code,
    /// The severity of its finding, at its worst.
    pub severity: Severity,
    /// The watch that saw it.
    pub watch: String,
    /// What it is about.
    pub subject: String,
    /// One line a person understands.
    pub title: String,
}

/// How an event is marked in the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// As an error: it is urgent.
    Error,
    /// As a warning.
    Warning,
    /// As information: a notice, or an end.
    Information,
}

/// A record as the event log of Windows takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which of our events it is.
    pub id: u16,
    /// How it is marked.
    pub kind: EventKind,
    /// The line for people, then each field, always in this order.
    pub strings: Vec<String>,
}

/// The changes that a step makes of the alerts in `book`.
#[must_use]
pub fn records(book: &Book, step: &Step) -> Vec<Record> {
    let change = |alert: &Alert| {
        let before = book.alerts.get(&alert.key).filter(|before| before.opened == alert.opened);
        match (before, alert.is_open()) {
            (None, true) => Some(Change::Opened),
            (Some(before), true) if !before.is_open() => Some(Change::Opened),
            (Some(before), true) if alert.worst > before.worst => Some(Change::Worsened),
            (Some(before), false) if before.is_open() => Some(Change::Ended),
            _ => None,
        }
    };
    let record = |alert: &Alert| {
        Some(Record {
            change: change(alert)?,
            alert: alert.id.clone(),
            code: alert.finding.code,
            severity: alert.worst,
            watch: alert.watch.clone(),
            subject: alert.finding.subject.clone(),
            title: alert.finding.title.clone(),
        })
    };
    step.changed.iter().filter_map(record).collect()
}

impl Record {
    /// The syslog's number for how important it is; an end is never as important as what ended.
    fn priority(&self) -> u8 {
        match (self.change, self.severity) {
            (Change::Ended, _) => 6,
            (_, Severity::Urgent) => 2,
            (_, Severity::Warning) => 4,
            (_, Severity::Notice) => 5,
        }
    }

    fn message(&self) -> String {
        let word = match self.change {
            Change::Opened => self.severity.as_str().to_owned(),
            Change::Worsened => format!("{}, worse than before", self.severity.as_str()),
            Change::Ended => "over".to_owned(),
        };
        value(&format!("{word}: {} (alert {})", self.title, self.alert))
    }

    /// The fields of both forms, without `MESSAGE` and the like.
    fn fields(&self) -> [(&'static str, String); 6] {
        [
            ("code", self.code.as_str().to_owned()),
            ("severity", self.severity.as_str().to_owned()),
            ("subject", value(&self.subject)),
            ("alert", value(&self.alert)),
            ("state", self.change.as_str().to_owned()),
            ("watch", value(&self.watch)),
        ]
    }

    /// As a datagram of the journal's native protocol.
    #[must_use]
    pub fn to_journal(&self) -> Vec<u8> {
        let mut datagram = Vec::new();
        let mut field = |name: &str, value: &str| {
            datagram.extend_from_slice(name.as_bytes());
            datagram.push(b'\n');
            datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
            datagram.extend_from_slice(value.as_bytes());
            datagram.push(b'\n');
        };
        field("MESSAGE", &self.message());
        field("MESSAGE_ID", self.change.message_id());
        field("PRIORITY", &self.priority().to_string());
        field("SYSLOG_IDENTIFIER", "host-watchdog");
        for (name, value) in self.fields() {
            field(&format!("WATCHDOG_{}", name.to_ascii_uppercase()), &value);
        }
        datagram
    }

    /// As an event of Windows.
    #[must_use]
    pub fn to_event(&self) -> Event {
        let kind = match (self.change, self.severity) {
            (Change::Ended, _) | (_, Severity::Notice) => EventKind::Information,
            (_, Severity::Urgent) => EventKind::Error,
            (_, Severity::Warning) => EventKind::Warning,
        };
        let fields = self.fields().into_iter().map(|(_, value)| event_string(&value));
        let strings = std::iter::once(event_string(&self.message())).chain(fields).collect();
        Event { id: self.change.event_id(), kind, strings }
    }

    /// As a line of RFC 5424, on the host of this name.
    #[must_use]
    pub fn to_syslog(&self, now: Timestamp, host: &str, pid: u32) -> String {
        let quoted = |value: &str| {
            let escape = |c: char| if "\"\\]".contains(c) { format!("\\{c}") } else { c.to_string() };
            value.chars().map(escape).collect::<String>()
        };
        let fields: Vec<String> =
            self.fields().iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
        format!(
            "<{}>1 {} {} host-watchdog {pid} {} [watchdog@{ENTERPRISE} {}] {}",
            DAEMON * 8 + self.priority(),
            now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"),
            header(host),
            self.change.as_str(),
            fields.join(" "),
            self.message()
        )
    }
}

/// Without anything that could not be shown, and not too long.
fn value(text: &str) -> String {
    let mut clean = text::clean(text).into_owned();
    if let Some((at, _)) = clean.char_indices().nth(LONGEST) {
        clean.truncate(at);
        clean.push('…');
    }
    clean
}

/// A string of an event: whoever shows it puts other strings in the place of `%1`, and words of Windows in that of `%%1`.
#[must_use]
pub fn event_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_percent = false;
    for c in text.chars() {
        if after_percent && (c == '%' || c.is_ascii_digit()) {
            out.push(' ');
        }
        out.push(c);
        after_percent = c == '%';
    }
    out
}

/// A part of the header: printable ASCII without blanks, or a hyphen for none.
fn header(text: &str) -> String {
    let fit: String = text.chars().filter(char::is_ascii_graphic).take(255).collect();
    if fit.is_empty() { "-".to_owned() } else { fit }
}

#[cfg(test)]
#[path = "record/tests.rs"]
mod tests;
