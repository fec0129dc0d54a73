//! The small values of the policy and the settings: `"10m"`, `"90%"`, `"1.."`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A length of time: a whole number and `s`, `m`, `h`, `d` or `w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u64);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// So many minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self(minutes * 60)
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self(hours * 3600)
    }

    /// So many days of 24 hours.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self(days * 86_400)
    }

    /// The length in seconds.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The length for the clock library; never overflows, a span is at most ten years.
    #[must_use]
    pub fn signed(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_secs(i64::try_from(self.0).unwrap_or(i64::MAX))
    }

    /// The length for waiting.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{written:?} is not a length of time: write a whole number and s, m, h, d or w, like \"10m\""
            )
        };
        let unit = match written.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some('w') => 604_800,
            _ => return Err(wrong()),
        };
        let number = written.get(..written.len() - 1).unwrap_or_default();
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).unwrap_or(u64::MAX);
        if seconds > 3660 * 86_400 {
            return Err(format!("{written:?} is longer than ten years"));
        }
        Ok(Self(seconds))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, units) = (self.0, [(604_800, 'w'), (86_400, 'd'), (3600, 'h'), (60, 'm')]);
        match units.iter().find(|(unit, _)| seconds > 0 && seconds % unit == 0) {
            Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
            None => write!(f, "{seconds}s"),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// A share of a whole: `"90%"`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(f64);

impl Percent {
    /// So many hundredths; used for what the program itself proposes.
    #[must_use]
    pub const fn new(percent: f64) -> Self {
        Self(percent)
    }

    /// From 0 to 100.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<String> for Percent {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let number = written.strip_suffix('%').and_then(|n| n.parse::<f64>().ok());
        match number {
            Some(n) if (0.0..=100.0).contains(&n) => Ok(Self(n)),
            _ => Err(format!("{written:?} is not a share: write a number from 0 to 100 and %, like \"90%\"")),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> Self {
        percent.to_string()
    }
}

/// How many: `"1.."`, `"..3"`, `"2..4"` (both ends belong to it) or just `"2"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount {
    /// The fewest.
    pub least: u64,
    /// The most, if there is a bound.
    pub most: Option<u64>,
}

impl Amount {
    /// True if `count` is within.
    #[must_use]
    pub fn contains(self, count: u64) -> bool {
        count >= self.least && self.most.is_none_or(|most| count <= most)
    }
}

impl TryFrom<String> for Amount {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let wrong = || format!("{written:?} is not an amount: write \"1..\", \"..3\", \"2..4\" or \"2\"");
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let (least, most) = match written.split_once("..") {
            None => (number(&written)?, Some(number(&written)?)),
            Some(("", "")) => return Err(wrong()),
            Some((least, "")) => (number(least)?, None),
            Some(("", most)) => (0, Some(number(most)?)),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        if most.is_some_and(|most| most < least) {
            return Err(wrong());
        }
        Ok(Self { least, most })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, Some(most)) if least == most => write!(f, "{least}"),
            (0, Some(most)) => write!(f, "..{most}"),
            (least, Some(most)) => write!(f, "{least}..{most}"),
            (least, None) => write!(f, "{least}.."),
        }
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(written: &str) -> Result<String, String> {
        Span::try_from(written.to_owned()).map(|span| format!("{} = {span}", span.as_secs()))
    }

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        for (written, seconds) in [
            ("90s", "90 = 90s"),
            ("10m", "600 = 10m"),
            ("48h", "172800 = 2d"),
            ("0s", "0 = 0s"),
            ("7d", "604800 = 1w"),
        ] {
            assert_eq!(span(written), Ok(seconds.to_owned()));
        }
        for written in ["", "m", "10", "-1m", "1.5h", "10 m", "10m ", "99999999999999999999s", "11µ", "9999w"]
        {
            assert!(span(written).is_err(), "{written}");
        }
    }

    #[test]
    fn a_percent_is_between_0_and_100() {
        assert_eq!(Percent::try_from("85.5%".to_owned()).map(|p| p.to_string()), Ok("85.5%".to_owned()));
        for written in ["", "%", "85", "101%", "-1%", "NaN%", "inf%"] {
            assert!(Percent::try_from(written.to_owned()).is_err(), "{written}");
        }
    }

    #[test]
    fn an_amount_has_one_or_two_ends() {
        for (written, inside, outside) in [("1..", 1, 0), ("..3", 3, 4), ("2..4", 4, 5), ("2", 2, 3)] {
            let amount = Amount::try_from(written.to_owned()).unwrap();
            assert!(amount.contains(inside) && !amount.contains(outside) && amount.to_string() == written);
        }
        for written in ["", "..", "x..", "4..2", "1...2"] {
            assert!(Amount::try_from(written.to_owned()).is_err(), "{written}");
        }
    }
}
