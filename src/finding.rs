//! A finding: one difference between what was seen and what is allowed.

mod code;

pub use code::{Code, Kind};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How soon a person should look. Sorts from least to most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, can wait for days.
    Notice,
    /// Look today.
    Warning,
    /// Worth getting up at night.
    Urgent,
}

impl Severity {
    /// The word used in mails, JSON and on the terminal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Urgent => "urgent",
        }
    }
}

/// What was seen, as names and values in the order a person wants to read them.
pub type Evidence = Map<String, Value>;

/// The rule that came nearest to allowing what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Nearest {
    /// The rule in a few words, and the file and line it stands in.
    pub rule: String,
    /// Why it did not match, in words.
    #[serde(alias = "why_not")]
    pub why_not: String,
}

/// One difference. `code` and `subject` together are its identity from pass to pass: the subject holds no
/// process id, time or count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of difference.
    pub code: Code,
    /// How soon to look.
    pub severity: Severity,
    /// Its stable identity within the code.
    pub subject: String,
    /// One line a person understands.
    pub title: String,
    /// What was seen.
    pub evidence: Evidence,
    /// The nearest rule and why it did not match.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nearest: Option<Nearest>,
    /// TOML that would allow it, the narrowest form first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suggest: Option<String>,
}

impl Finding {
    /// A finding with no evidence yet, as urgent as its code usually is.
    #[must_use]
    pub fn new(code: Code, subject: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            subject: subject.into(),
            title: title.into(),
            evidence: Evidence::new(),
            nearest: None,
            suggest: None,
        }
    }

    /// Adds a piece of evidence: text, a number or a list; nulls and empty lists are left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        // Evidence is made of strings, numbers and lists of them, which always serialise.
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        if !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()) {
            self.evidence.insert(name.to_owned(), value);
        }
        self
    }

    /// Replaces the code's usual severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets the nearest rule.
    #[must_use]
    pub fn nearest(mut self, nearest: Option<Nearest>) -> Self {
        self.nearest = nearest;
        self
    }

    /// Sets the TOML that would allow it.
    #[must_use]
    pub fn suggest(mut self, toml: impl Into<String>) -> Self {
        self.suggest = Some(toml.into());
        self
    }

    /// The identity: the same difference seen again has the same key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}", self.code.as_str(), self.subject)
    }
}

/// A text for a title, where a long one would hide what stands behind it.
#[must_use]
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
