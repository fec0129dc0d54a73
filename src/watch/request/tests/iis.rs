//! Files as IIS makes them: one each day or hour, each with its `#Fields:`, times in UTC.

use super::*;

const USUAL: &str = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status time-taken";
const SHORT: &str = "date time c-ip cs-method cs-uri-stem sc-status";

const LIMIT: &str = r#"
[[requests]]
log     = "/logs/W3SVC1/u_ex*.log"
methods = ["GET", "HEAD", "POST"]
limit   = { per = "client", max = 600, in = "1h" }
"#;

impl Bed {
    fn iis(now: &str) -> Self {
        Self { now: now.parse().unwrap(), ..Self::new() }
    }

    /// What IIS writes when it begins a file, or when its service starts.
    fn head(&self, file: &str, fields: &str) {
        let date = self.now.strftime("%Y-%m-%d %H:%M:%S");
        let head = format!(
            "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n#Date: {date}\r\n#Fields: {fields}\r\n"
        );
        self.append(&format!("/logs/W3SVC1/{file}"), head.as_bytes());
    }

    /// So many requests of this moment in the usual columns.
    fn usual(&self, file: &str, count: usize, client: &str, method: &str) {
        let time = self.now.strftime("%Y-%m-%d %H:%M:%S");
        let line = format!(
            "{time} 10.0.0.5 {method} /shop token=secret 443 CORP\\Alice {client} Mozilla/5.0+(X11) 200 15\r\n"
        );
        self.append(&format!("/logs/W3SVC1/{file}"), line.repeat(count).as_bytes());
    }

    fn short(&self, file: &str, count: usize, client: &str) {
        let time = self.now.strftime("%Y-%m-%d %H:%M:%S");
        let line = format!("{time} {client} GET /short 200\r\n");
        self.append(&format!("/logs/W3SVC1/{file}"), line.repeat(count).as_bytes());
    }

    /// The only log there is, its requests by client, and what could not be seen.
    fn seen(&mut self, policy: &str) -> String {
        let facts = self.facts(&load(policy));
        let [log] = &facts.logs[..] else { panic!("{facts:#?}") };
        let clients: Vec<String> = log
            .clients
            .by
            .iter()
            .map(|(client, series)| format!("{client} {}", crate::watch::request::series::total(series)))
            .collect();
        let gaps: Vec<String> = self.gaps.iter().map(|gap| format!("\n{}: {}", gap.gap, gap.why)).collect();
        format!(
            "{} lines {} older {} unread {} rotations {} lost {}: {}{}",
            log.log,
            log.lines,
            log.older,
            log.unread,
            log.rotations,
            log.lost,
            clients.join(", "),
            gaps.concat()
        )
    }
}

#[test]
fn too_many_requests_and_odd_methods_in_a_log_of_iis_are_found() {
    let mut bed = Bed::iis("2026-11-22T12:00:30Z");
    bed.head("u_ex261122.log", USUAL);
    bed.usual("u_ex261122.log", 700, "203.0.113.9", "GET");
    bed.usual("u_ex261122.log", 2, "203.0.113.10", "TRACE");
    bed.usual("u_ex261122.log", 1, "203.0.113.10", "POST");
    let findings = bed.pass(LIMIT);
    whole(
        &findings,
        &expect![[r#"
        unexpected-method /logs/W3SVC1/u_ex*.log TRACE
        2 requests with the method TRACE in /logs/W3SVC1/u_ex*.log
        {"log":"/logs/W3SVC1/u_ex*.log","method":"TRACE","requests":2,"clients":["203.0.113.10"],"example":"TRACE /shop"}
        nearest: requests /logs/W3SVC1/u_ex*.log (policy.toml:3): it expects GET, HEAD, POST
        [[requests]]
        log     = "/logs/W3SVC1/u_ex*.log"
        methods = ["TRACE"]
        why     = "…"

        request-limit /logs/W3SVC1/u_ex*.log client 203.0.113.9 in 1h
        203.0.113.9 sent 700 requests within 1h, 600 are allowed (/logs/W3SVC1/u_ex*.log)
        {"log":"/logs/W3SVC1/u_ex*.log","counted-per":"client","who":"203.0.113.9","requests":700,"allowed":600,"within":"1h","from":"2026-11-22T12:00:00Z","to":"2026-11-22T12:01:00Z","last-request":"GET /shop"}
        nearest: requests /logs/W3SVC1/u_ex*.log (policy.toml:3): it allows 600 within 1h, not 700
        [[requests]]
        log   = "/logs/W3SVC1/u_ex*.log"
        limit = { per = "client", max = 880, in = "1h", only = ["203.0.113.9"] }
        why   = "…"
    "#]],
    );
    suggestions_hold(&mut bed, LIMIT);
}

#[test]
fn a_new_file_is_a_rotation_and_no_line_is_lost_or_comes_twice() {
    let mut bed = Bed::iis("2026-11-22T23:50:00Z");
    bed.head("u_ex261121.log", USUAL);
    bed.head("u_ex261122.log", USUAL);
    bed.usual("u_ex261122.log", 3, "203.0.113.9", "GET");
    let mut all = vec![bed.seen(LIMIT)];
    bed.wait(5);
    bed.usual("u_ex261122.log", 2, "203.0.113.9", "GET");
    all.push(bed.seen(LIMIT));
    // The last lines of the day are written while the new file has begun.
    bed.wait(6);
    bed.head("u_ex261123.log", USUAL);
    bed.usual("u_ex261122.log", 4, "203.0.113.10", "GET");
    bed.usual("u_ex261123.log", 5, "203.0.113.11", "GET");
    all.push(bed.seen(LIMIT));
    bed.wait(1);
    bed.usual("u_ex261122.log", 1, "203.0.113.10", "GET");
    bed.usual("u_ex261123.log", 1, "203.0.113.11", "GET");
    all.push(bed.seen(LIMIT));
    bed.wait(120);
    all.push(bed.seen(LIMIT));
    bed.usual("u_ex261123.log", 1, "203.0.113.11", "GET");
    all.push(bed.seen(LIMIT));
    // It stood still for two days.
    bed.wait(2 * 24 * 60);
    bed.head("u_ex261124.log", USUAL);
    bed.usual("u_ex261124.log", 6, "203.0.113.12", "GET");
    bed.head("u_ex261125.log", USUAL);
    bed.usual("u_ex261125.log", 7, "203.0.113.12", "GET");
    all.push(bed.seen(LIMIT));
    bed.wait(61);
    all.push(bed.seen(LIMIT));
    expect![[r#"
        /logs/W3SVC1/u_ex*.log lines 3 older 0 unread 0 rotations 0 lost 0: 203.0.113.9 3
        /logs/W3SVC1/u_ex*.log lines 2 older 0 unread 0 rotations 0 lost 0: 203.0.113.9 2
        /logs/W3SVC1/u_ex*.log lines 9 older 0 unread 0 rotations 1 lost 0: 203.0.113.10 4, 203.0.113.11 5
        /logs/W3SVC1/u_ex*.log lines 2 older 0 unread 0 rotations 0 lost 0: 203.0.113.10 1, 203.0.113.11 1
        /logs/W3SVC1/u_ex*.log lines 0 older 0 unread 0 rotations 0 lost 0: 
        /logs/W3SVC1/u_ex*.log lines 1 older 0 unread 0 rotations 0 lost 0: 203.0.113.11 1
        /logs/W3SVC1/u_ex*.log lines 13 older 0 unread 0 rotations 2 lost 0: 203.0.113.12 13
        /logs/W3SVC1/u_ex*.log lines 0 older 0 unread 0 rotations 0 lost 0: "#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn files_of_long_ago_are_never_opened_again() {
    let mut bed = Bed::iis("2026-11-22T23:58:00Z");
    for day in 1..=20 {
        let file = format!("u_ex2611{day:02}.log");
        bed.head(&file, USUAL);
        bed.usual(&file, 50, "203.0.113.9", "GET");
        let path = bed.root.path().join("logs/W3SVC1").join(&file);
        let long_ago = bed.now - jiff::SignedDuration::from_hours(24 * (22 - day));
        fs::File::options().append(true).open(path).unwrap().set_modified(long_ago.into()).unwrap();
    }
    bed.head("u_ex261122.log", USUAL);
    bed.usual("u_ex261122.log", 1, "203.0.113.9", "GET");
    let mut all = vec![bed.seen(LIMIT)];
    bed.wait(5);
    bed.head("u_ex261123.log", USUAL);
    bed.usual("u_ex261123.log", 2, "203.0.113.9", "GET");
    all.push(bed.seen(LIMIT));
    bed.wait(1);
    bed.usual("u_ex261123.log", 3, "203.0.113.9", "GET");
    all.push(bed.seen(LIMIT));
    expect![[r#"
        /logs/W3SVC1/u_ex*.log lines 51 older 0 unread 0 rotations 0 lost 0: 203.0.113.9 51
        /logs/W3SVC1/u_ex*.log lines 2 older 0 unread 0 rotations 1 lost 0: 203.0.113.9 2
        /logs/W3SVC1/u_ex*.log lines 3 older 0 unread 0 rotations 0 lost 0: 203.0.113.9 3"#]]
    .assert_eq(&all.join("\n"));
}

#[test]
fn hourly_files_are_one_log_and_the_first_look_reads_back_over_them() {
    let mut bed = Bed::iis("2026-11-22T10:55:00Z");
    for (hour, count) in [("10", 4), ("11", 5), ("12", 6)] {
        let file = format!("u_ex261122{hour}.log");
        bed.now = format!("2026-11-22T{hour}:55:00Z").parse().unwrap();
        bed.head(&file, USUAL);
        bed.usual(&file, count, "203.0.113.9", "GET");
    }
    let day = LIMIT.replace("1h", "2h");
    expect!["/logs/W3SVC1/u_ex*.log lines 15 older 4 unread 0 rotations 0 lost 0: 203.0.113.9 11"]
        .assert_eq(&bed.seen(&day));
}

#[test]
fn columns_that_change_within_a_file_hold_from_there_on_and_over_passes() {
    let mut bed = Bed::iis("2026-11-22T12:00:30Z");
    let file = "u_ex261122.log";
    bed.head(file, USUAL);
    bed.usual(file, 1, "203.0.113.9", "GET");
    bed.head(file, SHORT);
    bed.short(file, 2, "203.0.113.10");
    let mut all = vec![bed.seen(LIMIT)];
    bed.wait(1);
    bed.short(file, 3, "203.0.113.10");
    all.push(bed.seen(LIMIT));
    // What is remembered was written by somebody else, or is gone: the file itself says it.
    bed.look = Memory::default();
    all.push(bed.seen(LIMIT));
    bed.head(file, "date time c-ip");
    bed.short(file, 4, "203.0.113.11");
    all.push(bed.seen(LIMIT));
    bed.head(file, "time c-ip cs-method");
    bed.short(file, 5, "203.0.113.12");
    all.push(bed.seen(LIMIT));
    expect![[r#"
        /logs/W3SVC1/u_ex*.log lines 3 older 0 unread 0 rotations 0 lost 0: 203.0.113.10 2, 203.0.113.9 1
        /logs/W3SVC1/u_ex*.log lines 3 older 0 unread 0 rotations 0 lost 0: 203.0.113.10 3
        /logs/W3SVC1/u_ex*.log lines 6 older 0 unread 0 rotations 0 lost 0: 203.0.113.10 5, 203.0.113.9 1
        /logs/W3SVC1/u_ex*.log lines 0 older 0 unread 4 rotations 0 lost 0: 
        request-columns: /logs/W3SVC1/u_ex*.log has no cs-method, so what a rule says of it is held against nothing: tick it among the fields that IIS logs
        request-lines: 4 lines of /logs/W3SVC1/u_ex*.log are not those of an access log, like: 2026-11-22 12:01:30 203.0.113.11 GET /short 200
        /logs/W3SVC1/u_ex*.log lines 0 older 0 unread 6 rotations 0 lost 0: 
        request-columns: /logs/W3SVC1/u_ex*.log has no cs-method, so what a rule says of it is held against nothing: tick it among the fields that IIS logs
        request-lines: 6 lines of /logs/W3SVC1/u_ex*.log are not those of an access log, like: #Fields: time c-ip cs-method"#]].assert_eq(&all.join("\n"));
}

#[test]
fn a_pass_that_begins_in_the_middle_of_a_file_knows_its_columns() {
    let mut bed = Bed::iis("2026-11-22T01:00:00Z");
    let file = "u_ex261122.log";
    bed.head(file, USUAL);
    bed.usual(file, 2000, "203.0.113.9", "GET");
    bed.wait(60);
    bed.head(file, SHORT);
    bed.short(file, 2000, "203.0.113.10");
    bed.wait(8 * 60);
    bed.short(file, 3, "203.0.113.11");
    let seen = bed.seen(LIMIT);
    expect!["/logs/W3SVC1/u_ex*.log lines 787 older 784 unread 0 rotations 0 lost 0: 203.0.113.11 3"]
        .assert_eq(&seen);
}

#[test]
fn a_user_is_one_however_the_name_is_written() {
    let mut bed = Bed::iis("2026-11-22T12:00:30Z");
    bed.head("u_ex261122.log", USUAL);
    let rule = r#"
[[requests]]
log   = "/logs/W3SVC1/u_ex*.log"
limit = { per = "user", max = 1, in = "1h" }
"#;
    bed.usual("u_ex261122.log", 1, "203.0.113.9", "GET");
    let line = "2026-11-22 12:00:30 10.0.0.5 GET / - 443 corp\\ALICE 203.0.113.9 - 200 15\r\n";
    bed.append("/logs/W3SVC1/u_ex261122.log", line.as_bytes());
    expect![[
        r#"request-limit user corp\alice sent 2 requests within 1h, 1 are allowed (/logs/W3SVC1/u_ex*.log)"#
    ]]
    .assert_eq(&titles(&bed.pass(rule)));
}

#[test]
fn a_column_that_a_rule_needs_and_the_log_has_not_is_a_gap() {
    let mut bed = Bed::iis("2026-11-22T12:00:30Z");
    bed.head("u_ex261122.log", "date time c-ip sc-status");
    bed.append("/logs/W3SVC1/u_ex261122.log", b"2026-11-22 12:00:00 203.0.113.9 200\r\n");
    let rule = LIMIT.replace("\"client\"", "\"user\"");
    expect![[r#"
        /logs/W3SVC1/u_ex*.log lines 1 older 0 unread 0 rotations 0 lost 0: 203.0.113.9 1
        request-columns: /logs/W3SVC1/u_ex*.log has no cs-method, so what a rule says of it is held against nothing: tick it among the fields that IIS logs; /logs/W3SVC1/u_ex*.log has no cs-username, so what a rule says of it is held against nothing: tick it among the fields that IIS logs"#]].assert_eq(&bed.seen(&rule));
}

#[test]
fn a_log_of_nginx_is_never_read_by_fields_that_stand_in_it() {
    let mut bed = Bed::new();
    bed.get(1, "203.0.113.8");
    bed.append(NGINX, b"#Fields: date time c-ip\n");
    bed.get(2, "203.0.113.8");
    let facts = bed.facts(&load(super::LIMIT));
    assert_eq!((facts.logs[0].lines, facts.logs[0].unread), (3, 1));
}

#[test]
fn a_rule_names_all_files_of_a_log_or_says_what_is_wrong() {
    let refused = |log: &str| {
        let text = format!("schema = 1\n[[requests]]\nlog = '{log}'\n");
        match Policy::from_text("policy.toml", &text) {
            Ok(_) => format!("{log} is right"),
            Err(error) => error.to_string(),
        }
    };
    let all = [
        r"C:\inetpub\logs\LogFiles\W3SVC1\u_ex*.log",
        r"\\server\logs\u_ex*.log",
        r"C:\inetpub\logs\LogFiles\W3SVC1\u_ex26*.log",
        r"C:\inetpub\logs\LogFiles\W3SVC*\u_ex*.log",
        r"C:\inetpub\..\u_ex*.log",
        r"C:\inetpub\",
        r"C:u_ex*.log",
        r"C:/inetpub/u_ex*.log",
        "u_ex*.log",
    ]
    .map(refused);
    expect![[r#"
        C:\inetpub\logs\LogFiles\W3SVC1\u_ex*.log is right
        \\server\logs\u_ex*.log is right
        policy.toml:3:7: "C:\\inetpub\\logs\\LogFiles\\W3SVC1\\u_ex26*.log" names some files of one log: write "u_ex*.log" for all of them
          |
        3 | log = 'C:\inetpub\logs\LogFiles\W3SVC1\u_ex26*.log'
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        policy.toml:3:7: "C:\\inetpub\\logs\\LogFiles\\W3SVC*\\u_ex*.log": * may only stand behind the last \
          |
        3 | log = 'C:\inetpub\logs\LogFiles\W3SVC*\u_ex*.log'
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        policy.toml:3:7: "C:\\inetpub\\..\\u_ex*.log": write the path without . and ..
          |
        3 | log = 'C:\inetpub\..\u_ex*.log'
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^
        policy.toml:3:7: "C:\\inetpub\\" names a folder, not a log
          |
        3 | log = 'C:\inetpub\'
          |       ^^^^^^^^^^^^^
        policy.toml:3:7: "C:u_ex*.log" is not the whole path of a log: it begins with / or, on Windows, like 'C:\'
          |
        3 | log = 'C:u_ex*.log'
          |       ^^^^^^^^^^^^^
        C:/inetpub/u_ex*.log is right
        policy.toml:3:7: "u_ex*.log" is not the whole path of a log: it begins with / or, on Windows, like 'C:\'
          |
        3 | log = 'u_ex*.log'
          |       ^^^^^^^^^^^"#]].assert_eq(&all.join("\n"));
}

#[test]
fn a_path_of_another_system_is_not_there_and_nothing_else_is_read_for_it() {
    let mut bed = Bed::iis("2026-11-22T12:00:30Z");
    let rule = "[[requests]]\nlog = 'X:\\logs\\u_ex*.log'\n";
    let found = bed.pass(rule);
    assert_eq!(titles(&found), "source-silent the web log X:\\logs\\u_ex*.log is not there");
    let elsewhere = if cfg!(windows) { "/var/log/nginx/access.log" } else { r"C:\logs\access.log" };
    let opened = crate::watch::request::path_of(&Host::this(), elsewhere).and_then(fs::File::open);
    assert!(opened.is_err(), "{opened:?}");
}

#[test]
fn learning_from_files_of_iis_writes_a_rule_for_all_of_them_that_holds() {
    let mut bed = Bed::iis("2026-11-22T12:00:30Z");
    bed.head("u_ex261122.log", USUAL);
    bed.usual("u_ex261122.log", 3, "203.0.113.9", "OPTIONS");
    let facts = bed.facts(&load(LIMIT));
    let learned = RequestWatch::learn(&facts, "the test", bed.now);
    expect![[r##"
        # What web logs may show.

        [[requests]]
        log     = "/logs/W3SVC1/u_ex*.log"
        methods = ["GET", "HEAD", "OPTIONS", "POST"]
        limit   = { per = "client", max = 600, in = "1h" }
        why     = "3 requests from 2026-11-22T12:00:00Z to 2026-11-22T12:00:30Z, the busiest client 203.0.113.9 with 3 in an hour"
        by      = "the test"
    "##]].assert_eq(&learned);
    assert_eq!(titles(&bed.pass(&learned)), "");
}
