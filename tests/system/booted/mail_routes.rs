//! A mail leaves by whatever mail server the host has, as its package set it up, and is neither lost nor doubled.

use crate::host::{Host, PROMISED, subject, subjects};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// A program that no policy knows, one for each name.
fn intrude(host: &Host, name: &str) {
    host.run(&format!("cp /usr/bin/sleep /tmp/{name}; systemd-run -q --unit={name} /tmp/{name} 3000"));
}

/// Waits for the mail that tells of it.
fn told_of(host: &Host, user: &str, name: &str, within: Duration) {
    let mail = host.next_mail_of(user, within);
    assert_eq!(subject(&mail), format!("web1: unknown process /tmp/{name} run by root"));
}

/// Mails that wait, by the names of their files.
fn waiting(host: &Host) -> Vec<String> {
    let mut waiting = host.list("/var/lib/host-watchdog/outbox/queue");
    waiting.extend(host.list("/var/lib/host-watchdog/outbox/handover"));
    waiting.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "eml"));
    waiting
}

/// Where a mail waits while the mail server is stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// In the server's own queue: its `sendmail` takes mails all the same.
    WithTheServer,
    /// In our outbox: nobody takes it.
    WithUs,
}

/// Mails leave by this mail server to this mailbox; while it is stopped they wait, and afterwards each comes once.
/// `stop` and `start` are scripts.
fn leaves_by(package: &str, user: &str, stop: &str, waits: Waits, start: &str) {
    let Some(host) = Host::boot(package) else { return };
    if package != "postfix" {
        // Only postfix gives root a mailbox of its own.
        host.run(&format!(
            "DEBIAN_FRONTEND=noninteractive apt-get -q -y install {package} postfix- 2>&1
             sed -i '/^root:/d' /etc/aliases; echo 'root: {user}' >>/etc/aliases
             newaliases || true; systemctl restart {package} 2>/dev/null || true"
        ));
    }
    host.install("none");
    let sendmail = host.run("readlink -f /usr/sbin/sendmail");
    note!("{package}: {}", sendmail.trim());

    intrude(&host, "first");
    told_of(&host, user, "first", PROMISED);
    // dma listens nowhere: only its program takes mails.
    let way = if package == "dma" { " accepted: /usr/sbin/sendmail took it" } else { " was accepted: 250 " };
    assert!(host.journal().contains(way), "not by{way:?}: {}", host.journal());

    host.run(stop);
    intrude(&host, "second");
    let since = std::time::Instant::now();
    match waits {
        Waits::WithUs => host.wait_for("a mail that waits", PROMISED, || !waiting(&host).is_empty()),
        Waits::WithTheServer => host.wait_for("a mail that was taken", PROMISED, || {
            host.journal().matches(" accepted: /usr/sbin/sendmail took it").count() > 0
        }),
    }
    note!("{package}: told of after {} s", since.elapsed().as_secs());
    // Long enough for a first try to fail, and the second to come.
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(waiting(&host).len(), usize::from(waits == Waits::WithUs), "{}", host.journal());
    assert_eq!(host.mails_of(user).len(), 1, "{:?}", subjects(&host.mails_of(user)));
    host.run(start);
    told_of(&host, user, "second", Duration::from_secs(130));
    host.wait_for("an empty outbox", Duration::from_secs(10), || waiting(&host).is_empty());

    // What was accepted is not offered again.
    host.run("systemctl restart host-watchdog-mail host-watchdog-sendmail.path");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(host.mails_of(user).len(), 2, "{:?}", subjects(&host.mails_of(user)));
}

#[test]
fn mail_leaves_by_postfix_and_waits_while_it_is_stopped() {
    leaves_by("postfix", "root", "systemctl stop postfix", Waits::WithTheServer, "systemctl start postfix");
}

#[test]
fn mail_leaves_by_exim4_and_waits_while_it_cannot_run() {
    let (stop, start) = (
        "systemctl stop exim4; chmod a-x /usr/sbin/exim4",
        "chmod a+x /usr/sbin/exim4; systemctl start exim4",
    );
    leaves_by("exim4-daemon-light", "alice", stop, Waits::WithUs, start);
}

#[test]
fn mail_leaves_by_opensmtpd_and_waits_while_it_is_stopped() {
    leaves_by(
        "opensmtpd",
        "alice",
        "systemctl stop opensmtpd",
        Waits::WithTheServer,
        "systemctl start opensmtpd",
    );
}

#[test]
fn mail_leaves_by_dma_which_listens_nowhere_and_waits_while_it_cannot_run() {
    leaves_by("dma", "alice", "chmod a-x /usr/sbin/dma", Waits::WithUs, "chmod a+x /usr/sbin/dma");
}

#[test]
fn units_killed_at_awkward_moments_neither_lose_nor_double_a_mail() {
    let Some(host) = Host::boot("killed") else { return };
    host.install("none");
    host.run("systemctl stop postfix");
    let kill = "systemctl kill -s KILL host-watchdog; systemctl kill -s KILL host-watchdog-mail; true";
    for name in ["first", "second", "third"] {
        intrude(&host, name);
        // While it looks, while it writes, while it hands over: as the moment falls.
        let before = waiting(&host).len();
        let reloaded = host.run_seen("systemctl reload host-watchdog");
        assert!(reloaded.status.success(), "{reloaded:?}");
        std::thread::sleep(Duration::from_millis(700 * (before as u64 + 1)));
        host.run_seen(kill);
        host.wait_for("the units to be back", Duration::from_mins(1), || {
            let output = host.run_seen("systemctl is-active host-watchdog host-watchdog-mail");
            String::from_utf8_lossy(&output.stdout) == "active\nactive\n"
        });
    }
    // The mail server comes back, and the mailer is killed in the middle of it.
    host.run_seen("systemctl start postfix");
    for pause in [100, 300, 700, 1500] {
        host.run_seen("systemctl restart host-watchdog-mail & sleep 0.2; systemctl kill -s KILL host-watchdog-mail; wait; true");
        std::thread::sleep(Duration::from_millis(pause));
    }
    let count = |name: &str| {
        let told = |mail: &mail_parser::Message| {
            crate::host::text(mail).contains(&format!("unknown process /tmp/{name} run by root"))
        };
        // Killed between the server's 250 and noting it, the mailer cannot know that it was accepted, and sends it again: that
        // is the same mail, by its Message-ID, and no other one about the same.
        let mails = host.mails();
        let ids = mails.iter().filter(|mail| told(mail)).map(|mail| mail.message_id().expect("it has one"));
        ids.collect::<BTreeSet<&str>>().len()
    };
    host.wait_for("all mails", Duration::from_mins(3), || {
        waiting(&host).is_empty() && ["first", "second", "third"].iter().all(|name| count(name) > 0)
    });
    host.wait_for_passes(1);
    for name in ["first", "second", "third"] {
        assert_eq!(count(name), 1, "{name}: {:?}", subjects(&host.mails()));
    }
}
