//! What a policy says of SSH sessions: `[sessions]`, `[[session]]` and `[[keyholder]]`.

use crate::rule::{Day, Placed, Rule};
use crate::watch::login::Source;
use serde::{Deserialize, Serialize};

/// What a policy says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// What holds for all sessions.
    pub sessions: Option<Placed<Sessions>>,
    /// The sessions that may lack the variable.
    pub session: Vec<Placed<SessionRule>>,
    /// Who holds which keys.
    pub keyholder: Vec<Placed<Keyholder>>,
}

/// What holds for all SSH sessions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Sessions {
    /// The environment variable every session must have, and not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_env: Option<Variable>,
    /// The accounts this holds for; none named: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it is limited to `accounts`; after it the variable is required of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Variable(String);

impl Variable {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Variable {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let fits = written.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if fits && written.bytes().next().is_some_and(|b| !b.is_ascii_digit()) {
            Ok(Self(written))
        } else {
            Err(format!(
                "{written:?} is not the name of a variable: write letters, digits and _, like \"KEYHOLDER\""
            ))
        }
    }
}

impl From<Variable> for String {
    fn from(variable: Variable) -> Self {
        variable.0
    }
}

impl Rule for Sessions {
    fn describe(&self) -> String {
        "sessions".to_owned()
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// Allows SSH sessions to lack the variable that `[sessions]` requires.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SessionRule {
    /// The accounts; none named: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Addresses or networks they come from; none named: any, and those that are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<Source>,
    /// Why it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
}

impl Rule for SessionRule {
    fn describe(&self) -> String {
        let accounts = if self.accounts.is_empty() { "anybody".to_owned() } else { self.accounts.join(", ") };
        format!("session of {accounts}")
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

/// A person and the keys this person holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Keyholder {
    /// The value of the variable that names this person.
    pub name: String,
    /// Fingerprints, `SHA256:…`, or `none` for a login without a key; none named: any key, and no key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Fingerprint>,
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
    pub expires: Option<Day>,
}

/// The fingerprint of a key, as `ssh-keygen -l` prints it; `none` stands for a login without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

/// What stands in place of a fingerprint for a login without a key.
pub const NO_KEY: &str = "none";

impl Fingerprint {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let base64 = |hash: &str| hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
        let md5 = |hash: &str| hash.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        let fits = match written.split_once(':') {
            Some(("SHA256", hash)) => hash.len() == 43 && base64(hash),
            Some(("MD5", hash)) => hash.len() == 47 && md5(hash),
            _ => written == NO_KEY,
        };
        if fits {
            Ok(Self(written))
        } else {
            Err(format!(
                "{written:?} is not a fingerprint: write what \"ssh-keygen -l\" prints, SHA256: and 43 characters"
            ))
        }
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

impl Rule for Keyholder {
    fn describe(&self) -> String {
        format!("keyholder {}", self.name)
    }
    fn expires(&self) -> Option<Day> {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_variable_or_fingerprint_is_refused_with_an_example() {
        for wrong in ["", "KEY HOLDER", "1KEY", "KEYHOLDER=x", "$KEYHOLDER"] {
            assert!(Variable::try_from(wrong.to_owned()).unwrap_err().contains("KEYHOLDER"), "{wrong}");
        }
        for wrong in [
            "",
            "SHA256:",
            "SHA256:short",
            "XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs",
            "SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdY=",
        ] {
            assert!(Fingerprint::try_from(wrong.to_owned()).unwrap_err().contains("ssh-keygen"), "{wrong}");
        }
        assert!(
            Fingerprint::try_from("SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs".to_owned()).is_ok()
        );
    }
}
