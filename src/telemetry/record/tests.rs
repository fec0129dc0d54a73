use super::*;
use crate::alert::{self, Limits, Looked, Pass};
use crate::finding::Finding;
use crate::rule::Span;
use expect_test::expect;
use proptest::prelude::*;

fn record(subject: &str, title: &str) -> Record {
    Record {
        change: Change::Opened,
        alert: "k3v7q".to_owned(),
        code: Code::UnknownProcess,
        severity: Severity::Urgent,
        watch: "process".to_owned(),
        subject: subject.to_owned(),
        title: title.to_owned(),
    }
}

/// The fields of a datagram, as the journal's documentation says that they are read.
fn read_journal(mut datagram: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while !datagram.is_empty() {
        let end = datagram.iter().position(|b| *b == b'\n').unwrap();
        let name = std::str::from_utf8(&datagram[..end]).unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name:?} is no name of a field");
        let length = u64::from_le_bytes(datagram[end + 1..end + 9].try_into().unwrap());
        let value = &datagram[end + 9..][..usize::try_from(length).unwrap()];
        fields.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
        datagram = &datagram[end + 9 + value.len()..];
        assert_eq!(datagram[0], b'\n');
        datagram = &datagram[1..];
    }
    fields
}

const FIELDS: [&str; 10] = [
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "SYSLOG_IDENTIFIER",
    "WATCHDOG_CODE",
    "WATCHDOG_SEVERITY",
    "WATCHDOG_SUBJECT",
    "WATCHDOG_ALERT",
    "WATCHDOG_STATE",
    "WATCHDOG_WATCH",
];

#[test]
fn a_record_of_the_journal_holds_what_happened_to_which_alert() {
    let fields = read_journal(&record("/tmp/x", "unknown process /tmp/x").to_journal());
    let lines: String = fields.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    expect![[r#"
        MESSAGE=urgent: unknown process /tmp/x (alert k3v7q)
        MESSAGE_ID=adc72a43bef54b0184c05d5658055096
        PRIORITY=2
        SYSLOG_IDENTIFIER=host-watchdog
        WATCHDOG_CODE=unknown-process
        WATCHDOG_SEVERITY=urgent
        WATCHDOG_SUBJECT=/tmp/x
        WATCHDOG_ALERT=k3v7q
        WATCHDOG_STATE=opened
        WATCHDOG_WATCH=process
    "#]]
    .assert_eq(&lines);
}

#[test]
fn a_line_of_the_syslog_is_that_of_rfc_5424() {
    let line = |record: &Record| record.to_syslog("2026-11-22T12:00:00.5Z".parse().unwrap(), "web 1", 7);
    let mut lines = line(&record("a \"b\" [c] \\n", "unknown process"));
    lines += "\n";
    lines += &line(&Record { change: Change::Ended, ..record("x", "y") });
    expect![[r#"
        <26>1 2026-11-22T12:00:00.500000Z web1 host-watchdog 7 opened [watchdog@32473 code="unknown-process" severity="urgent" subject="a \"b\" [c\] \\n" alert="k3v7q" state="opened" watch="process"] urgent: unknown process (alert k3v7q)
        <30>1 2026-11-22T12:00:00.500000Z web1 host-watchdog 7 ended [watchdog@32473 code="unknown-process" severity="urgent" subject="x" alert="k3v7q" state="ended" watch="process"] over: y (alert k3v7q)"#]].assert_eq(&lines);
    assert!(record("x", "y").to_syslog(Timestamp::UNIX_EPOCH, "\n", 7).contains(" - host-watchdog "));
}

#[test]
fn what_a_fact_holds_forges_no_field_and_no_second_record() {
    let evil = "x\nPRIORITY=0\nMESSAGE\n\u{1}\0\0\0\0\0\0\0y\u{1b}[2J\"] [watchdog@32473 code=\"";
    let fields = read_journal(&record(evil, evil).to_journal());
    assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), FIELDS);
    assert!(fields.iter().all(|(_, value)| !value.contains(['\n', '\u{1b}', '\0'])));
    let line = record(evil, evil).to_syslog(Timestamp::UNIX_EPOCH, "web1", 7);
    assert!(!line.contains(['\n', '\u{1b}', '\0']));
    assert!(line.contains(r#"\"\] [watchdog@32473 code=\"" alert="k3v7q""#), "{line}");
}

proptest! {
    #[test]
    fn every_record_is_one_with_the_same_fields(subject: String, title: String, watch: String) {
        let record = Record { watch, ..record(&subject, &title) };
        let datagram = record.to_journal();
        prop_assert!(datagram.len() < 16 * 1024, "it fits a datagram");
        let names: Vec<String> = read_journal(&datagram).into_iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names, FIELDS);
        let line = record.to_syslog(Timestamp::UNIX_EPOCH, &title, 7);
        prop_assert!(!line.contains(['\n', '\r', '\0']));
        // Of the structured data, everything up to its bracket: quotes that are not escaped come in pairs.
        let data = line.splitn(7, ' ').last().unwrap();
        let mut quotes = 0;
        let mut escaped = false;
        let mut ended = false;
        for c in data.chars() {
            match c {
                '\\' if !escaped => { escaped = true; continue; }
                '"' if !escaped => quotes += 1,
                ']' if !escaped && quotes % 2 == 0 => { ended = true; break; }
                _ => {}
            }
            escaped = false;
        }
        prop_assert!(ended && quotes == 12, "{} in {}", quotes, data);
    }
}

/// What passes make of an alert: each is a severity, or that it is not there, some minutes after the one before.
fn changes(passes: &[(i64, Option<Severity>)]) -> Vec<Option<Change>> {
    let mut book = Book::default();
    let mut now = Timestamp::UNIX_EPOCH;
    let limits = Limits { resolve_after: Span::minutes(5), ..Limits::default() };
    let mut changes = Vec::new();
    for (minutes, severity) in passes {
        now += jiff::SignedDuration::from_mins(*minutes);
        let finding = |severity| Finding::new(Code::UnknownProcess, "x", "y").severity(severity);
        let findings = severity.map(finding).into_iter().collect();
        let looked = vec![Looked { watch: "process".to_owned(), saw: true, findings }];
        let step = alert::step(&book, &Pass { now, host: "web1".to_owned(), looked }, &limits);
        let made = records(&book, &step);
        assert!(made.len() < 2);
        changes.push(made.first().map(|record| record.change));
        book.apply(step);
    }
    changes
}

#[test]
fn each_change_of_an_alert_is_one_record_and_no_change_is_none() {
    use Change::{Ended, Opened, Worsened};
    use Severity::{Urgent, Warning};
    let there = |minutes, severity| (minutes, Some(severity));
    let passes = [
        there(1, Warning),
        there(1, Warning),
        there(1, Urgent),
        there(1, Warning),
        (1, None),
        (6, None),
        (1, None),
        there(1, Warning),
        there(1, Urgent),
    ];
    assert_eq!(
        changes(&passes),
        [Some(Opened), None, Some(Worsened), None, None, Some(Ended), None, Some(Opened), Some(Worsened)]
    );
}

#[test]
fn the_ids_by_which_people_filter_never_change() {
    let ids: Vec<&str> = Change::ALL.iter().map(|change| change.message_id()).collect();
    assert_eq!(
        ids,
        [
            "adc72a43bef54b0184c05d5658055096",
            "3ab8114672cd4841a215bdbf1a8f6702",
            "474a67389e1d496eaf01d99d809c05ac"
        ]
    );
}

#[test]
fn an_event_of_windows_holds_the_line_and_then_each_field() {
    let event = record("/tmp/x", "unknown process /tmp/x").to_event();
    assert_eq!((event.id, event.kind), (10, EventKind::Error));
    expect![[r#"
        urgent: unknown process /tmp/x (alert k3v7q)
        unknown-process
        urgent
        /tmp/x
        k3v7q
        opened
        process"#]]
    .assert_eq(&event.strings.join("\n"));
    let mut ended = record("/tmp/x", "x");
    ended.change = Change::Ended;
    assert_eq!((ended.to_event().id, ended.to_event().kind), (12, EventKind::Information));
}

#[test]
fn no_subject_makes_the_event_log_put_other_words_in_its_place() {
    let event = record("C:\\%1\\%%1833 100%", "%2").to_event();
    assert_eq!(event.strings[3], "C:\\% 1\\% % 1833 100%");
    assert!(event.strings[0].contains("% 2"), "{}", event.strings[0]);
}

proptest! {
    #[test]
    fn an_event_has_its_seven_strings_whatever_happened(subject in ".*", title in ".*") {
        let event = record(&subject, &title).to_event();
        prop_assert_eq!(event.strings.len(), 7);
        for string in &event.strings {
            let is_marked = |pair: &[u8]| matches!(pair, [b'%', b'%' | b'0'..=b'9']);
            prop_assert!(!string.as_bytes().windows(2).any(is_marked), "{:?}", string);
            prop_assert!(!string.chars().any(char::is_control), "{:?}", string);
        }
    }
}
