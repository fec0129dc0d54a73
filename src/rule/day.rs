//! The last day of a rule: a TOML date, `2026-12-31`, with or without quotes.

use jiff::civil::Date;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Serialize, Serializer};
use std::fmt;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Day {
    /// The day as a date.
    #[must_use]
    pub fn date(self) -> Date {
        self.0
    }
}

impl From<Date> for Day {
    fn from(date: Date) -> Self {
        Self(date)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DayVisitor)
    }
}

struct DayVisitor;

impl<'de> Visitor<'de> for DayVisitor {
    type Value = Day;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a date like 2026-12-31")
    }

    fn visit_str<E: de::Error>(self, written: &str) -> Result<Day, E> {
        written.parse().map(Day).map_err(|_| E::custom(format!("{written:?} is not a date like 2026-12-31")))
    }

    /// A date of TOML comes as a map of its own.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Day, A::Error> {
        let moment = toml::value::Datetime::deserialize(MapAccessDeserializer::new(map))
            .map_err(|_| de::Error::invalid_type(de::Unexpected::Map, &self))?;
        self.visit_str(&moment.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Rule {
        expires: Day,
    }

    #[test]
    fn a_day_is_written_with_or_without_quotes() {
        for written in ["2026-12-31", "\"2026-12-31\""] {
            let rule: Rule = toml::from_str(&format!("expires = {written}")).unwrap();
            assert_eq!(rule.expires.to_string(), "2026-12-31");
        }
    }

    #[test]
    fn what_is_no_day_is_refused_in_words() {
        for written in
            ["\"tomorrow\"", "2026-12-31T10:00:00Z", "10:00:00", "7", "{ day = 1 }", "\"2026-02-30\""]
        {
            let error = toml::from_str::<Rule>(&format!("expires = {written}")).unwrap_err();
            assert!(error.message().contains("date like 2026-12-31"), "{written}: {error}");
        }
    }
}
