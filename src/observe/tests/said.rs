//! What the mails say.

use super::*;

fn about() -> About {
    About {
        zone: TimeZone::UTC,
        host: "web1".to_owned(),
        policy_digest: "0123456789abcdef".to_owned(),
        policy_files: vec!["/etc/host-watchdog/policy.toml".to_owned()],
        add_to: "/etc/host-watchdog/policy.toml".to_owned(),
        version: "1.2.3".to_owned(),
        saw: Vec::new(),
        gaps: Vec::new(),
        blind: Vec::new(),
        observing: None,
    }
}

fn written(news: News, record: &Record, now: Timestamp) -> String {
    let rules = Path::new("/var/lib/host-watchdog/observed.toml");
    let settings = Some(Path::new("/etc/host-watchdog/watchdog.toml"));
    let letter = letter::write(news, record, now, letter::Places { rules, settings }, &about());
    format!("{}\n\n{}", letter.subject, letter.body)
}

#[test]
fn the_mails_say_what_was_learned_and_what_to_do() {
    let mut record = Record::begin(at(0), Span::days(7));
    expect![[r#"
        web1: observing until 2027-01-22 08:00 UTC: what is new is learned, not reported

        Observing until 2027-01-22 08:00 UTC: a process or a listening socket
          that is not known yet is learned as a rule instead of being reported.

        web1, Fri 15 Jan 2027 08:00 UTC (+00:00)

        What was there when the policy was made is allowed by it:
        /etc/host-watchdog/policy.toml. What is new is added to
        /var/lib/host-watchdog/observed.toml, and a mail a day tells it.

        Everything else is reported as ever: logins, sessions, requests,
        resources, updates, and code from memory, from deleted or changed files,
        or from places where anybody may write.

        To end it now, write observe = "none" in
        /etc/host-watchdog/watchdog.toml and reload the service.

        LEARNED SO FAR (0)

           nothing

        --
        learned rules: /var/lib/host-watchdog/observed.toml
        policy 0123456789ab: /etc/host-watchdog/policy.toml
        host-watchdog 1.2.3
    "#]]
    .assert_eq(&written(News::Begun, &record, at(0)));
    record.tell(at(0));
    record.note(["process /usr/bin/app, as alice", "tcp port 80 on every address, opened by /usr/bin/app"]);
    expect![[r#"
        web1: 2 rules learned while observing until 2027-01-22 08:00 UTC

        2 rules learned since the last mail; observing until 2027-01-22 08:00
          UTC.

        web1, Sat 16 Jan 2027 08:00 UTC (+00:00)

        Read /var/lib/host-watchdog/observed.toml: what should not run here is
        in it too, if it ran meanwhile. Take out what does not belong here and
        reload the service; what is taken out is reported, not learned again.

        Everything else is reported as ever: logins, sessions, requests,
        resources, updates, and code from memory, from deleted or changed files,
        or from places where anybody may write.

        To end it now, write observe = "none" in
        /etc/host-watchdog/watchdog.toml and reload the service.

        LEARNED SINCE THE LAST MAIL (2)

        1. process /usr/bin/app, as alice
        2. tcp port 80 on every address, opened by /usr/bin/app

        --
        learned rules: /var/lib/host-watchdog/observed.toml
        policy 0123456789ab: /etc/host-watchdog/policy.toml
        host-watchdog 1.2.3
    "#]]
    .assert_eq(&written(News::Daily, &record, at(24)));
    record.tell(at(24));
    record.pass(at(168), length("7d"));
    expect![[r#"
        web1: observing is over, 2 rules learned; from now on all else is reported

        Observing is over: 2 rules learned in all. From now on everything else
          is a finding.

        web1, Fri 22 Jan 2027 08:00 UTC (+00:00)

        Read /var/lib/host-watchdog/observed.toml: what should not run here is
        in it too, if it ran meanwhile. Take out what does not belong here and
        reload the service; what is taken out is reported, not learned again.

        LEARNED SINCE THE LAST MAIL (0)

           nothing

        --
        learned rules: /var/lib/host-watchdog/observed.toml
        policy 0123456789ab: /etc/host-watchdog/policy.toml
        host-watchdog 1.2.3
    "#]]
    .assert_eq(&written(News::Over, &record, at(168)));
    record.over = Some(at(30));
    assert!(written(News::Over, &record, at(30)).contains("It was ended before its time by the settings."));
}
