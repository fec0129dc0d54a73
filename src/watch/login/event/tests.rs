use super::tell::{Told, tell};
use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// An event as Windows renders it, of our own making after the documented schema.
pub(super) fn xml(channel: &str, provider: &str, id: u32, record: u64, at: &str, data: &str) -> String {
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='{provider}' Guid='{{54849625-5478-4994-a5ba-3e3b0328c30d}}'/><EventID>{id}</EventID>\
         <Version>2</Version><Level>0</Level><Task>12544</Task><Opcode>0</Opcode><Keywords>0x8020000000000000</Keywords>\
         <TimeCreated SystemTime='{at}'/><EventRecordID>{record}</EventRecordID><Correlation/>\
         <Execution ProcessID='744' ThreadID='812'/><Channel>{channel}</Channel><Computer>WEB1.corp.example</Computer>\
         <Security/></System>{data}</Event>"
    )
}

/// An event of the Security log, with these fields.
pub(super) fn security(id: u32, record: u64, at: &str, fields: &[(&str, &str)]) -> String {
    let data: String =
        fields.iter().map(|(name, value)| format!("<Data Name='{name}'>{value}</Data>")).collect();
    let data = format!("<EventData>{data}</EventData>");
    xml("Security", "Microsoft-Windows-Security-Auditing", id, record, at, &data)
}

/// Logon 4624 of CORP\alice, with other fields first.
pub(super) fn logon(record: u64, at: &str, kind: &str, others: &[(&str, &str)]) -> String {
    let usual = [
        ("SubjectUserSid", "S-1-5-18"),
        ("SubjectUserName", "WEB1$"),
        ("SubjectDomainName", "CORP"),
        ("SubjectLogonId", "0x3e7"),
        ("TargetUserSid", "S-1-5-21-1-2-3-1105"),
        ("TargetUserName", "alice"),
        ("TargetDomainName", "CORP"),
        ("TargetLogonId", "0x1a2b3c"),
        ("LogonType", kind),
        ("LogonProcessName", "User32 "),
        ("AuthenticationPackageName", "Negotiate"),
        ("WorkstationName", "WEB1"),
        ("ProcessName", "C:\\Windows\\System32\\svchost.exe"),
        ("IpAddress", "10.8.0.2"),
        ("IpPort", "0"),
        ("TargetLinkedLogonId", "0x0"),
    ];
    security(4624, record, at, &[others, &usual].concat())
}

const AT: &str = "2026-11-22T03:00:00.1234567Z";

fn told(xml: &str) -> Told {
    tell(&parse_event(xml.as_bytes()).unwrap())
}

#[test]
fn an_event_is_read_by_its_fields() {
    let event = parse_event(logon(7, AT, "10", &[]).as_bytes()).unwrap();
    assert_eq!((event.id, event.record, event.pid), (4624, 7, Some(744)));
    assert_eq!((event.channel.as_str(), event.computer.as_str()), ("Security", "WEB1.corp.example"));
    assert_eq!(event.at.to_string(), "2026-11-22T03:00:00.1234567Z");
    assert_eq!((event.get("TargetUserName"), event.get("NoSuchField")), ("alice", ""));
}

#[test]
fn what_is_no_event_or_would_grow_is_none() {
    let bomb = format!("<!DOCTYPE Event [<!ENTITY a \"aaaa\">]>{}", logon(1, AT, "3", &[]));
    let deep = "<a>".repeat(300_000);
    let wide = format!("<Event>{}</Event>", "<a/>".repeat(200_000));
    let huge = logon(1, AT, "3", &[("X", &"x".repeat(LARGEST))]);
    for xml in [&bomb, &deep, &wide, &huge, &String::new(), &"<Event/>".to_owned(), &"<a/>".to_owned()] {
        assert_eq!(parse_event(xml.as_bytes()), None, "{}", &xml[..xml.len().min(60)]);
    }
    let whole = logon(1, AT, "3", &[]);
    for (from, to) in
        [("<EventID>4624", "<EventID>x"), (AT, "yesterday"), ("<EventRecordID>1<", "<EventRecordID>-1<")]
    {
        assert_eq!(parse_event(whole.replace(from, to).as_bytes()), None, "{from}");
    }
}

#[test]
fn a_character_that_xml_does_not_know_hides_no_event() {
    for name in ["a\u{1}b", "a&#1;b", "a&#x1;b", "a&#xFFFFFFFFF;b", "a\u{ffff}b"] {
        let xml = logon(1, AT, "3", &[("TargetUserName", name)]);
        let event = parse_event(xml.as_bytes());
        // A reference to no number at all is an error of the whole text.
        if name.contains("FFFFF") {
            assert_eq!(event, None);
        } else {
            assert_eq!(event.unwrap().get("TargetUserName"), "a\u{fffd}b", "{name:?}");
        }
    }
    let event =
        parse_event(logon(1, AT, "3", &[("TargetUserName", "a&amp;&#65;&#x42;")]).as_bytes()).unwrap();
    assert_eq!(event.get("TargetUserName"), "a&AB");
}

/// What each kind of logon comes to.
fn logons(cases: &[(&str, &[(&str, &str)])], expected: &Expect) {
    let mut out = String::new();
    for (kind, others) in cases {
        let line = match told(&logon(1, AT, kind, others)) {
            Told::Login(s) => {
                let extra = [("asked by ", &s.login.asked_by), ("client ", &s.login.client)];
                let extra: String = extra
                    .iter()
                    .filter_map(|(word, value)| Some(format!(", {word}{}", value.as_ref()?)))
                    .collect();
                format!("{:?}: {} by {} from {}{extra}", s.kind, s.login.user, s.login.method, s.login.from)
            }
            other => format!("{other:?}"),
        };
        out.push_str(&format!("type {kind} {others:?}\n    {line}\n"));
    }
    expected.assert_eq(&out);
}

#[test]
fn each_type_of_logon_has_its_word_and_only_people_are_told_of() {
    logons(
        &[
            ("2", &[("IpAddress", "127.0.0.1")]),
            (
                "2",
                &[
                    ("LogonProcessName", "seclogo"),
                    ("IpAddress", "::1"),
                    ("SubjectUserSid", "S-1-5-21-1-2-3-1001"),
                    ("SubjectUserName", "bob"),
                ],
            ),
            ("11", &[("IpAddress", "-")]),
            ("3", &[("WorkstationName", "LAPTOP7")]),
            ("3", &[("IpAddress", "-"), ("WorkstationName", "console")]),
            ("3", &[("IpAddress", "::ffff:10.8.0.9"), ("WorkstationName", "-")]),
            ("3", &[("ProcessName", "C:\\Windows\\System32\\OpenSSH\\sshd.exe"), ("IpAddress", "-")]),
            ("7", &[("IpAddress", "127.0.0.1")]),
            ("7", &[]),
            ("8", &[]),
            ("9", &[("IpAddress", "::1")]),
            ("10", &[]),
            ("10", &[("IpAddress", "-")]),
            ("12", &[]),
            ("13", &[("IpAddress", "-")]),
            ("77", &[]),
            ("3", &[("TargetUserName", "WEB2$")]),
            ("3", &[("TargetUserName", "evil$"), ("TargetDomainName", "WEB1")]),
            ("10", &[("TargetUserName", "evil$")]),
            ("3", &[("TargetUserSid", "S-1-5-7"), ("TargetUserName", "ANONYME ANMELDUNG")]),
            ("2", &[("TargetUserSid", "S-1-5-90-0-1"), ("TargetUserName", "DWM-1")]),
            ("2", &[("TargetUserSid", "S-1-5-96-0-0"), ("TargetUserName", "UMFD-0")]),
            ("2", &[("TargetUserName", "DWM-1")]),
            ("5", &[("TargetUserSid", "S-1-5-18")]),
            ("5", &[]),
            ("4", &[]),
            ("0", &[]),
            ("3", &[("TargetUserSid", "S-1-5-82-1-2-3")]),
            ("3", &[("TargetUserSid", "S-1-5-111-1-2-3")]),
            ("3", &[("TargetUserSid", "S-1-12-1-1-2-3-4"), ("TargetDomainName", "AzureAD")]),
        ],
        &expect![[r#"
            type 2 [("IpAddress", "127.0.0.1")]
                Desktop: CORP\alice by console from console
            type 2 [("LogonProcessName", "seclogo"), ("IpAddress", "::1"), ("SubjectUserSid", "S-1-5-21-1-2-3-1001"), ("SubjectUserName", "bob")]
                Other: CORP\alice by runas from console, asked by CORP\bob
            type 11 [("IpAddress", "-")]
                Desktop: CORP\alice by console from console
            type 3 [("WorkstationName", "LAPTOP7")]
                Network: CORP\alice by network from 10.8.0.2, client LAPTOP7
            type 3 [("IpAddress", "-"), ("WorkstationName", "console")]
                Network: CORP\alice by network from unclear, client console
            type 3 [("IpAddress", "::ffff:10.8.0.9"), ("WorkstationName", "-")]
                Network: CORP\alice by network from 10.8.0.9
            type 3 [("ProcessName", "C:\\Windows\\System32\\OpenSSH\\sshd.exe"), ("IpAddress", "-")]
                Ssh: CORP\alice by network from unclear
            type 7 [("IpAddress", "127.0.0.1")]
                Desktop: CORP\alice by unlock from console
            type 7 []
                Desktop: CORP\alice by rdp from 10.8.0.2
            type 8 []
                Network: CORP\alice by network-cleartext from 10.8.0.2
            type 9 [("IpAddress", "::1")]
                Other: CORP\alice by runas from console
            type 10 []
                Desktop: CORP\alice by rdp from 10.8.0.2
            type 10 [("IpAddress", "-")]
                Desktop: CORP\alice by rdp from unclear
            type 12 []
                Desktop: CORP\alice by rdp from 10.8.0.2
            type 13 [("IpAddress", "-")]
                Desktop: CORP\alice by unlock from console
            type 77 []
                Network: CORP\alice by unknown from 10.8.0.2
            type 3 [("TargetUserName", "WEB2$")]
                LeftOut("computer")
            type 3 [("TargetUserName", "evil$"), ("TargetDomainName", "WEB1")]
                Network: evil$ by network from 10.8.0.2
            type 10 [("TargetUserName", "evil$")]
                Desktop: CORP\evil$ by rdp from 10.8.0.2
            type 3 [("TargetUserSid", "S-1-5-7"), ("TargetUserName", "ANONYME ANMELDUNG")]
                LeftOut("anonymous")
            type 2 [("TargetUserSid", "S-1-5-90-0-1"), ("TargetUserName", "DWM-1")]
                LeftOut("window-manager")
            type 2 [("TargetUserSid", "S-1-5-96-0-0"), ("TargetUserName", "UMFD-0")]
                LeftOut("window-manager")
            type 2 [("TargetUserName", "DWM-1")]
                Desktop: CORP\DWM-1 by rdp from 10.8.0.2
            type 5 [("TargetUserSid", "S-1-5-18")]
                LeftOut("service")
            type 5 []
                LeftOut("service")
            type 4 []
                LeftOut("batch")
            type 0 []
                LeftOut("system")
            type 3 [("TargetUserSid", "S-1-5-82-1-2-3")]
                LeftOut("service")
            type 3 [("TargetUserSid", "S-1-5-111-1-2-3")]
                LeftOut("service")
            type 3 [("TargetUserSid", "S-1-12-1-1-2-3-4"), ("TargetDomainName", "AzureAD")]
                Network: AzureAD\alice by network from 10.8.0.2
        "#]],
    );
}

#[test]
fn why_a_logon_failed_is_said_in_words() {
    let mut out = String::new();
    for (status, sub, kind, others) in [
        ("0xc000006d", "0xc0000064", "3", &[("TargetDomainName", "-")][..]),
        ("0xc000006d", "0xc000006a", "3", &[]),
        ("0xc000006d", "0x0", "10", &[]),
        ("0xc0000234", "0x0", "2", &[("IpAddress", "127.0.0.1")]),
        ("0xc000006e", "0xc0000072", "3", &[]),
        ("0xc000006e", "0xc000006f", "3", &[]),
        ("0xc000006e", "0xc0000193", "3", &[]),
        ("0xc000015b", "0x0", "7", &[]),
        ("0xc0000224", "0x0", "8", &[("IpAddress", "-"), ("WorkstationName", "10.8.0.2")]),
        ("0xdeadbeef", "0x0", "3", &[("ProcessName", "C:\\Windows\\System32\\OpenSSH\\sshd-session.exe")]),
        ("%%2307", "-", "5", &[]),
    ] {
        let usual = [
            ("TargetUserName", "root"),
            ("TargetDomainName", "CORP"),
            ("Status", status),
            ("SubStatus", sub),
            ("LogonType", kind),
            ("IpAddress", "192.0.2.7"),
        ];
        let Told::Failed(attempt, reason, by) = told(&security(4625, 1, AT, &[others, &usual].concat()))
        else {
            panic!("{status} {sub}");
        };
        let method = attempt.method.as_deref().unwrap();
        out.push_str(&format!(
            "{status} {sub}: {} by {method} from {}: {} ({:?}, by sshd: {by:?})\n",
            attempt.user,
            attempt.from,
            reason.as_deref().unwrap_or("-"),
            attempt.account
        ));
    }
    expect![[r#"
        0xc000006d 0xc0000064: root by network from 192.0.2.7: no-such-account (Unknown, by sshd: No)
        0xc000006d 0xc000006a: CORP\root by network from 192.0.2.7: wrong-password (Known, by sshd: No)
        0xc000006d 0x0: CORP\root by rdp from 192.0.2.7: wrong-password (Known, by sshd: No)
        0xc0000234 0x0: CORP\root by console from console: locked-out (Known, by sshd: No)
        0xc000006e 0xc0000072: CORP\root by network from 192.0.2.7: account-disabled (Unknown, by sshd: No)
        0xc000006e 0xc000006f: CORP\root by network from 192.0.2.7: outside-account-hours (Known, by sshd: No)
        0xc000006e 0xc0000193: CORP\root by network from 192.0.2.7: account-expired (Unknown, by sshd: No)
        0xc000015b 0x0: CORP\root by rdp from 192.0.2.7: logon-type-not-granted (Unknown, by sshd: No)
        0xc0000224 0x0: CORP\root by network-cleartext from unclear: password-must-change (Known, by sshd: No)
        0xdeadbeef 0x0: CORP\root by network from 192.0.2.7: other (Known, by sshd: Yes)
        %%2307 -: CORP\root by service from console: - (Known, by sshd: No)
    "#]]
    .assert_eq(&out);
}

#[test]
fn changes_of_accounts_groups_and_logs_are_told_with_who_did_it() {
    let by = [
        ("SubjectUserSid", "S-1-5-21-1-2-3-500"),
        ("SubjectUserName", "Administrator"),
        ("SubjectDomainName", "WEB1"),
    ];
    let account =
        [("TargetUserName", "eve"), ("TargetDomainName", "WEB1"), ("TargetSid", "S-1-5-21-9-9-9-1005")];
    let group = |name: &'static str, sid: &'static str| {
        [
            ("MemberName", "-"),
            ("MemberSid", "S-1-5-21-9-9-9-1005"),
            ("TargetUserName", name),
            ("TargetDomainName", "VORDEFINIERT"),
            ("TargetSid", sid),
        ]
    };
    let cleared = |channel: &str| {
        format!(
            "<UserData><LogFileCleared xmlns='http://manifests.microsoft.com/win/2004/08/windows/eventlog'><SubjectUserSid>S-1-5-21-1-2-3-500</SubjectUserSid>\
             <SubjectUserName>bob</SubjectUserName><SubjectDomainName>CORP</SubjectDomainName>{channel}<BackupPath></BackupPath></LogFileCleared></UserData>"
        )
    };
    let mut out = String::new();
    for xml in [
        security(4720, 1, AT, &[&account[..], &by].concat()),
        security(4726, 2, AT, &[&account[..], &by].concat()),
        security(
            4740,
            3,
            AT,
            &[
                ("TargetUserName", "alice"),
                ("TargetDomainName", "KALI"),
                ("TargetSid", "S-1-5-21-9-9-9-1001"),
                ("SubjectUserName", "WEB1$"),
            ],
        ),
        security(4732, 4, AT, &[&group("Administratoren", "S-1-5-32-544")[..], &by].concat()),
        security(4732, 5, AT, &[&group("Benutzer", "S-1-5-32-545")[..], &by].concat()),
        security(
            4728,
            6,
            AT,
            &[
                &[
                    ("MemberName", "CN=Eve,OU=People,DC=corp,DC=example"),
                    ("MemberSid", "S-1-5-21-1-2-3-1200"),
                    ("TargetUserName", "Domain Admins"),
                    ("TargetDomainName", "CORP"),
                    ("TargetSid", "S-1-5-21-1-2-3-512"),
                ][..],
                &by,
            ]
            .concat(),
        ),
        xml("Security", "Microsoft-Windows-Eventlog", 1102, 7, AT, &cleared("")),
        xml(
            "System",
            "Microsoft-Windows-Eventlog",
            104,
            8,
            AT,
            &cleared("<Channel>Windows PowerShell</Channel>"),
        ),
    ] {
        out.push_str(&match told(&xml) {
            Told::Change(change) => format!("{}\n", serde_json::to_string(&change).unwrap()),
            other => format!("{other:?}\n"),
        });
    }
    expect![[r#"
        {"kind":"account-created","at":"2026-11-22T03:00:00.1234567Z","what":"eve","sid":"S-1-5-21-9-9-9-1005","actor":"Administrator","told-by":"Security"}
        {"kind":"account-deleted","at":"2026-11-22T03:00:00.1234567Z","what":"eve","sid":"S-1-5-21-9-9-9-1005","actor":"Administrator","told-by":"Security"}
        {"kind":"account-locked","at":"2026-11-22T03:00:00.1234567Z","what":"alice","sid":"S-1-5-21-9-9-9-1001","client":"KALI","told-by":"Security"}
        {"kind":"group-changed","at":"2026-11-22T03:00:00.1234567Z","what":"S-1-5-21-9-9-9-1005","sid":"S-1-5-21-9-9-9-1005","group":"Administratoren","group-sid":"S-1-5-32-544","actor":"Administrator","told-by":"Security"}
        LeftOut("added-to-users")
        {"kind":"group-changed","at":"2026-11-22T03:00:00.1234567Z","what":"CN=Eve,OU=People,DC=corp,DC=example","sid":"S-1-5-21-1-2-3-1200","group":"CORP\\Domain Admins","group-sid":"S-1-5-21-1-2-3-512","actor":"Administrator","told-by":"Security"}
        {"kind":"audit-log-cleared","at":"2026-11-22T03:00:00.1234567Z","what":"Security","actor":"CORP\\bob","told-by":"Security"}
        {"kind":"audit-log-cleared","at":"2026-11-22T03:00:00.1234567Z","what":"Windows PowerShell","actor":"CORP\\bob","told-by":"System"}
    "#]].assert_eq(&out);
}

#[test]
fn what_no_provider_of_ours_wrote_tells_nothing() {
    let forged = logon(1, AT, "10", &[]).replace("Microsoft-Windows-Security-Auditing", "Application Error");
    assert_eq!(told(&forged), Told::Nothing);
    assert_eq!(told(&security(4688, 1, AT, &[])), Told::Nothing);
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_none(bytes: Vec<u8>) {
        let _ = parse_event(&bytes).map(|event| tell(&event));
    }

    #[test]
    fn any_fields_survive(
        id in proptest::sample::select(vec![4624_u32, 4625, 4634, 4648, 4672, 4720, 4732, 4740, 1102]),
        fields in proptest::collection::vec((proptest::sample::select(vec!["TargetUserName", "TargetDomainName", "IpAddress", "LogonType", "TargetSid", "Status", "ProcessName", "TargetUserSid"]), any::<String>()), 0..6),
    ) {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let fields: Vec<(&str, String)> = fields.iter().map(|(name, value)| (*name, escape(value))).collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let event = parse_event(security(id, 1, AT, &fields).as_bytes());
        prop_assert!(event.is_some());
        let _ = event.map(|event| tell(&event));
    }
}
