//! What a policy says of SSH sessions: `[sessions]` and `[[keyholder]]`.

use crate::rule::{Placed, Rule};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What holds for all sessions.
    pub sessions: Option<Placed<Sessions>>,
    /// Who holds which keys.
    pub keyholder: Vec<Placed<Keyholder>>,
}

/// What holds for all SSH sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sessions {
    /// The environment variable every session must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_env: Option<String>,
    /// The accounts this holds for; none named: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

impl Rule for Sessions {
    fn describe(&self) -> String {
        "sessions".to_owned()
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}

/// A person and the keys this person holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keyholder {
    /// The value of the variable that names this person.
    pub name: String,
    /// Fingerprints, `SHA256:…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The accounts this person may enter; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

impl Rule for Keyholder {
    fn describe(&self) -> String {
        format!("keyholder {}", self.name)
    }
    fn expires(&self) -> Option<Date> {
        self.expires
    }
}
