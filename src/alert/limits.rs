//! The settings of alerts: how often to mail, and how long to wait.

use crate::rule::Span;
use serde::{Deserialize, Deserializer, Serialize};
use std::num::NonZeroU32;

/// `[alerts]` of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Limits {
    /// What stays open is mailed again after so long: at least an hour.
    #[serde(deserialize_with = "remind")]
    pub remind: Span,
    /// News that is not urgent waits so long for more: at most a day.
    #[serde(deserialize_with = "wait")]
    pub gather: Span,
    /// A state is over when it was not seen for so long: at most a day.
    #[serde(deserialize_with = "wait")]
    pub resolve_after: Span,
    /// No more mails than this in an hour; the rest is held and merged.
    pub digests_per_hour: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            remind: Span::days(1),
            gather: Span::minutes(5),
            resolve_after: Span::minutes(5),
            digests_per_hour: NonZeroU32::MIN.saturating_add(11),
        }
    }
}

fn remind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span < Span::hours(1) {
        let message =
            format!("\"{span}\" is too short: a reminder comes every hour at most, write \"1h\" or more");
        return Err(serde::de::Error::custom(message));
    }
    Ok(span)
}

fn wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span > Span::days(1) {
        return Err(serde::de::Error::custom(format!("\"{span}\" is too long: write \"1d\" or less")));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_defaults_are_what_the_documentation_says() {
        assert_eq!(toml::from_str::<Limits>("").unwrap(), Limits::default());
        expect![[r#"
            remind = "1d"
            gather = "5m"
            resolve-after = "5m"
            digests-per-hour = 12
        "#]]
        .assert_eq(&toml::to_string(&Limits::default()).unwrap());
    }

    #[test]
    fn a_wrong_setting_is_shown_with_a_caret() {
        let errors = ["remind = \"5m\"", "gather = \"2d\"", "digests-per-hour = 0", "remnd = \"1d\""]
            .map(|text| toml::from_str::<Limits>(text).unwrap_err().to_string());
        expect![[r#"
            TOML parse error at line 1, column 10
              |
            1 | remind = "5m"
              |          ^^^^
            "5m" is too short: a reminder comes every hour at most, write "1h" or more

            TOML parse error at line 1, column 10
              |
            1 | gather = "2d"
              |          ^^^^
            "2d" is too long: write "1d" or less

            TOML parse error at line 1, column 20
              |
            1 | digests-per-hour = 0
              |                    ^
            invalid value: integer `0`, expected a nonzero u32

            TOML parse error at line 1, column 1
              |
            1 | remnd = "1d"
              | ^^^^^
            unknown field `remnd`, expected one of `remind`, `gather`, `resolve-after`, `digests-per-hour`
        "#]]
        .assert_eq(&errors.join("\n"));
    }
}
