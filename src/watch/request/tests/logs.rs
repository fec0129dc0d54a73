//! The logs themselves: how far back they are read, and what is said of one that is silent, gone, hostile or not named.

use super::*;

#[test]
fn a_huge_old_log_costs_next_to_nothing() {
    let mut bed = Bed::new();
    let old = "203.0.113.9 - - [01/Jan/2020:00:00:00 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n";
    bed.append(NGINX, old.repeat(400_000).as_bytes());
    bed.get(7, "203.0.113.9");
    let facts = bed.facts(&load(LIMIT));
    let log = &facts.logs[0];
    let size = fs::metadata(bed.root.path().join("var/log/nginx/access.log")).unwrap().len();
    assert!(size > 25_000_000 && log.bytes < 400_000, "{} of {size}", log.bytes);
    assert_eq!(series::total(&log.all), 7);
    let facts = bed.facts(&load(LIMIT));
    assert_eq!((facts.logs[0].bytes, facts.logs[0].fresh), (0, false));
}

#[test]
fn the_rule_s_time_reaches_back_into_the_rotated_log() {
    let mut bed = Bed::new();
    bed.send("/var/log/nginx/access.log.1", 30, 590, "203.0.113.9", "-", "GET / HTTP/1.1");
    bed.get(11, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT).len(), 1);
    assert_eq!(bed.pass(LIMIT).len(), 1);
}

#[test]
fn a_longer_time_in_a_new_policy_is_counted_from_the_log_at_once() {
    let mut bed = Bed::new();
    bed.send(NGINX, 600, 590, "203.0.113.9", "-", "GET / HTTP/1.1");
    bed.get(11, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), []);
    assert_eq!(
        titles(&bed.pass(&LIMIT.replace("1h", "1d"))),
        "request-limit 203.0.113.9 sent 601 requests within 1d, 600 are allowed (/var/log/nginx/access.log)"
    );
    assert_eq!(bed.pass(&LIMIT.replace("1h", "1d")).len(), 1, "and not twice");
    assert_eq!(bed.pass(LIMIT), []);
}

#[test]
fn hostile_lines_are_counted_and_shown_harmless() {
    let mut bed = Bed::new();
    bed.get(1, "203.0.113.9");
    bed.append(NGINX, &vec![b'x'; 1_200_000]);
    bed.append(NGINX, b"\n\0\0\0\n\xff\xfe\x1b[2J \xe2\x80\xae \"] \"\n");
    bed.get(1, "203.0.113.9");
    let facts = bed.facts(&load(LIMIT));
    let log = &facts.logs[0];
    assert_eq!((log.lines, log.unread, log.too_long), (2, 2, 1));
    expect![[r#"
        [
            Gap {
                gap: "request-lines",
                seen: 2,
                of: 5,
                why: "3 lines of /var/log/nginx/access.log are not those of an access log, like: \\x00\\x00\\x00",
            },
        ]
    "#]]
    .assert_debug_eq(&bed.gaps);
}

#[test]
fn a_log_without_requests_for_longer_than_allowed_is_silent() {
    let mut bed = Bed::new();
    let rules = format!("[[requests]]\nlog = \"{NGINX}\"\nsilent-after = \"1d\"");
    bed.get(1, "203.0.113.9");
    assert_eq!(bed.pass(&rules), []);
    bed.wait(24 * 60);
    assert_eq!(bed.pass(&rules), []);
    bed.wait(1);
    whole(
        &bed.pass(&rules),
        &expect![[r#"
            source-silent /var/log/nginx/access.log
            no web request came since 2026-11-22T12:00:30Z in /var/log/nginx/access.log
            {"log":"/var/log/nginx/access.log","last-request":"2026-11-22T12:00:30Z"}
            nearest: requests /var/log/nginx/access.log (policy.toml:2): it expects a request at least every 1d
            [[requests]]
            log          = "/var/log/nginx/access.log"
            silent-after = "49h"
            why          = "…"
        "#]],
    );
    suggestions_hold(&mut bed, &rules);
    // Also when it is looked at for the first time.
    (bed.look, bed.check) = Default::default();
    assert_eq!(bed.pass(&rules).len(), 1);
}

#[test]
fn a_log_that_is_not_there_is_found_but_not_while_it_is_rotated() {
    let mut bed = Bed::new();
    whole(
        &bed.pass(LIMIT),
        &expect![[r#"
        source-silent /var/log/nginx/access.log missing
        the web log /var/log/nginx/access.log is not there
        {"log":"/var/log/nginx/access.log","cure":"start the web server that writes it, or correct or remove the rule that names it"}
        nearest: requests /var/log/nginx/access.log (policy.toml:3): no file has this name
        nothing to suggest
    "#]],
    );
    bed.get(1, "203.0.113.9");
    assert_eq!(bed.pass(LIMIT), []);
    let log = bed.root.path().join("var/log/nginx/access.log");
    fs::rename(&log, log.with_file_name("access.log.1")).unwrap();
    bed.send("/var/log/nginx/access.log.1", 0, 600, "203.0.113.9", "-", "GET / HTTP/1.1");
    bed.wait(1);
    assert_eq!(
        titles(&bed.pass(LIMIT)),
        "request-limit 203.0.113.9 sent 601 requests within 1h, 600 are allowed (/var/log/nginx/access.log)"
    );
    bed.wait(2);
    assert_eq!(titles(&bed.pass(LIMIT)), "source-silent the web log /var/log/nginx/access.log is not there");
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_followed_is_a_gap_with_its_cure() {
    let mut bed = Bed::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bed.root.path().join("var/log/nginx/access.log"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(bed.pass(LIMIT), []);
    expect![[r#"
        [
            Gap {
                gap: "request-log",
                seen: 0,
                of: 1,
                why: "/var/log/nginx/access.log cannot be read: it is not a regular file",
            },
        ]
    "#]]
    .assert_debug_eq(&bed.gaps);
}

/// Where web servers keep their logs is known for each system alone.
#[cfg(target_os = "linux")]
#[test]
fn without_rules_the_web_logs_are_found_and_a_policy_learned_that_finds_nothing() {
    let mut bed = Bed::new();
    bed.get(7, "203.0.113.9");
    bed.send(NGINX, 90, 412, "203.0.113.9", "-", "PUT /a HTTP/1.1");
    bed.send(NGINX, 90, 1, "203.0.113.9", "-", "get /a HTTP/1.1");
    bed.send("/var/log/nginx/shop.log", 60, 3, "203.0.113.7", "-", "GET / HTTP/1.1");
    bed.append("/var/log/nginx/error.log", b"2026/11/22 04:29:54 [error] 1#1: *1 open() failed\n");
    bed.append("/var/log/nginx/access.log.1", b"older\n");
    bed.append("/var/log/apache2/other_vhosts_access.log", b"");
    bed.append("/var/log/apache2/error.log", b"");
    bed.append("/var/log/httpd/access_log-20261121", b"");
    bed.append("/var/log/httpd/access_log", b"");
    let facts = bed.facts(&Policy::default());
    let learned = RequestWatch::learn(&facts, "watchdog snapshot", bed.now);
    expect![[r#"
        # What web logs may show.

        [[requests]]
        log     = "/var/log/apache2/other_vhosts_access.log"
        methods = ["GET", "HEAD", "POST"]
        limit   = { per = "client", max = 600, in = "1h" }
        why     = "no requests yet"
        by      = "watchdog snapshot"

        [[requests]]
        log     = "/var/log/httpd/access_log"
        methods = ["GET", "HEAD", "POST"]
        limit   = { per = "client", max = 600, in = "1h" }
        why     = "no requests yet"
        by      = "watchdog snapshot"

        [[requests]]
        log     = "/var/log/nginx/access.log"
        methods = ["GET", "HEAD", "POST", "PUT", "get*"]
        limit   = { per = "client", max = 830, in = "1h" }
        why     = "420 requests from 2026-11-22T10:30:00Z to 2026-11-22T12:00:30Z, the busiest client 203.0.113.9 with 413 in an hour"
        by      = "watchdog snapshot"

        [[requests]]
        log     = "/var/log/nginx/shop.log"
        methods = ["GET", "HEAD", "POST"]
        limit   = { per = "client", max = 600, in = "1h" }
        why     = "3 requests from 2026-11-22T11:00:00Z to 2026-11-22T12:00:30Z, the busiest client 203.0.113.7 with 3 in an hour"
        by      = "watchdog snapshot"
    "#]].assert_eq(&learned);
    assert_eq!(RequestWatch::summary(&facts), "423 web requests in 4 logs");
    let policy = load(&learned);
    assert_eq!(bed.checked(&facts, &policy), []);
    bed.check = Memory::default();
    assert_eq!(bed.pass(&learned), []);
    assert_eq!(bed.gaps, []);
}

/// Where web servers keep their logs is known for each system alone.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_no_rule_names_is_a_gap() {
    let mut bed = Bed::new();
    bed.get(1, "203.0.113.9");
    bed.send("/var/log/nginx/shop.log", 60, 3, "203.0.113.7", "-", "GET / HTTP/1.1");
    assert_eq!(bed.pass(LIMIT), []);
    expect![[r#"
        [
            Gap {
                gap: "unwatched-web-log",
                seen: 1,
                of: 2,
                why: "no [[requests]] rule names /var/log/nginx/shop.log",
            },
        ]
    "#]]
    .assert_debug_eq(&bed.gaps);
    let mut bed = Bed::new();
    bed.get(1, "203.0.113.9");
    let findings = bed.pass("");
    assert_eq!(titles(&findings), "coverage-gap nothing watches the web log /var/log/nginx/access.log");
    (bed.look, bed.check) = Default::default();
    suggestions_hold(&mut bed, "");
}

#[test]
fn a_host_without_web_logs_has_no_data() {
    let mut bed = Bed::new();
    assert!(matches!(bed.collect(&Policy::default()), Seen::NoData(_)));
}

#[test]
fn a_star_names_the_logs_of_a_folder_but_not_their_rotated_forms() {
    let mut bed = Bed::new();
    for log in ["a_access.log", "b_access.log", "a_access.log.1", "a_access.log.2.gz", "other.log"] {
        bed.send(&format!("/var/log/nginx/{log}"), 0, 1, "203.0.113.9", "-", "GET / HTTP/1.1");
    }
    let facts = bed.facts(&load("[[requests]]\nlog = \"/var/log/nginx/*access.log*\""));
    let logs: Vec<&str> = facts.logs.iter().map(|log| &*log.log).collect();
    assert_eq!(logs, ["/var/log/nginx/a_access.log", "/var/log/nginx/b_access.log"]);
}

#[test]
fn a_mistake_in_a_rule_is_shown_with_a_caret() {
    let mut errors = Vec::new();
    for line in [
        "log = \"access.log\"",
        "log = \"/var/log/*/access.log\"",
        "log = \"/var/log/nginx/\"",
        "log = \"/a\"\nmethods = [\"get\"]",
        "log = \"/a\"\nlimit = { per = \"clint\", max = 1, in = \"1h\" }",
        "log = \"/a\"\nlimit = { per = \"client\", max = 1, in = \"90s\" }",
        "log = \"/a\"\nlimit = { per = \"client\", max = -1, in = \"1h\" }",
        "log = \"/a\"\nlimit = { per = \"client\", max = 1, in = \"1h\", exept = [] }",
        "log = \"/a\"\nlimit = { per = \"client\", max = 1, in = \"1h\", except = [\"10.0.0.0/33\"] }",
        "log = \"/a\"\nlimit = { per = \"all\", max = 1, in = \"1h\", only = [\"a\"] }",
        "log = \"/a\"\nspike = { per = \"all\", factor = 0.5, against = \"same-hour-of-week\", min = 1 }",
        "log = \"/a\"\nspike = { per = \"all\", factor = 5, against = \"yesterday\", min = 1 }",
        "log = \"/a\"\nmehtods = []",
    ] {
        let text = format!("schema = 1\n[[requests]]\n{line}\n");
        errors.push(Policy::from_text("policy.toml", &text).unwrap_err().to_string());
    }
    expect![[r#"
        policy.toml:3:7: "access.log" is not the whole path of a log: it begins with / or, on Windows, like 'C:\'
          |
        3 | log = "access.log"
          |       ^^^^^^^^^^^^

        policy.toml:3:7: "/var/log/*/access.log": * may only stand behind the last /
          |
        3 | log = "/var/log/*/access.log"
          |       ^^^^^^^^^^^^^^^^^^^^^^^

        policy.toml:3:7: "/var/log/nginx/" names a folder, not a log
          |
        3 | log = "/var/log/nginx/"
          |       ^^^^^^^^^^^^^^^^^

        policy.toml:4:11: methods are written in capitals: "GET"
          |
        4 | methods = ["get"]
          |           ^^^^^^^

        policy.toml:4:17: unknown variant `clint`, expected one of `client`, `user`, `all`
          |
        4 | limit = { per = "clint", max = 1, in = "1h" }
          |                 ^^^^^^^

        policy.toml:4:41: "90s" cannot be counted: requests are counted by whole minutes, up to 31 days
          |
        4 | limit = { per = "client", max = 1, in = "90s" }
          |                                         ^^^^^

        policy.toml:4:33: invalid value: integer `-1`, expected u64
          |
        4 | limit = { per = "client", max = -1, in = "1h" }
          |                                 ^^

        policy.toml:4:47: unknown field `exept`, expected one of `per`, `max`, `in`, `only`, `except`
          |
        4 | limit = { per = "client", max = 1, in = "1h", exept = [] }
          |                                               ^^^^^

        policy.toml:4:9: "10.0.0.0/33" is no client: write an address, a network like "10.0.0.0/8", or a host name
          |
        4 | limit = { per = "client", max = 1, in = "1h", except = ["10.0.0.0/33"] }
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        policy.toml:4:9: `only` and `except` go with per = "client" or per = "user"
          |
        4 | limit = { per = "all", max = 1, in = "1h", only = ["a"] }
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        policy.toml:4:33: 0.5 is not a factor: write a number above 1, like 5.0
          |
        4 | spike = { per = "all", factor = 0.5, against = "same-hour-of-week", min = 1 }
          |                                 ^^^

        policy.toml:4:46: unknown variant `yesterday`, expected `same-hour-of-week`
          |
        4 | spike = { per = "all", factor = 5, against = "yesterday", min = 1 }
          |                                              ^^^^^^^^^^^

        policy.toml:4:1: unknown field `mehtods`, expected one of `log`, `methods`, `limit`, `spike`, `silent-after`, `why`, `by`, `expires`
          |
        4 | mehtods = []
          | ^^^^^^^"#]].assert_eq(&errors.join("\n\n"));
}
