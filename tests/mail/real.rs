//! With a real mail server, over each route it offers, and into a folder.

use super::mail_server::{MailServer, free_port};
use super::{after, enqueue, host, letter, noon, outbox, route};
use host_watchdog::finding::Severity;
use host_watchdog::mail::{deliver_due, send_test};

#[test]
fn a_test_mail_comes_with_the_servers_own_words() {
    let Some(server) = MailServer::start() else { return };
    let route = route(&format!("[smtp]\nport = {}\n", server.smtp_port));
    let acceptance = send_test(&route, &host(), noon()).unwrap();
    assert!(acceptance.reply.starts_with("250 2.0.0 "), "{}", acceptance.reply);
    assert_eq!((acceptance.accepted.len(), acceptance.refused.len()), (1, 0));
    let mails = server.wait_for(1);
    assert_eq!(mails[0].subject(), Some("web1.example.org: a test of the watchdog's mail"));
    // The queue id that was printed is the one in the server's log.
    let id = acceptance.reply.split(' ').nth(2).unwrap();
    assert!(server.log().contains(&format!("msgid={id} ")), "{}: {}", acceptance.reply, server.log());
}

#[test]
fn a_mail_arrives_as_it_was_written() {
    let Some(server) = MailServer::start() else { return };
    let (_folder, outbox) = outbox();
    let route = route(&format!(
        "to = [\"root\", \"ops@example.org\"]\nfrom = \"dog@example.org\"\n[smtp]\nport = {}\n",
        server.smtp_port
    ));
    let subject =
        "web1: 2 unknown processes, größte Überraschung 日本語 /usr/sbin/ngïnx and more words to fold";
    let body = format!(
        "Zwei Prozesse, die niemand kennt — 日本語.\n\n.\nFrom here on:\n  exe = \"/tmp/{}\"\n..\n  trailing \n\n",
        "x".repeat(2000)
    );
    let mut letter = letter(7, subject, &body);
    letter.priority = Severity::Urgent;
    letter.references =
        vec!["<digest-5@web1.example.org>".to_owned(), "<digest-6@web1.example.org>".to_owned()];
    enqueue(&outbox, &route, &letter);
    let report = deliver_due(&outbox, &route, noon()).unwrap();
    assert_eq!((report.delivered.len(), report.waiting), (1, 0), "{report:?}");
    // One for each of the two, as the server gives both to the same mailbox.
    for mail in server.wait_for(2) {
        assert_eq!(mail.subject(), Some(subject));
        assert_eq!(mail.body_text(0).unwrap().replace("\r\n", "\n"), body);
        assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("dog@example.org"));
        let to: Vec<_> = mail.to().unwrap().iter().filter_map(|address| address.address()).collect();
        assert_eq!(to, ["root@web1.example.org", "ops@example.org"]);
        assert_eq!(mail.message_id(), Some("digest-7@web1.example.org"));
        assert_eq!(mail.in_reply_to().as_text(), Some("digest-6@web1.example.org"));
        assert_eq!(mail.date().unwrap().to_timestamp(), noon().as_second());
        let header = |name: &str| mail.header_raw(name).map(|value| value.trim().to_owned());
        assert_eq!(header("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(
            (header("X-Priority").as_deref(), header("Importance").as_deref()),
            (Some("1"), Some("high"))
        );
        assert_eq!(header("MIME-Version").as_deref(), Some("1.0"));
    }
}

#[test]
fn a_server_that_was_down_gets_every_mail_once_when_it_is_back() {
    let port = free_port();
    let (folder, outbox) = outbox();
    let toml = format!("[smtp]\nport = {port}\n");
    let day = 24 * 60;
    for minute in 0..day {
        if minute % 480 == 0 {
            let number = usize::try_from(minute).unwrap();
            enqueue(&outbox, &route(&toml), &letter(number, &format!("mail {number}"), "b"));
        }
        let report = deliver_due(&outbox, &route(&toml), after(minute * 60)).unwrap();
        assert_eq!(report.delivered, []);
    }
    let status = outbox.status().unwrap();
    assert_eq!((status.waiting, status.refused), (3, 0));
    assert!(status.last_error.unwrap().contains("Connection refused"));
    let Some(server) = MailServer::start_at(port) else { return };
    // Another run of the program; it waits an hour at most.
    let outbox = host_watchdog::mail::Outbox::open(folder.path().join("outbox")).unwrap();
    for minute in day..=day + 60 {
        deliver_due(&outbox, &route(&toml), after(minute * 60)).unwrap();
    }
    assert_eq!(outbox.status().unwrap().waiting, 0);
    let mut subjects: Vec<_> =
        server.wait_for(3).iter().map(|mail| mail.subject().unwrap().to_owned()).collect();
    subjects.sort();
    assert_eq!(subjects, ["mail 0", "mail 480", "mail 960"]);
}

#[test]
fn a_recipient_that_the_server_refuses_is_named() {
    let Some(server) = MailServer::start() else { return };
    let to = "to = [\"nobody@refused.test\", \"root\"]";
    let route = route(&format!("{to}\n[smtp]\nport = {}\n", server.smtp_port));
    let acceptance = send_test(&route, &host(), noon()).unwrap();
    let (refused, failure) = &acceptance.refused[0];
    assert_eq!(refused.to_string(), "nobody@refused.test");
    assert!(failure.reason.starts_with("550 "), "{}", failure.reason);
    server.wait_for(1);
}

#[test]
fn mail_goes_by_the_real_sendmail_program() {
    let Some(server) = MailServer::start() else { return };
    let (_folder, outbox) = outbox();
    let program = server.sendmail();
    let route = route(&format!("via = \"sendmail\"\n[sendmail]\nprogram = \"{}\"\n", program.display()));
    let body = format!("größer\n.\n..\n{}\n", "word ".repeat(500));
    enqueue(&outbox, &route, &letter(1, "subject — größer", &body));
    let report = deliver_due(&outbox, &route, noon()).unwrap();
    assert_eq!((report.delivered.len(), report.waiting), (1, 0), "{report:?}");
    let mail = &server.wait_for(1)[0];
    assert_eq!(mail.subject(), Some("subject — größer"));
    assert_eq!(mail.body_text(0).unwrap().replace("\r\n", "\n"), body);
    assert_eq!(mail.message_id(), Some("digest-1@web1.example.org"));
    assert!(server.log().contains("from=<watchdog@web1.example.org>"), "{}", server.log());
}

#[test]
fn mail_goes_into_a_folder_once() {
    let (folder, outbox) = outbox();
    let mails = folder.path().join("a/mails");
    let route = route(&format!("via = \"folder\"\n[folder]\npath = \"{}\"\n", mails.display()));
    let bytes = enqueue(&outbox, &route, &letter(1, "web1: new port 443/tcp", "b\n"));
    let report = deliver_due(&outbox, &route, noon()).unwrap();
    let file = mails.join("20261122T120000Z-web1-new-port-443-tcp-76b2a03e.eml");
    assert_eq!(&*report.delivered[0].reply, format!("written to {}", file.display()));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    deliver_due(&outbox, &route, noon()).unwrap();
    send_test(&route, &host(), noon()).unwrap();
    assert_eq!(std::fs::read_dir(&mails).unwrap().count(), 2);
}
