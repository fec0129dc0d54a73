//! When people may log in: `Mon-Fri 09:00-18:00`, in a named time zone.
//!
//! Hours are asked of the clock on the wall of that zone. So the hour that is skipped in spring has no logins to
//! ask about, and the hour that comes twice in autumn is inside both times or outside both times.

use crate::text::Text;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};
use std::fmt;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u16 = 24 * 60;

/// A time of the week that comes again: some days, and from when to when on each. The end does not belong to
/// it. An end at or before the beginning is meant on the day after: `Fri 22:00-06:00` ends on Saturday.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    written: String,
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl Hours {
    /// True if the wall clock shows a time within.
    #[must_use]
    pub fn contains(&self, wall: DateTime) -> bool {
        let minute = minute_of(wall);
        if self.from < self.to {
            return self.on(wall.weekday()) && (self.from..self.to).contains(&minute);
        }
        self.on(wall.weekday()) && minute >= self.from
            || self.on(wall.weekday().previous()) && minute < self.to
    }

    fn on(&self, day: Weekday) -> bool {
        self.days.get(index(day)).copied().unwrap_or(false)
    }

    /// The whole week.
    #[must_use]
    pub fn always() -> Self {
        Self { written: "Mon-Sun 00:00-24:00".to_owned(), days: [true; 7], from: 0, to: DAY }
    }

    /// The full hours in which the wall clock showed `walls`, neighbours put together: what would have allowed
    /// them.
    #[must_use]
    pub fn covering(walls: impl IntoIterator<Item = DateTime>) -> Vec<Self> {
        let mut slots: Vec<(usize, u16)> = walls
            .into_iter()
            .map(|wall| (index(wall.weekday()), u16::from(wall.hour().unsigned_abs())))
            .collect();
        slots.sort_unstable();
        slots.dedup();
        let mut blocks: Vec<(usize, u16, u16)> = Vec::new();
        for (day, hour) in slots {
            match blocks.last_mut() {
                Some((last, _, to)) if *last == day && *to == hour => *to = hour + 1,
                _ => blocks.push((day, hour, hour + 1)),
            }
        }
        let written = blocks.into_iter().map(|(day, from, to)| {
            format!("{} {from:02}:00-{to:02}:00", DAYS.get(day).copied().unwrap_or_default())
        });
        written.filter_map(|written| Self::try_from(written).ok()).collect()
    }
}

fn index(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

fn minute_of(wall: DateTime) -> u16 {
    u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs())
}

impl TryFrom<String> for Hours {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "{what}: write hours like \"Mon-Fri 09:00-18:00\", \"Sat,Sun 10:00-12:00\" or \"22:00-06:00\""
            )
        };
        let mut words = written.split_whitespace();
        let (days, times) = match (words.next(), words.next(), words.next()) {
            (Some(times), None, None) => ([true; 7], times),
            (Some(days), Some(times), None) => (parse_days(days).map_err(|e| wrong(&e))?, times),
            _ => return Err(wrong(&format!("{written:?} is not a time of the week"))),
        };
        let Some((from, to)) = times.split_once('-') else {
            return Err(wrong(&format!("{times:?} has no beginning and end")));
        };
        let (from, to) = (parse_time(from).map_err(|e| wrong(&e))?, parse_time(to).map_err(|e| wrong(&e))?);
        if from == DAY {
            return Err(wrong("a time cannot begin at 24:00"));
        }
        if from == to {
            return Err(wrong(&format!("{times:?} is no time at all; a whole day is \"00:00-24:00\"")));
        }
        Ok(Self { written, days, from, to })
    }
}

fn parse_days(written: &str) -> Result<[bool; 7], String> {
    let day = |name: &str| {
        let known = DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
        known.ok_or_else(|| format!("{name:?} is not a day, the days are {}", DAYS.join(", ")))
    };
    let mut days = [false; 7];
    for part in written.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // From Friday to Monday goes over the weekend.
        let length = (last + 7 - first) % 7;
        for at in first..=first + length {
            if let Some(day) = days.get_mut(at % 7) {
                *day = true;
            }
        }
    }
    Ok(days)
}

fn parse_time(written: &str) -> Result<u16, String> {
    let wrong = || format!("{written:?} is not a time of day from 00:00 to 24:00");
    let two_digits = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u16>().ok())?
    };
    let (hour, minute) = written.split_once(':').ok_or_else(wrong)?;
    match (two_digits(hour), two_digits(minute)) {
        (Some(24), Some(0)) => Ok(DAY),
        (Some(hour @ 0..=23), Some(minute @ 0..=59)) => Ok(hour * 60 + minute),
        _ => Err(wrong()),
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.written
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// A time zone by its IANA name, like `Europe/London`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The zone itself.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        self.zone.clone()
    }

    /// What its clocks show at a moment.
    #[must_use]
    pub fn wall(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }

    /// The zone that facts name; what is not known is Coordinated Universal Time.
    #[must_use]
    pub fn of_facts(name: Option<&Text>) -> Self {
        name.and_then(|name| Self::try_from(name.to_string()).ok())
            .unwrap_or_else(|| Self { name: "UTC".to_owned(), zone: TimeZone::UTC })
    }
}

impl TryFrom<String> for Zone {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        match TimeZone::get(&name) {
            Ok(zone) => Ok(Self { name, zone }),
            Err(_) if ["UTC", "Etc/UTC"].contains(&name.as_str()) => Ok(Self { name, zone: TimeZone::UTC }),
            Err(_) => Err(format!(
                "{name:?} is not a time zone of this host: write an IANA name like \"Europe/London\" (package tzdata)"
            )),
        }
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(written: &str) -> Result<Hours, String> {
        Hours::try_from(written.to_owned())
    }

    #[test]
    fn hours_are_days_and_a_beginning_and_an_end() {
        // 2026-11-20 is a Friday.
        for (written, wall, inside) in [
            ("Mon-Fri 09:00-18:00", "2026-11-20T09:00:00", true),
            ("Mon-Fri 09:00-18:00", "2026-11-20T17:59:59", true),
            ("Mon-Fri 09:00-18:00", "2026-11-20T18:00:00", false),
            ("Mon-Fri 09:00-18:00", "2026-11-21T12:00:00", false),
            ("sat,sun 10:00-12:00", "2026-11-21T10:30:00", true),
            ("Mon-Wed,Fri 10:00-12:00", "2026-11-19T11:00:00", false),
            ("Mon-Sun 00:00-24:00", "2026-11-22T23:59:59", true),
            ("22:00-06:00", "2026-11-20T23:00:00", true),
            ("22:00-06:00", "2026-11-20T05:59:00", true),
            ("22:00-06:00", "2026-11-20T06:00:00", false),
            ("Fri 22:00-06:00", "2026-11-21T05:00:00", true),
            ("Fri 22:00-06:00", "2026-11-20T05:00:00", false),
            ("Sun 22:00-06:00", "2026-11-23T05:00:00", true),
            ("Fri-Mon 12:00-13:00", "2026-11-22T12:00:00", true),
            ("Fri-Mon 12:00-13:00", "2026-11-24T12:00:00", false),
        ] {
            assert_eq!(hours(written).unwrap().contains(wall.parse().unwrap()), inside, "{written} {wall}");
        }
    }

    #[test]
    fn what_is_not_hours_is_refused_with_an_example() {
        for written in [
            "",
            "Mon-Fri",
            "Mon 9:00-18:00",
            "Mon 09:00",
            "Mon 09:00-25:00",
            "Mon 09:60-10:00",
            "Mo 09:00-10:00",
            "Mon-Fri 09:00-09:00",
            "Mon 24:00-06:00",
            "Mon 09:00 - 10:00",
            "Mon-Tue-Wed 09:00-10:00",
            "Mon, 09:00-10:00",
        ] {
            assert!(hours(written).unwrap_err().contains("write hours like"), "{written}");
        }
    }

    #[test]
    fn a_skipped_hour_is_no_hour_and_a_repeated_one_is_asked_twice() {
        let london = Zone::try_from("Europe/London".to_owned()).unwrap();
        let night = hours("01:00-02:00").unwrap();
        let inside = |at: &str| night.contains(london.wall(at.parse().unwrap()).datetime());
        // Clocks went from 01:00 to 02:00 on 2026-03-29 and from 02:00 back to 01:00 on 2026-10-25.
        assert!(!inside("2026-03-29T00:59:59Z") && !inside("2026-03-29T01:00:00Z"));
        assert!(inside("2026-10-25T00:30:00Z") && inside("2026-10-25T01:30:00Z"));
        assert!(!inside("2026-10-25T02:00:00Z"));
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        assert!(Zone::try_from("Europe/Atlantis".to_owned()).unwrap_err().contains("Europe/London"));
    }

    proptest! {
        #[test]
        fn any_text_is_hours_or_refused(written: String) {
            if let Ok(hours) = hours(&written) {
                prop_assert_eq!(hours.to_string(), written);
            }
        }

        #[test]
        fn covering_hours_cover(minutes in proptest::collection::vec(0..20_000i64, 0..20)) {
            let start: DateTime = "2026-11-16T00:00:00".parse().unwrap();
            let walls: Vec<DateTime> =
                minutes.iter().map(|m| start + jiff::SignedDuration::from_mins(*m)).collect();
            let covering = Hours::covering(walls.clone());
            prop_assert!(walls.iter().all(|wall| covering.iter().any(|hours| hours.contains(*wall))));
        }
    }
}
