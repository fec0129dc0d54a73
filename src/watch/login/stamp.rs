//! The head of a line in a system log: when, which program, which process, and the message.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What the stamps of a log are read with.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The zone in which the host writes stamps that name none.
    pub zone: TimeZone,
    /// The present: a stamp without a year is of the last time that fits, up to a day ahead.
    pub now: Timestamp,
}

/// A line, taken apart but for its stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// When, as written.
    pub stamp: &'a [u8],
    /// The program.
    pub program: &'a [u8],
    /// Its process.
    pub pid: Option<u32>,
    /// What it said.
    pub message: &'a [u8],
    /// How often, if the log puts repeated messages together.
    pub times: u64,
}

/// Takes apart `Nov 22 04:29:54 host sshd[123]: …`, `2026-11-22T04:29:54.1+01:00 host sshd[123]: …` and the form
/// of RFC 5424, `<38>1 2026-11-22T04:29:54Z host sshd 123 - - …`. Other lines give nothing.
#[must_use]
pub fn parse_line(line: &[u8]) -> Option<Line<'_>> {
    if let Some(rest) = line.strip_prefix(b"<") {
        let (_, rest) = cut(rest, b">1 ")?;
        return parse_5424(rest);
    }
    let (stamp, rest) = if line.first()?.is_ascii_digit() {
        cut(line, b" ")?
    } else {
        (line.get(..15)?, line.get(15..)?.strip_prefix(b" ")?)
    };
    let (_host, rest) = cut(rest, b" ")?;
    let (tag, message) = cut(rest, b": ").or_else(|| Some((rest.strip_suffix(b":")?, &b""[..])))?;
    let (program, pid) = match tag.strip_suffix(b"]").and_then(|tag| cut(tag, b"[")) {
        Some((program, pid)) => (program, number(pid)),
        None => (tag, None),
    };
    Some(repeated(Line { stamp, program, pid, message, times: 1 }))
}

fn parse_5424(rest: &[u8]) -> Option<Line<'_>> {
    let (stamp, rest) = cut(rest, b" ")?;
    let (_host, rest) = cut(rest, b" ")?;
    let (program, rest) = cut(rest, b" ")?;
    let (pid, rest) = cut(rest, b" ")?;
    let (_id, rest) = cut(rest, b" ")?;
    // Structured data is `-` or bracketed; a bracket inside a value is escaped with a backslash.
    let message = match rest.strip_prefix(b"- ") {
        Some(message) => message,
        None => cut(rest.strip_prefix(b"[")?, b"] ")?.1,
    };
    let message = message.strip_prefix("\u{feff}".as_bytes()).unwrap_or(message);
    Some(repeated(Line { stamp, program, pid: number(pid), message, times: 1 }))
}

/// rsyslog can write `message repeated 3 times: [ …]` in place of three lines.
fn repeated(line: Line<'_>) -> Line<'_> {
    let inner = || {
        let rest = line.message.strip_prefix(b"message repeated ")?;
        let (times, rest) = cut(rest, b" times: [")?;
        let message = rest.strip_suffix(b"]")?;
        Some(Line {
            message: message.strip_prefix(b" ").unwrap_or(message),
            times: number(times)?.into(),
            ..line
        })
    };
    inner().unwrap_or(line)
}

/// The moment a stamp names.
#[must_use]
pub fn parse_stamp(stamp: &[u8], clock: &Clock) -> Option<Timestamp> {
    let text = std::str::from_utf8(stamp).ok()?;
    if stamp.first()?.is_ascii_digit() {
        let local = || text.parse::<DateTime>().ok()?.to_zoned(clock.zone.clone()).ok();
        return text.parse::<Timestamp>().ok().or_else(|| local().map(|zoned| zoned.timestamp()));
    }
    without_year(text, clock)
}

fn without_year(text: &str, clock: &Clock) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (month, rest) = (text.get(..3)?, text.get(3..)?);
    let month = i8::try_from(MONTHS.iter().position(|name| *name == month)? + 1).ok()?;
    let mut words = rest.split_ascii_whitespace();
    let day: i8 = words.next()?.parse().ok()?;
    let mut time = words.next()?.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // A leap second is the second before it.
    let second = second.min(59);
    let latest = clock.now + jiff::SignedDuration::from_hours(24);
    let year = latest.to_zoned(clock.zone.clone()).year();
    // Eight years hold a 29th of February.
    (0..=8).find_map(|back| {
        let wall = DateTime::new(year.checked_sub(back)?, month, day, hour, minute, second, 0).ok()?;
        let at = wall.to_zoned(clock.zone.clone()).ok()?.timestamp();
        (at <= latest).then_some(at)
    })
}

/// What stands before and after the first `separator`.
pub(super) fn cut<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

/// What stands before and after the last `separator`.
pub(super) fn cut_last<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::rfind(bytes, separator)?;
    Some((bytes.get(..at)?, bytes.get(at + separator.len()..)?))
}

/// A number written in digits alone.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(now: &str) -> Clock {
        Clock { zone: TimeZone::get("Europe/London").unwrap(), now: now.parse().unwrap() }
    }

    fn at(line: &str, now: &str) -> String {
        let line = parse_line(line.as_bytes()).unwrap();
        let shown = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let at = parse_stamp(line.stamp, &clock(now)).map_or("no time".to_owned(), |at| at.to_string());
        format!("{at} {} {:?} ×{} {}", shown(line.program), line.pid, line.times, shown(line.message))
    }

    #[test]
    fn the_three_forms_of_a_line_are_read() {
        let now = "2026-11-22T05:00:00Z";
        for (line, read) in [
            ("Nov 22 04:29:54 web1 sshd[123]: hello", "2026-11-22T04:29:54Z sshd Some(123) ×1 hello"),
            (
                "Nov  2 04:29:54 web1 sshd-session[1]: a: b",
                "2026-11-02T04:29:54Z sshd-session Some(1) ×1 a: b",
            ),
            ("Jul 22 04:29:54 web1 sudo: x", "2026-07-22T03:29:54Z sudo None ×1 x"),
            ("2026-11-22T04:29:54.5+01:00 web1 sshd[7]: x", "2026-11-22T03:29:54.5Z sshd Some(7) ×1 x"),
            ("2026-11-22T04:29:54 web1 sshd[7]: x", "2026-11-22T04:29:54Z sshd Some(7) ×1 x"),
            ("<38>1 2026-11-22T04:29:54Z web1 sshd 7 - - x", "2026-11-22T04:29:54Z sshd Some(7) ×1 x"),
            ("<38>1 2026-11-22T04:29:54Z web1 sshd - - [a b=\"c\"] x", "2026-11-22T04:29:54Z sshd None ×1 x"),
            (
                "Nov 22 04:29:54 web1 sshd[1]: message repeated 3 times: [ Failed x]",
                "2026-11-22T04:29:54Z sshd Some(1) ×3 Failed x",
            ),
        ] {
            assert_eq!(at(line, now), read);
        }
    }

    #[test]
    fn a_stamp_without_a_year_is_of_the_last_time_that_fits() {
        for (stamp, now, moment) in [
            ("Dec 31 23:59:59", "2027-01-01T00:00:10Z", "2026-12-31T23:59:59Z"),
            ("Jan  1 00:00:30", "2026-12-31T23:59:50Z", "2027-01-01T00:00:30Z"),
            ("Nov 24 05:00:00", "2026-11-22T05:00:00Z", "2025-11-24T05:00:00Z"),
            ("Feb 29 12:00:00", "2026-11-22T05:00:00Z", "2024-02-29T12:00:00Z"),
            ("Jun 30 23:59:60", "2026-11-22T05:00:00Z", "2026-06-30T22:59:59Z"),
        ] {
            assert_eq!(parse_stamp(stamp.as_bytes(), &clock(now)).unwrap().to_string(), moment);
        }
        for stamp in
            ["", "Nov", "Nov 32 00:00:00", "Nov 22 24:00:00", "Foo 22 01:00:00", "Nov 22 01:00", "9999"]
        {
            assert_eq!(parse_stamp(stamp.as_bytes(), &clock("2026-11-22T05:00:00Z")), None, "{stamp}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_or_none(line: Vec<u8>, year in 1970i16..9000) {
            let now = jiff::civil::date(year, 2, 28).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
            let clock = Clock { zone: TimeZone::UTC, now };
            if let Some(parsed) = parse_line(&line) {
                let _ = parse_stamp(parsed.stamp, &clock);
            }
            let _ = parse_stamp(&line, &clock);
        }

        #[test]
        fn any_text_like_a_line_is_read_or_not(text in "(<[0-9]{1,3}>1 )?[A-Z0-9][a-z0-9: +T-]{0,20} [a-z]{0,3} [a-z\\[\\]0-9]{0,9}:? .{0,20}") {
            let _ = parse_line(text.as_bytes());
        }
    }
}
