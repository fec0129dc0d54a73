//! Lines of the W3C extended log format, as IIS writes them. What stands in which column is said by a `#Fields:` line;
//! a new one may come anywhere in a file, and holds for the lines behind it. Times are UTC, `-` is nothing, and a space
//! within a value is written as `+`, so that nothing a client sends can move a column.

use super::line::Request;
use memchr::{memchr_iter, memmem};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// No log has more columns than this.
const MOST: usize = 64;

/// What a line begins with that says what the columns are.
pub const FIELDS: &[u8] = b"#Fields:";

/// The directives with which a file of this format may begin.
const FIRST: [&[u8]; 5] = [b"#Software:", b"#Version:", b"#Fields:", b"#Date:", b"#Remark:"];

/// What stands in which column, as a `#Fields:` line says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    columns: usize,
    client: usize,
    forwarded: Option<usize>,
    user: Option<usize>,
    method: Option<usize>,
    stem: Option<usize>,
    status: Option<usize>,
}

impl Layout {
    /// The columns that are not there, of those that a limit or a list of methods may need.
    pub fn lacks(&self) -> impl Iterator<Item = &'static str> {
        let columns = [("cs-method", self.method), ("cs-username", self.user)];
        columns.into_iter().filter(|(_, column)| column.is_none()).map(|(name, _)| name)
    }
}

/// True if a file that begins so is of this format.
#[must_use]
pub fn is_head(head: &[u8]) -> bool {
    FIRST.iter().any(|directive| head.starts_with(directive))
}

/// Parses a `#Fields:` line; `None` if it is none, or does not begin with the date and the time as IIS writes them, or lacks
/// the client's address: without these no request can be counted.
#[must_use]
pub fn parse_fields(line: &[u8]) -> Option<Layout> {
    let names = line.strip_prefix(FIELDS)?;
    let names: Vec<&[u8]> =
        names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty()).take(MOST + 1).collect();
    let column = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted.as_bytes()));
    let date = column("date")?;
    if names.len() > MOST || date != 0 || column("time")? != 1 {
        return None;
    }
    Some(Layout {
        columns: names.len(),
        client: column("c-ip")?,
        forwarded: column("X-Forwarded-For").or_else(|| column("cs(X-Forwarded-For)")),
        user: column("cs-username"),
        method: column("cs-method"),
        stem: column("cs-uri-stem"),
        status: column("sc-status"),
    })
}

/// Takes a line apart; `None` if it has not just the columns of `layout`.
#[must_use]
pub fn parse_record<'a>(line: &'a [u8], layout: &Layout) -> Option<Request<'a>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut ends = [0; MOST];
    let mut columns = 0;
    for at in memchr_iter(b' ', line).chain([line.len()]) {
        *ends.get_mut(columns)? = at;
        columns += 1;
    }
    if columns != layout.columns {
        return None;
    }
    let begin = |column: usize| match column.checked_sub(1) {
        None => Some(0),
        Some(before) => Some(ends.get(before)? + 1),
    };
    let between = |first: usize, last: usize| line.get(begin(first)?..*ends.get(last)?);
    let value = |column: Option<usize>| {
        let column = column?;
        between(column, column).filter(|value| !matches!(*value, b"-" | b""))
    };
    let client = value(Some(layout.client))?;
    let method = value(layout.method);
    // The query stands in a column of its own, and is left out.
    let request = match (layout.method, layout.stem) {
        (Some(method), Some(stem)) if stem == method + 1 => between(method, stem)?,
        (_, stem) => value(stem).unwrap_or_default(),
    };
    let in_digits = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    Some(Request {
        vhost: None,
        client: value(layout.forwarded).and_then(|chain| forwarded(client, chain)).unwrap_or(client),
        user: value(layout.user),
        stamp: between(0, 1)?,
        method,
        request,
        status: value(layout.status).and_then(in_digits),
    })
}

/// The client behind a proxy. Anybody may send such a list, so it counts only if the request came from where proxies
/// stand, an address of the own network or host; and of the list only the last, which that proxy itself has added.
fn forwarded<'a>(from: &[u8], chain: &'a [u8]) -> Option<&'a [u8]> {
    if !is_own(address(from)?) {
        return None;
    }
    let last = chain.rsplit(|b| *b == b',').next()?;
    let last = last.get(last.iter().position(|b| !matches!(b, b'+' | b' '))?..)?;
    // Some proxies add the port: `203.0.113.9:51234`, `[2001:db8::1]:443`.
    let bare = match last.strip_prefix(b"[") {
        Some(rest) => rest.split(|b| *b == b']').next()?,
        None if memchr_iter(b':', last).count() == 1 => last.split(|b| *b == b':').next()?,
        None => last,
    };
    address(bare).map(|_| bare)
}

fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    // The interface of a link-local address: `fe80::1%5`.
    text.split('%').next()?.parse().ok()
}

fn is_own(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// The last `#Fields:` line that begins before `until` in `block`; a block that is not the beginning of a file begins with
/// the byte before it.
#[must_use]
pub fn last_fields(block: &[u8], until: usize, is_beginning: bool) -> Option<&[u8]> {
    let mut end = until.saturating_add(FIELDS.len() - 1).min(block.len());
    loop {
        let at = memmem::rfind(block.get(..end)?, FIELDS)?;
        let begins = match at.checked_sub(1) {
            None => is_beginning,
            Some(before) => block.get(before) == Some(&b'\n'),
        };
        if begins {
            return block.get(at..)?.split(|b| *b == b'\n').next();
        }
        end = at + FIELDS.len() - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;
    use crate::watch::request::Minutes;
    use expect_test::expect;
    use proptest::prelude::*;

    const USUAL: &[u8] = b"#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken";
    const PROXIED: &[u8] =
        b"#Fields: date time c-ip cs-username cs-method cs-uri-stem sc-status X-Forwarded-For\r";

    fn shown(fields: &[u8], line: &[u8]) -> String {
        let Some(layout) = parse_fields(fields) else { return "no layout".to_owned() };
        let Some(r) = parse_record(line, &layout) else { return "no record".to_owned() };
        let text = |bytes: &[u8]| Text::new(bytes).to_string();
        let time = Minutes::default().read(r.stamp).map_or("no time".to_owned(), |(minute, second)| {
            jiff::Timestamp::from_second(minute * 60 + second).unwrap().to_string()
        });
        format!(
            "{} | {} | {time} | {} | {} | {}",
            text(r.client),
            r.user.map_or("nobody".to_owned(), text),
            r.method.map_or("no method".to_owned(), text),
            text(r.request),
            r.status.map_or("no status".to_owned(), |status| status.to_string()),
        )
    }

    #[test]
    fn lines_of_iis_are_taken_apart_by_what_the_fields_say() {
        let lines: &[(&[u8], &[u8])] = &[
            (USUAL, b"2026-11-22 04:29:54 10.0.0.5 GET /shop token=secret 443 - 203.0.113.9 Mozilla/5.0+(X11) - 200 0 0 15\r"),
            (USUAL, b"2026-11-22 04:29:54 fe80::5%3 POST /a+b - 80 CORP\\alice 2001:db8::1 - - 401 2 5 0"),
            (USUAL, b"2026-11-22 04:29:54 10.0.0.5 - - - 80 - 203.0.113.9 - - 400 0 0 15"),
            (USUAL, b"2026-11-22 24:29:54 10.0.0.5 GET / - 80 - 203.0.113.9 - - 200 0 0 15"),
            (USUAL, b"2026-11-22 04:29:54 10.0.0.5 GET / - 80 - 203.0.113.9 - - 200 0 0"),
            (USUAL, b"2026-11-22 04:29:54 10.0.0.5 GET / - 80 - 203.0.113.9 - - 200 0 0 15 more"),
            (USUAL, b"2026-11-22 04:29:54 10.0.0.5 GET / - 80 - - - - 200 0 0 15"),
            (USUAL, b""),
            (PROXIED, b"2026-11-22 04:29:54 10.0.0.9 bob GET / 200 -"),
            (PROXIED, b"2026-11-22 04:29:54 10.0.0.9 bob GET / 200 198.51.100.1,+203.0.113.9"),
            (PROXIED, b"2026-11-22 04:29:54 ::1 bob GET / 200 203.0.113.9:51234"),
            (PROXIED, b"2026-11-22 04:29:54 fd00::1 bob GET / 200 [2001:db8::1]:443"),
            (PROXIED, b"2026-11-22 04:29:54 10.0.0.9 bob GET / 200 unknown"),
            (PROXIED, b"2026-11-22 04:29:54 198.51.100.7 bob GET / 200 203.0.113.9"),
            (b"#Fields: date time c-ip", b"2026-11-22 04:29:54 203.0.113.9"),
            (b"#Fields: c-ip date time", b"203.0.113.9 2026-11-22 04:29:54"),
            (b"#Fields: date c-ip time", b"2026-11-22 203.0.113.9 04:29:54"),
            (b"#Fields: time c-ip cs-method", b"04:29:54 203.0.113.9 GET"),
            (b"#Fields: date time cs-method", b"2026-11-22 04:29:54 GET"),
            (b"#Date: 2026-11-22 04:29:54", b""),
        ];
        let all: Vec<String> = lines.iter().map(|(fields, line)| shown(fields, line)).collect();
        expect![[r#"
            203.0.113.9 | nobody | 2026-11-22T04:29:54Z | GET | GET /shop | 200
            2001:db8::1 | CORP\alice | 2026-11-22T04:29:54Z | POST | POST /a+b | 401
            203.0.113.9 | nobody | 2026-11-22T04:29:54Z | no method | - - | 400
            203.0.113.9 | nobody | no time | GET | GET / | 200
            no record
            no record
            no record
            no record
            10.0.0.9 | bob | 2026-11-22T04:29:54Z | GET | GET / | 200
            203.0.113.9 | bob | 2026-11-22T04:29:54Z | GET | GET / | 200
            203.0.113.9 | bob | 2026-11-22T04:29:54Z | GET | GET / | 200
            2001:db8::1 | bob | 2026-11-22T04:29:54Z | GET | GET / | 200
            10.0.0.9 | bob | 2026-11-22T04:29:54Z | GET | GET / | 200
            198.51.100.7 | bob | 2026-11-22T04:29:54Z | GET | GET / | 200
            203.0.113.9 | nobody | 2026-11-22T04:29:54Z | no method |  | no status
            no layout
            no layout
            no layout
            no layout
            no layout"#]]
        .assert_eq(&all.join("\n"));
    }

    #[test]
    fn the_last_fields_of_a_block_are_those_of_a_line_of_their_own() {
        let block = b"#Fields: a b\nx #Fields: y\n#Fields: c d\nGET /#Fields: e\n#Fiel";
        assert_eq!(last_fields(block, block.len(), true), Some(&b"#Fields: c d"[..]));
        assert_eq!(last_fields(block, 27, true), Some(&b"#Fields: c d"[..]));
        assert_eq!(last_fields(block, 26, true), Some(&b"#Fields: a b"[..]));
        assert_eq!(last_fields(b"#Fields: a\nx", 12, false), None);
        assert_eq!(last_fields(b"\n#Fields: a\nx", 13, false), Some(&b"#Fields: a"[..]));
        assert_eq!(last_fields(b"", 0, true), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_not(
            fields in "(date time |c-ip |cs-method |cs-uri-stem |X-Forwarded-For |x ){0,9}",
            line in "([0-9:.,+-]{0,9} |- ){0,9}",
            bytes: Vec<u8>,
        ) {
            for fields in [&[FIELDS, fields.as_bytes()].concat(), &bytes] {
                if let Some(layout) = parse_fields(fields) {
                    for line in [line.as_bytes(), &bytes] {
                        if let Some(request) = parse_record(line, &layout) {
                            Minutes::default().read(request.stamp);
                        }
                    }
                }
            }
            let _ = last_fields(&bytes, bytes.len() / 2, true);
        }
    }
}
