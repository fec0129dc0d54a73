//! The lines of a mail, whatever the facts say.

use super::said::{about, found, letter_of, unknown_process};
use super::*;
use crate::alert::digest::write;
use crate::finding::Nearest;
use jiff::tz::TimeZone;
use proptest::prelude::*;

#[test]
fn moments_and_ages() {
    let zone = TimeZone::get("Europe/London").unwrap();
    let now = minute(0);
    for (at, moment, ago) in [
        (minute(0), "Mon 12:00 GMT", "just now"),
        (minute(-1), "Mon 11:59 GMT", "1 minute ago"),
        (minute(-150), "Mon 09:30 GMT", "2 hours ago"),
        (minute(-6 * 1440), "2026-11-17 12:00 GMT", "6 days ago"),
        (minute(-100 * 1440), "2026-08-15 13:00 BST", "100 days ago"),
        (minute(5), "2026-11-23 12:05 GMT", "just now"),
    ] {
        assert_eq!((words::moment(at, now, &zone), words::ago(at, now)), (moment.to_owned(), ago.to_owned()));
    }
    assert_eq!(words::date(now, &zone), "Mon 23 Nov 2026 12:00 GMT (+00:00)");
}

proptest! {
    /// Whatever a fact says, the mail's lines stay ours: no control but line feeds, a one-line subject, and what
    /// a fact says begins no line.
    #[test]
    fn hostile_text_never_leaves_its_place(title: String, key in "[a-z\\n]{1,9}", value: String, list: Vec<String>, rule: String, toml: String, host: String) {
        let finding = Finding::new(Code::UnknownProcess, "x", format!("unknown process EVIL {title}"))
            .with(&key, format!("EVIL {value}"))
            .with("list", list.iter().map(|item| format!("EVIL {item}")).collect::<Vec<_>>())
            .nearest(Some(Nearest { rule: format!("EVIL {rule}"), why_not: rule }))
            .suggest(format!("[[process]]\nEVIL {toml}"));
        let about = About { host: host.clone(), ..about() };
        let letter = letter_of(vec![Pass { host, ..found(minute(0), vec![finding]) }], &limits(), &about);
        prop_assert_eq!(crate::text::clean(&letter.subject), letter.subject.as_str());
        prop_assert!(letter.subject.chars().count() <= 120);
        for line in letter.body.lines() {
            prop_assert_eq!(crate::text::clean(line), line);
            prop_assert!(!line.starts_with("EVIL"));
        }
        prop_assert!(letter.body.ends_with('\n') && !letter.body.contains('\r'));
        prop_assert_eq!(letter.body.split('\n').filter(|line| *line == "COVERAGE").count(), 1);
    }

    #[test]
    fn our_own_prose_keeps_to_72_columns(text in "([a-z]{1,20} ){1,60}") {
        for line in words::wrap("   ", "     ", &text) {
            prop_assert!(line.chars().count() <= 72);
        }
    }

    #[test]
    fn writing_never_panics(length in 0usize..200, limit in 0usize..50) {
        let text = "é".repeat(length);
        prop_assert!(words::squeeze(&text, limit).chars().count() <= limit.max(1));
    }
}

#[test]
fn the_same_digest_is_the_same_letter() {
    let pass = found(minute(0), vec![unknown_process()]);
    let digest = step(&Book::default(), &pass, &limits()).digest.unwrap();
    assert_eq!(write(&digest, &about()), write(&digest, &about()));
}
