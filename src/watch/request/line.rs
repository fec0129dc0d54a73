//! One line of an access log of nginx or Apache: the common and the combined form, with the name of a virtual
//! host before it or not, and whatever further fields behind it.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use memchr::{memchr, memchr_iter};

/// A request as it stands in the log; all fields are the log's bytes, escapes and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The virtual host, if the line begins with one.
    pub vhost: Option<&'a [u8]>,
    /// The client's address, or its name if the server looks names up.
    pub client: &'a [u8],
    /// The user who was named to the server; that the password was right is not said.
    pub user: Option<&'a [u8]>,
    /// The time, in the form `22/Nov/2026:04:29:54 +0000`; of W3C logs `2026-11-22 04:29:54`, which is UTC.
    pub stamp: &'a [u8],
    /// The first word of the request; none if nothing was sent.
    pub method: Option<&'a [u8]>,
    /// The request line.
    pub request: &'a [u8],
    /// The status of the answer.
    pub status: Option<u16>,
}

const STAMP: usize = 26;

/// The length of a W3C stamp, and of what of it is the minute.
const W3C: usize = 19;
const W3C_MINUTE: usize = 16;

/// Takes a line apart, without its end; `None` if it is not of an access log. The time is only known to look
/// like one: [`Minutes`] reads it.
///
/// Servers escape quotes within names and requests, so the first `] "` ends the time, and an unescaped `"` ends
/// the request: nothing that a client sends can move a field.
#[must_use]
pub fn parse_line(line: &[u8]) -> Option<Request<'_>> {
    let quote = memchr_iter(b'"', line).find(|at| {
        at.checked_sub(2).and_then(|start| line.get(start..*at)).is_some_and(|before| before == b"] ")
    })?;
    let bracket = quote.checked_sub(STAMP + 3)?;
    let stamp = line.get(bracket + 1..quote - 2)?;
    if line.get(bracket) != Some(&b'[') || !is_stamp(stamp) {
        return None;
    }
    let (vhost, client, user) = parse_who(line.get(..bracket)?.strip_suffix(b" ")?)?;

    let rest = line.get(quote + 1..)?;
    let end = end_of_quoted(rest)?;
    let request = rest.get(..end)?;
    let method = match request {
        b"" | b"-" => None,
        request => Some(memchr(b' ', request).and_then(|at| request.get(..at)).unwrap_or(request)),
    };
    let status = match rest.get(end + 1..end + 5) {
        Some([b' ', digits @ ..]) if digits.iter().all(u8::is_ascii_digit) => {
            Some(digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
        }
        _ => None,
    };
    Some(Request { vhost, client, user, stamp, method, request, status })
}

type Who<'a> = (Option<&'a [u8]>, &'a [u8], Option<&'a [u8]>);

/// The virtual host, the client and the user of `client ident user` or `vhost client ident user`. The ident is `-` nearly everywhere, which tells the two
/// apart; only the user may hold spaces.
fn parse_who(who: &[u8]) -> Option<Who<'_>> {
    let (first, rest) = word(who)?;
    let (second, after) = word(rest)?;
    let is_address =
        |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| text.parse::<std::net::IpAddr>().is_ok());
    let with_vhost = second != b"-"
        && word(after).is_some_and(|(third, user)| !user.is_empty() && (third == b"-" || is_address(second)));
    let (vhost, client, user) =
        if with_vhost { (Some(first), second, word(after)?.1) } else { (None, first, after) };
    let user = (user != b"-" && !user.is_empty()).then_some(user);
    (!client.is_empty()).then_some((vhost, client, user))
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b' ', text)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Where the quote is that no backslash escapes.
fn end_of_quoted(text: &[u8]) -> Option<usize> {
    memchr_iter(b'"', text).find(|at| {
        let before = text.get(..*at).unwrap_or_default();
        before.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0
    })
}

fn is_stamp(stamp: &[u8]) -> bool {
    matches!(
        stamp,
        [
            _,
            _,
            b'/',
            _,
            _,
            _,
            b'/',
            _,
            _,
            _,
            _,
            b':',
            _,
            _,
            b':',
            _,
            _,
            b':',
            _,
            _,
            b' ',
            b'+' | b'-',
            _,
            _,
            _,
            _
        ]
    )
}

/// Reads the minutes of stamps. Lines come in the order of time, so nearly every one has the minute of the one
/// before.
#[derive(Debug, Default)]
pub struct Minutes {
    last: [u8; STAMP],
    minute: Option<i64>,
}

impl Minutes {
    /// The minutes since 1970 of a stamp, and its second within the minute; `None` if there is no such moment.
    pub fn read(&mut self, stamp: &[u8]) -> Option<(i64, i64)> {
        // All but the seconds.
        let mut minute = [0; STAMP];
        let second = if stamp.len() == W3C {
            minute.get_mut(..W3C_MINUTE)?.copy_from_slice(stamp.get(..W3C_MINUTE)?);
            stamp.get(17..)?
        } else {
            minute.copy_from_slice(stamp.get(..STAMP)?);
            minute.get_mut(18..20)?.fill(0);
            stamp.get(18..20)?
        };
        let second = i64::from(number(second)?);
        if minute != self.last {
            self.minute = parse_minute(stamp);
            self.last = minute;
        }
        // 60 is a leap second.
        self.minute.filter(|_| second <= 60).map(|minute| (minute, second))
    }
}

/// The minutes since 1970 of `22/Nov/2026:04:29:54 +0000` or `2026-11-22 04:29:54`.
#[must_use]
pub fn parse_minute(stamp: &[u8]) -> Option<i64> {
    if stamp.len() == W3C {
        return w3c_minute(stamp);
    }
    if stamp.len() != STAMP || !is_stamp(stamp) {
        return None;
    }
    let small = |from: usize, to: usize| i8::try_from(number(stamp.get(from..to)?)?).ok();
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.iter().position(|name| stamp.get(3..6) == Some(name.as_bytes()))?;
    let year = i16::try_from(number(stamp.get(7..11)?)?).ok()?;
    let civil = DateTime::new(
        year,
        i8::try_from(month).ok()? + 1,
        small(0, 2)?,
        small(12, 14)?,
        small(15, 17)?,
        0,
        0,
    );
    let (hours, minutes) = (i32::from(small(22, 24)?), i32::from(small(24, 26)?));
    let offset = (hours * 60 + minutes) * 60 * if stamp.get(21) == Some(&b'-') { -1 } else { 1 };
    let zone = TimeZone::fixed(Offset::from_seconds(offset).ok()?);
    Some(civil.ok()?.to_zoned(zone).ok()?.timestamp().as_second().div_euclid(60))
}

fn w3c_minute(stamp: &[u8]) -> Option<i64> {
    let [_, _, _, _, b'-', _, _, b'-', _, _, b' ', _, _, b':', _, _, b':', _, _] = stamp else { return None };
    let small = |from: usize| i8::try_from(number(stamp.get(from..from + 2)?)?).ok();
    let year = i16::try_from(number(stamp.get(..4)?)?).ok()?;
    let civil = DateTime::new(year, small(5)?, small(8)?, small(11)?, small(14)?, 0, 0).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second().div_euclid(60))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| match digit {
        b'0'..=b'9' => Some(number * 10 + u32::from(digit - b'0')),
        _ => None,
    })
}

/// The methods that HTTP and its extensions know (IANA's list).
const METHODS: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"SEARCH",
    b"REPORT",
    b"ACL",
    b"BIND",
    b"REBIND",
    b"UNBIND",
    b"CHECKIN",
    b"CHECKOUT",
    b"UNCHECKOUT",
    b"LABEL",
    b"LINK",
    b"UNLINK",
    b"MERGE",
    b"MKACTIVITY",
    b"MKCALENDAR",
    b"MKREDIRECTREF",
    b"UPDATEREDIRECTREF",
    b"MKWORKSPACE",
    b"ORDERPATCH",
    b"VERSION-CONTROL",
    b"BASELINE-CONTROL",
    b"PRI",
    b"QUERY",
];

/// True for the methods that HTTP and its extensions know; all others are somebody's invention.
#[must_use]
pub fn is_known_method(method: &[u8]) -> bool {
    METHODS.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;

    fn shown(line: &[u8]) -> String {
        let text = |bytes: &[u8]| crate::text::Text::new(bytes).to_string();
        let Some(r) = parse_line(line) else { return "no access log line".to_owned() };
        let time = Minutes::default().read(r.stamp).map_or("no time".to_owned(), |(minute, second)| {
            jiff::Timestamp::from_second(minute * 60 + second).unwrap().to_string()
        });
        format!(
            "{} | {} | {} | {time} | {} | {}",
            r.vhost.map_or("no vhost".to_owned(), text),
            text(r.client),
            r.user.map_or("nobody".to_owned(), text),
            r.method.map_or("no method".to_owned(), text),
            r.status.map_or("no status".to_owned(), |status| status.to_string()),
        )
    }

    #[test]
    fn lines_of_nginx_and_apache_are_taken_apart() {
        let lines: &[&[u8]] = &[
            b"203.0.113.9 - - [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 - alice [22/Nov/2026:04:29:54 +0100] \"POST /x HTTP/1.1\" 200 612 \"-\" \"curl/8\" 0.004 \"10.1.1.1, 10.2.2.2\"",
            b"2001:db8::1 - - [22/Nov/2026:04:29:54 -0330] \"HEAD / HTTP/2.0\" 304 -",
            b"www.example.org:443 203.0.113.9 - - [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612 \"-\" \"-\"",
            b"127.0.0.1 203.0.113.9 - bob [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"a.org:80 203.0.113.9 ident bob [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 ident bob smith [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 - bob smith [x] [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 - b\\\"] \\\" - - [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 - \"\" [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 401 612",
            b"203.0.113.9 - - [22/Nov/2026:04:29:54 +0000] \"-\" 408 0 \"-\" \"-\"",
            b"203.0.113.9 - - [22/Nov/2026:04:29:54 +0000] \"\" 400 0 \"-\" \"-\"",
            b"203.0.113.9 - - [22/Nov/2026:04:29:54 +0000] \"\\x16\\x03\\x01\\x02\" 400 166 \"-\" \"-\"",
            b"203.0.113.9 - - [22/Nov/2026:04:29:54 +0000] \"GET /\\\"a\\\\\" 404 1 \"-\" \"-\"",
            b"unix: - - [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 - \xff\xfe [22/Nov/2026:04:29:54 +0000] \"GET /\xff HTTP/1.1\" 200 612",
            b"203.0.113.9 - - [31/Feb/2026:04:29:54 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 - - [22/Nov/2026:04:29:60 +0000] \"GET / HTTP/1.1\" 200 612",
            b"203.0.113.9 - - [22/Nov/2026:04:29:54 +0000] \"GET / HTTP/1.1",
            b"203.0.113.9 - - [22/Nov/2026:04:29:54] \"GET / HTTP/1.1\" 200 612",
            b"2026/11/22 04:29:54 [error] 1#1: *1 open() \"/x\" failed",
            b"{\"remote_addr\":\"203.0.113.9\"}",
            b"\0\0\0\0",
            b"",
        ];
        let all: Vec<String> = lines.iter().map(|line| shown(line)).collect();
        expect![[r#"
            no vhost | 203.0.113.9 | nobody | 2026-11-22T04:29:54Z | GET | 200
            no vhost | 203.0.113.9 | alice | 2026-11-22T03:29:54Z | POST | 200
            no vhost | 2001:db8::1 | nobody | 2026-11-22T07:59:54Z | HEAD | 304
            www.example.org:443 | 203.0.113.9 | nobody | 2026-11-22T04:29:54Z | GET | 200
            127.0.0.1 | 203.0.113.9 | bob | 2026-11-22T04:29:54Z | GET | 200
            a.org:80 | 203.0.113.9 | bob | 2026-11-22T04:29:54Z | GET | 200
            no vhost | 203.0.113.9 | bob smith | 2026-11-22T04:29:54Z | GET | 200
            no vhost | 203.0.113.9 | bob smith [x] | 2026-11-22T04:29:54Z | GET | 200
            no vhost | 203.0.113.9 | b\"] \" - - | 2026-11-22T04:29:54Z | GET | 200
            no vhost | 203.0.113.9 | "" | 2026-11-22T04:29:54Z | GET | 401
            no vhost | 203.0.113.9 | nobody | 2026-11-22T04:29:54Z | no method | 408
            no vhost | 203.0.113.9 | nobody | 2026-11-22T04:29:54Z | no method | 400
            no vhost | 203.0.113.9 | nobody | 2026-11-22T04:29:54Z | \\x16\\x03\\x01\\x02 | 400
            no vhost | 203.0.113.9 | nobody | 2026-11-22T04:29:54Z | GET | 404
            no vhost | unix: | nobody | 2026-11-22T04:29:54Z | GET | 200
            no vhost | 203.0.113.9 | \xff\xfe | 2026-11-22T04:29:54Z | GET | 200
            no vhost | 203.0.113.9 | nobody | no time | GET | 200
            no vhost | 203.0.113.9 | nobody | 2026-11-22T04:30:00Z | GET | 200
            no access log line
            no access log line
            no access log line
            no access log line
            no access log line
            no access log line"#]]
        .assert_eq(&all.join("\n"));
    }

    #[test]
    fn what_a_client_sends_moves_no_field() {
        // As the servers write a user who is called  x] "TRACE / HTTP/1.1" 200 [  and the like.
        let line = b"203.0.113.9 - x] \\\"TRACE / [22/Nov/2020:04:29:54 +0000] \\x22 [22/Nov/2026:04:29:54 +0000] \"GET /\\\" 500 HTTP/1.1\" 200 612";
        let request = parse_line(line).unwrap();
        assert_eq!(request.method, Some(&b"GET"[..]));
        assert_eq!(request.status, Some(200));
        assert_eq!(request.stamp, b"22/Nov/2026:04:29:54 +0000");
    }

    #[test]
    fn the_minute_of_the_line_before_is_used_only_for_the_same_minute_and_zone() {
        let mut minutes = Minutes::default();
        let mut at = |stamp: &str| minutes.read(stamp.as_bytes());
        let base = at("22/Nov/2026:04:29:54 +0000").unwrap().0;
        assert_eq!(at("22/Nov/2026:04:29:59 +0000"), Some((base, 59)));
        assert_eq!(at("22/Nov/2026:04:30:00 +0000"), Some((base + 1, 0)));
        assert_eq!(at("22/Nov/2026:04:30:00 +0100"), Some((base - 59, 0)));
        assert_eq!(at("22/Nov/2026:24:30:00 +0100"), None);
        assert_eq!(at("22/Nov/2026:24:30:01 +0100"), None);
        assert_eq!(at("22/Nov/2026:04:30:xx +0000"), None);
        assert_eq!(at("2026-11-22 04:29:07"), Some((base, 7)));
        assert_eq!(at("2026-11-22 04:30:08"), Some((base + 1, 8)));
        assert_eq!(at("2026-11-22T04:30:08"), None);
        assert_eq!(at("2026-11-31 04:30:08"), None);
        assert_eq!(at("2026-11-22 04:29:0"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_or_not(line: Vec<u8>, tail in "[ -~]{0,30}") {
            let _ = parse_line(&line);
            let mut whole = line.clone();
            whole.extend_from_slice(b" - - [22/Nov/2026:04:29:54 +0000] \"");
            whole.extend_from_slice(tail.as_bytes());
            if let Some(request) = parse_line(&whole) {
                Minutes::default().read(request.stamp);
            }
            let _ = parse_minute(&line);
        }
    }
}
