//! Servers and programs that refuse, hang, drip or die.

use super::fake::{Act, Fake};
use super::{after, enqueue, host, letter, noon, outbox, route};
use host_watchdog::mail::{DeliveryReport, Outbox, Route, deliver_all, deliver_due, send_test};
use std::time::{Duration, Instant};

/// What a round did, in a line.
fn told(report: &DeliveryReport) -> String {
    let delivered = report.delivered.iter().map(|mail| format!("{} took: {}", mail.name, &*mail.reply));
    let failed = report.failed.iter().map(|mail| {
        let pause = mail.next_try.map_or(0, |next| next.duration_since(noon()).as_secs());
        let failure = &mail.failure;
        let kind = format!("{:?} {:?}", failure.scope, failure.permanence).to_lowercase();
        format!("{} try {} next {pause}s, {kind}: {}", mail.name, mail.attempts, failure.reason)
    });
    let mut lines: Vec<_> = delivered.chain(failed).collect();
    lines.push(format!("{} put off, {} wait", report.put_off, report.waiting));
    lines.join("\n")
}

pub fn round(outbox: &Outbox, route: &Route, seconds: i64) -> String {
    told(&deliver_due(outbox, route, after(seconds)).unwrap())
}

/// The same without the server's port, which differs from run to run.
fn without_port(fake: &Fake, told: &str) -> String {
    told.replace(&format!("127.0.0.1:{}: ", fake.port), "")
}

#[test]
fn a_mail_put_off_by_the_server_is_delivered_later_and_once() {
    let fake =
        Fake::start(&[Act::AnswerMessage("451 4.7.1 greylisted,\r\n451 try later\u{202e}"), Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    let bytes = enqueue(&outbox, &route, &letter(1, "s", "b\n"));
    // A server that writes such an answer sends two; the first counts.
    let first = without_port(&fake, &round(&outbox, &route, 0));
    assert_eq!(
        first,
        "digest-1@web1.example.org try 1 next 60s, mail temporary: 451 4.7.1 greylisted,\n0 put off, 1 wait"
    );
    assert_eq!(round(&outbox, &route, 59), "0 put off, 1 wait");
    assert_eq!(fake.connections(), 1);
    let second =
        "digest-1@web1.example.org took: 250 2.0.0 thank you 2.0.0 queued as FAKE1\n0 put off, 0 wait";
    assert_eq!(round(&outbox, &route, 60), second);
    assert_eq!(round(&outbox, &route, 9999), "0 put off, 0 wait");
    let taken = fake.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!((&taken[0].bytes, &taken[0].to[..]), (&bytes, &["<root@localhost>".to_owned()][..]));
}

#[test]
fn a_mail_refused_for_good_is_kept_told_and_tried_every_hour() {
    let fake = Fake::start(&[
        Act::AnswerMessage("550 5.7.1 no\x1b[2J thanks"),
        Act::AnswerMessage("550 no"),
        Act::Accept,
    ]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    enqueue(&outbox, &route, &letter(1, "s", "b"));
    assert_eq!(
        without_port(&fake, &round(&outbox, &route, 0)),
        "digest-1@web1.example.org try 1 next 3600s, mail permanent: 550 5.7.1 no\\x1b[2J thanks\n0 put off, 1 wait"
    );
    let status = outbox.status().unwrap();
    assert_eq!((status.waiting, status.refused), (1, 1));
    assert!(status.last_error.unwrap().ends_with("550 5.7.1 no\\x1b[2J thanks"));
    assert_eq!(round(&outbox, &route, 3599), "0 put off, 1 wait");
    assert!(round(&outbox, &route, 3600).contains("try 2 next 7200s"));
    assert!(round(&outbox, &route, 7200).contains("queued as FAKE1"));
    assert_eq!(fake.taken().len(), 1);
}

#[test]
fn a_server_that_hangs_or_drips_holds_nothing_up_beyond_the_deadline() {
    for (act, most) in [(Act::Silent, 4), (Act::Drip, 4), (Act::HangAtGoodbye, 1)] {
        let fake = Fake::start(&[act]);
        let (_folder, outbox) = outbox();
        let route = route(&fake.settings("2s"));
        enqueue(&outbox, &route, &letter(1, "s", "b"));
        let started = Instant::now();
        let told = without_port(&fake, &round(&outbox, &route, 0));
        assert!(started.elapsed() < Duration::from_secs(most), "{act:?}: {:?}", started.elapsed());
        if act == Act::HangAtGoodbye {
            assert!(told.contains("queued as FAKE3"), "{told}");
        } else {
            let waits = "digest-1@web1.example.org try 1 next 60s, route temporary: ";
            assert!(told.starts_with(waits) && told.ends_with("0 put off, 1 wait"), "{act:?}: {told}");
        }
    }
}

#[test]
fn an_acceptance_after_the_deadline_counts_and_the_mail_is_not_sent_again() {
    let fake = Fake::start(&[Act::AnswerLate(3000), Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("1s"));
    enqueue(&outbox, &route, &letter(1, "s", "b"));
    assert!(round(&outbox, &route, 0).contains("has the mail, but no answer within 1 s"));
    // Its time has come, but the server still works on it; other mails do not wait for that.
    enqueue(&outbox, &route, &letter(2, "s", "b"));
    let meanwhile = round(&outbox, &route, 60);
    assert!(meanwhile.starts_with("digest-2") && meanwhile.ends_with("1 put off, 1 wait"), "{meanwhile}");
    std::thread::sleep(Duration::from_secs(3));
    let told = round(&outbox, &route, 61);
    assert_eq!(
        told,
        "digest-1@web1.example.org took: 250 2.0.0 late, but queued as FAKE2\n0 put off, 0 wait"
    );
    assert_eq!((fake.taken().len(), fake.connections()), (2, 2));
}

#[test]
fn what_was_not_sent_by_the_deadline_is_not_sent_behind_our_back() {
    let fake = Fake::start(&[Act::LateToStart(2000), Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("1s"));
    enqueue(&outbox, &route, &letter(1, "s", "b"));
    assert!(round(&outbox, &route, 0).contains("no answer within 1 s"));
    std::thread::sleep(Duration::from_secs(3));
    assert!(round(&outbox, &route, 60).contains("queued as FAKE1"));
    assert_eq!((fake.taken().len(), fake.connections()), (1, 2));
}

#[test]
fn tries_that_hang_do_not_pile_up() {
    let fake = Fake::start(&[Act::Drip]);
    let route = route(&fake.settings("1s"));
    let reasons = (0..10).map(|_| send_test(&route, &host(), noon()).unwrap_err().reason);
    let refused = reasons.filter(|reason| reason.contains("8 earlier tries still hang there")).count();
    assert_eq!((refused, fake.connections()), (2, 8));
}

#[test]
fn a_connection_cut_in_the_midst_of_a_mail_costs_nothing() {
    let fake = Fake::start(&[
        Act::CloseInMessage,
        Act::Greet("421 too busy"),
        Act::Greet("554 go away"),
        Act::Accept,
    ]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    let bytes = enqueue(&outbox, &route, &letter(1, "s", &"a long line of text\n".repeat(5000)));
    assert!(round(&outbox, &route, 0).contains("try 1 next 60s, route temporary: "));
    let busy = without_port(&fake, &round(&outbox, &route, 60));
    assert!(busy.contains("try 2 next 180s, route temporary: 421 too busy"), "{busy}");
    let away = without_port(&fake, &round(&outbox, &route, 180));
    assert!(away.contains("try 3 next 3780s, route permanent: 554 go away"), "{away}");
    assert!(round(&outbox, &route, 3780).contains("queued as FAKE1"));
    assert_eq!(fake.taken().iter().map(|mail| &mail.bytes).collect::<Vec<_>>(), [&bytes]);
}

#[test]
fn a_mail_whose_acceptance_got_lost_is_sent_again_as_the_same_mail() {
    let fake = Fake::start(&[Act::DieBeforeAnswer, Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    let bytes = enqueue(&outbox, &route, &letter(1, "s", "b"));
    assert!(round(&outbox, &route, 0).contains("route temporary"));
    assert!(round(&outbox, &route, 60).contains("queued as FAKE1"));
    // Nobody can know; but whoever gets both sees one Message-ID.
    assert_eq!(fake.taken().iter().map(|mail| &mail.bytes).collect::<Vec<_>>(), [&bytes, &bytes]);
}

#[test]
fn one_bad_recipient_does_not_keep_the_mail_from_the_others() {
    for (answer, kind) in [("550 5.1.1 unknown", "permanent"), ("450 4.2.1 busy", "temporary")] {
        let fake = Fake::start(&[Act::AnswerRecipient(answer), Act::AnswerRecipient(answer), Act::Accept]);
        let (_folder, outbox) = outbox();
        let to = "to = [\"a@refused.test\", \"b@good.test\", \"root\"]\n";
        let route = route(&(to.to_owned() + &fake.settings("20s")));
        enqueue(&outbox, &route, &letter(1, "s", "b"));
        let told = round(&outbox, &route, 0);
        assert!(
            told.contains("queued as FAKE1")
                && told.contains(&format!("mail {kind}: a@refused.test: {answer}")),
            "{told}"
        );
        assert!(told.ends_with("0 put off, 1 wait"));
        // The others have it; only the one who has not is tried again.
        assert!(round(&outbox, &route, 3600).contains("try 2"));
        assert!(round(&outbox, &route, 7200).contains("queued as FAKE1"));
        let to: Vec<_> = fake.taken().into_iter().map(|mail| mail.to).collect();
        assert_eq!(to, [vec!["<b@good.test>", "<root@localhost>"], vec!["<a@refused.test>"]]);
        assert_eq!(outbox.status().unwrap().waiting, 0);
    }
}

#[test]
fn a_closed_route_is_tried_once_a_round_and_all_is_delivered_when_it_opens() {
    let fake = Fake::start(&[Act::Greet("421 down"), Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    for number in 1..=3 {
        enqueue(&outbox, &route, &letter(number, "s", "b"));
    }
    assert!(round(&outbox, &route, 0).ends_with("2 put off, 3 wait"));
    assert_eq!(fake.connections(), 1);
    assert_eq!(round(&outbox, &route, 30), "0 put off, 3 wait");
    // A new mail is tried at once, and takes with it those that wait only for the route.
    enqueue(&outbox, &route, &letter(4, "s", "b"));
    assert!(round(&outbox, &route, 31).ends_with("0 put off, 0 wait"));
    let mut said: Vec<_> = fake.taken().into_iter().map(|mail| mail.bytes).collect();
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 4);
    assert_eq!(fake.taken().len(), 4);
}

#[test]
fn a_mail_that_the_server_itself_put_off_waits_its_time_whatever_gets_through() {
    let fake = Fake::start(&[Act::AnswerMessage("451 greylisted"), Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    enqueue(&outbox, &route, &letter(1, "s", "b"));
    round(&outbox, &route, 0);
    enqueue(&outbox, &route, &letter(2, "s", "b"));
    assert!(round(&outbox, &route, 30).ends_with("FAKE1\n0 put off, 1 wait"));
    assert_eq!(fake.connections(), 2);
}

#[test]
fn a_mail_on_which_the_server_chokes_does_not_hold_up_the_others() {
    // Whoever comes first chokes; the second round begins with one that was not tried yet.
    let fake = Fake::start(&[Act::CloseInMessage, Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    enqueue(&outbox, &route, &letter(1, "s", "b"));
    enqueue(&outbox, &route, &letter(2, "s", "b"));
    let first = told(&deliver_due(&outbox, &route, noon()).unwrap());
    let choked = if first.starts_with("digest-1") { "digest-1" } else { "digest-2" };
    let second = told(&deliver_due(&outbox, &route, after(60)).unwrap());
    assert!(!second.starts_with(choked) && second.ends_with("0 put off, 0 wait"), "{second}");
}

#[test]
fn deliver_all_does_not_wait_for_the_next_try() {
    let fake = Fake::start(&[Act::AnswerMessage("550 no"), Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    enqueue(&outbox, &route, &letter(1, "s", "b"));
    round(&outbox, &route, 0);
    assert_eq!(round(&outbox, &route, 1), "0 put off, 1 wait");
    assert!(told(&deliver_all(&outbox, &route, after(1)).unwrap()).contains("queued as FAKE1"));
}

#[test]
fn mailers_at_the_same_time_deliver_every_mail_once() {
    let fake = Fake::start(&[Act::Accept]);
    let (folder, outbox) = outbox();
    let toml = fake.settings("20s");
    for number in 0..40 {
        enqueue(&outbox, &route(&toml), &letter(number, "s", "b"));
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (outbox, route) = (Outbox::open(folder.path().join("outbox")).unwrap(), route(&toml));
                while outbox.status().unwrap().waiting > 0 {
                    deliver_due(&outbox, &route, noon()).unwrap();
                }
            });
        }
    });
    let mut ids: Vec<_> = fake.taken().into_iter().map(|mail| mail.bytes).collect();
    assert_eq!(ids.len(), 40);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

#[test]
fn hostile_text_goes_over_the_wire_as_one_plain_mail() {
    let fake = Fake::start(&[Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&fake.settings("20s"));
    let body = format!(".\r\n.\nQUIT\n..\n{}\nFrom x\n\0\n{}", "x".repeat(100_000), "é ".repeat(400_000));
    let mut evil = letter(1, "a\r\n.\r\nMAIL FROM:<x@y>\r\nBcc: z@y", &body);
    evil.message_id = "<x@y>\r\n.\r\nQUIT".to_owned();
    let bytes = enqueue(&outbox, &route, &evil);
    assert!(round(&outbox, &route, 0).contains("queued as FAKE1"));
    let taken = &fake.taken()[0];
    assert!(taken.bytes.is_ascii() && taken.bytes.split(|b| *b == b'\n').all(|line| line.len() <= 998));
    let undone: Vec<u8> =
        String::from_utf8(taken.bytes.clone()).unwrap().replace("\r\n..", "\r\n.").into_bytes();
    assert!(undone == bytes, "the mail changed on the way");
    assert_eq!((fake.connections(), taken.to.len()), (1, 1));
}

#[test]
fn nothing_is_sent_in_the_clear_where_tls_is_asked_for() {
    let fake = Fake::start(&[Act::Accept]);
    let (_folder, outbox) = outbox();
    let route = route(&(fake.settings("20s") + "security = \"starttls\"\n"));
    enqueue(&outbox, &route, &letter(1, "s", "b"));
    let told = round(&outbox, &route, 0);
    // Wine lacks what the certificates of the system are checked with.
    let is_wine = cfg!(windows) && std::env::var_os("WINEPREFIX").is_some();
    let why = if is_wine { "tls error" } else { "STARTTLS is not supported" };
    assert!(told.contains("route temporary") && told.contains(why), "{told}");
    assert_eq!(fake.taken(), []);
}
