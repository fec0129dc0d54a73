//! When a watch looks: cron expressions of five fields, in the host's local time.
//!
//! As in cron, a day of the month and a weekday that are both given mean either; 0 and 7 are Sunday. When the
//! clock is put forward, what falls into the gap happens at the first minute after it; when it is put back, an
//! expression that names hours happens in the first of the repeated ones only, and one that does not goes on
//! through both.

use chrono::{DateTime as ChronoDateTime, NaiveDate, Utc};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, Unit};
use serde::Deserialize;
use std::str::FromStr;

/// A cron expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Cron {
    written: String,
    /// Both a day of the month and a weekday given: two schedules, and whichever comes first.
    either: Vec<cron::Schedule>,
    names_hours: bool,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl TryFrom<String> for Cron {
    type Error = String;
    fn try_from(written: String) -> Result<Self, String> {
        parse_cron(&written)
    }
}

/// A day from which every day that comes at all is at most eight years away.
const SOME_DAY: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Parses a cron expression of five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_cron(written: &str) -> Result<Cron, String> {
    let expanded = match written.trim() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        other => other,
    };
    let wrong = |what: &str| {
        format!(
            "{written:?} is not a schedule: {what}; write five fields, minute hour day month weekday, like \"*/5 * * * *\""
        )
    };
    let fields: Vec<&str> = expanded.split_ascii_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err(wrong(&format!("it has {} fields", fields.len())));
    };
    let free = |field: &str| field.starts_with('*') || field == "?";
    let weekdays = weekday_names(weekday).ok_or_else(|| wrong("the weekday is none"))?;
    let pairs = match (free(day), free(weekday)) {
        (false, false) => vec![(day, "*"), ("*", weekdays.as_str())],
        _ => vec![(day, weekdays.as_str())],
    };
    let schedule = |(day, weekday): (&str, &str)| {
        cron::Schedule::from_str(&format!("0 {minute} {hour} {day} {month} {weekday}"))
            .map_err(|error| wrong(error.to_string().trim()))
    };
    let either = pairs.into_iter().map(schedule).collect::<Result<_, _>>()?;
    let cron = Cron { written: written.to_owned(), either, names_hours: !free(hour) };
    if cron.next_after(SOME_DAY, &TimeZone::UTC).is_none() {
        return Err(wrong("there is no such day"));
    }
    Ok(cron)
}

/// Weekdays as the names that the library reads; its own numbers begin at 1 for Sunday, cron's at 0.
fn weekday_names(field: &str) -> Option<String> {
    const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let number = |text: &str| {
        let by_name = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text));
        by_name.or_else(|| text.parse::<usize>().ok().filter(|day| *day <= 7))
    };
    let mut days = [false; 7];
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (0, 6),
            Some((first, last)) => (number(first)?, number(last)?),
            None if part.contains('/') => (number(range)?, 6),
            None => (number(range)?, number(range)?),
        };
        // Fri-Sun goes over the end of the week.
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(step) {
            *days.get_mut(day % 7)? = true;
        }
    }
    let chosen: Vec<&str> =
        NAMES.iter().zip(days).filter(|(_, chosen)| *chosen).map(|(name, _)| *name).collect();
    Some(if chosen.len() == 7 { "*".to_owned() } else { chosen.join(",") })
}

impl Cron {
    /// Every minute; what holds when nothing else does.
    #[must_use]
    pub fn every_minute() -> Self {
        Self { written: String::new(), either: Vec::new(), names_hours: false }
    }

    /// The expression as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The next moment after `now`, in the local time of `zone`; `None` if there is none any more (30 February).
    #[must_use]
    pub fn next_after(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.either.is_empty() {
            return now.checked_add(SignedDuration::from_mins(1)).ok();
        }
        let local = now.to_zoned(zone.clone()).datetime();
        // One that falls into the hour before a gap lies behind us in local time and still ahead in truth.
        let from = local.checked_sub(SignedDuration::from_hours(2)).unwrap_or(local);
        let next = |schedule: &cron::Schedule| {
            let mut best: Option<(Timestamp, DateTime)> = None;
            // Around a change of the clock local order is not true order: so look two hours past the first one found.
            for candidate in schedule.after(&to_chrono(from)?).take(20_000) {
                let local = from_chrono(&candidate)?;
                if best.is_some_and(|(_, found)| local.duration_since(found) > SignedDuration::from_hours(2))
                {
                    break;
                }
                let moment = self.moment(local, now, zone).filter(|moment| *moment > now);
                if let Some(moment) = moment.filter(|moment| best.is_none_or(|(first, _)| *moment < first)) {
                    best = Some((moment, best.map_or(local, |(_, found)| found)));
                }
            }
            best.map(|(moment, _)| moment)
        };
        self.either.iter().filter_map(next).min()
    }

    /// The moment at which a local time is reached.
    fn moment(&self, local: DateTime, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let ambiguous = zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().ok(),
            // The first minute after the gap is the moment at which the clock was put forward.
            AmbiguousOffset::Gap { after, .. } => {
                let inside = after.to_timestamp(local).ok()?;
                let transition =
                    zone.following(inside.checked_sub(SignedDuration::from_hours(1)).ok()?).next()?;
                Some(transition.timestamp())
            }
            AmbiguousOffset::Fold { .. } => {
                let first = zone.to_ambiguous_timestamp(local).earlier().ok()?;
                if first > now || self.names_hours { Some(first) } else { ambiguous.later().ok() }
            }
        }
    }
}

fn to_chrono(local: DateTime) -> Option<ChronoDateTime<Utc>> {
    let part = |number: i8| u32::try_from(number).ok();
    NaiveDate::from_ymd_opt(i32::from(local.year()), part(local.month())?, part(local.day())?)?
        .and_hms_opt(part(local.hour())?, part(local.minute())?, part(local.second())?)
        .map(|naive| naive.and_utc())
}

fn from_chrono(naive: &ChronoDateTime<Utc>) -> Option<DateTime> {
    let timestamp = Timestamp::from_second(naive.timestamp()).ok()?;
    Some(timestamp.to_zoned(TimeZone::UTC).datetime())
}

/// How long after the full minute this host looks, so that a fleet does not tick together: 0 to 19 seconds, from
/// the host's own id.
#[must_use]
pub fn offset(host_id: &str) -> SignedDuration {
    let sum = host_id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    SignedDuration::from_secs(i64::from(sum % 20))
}

/// A moment in words for a person: local time with the zone, to the second.
#[must_use]
pub fn in_words(moment: Timestamp, zone: &TimeZone) -> String {
    let zoned = moment.to_zoned(zone.clone());
    let zoned = zoned.round(Unit::Second).unwrap_or(zoned);
    zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let cron = parse_cron(expression).unwrap();
        let mut now: Timestamp = from.parse().unwrap();
        let mut out = Vec::new();
        for _ in 0..count {
            now = cron.next_after(now, &zone).unwrap();
            out.push(now.to_string());
        }
        out
    }

    #[test]
    fn five_fields_mean_what_they_mean_in_cron() {
        // 2026-11-22 is a Sunday.
        for (expression, expected) in [
            ("* * * * *", "2026-11-22T12:01:00Z"),
            ("*/15 * * * *", "2026-11-22T12:15:00Z"),
            ("30 2 * * *", "2026-11-23T02:30:00Z"),
            ("0 9 * * 1-5", "2026-11-23T09:00:00Z"),
            ("0 9 * * 0", "2026-11-29T09:00:00Z"),
            ("0 9 * * 7", "2026-11-29T09:00:00Z"),
            ("0 9 * * sat", "2026-11-28T09:00:00Z"),
            ("0 9 * * Fri-Sun", "2026-11-27T09:00:00Z"),
            ("0 9 * * 5-7", "2026-11-27T09:00:00Z"),
            ("0 0 1 * *", "2026-12-01T00:00:00Z"),
            ("0 0 1 * 3", "2026-11-25T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("@weekly", "2026-11-29T00:00:00Z"),
        ] {
            assert_eq!(next(expression, "UTC", "2026-11-22T12:00:00Z", 1), [expected], "{expression}");
        }
    }

    #[test]
    fn a_wrong_expression_says_what_is_wrong() {
        for written in [
            "",
            "* * * *",
            "* * * * * *",
            "61 * * * *",
            "* * * * 8",
            "* * * * Foo",
            "x",
            "* * 0 * *",
            "0 0 30 2 *",
        ] {
            let error = parse_cron(written).unwrap_err();
            assert!(error.contains("is not a schedule"), "{error}");
        }
    }

    #[test]
    fn a_day_that_never_comes_is_refused() {
        assert!(parse_cron("0 0 30 2 *").unwrap_err().contains("there is no such day"));
    }

    #[test]
    fn a_daily_time_in_the_spring_gap_is_not_skipped() {
        let times = next("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(times, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_daily_time_in_the_repeated_hour_happens_once() {
        let times = next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(times, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn every_half_hour_goes_on_through_gap_and_repetition() {
        let times = next("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 5);
        assert_eq!(
            times,
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ]
        );
        let times = next("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3);
        assert_eq!(times, ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(written: String) {
            let _ = parse_cron(&written);
        }

        #[test]
        fn every_minute_is_every_minute_in_every_zone(second in 0_i64..4_000_000_000, zone in prop_oneof![
            Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe"), Just("Asia/Kathmandu")
        ]) {
            let zone = TimeZone::get(zone).unwrap();
            let now = Timestamp::from_second(second).unwrap();
            let next = parse_cron("* * * * *").unwrap().next_after(now, &zone).unwrap();
            prop_assert_eq!(next.as_second(), second - second % 60 + 60);
        }

        #[test]
        fn every_daily_time_comes_once_a_day(second in 1_000_000_000_i64..2_000_000_000, hour in 0..24, minute in 0..60) {
            let zone = TimeZone::get("America/New_York").unwrap();
            let cron = parse_cron(&format!("{minute} {hour} * * *")).unwrap();
            let now = Timestamp::from_second(second).unwrap();
            let first = cron.next_after(now, &zone).unwrap();
            let second = cron.next_after(first, &zone).unwrap();
            prop_assert!(first > now);
            let hours = second.duration_since(first).as_secs() / 3600;
            prop_assert!((22..=25).contains(&hours), "{} {}", first, second);
        }
    }
}
