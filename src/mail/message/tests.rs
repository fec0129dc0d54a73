#![allow(clippy::needless_raw_string_hashes, reason = "they are written by the test tool")]

use super::*;
use crate::mail::Settings;
use crate::text::Text;
use expect_test::expect;
use mail_parser::MessageParser;
use proptest::prelude::*;

fn envelope() -> Envelope {
    Settings::default().envelope(&Text::from("web1.example.org"))
}

fn letter(subject: &str, body: &str) -> Letter {
    Letter {
        message_id: "<digest-1@web1.example.org>".to_owned(),
        subject: subject.to_owned(),
        body: body.to_owned(),
        date: "2026-11-22T12:00:00Z".parse().unwrap(),
        references: Vec::new(),
        priority: Severity::Notice,
    }
}

fn composed(letter: &Letter) -> String {
    String::from_utf8(compose(letter, &envelope()).bytes).unwrap()
}

/// Subject and body as a mail reader shows them.
fn read(message: &str) -> (String, String) {
    let parsed = MessageParser::default().parse(message).unwrap();
    (parsed.subject().unwrap_or_default().to_owned(), parsed.body_text(0).unwrap().replace("\r\n", "\n"))
}

#[test]
fn a_letter_becomes_a_message() {
    let mut letter =
        letter("web1: 1 new port: 443/tcp", "Something listens on 443/tcp.\n\n  exe = \"/usr/sbin/nginx\"\n");
    letter.priority = Severity::Urgent;
    letter.references =
        vec!["<digest-0@web1.example.org>".to_owned(), "<digest-00@web1.example.org>".to_owned()];
    expect![[r#"
        From: watchdog@web1.example.org
        To: root@web1.example.org
        Date: Sun, 22 Nov 2026 12:00:00 +0000
        Message-ID: <digest-1@web1.example.org>
        Subject: web1: 1 new port: 443/tcp
        References: <digest-0@web1.example.org> <digest-00@web1.example.org>
        In-Reply-To: <digest-00@web1.example.org>
        Auto-Submitted: auto-generated
        X-Priority: 1
        Importance: high
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Something listens on 443/tcp.

          exe = "/usr/sbin/nginx"
    "#]]
    .assert_eq(&composed(&letter).replace("\r\n", "\n"));
}

#[test]
fn a_letter_that_is_not_plain_is_quoted_and_its_lines_stay_whole() {
    let body = format!("Größe: 1 €\nFrom the start\n{} end\ntrailing \n.\n", "long ".repeat(30));
    let message = composed(&letter("wéb: größe", &body));
    expect![[r#"
        From: watchdog@web1.example.org
        To: root@web1.example.org
        Date: Sun, 22 Nov 2026 12:00:00 +0000
        Message-ID: <digest-1@web1.example.org>
        Subject: =?utf-8?b?d8OpYjogZ3LDtsOfZQ==?=
        Auto-Submitted: auto-generated
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: quoted-printable

        Gr=C3=B6=C3=9Fe: 1 =E2=82=AC
        =46=
        rom the start
        long long long long long long long long long long long long long long long =
        long long long long long long long long long long long long long long long =
         end
        trailing=20
        .
    "#]]
    .assert_eq(&message.replace("\r\n", "\n"));
    assert_eq!(read(&message), ("wéb: größe".to_owned(), body));
}

#[test]
fn what_mailboxes_or_servers_would_change_is_quoted() {
    for body in ["From here\n", "a \n", "é\n"] {
        let message = composed(&letter("s", body));
        assert!(message.contains("quoted-printable") && !message.contains("\r\nFrom here"), "{message}");
        assert_eq!(read(&message).1, body);
    }
}

#[test]
fn no_text_reaches_a_header_but_as_text() {
    let mut letter = letter(
        "a\r\nBcc: eve@example.org\n\n<html>\u{202e}gpj\0\x1b[2J =?utf-8?Q?=0AX-Evil:_1?=\u{2028}b",
        "",
    );
    letter.message_id = "<a@b>\r\nX-Evil: 1".to_owned();
    letter.references = vec!["<x@y>\nX-Evil: 2".to_owned(), "<a b@c>".to_owned(), "<ok@host>".to_owned()];
    let envelope = Settings::default().envelope(&Text::new("web1\r\nX-Evil: 3"));
    let message = String::from_utf8(compose(&letter, &envelope).bytes).unwrap();
    let parsed = MessageParser::default().parse(&message).unwrap();
    let names: Vec<_> = parsed.headers().iter().map(|header| header.name().to_owned()).collect();
    assert_eq!(
        names.join(" "),
        "From To Date Message-ID Subject References In-Reply-To Auto-Submitted MIME-Version Content-Type \
         Content-Transfer-Encoding"
    );
    assert_eq!(
        parsed.subject(),
        Some(
            "a\\x0d\\x0aBcc: eve@example.org\\x0a\\x0a<html>\\u{202e}gpj\\x00\\x1b[2J =\\x3futf-8?Q?=0AX-Evil:_1?=\\u{2028}b"
        )
    );
    assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("watchdog@localhost"));
    assert_eq!(parsed.message_id(), Some("556fcff01f7f6f1ae2f2ef1b5ce625b4@host-watchdog.invalid"));
    assert_eq!(parsed.in_reply_to().as_text(), Some("ok@host"));
}

#[test]
fn subjects_and_threads_have_an_end() {
    let mut letter = letter(&"ö".repeat(100_000), "");
    letter.references = (0..1000).map(|n| format!("<{n}@web1>")).collect();
    let message = composed(&letter);
    let parsed = MessageParser::default().parse(&message).unwrap();
    assert_eq!(parsed.subject().unwrap(), format!("{}…", "ö".repeat(200)));
    let references = parsed.references().as_text_list().unwrap().join(" ");
    assert!(references.starts_with("0@web1 981@web1 ") && references.ends_with(" 999@web1"), "{references}");
    assert!(message.split("\r\n").all(|line| line.len() <= 78));
}

#[test]
fn a_huge_hostile_body_arrives_as_it_is_shown() {
    let lines =
        ["x".repeat(100_000), "\0\u{202e}\r\x1b]0;evil\x07".to_owned(), "é".repeat(500_000), ".".to_owned()];
    let message = composed(&letter("s", &lines.join("\n")));
    assert!(message.is_ascii() && message.split("\r\n").all(|line| line.len() <= 78));
    let shown = [&*lines[0], "\\x00\\u{202e}\\x0d\\x1b]0;evil\\x07", &*lines[2], "."].join("\n") + "\n";
    assert_eq!(read(&message).1, shown);
}

#[test]
fn a_date_no_calendar_knows_is_the_nearest_that_mail_can_bear() {
    for (date, header) in
        [(Timestamp::MIN, "Thu, 01 Jan 1970 00:00:00 +0000"), (Timestamp::MAX, "Thu, 30 Dec 9999 ")]
    {
        let message = composed(&Letter { date, ..letter("s", "b") });
        assert!(message.contains(&format!("\r\nDate: {header}")), "{message}");
    }
}

proptest! {
    #[test]
    fn any_letter_is_a_message_that_says_the_same(
        id: String, subject: String, words in "[ a-zé=?_.]{0,300}", body in "(?s).{0,400}", references: Vec<String>,
    ) {
        for subject in [subject, words] {
            let letter = Letter { message_id: id.clone(), references: references.clone(), ..letter(&subject, &body) };
            let message = composed(&letter);
            prop_assert!(message.is_ascii() && message.ends_with("\r\n"));
            prop_assert!(!message.replace("\r\n", "").contains(['\r', '\n', '\0', '\x1b']));
            prop_assert!(message.split("\r\n").all(|line| line.len() <= 998));
            let (read_subject, read_body) = read(&message);
            prop_assert_eq!(read_subject, super::subject(&subject));
            let shown = body.lines().fold(String::new(), |shown, line| shown + &text::clean(line) + "\n");
            prop_assert_eq!(read_body, shown);
        }
    }
}
