//! What Windows calls an account, a service or a task, in a rule: compared without case, `*` for any run of characters.

use super::Pattern;
use serde::{Deserialize, Serialize};

/// A name of Windows. Only the letters of ASCII are compared without case: among all others are some that look like
/// one another to a table of letters and are two to Windows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Pattern);

impl Name {
    /// The name that matches just `text`.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self(Pattern::literal(text))
    }

    /// As written in the policy.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True if `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches_in_any_case(text)
    }
}

impl From<&str> for Name {
    fn from(written: &str) -> Self {
        Self(Pattern::from(written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use proptest::prelude::*;

    #[test]
    fn case_does_not_matter_in_a_name() {
        for (written, name, fits) in [
            ("Spooler", "spooler", true),
            ("Spooler", "spooler2", false),
            (r"CORP\Domain *", r"corp\domain admins", true),
            (r"\Microsoft\Windows\*", r"\microsoft\windows\UpdateOrchestrator\Reboot", true),
            (r"\Microsoft\Windows\*", r"\Acme\Job", false),
            (r"a\x2ab", "A*B", true),
            (r"a\x2ab", "axb", false),
            (r"\x2A", r"\x2A", true),
            ("k", "\u{212a}", false),
        ] {
            assert_eq!(Name::from(written).matches(&Text::new(name)), fits, "{written} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_is_one_name_and_no_other(raw in "[Aa*\\\\x2é\t.]{0,10}", other in "[Aa*\\\\x2é\t.]{0,10}") {
            let (text, other) = (Text::new(&raw), Text::new(&other));
            let literal = Name::literal(&text);
            prop_assert!(literal.matches(&text));
            prop_assert_eq!(literal.matches(&other), text.eq_ignore_ascii_case(&other));
        }
    }
}
