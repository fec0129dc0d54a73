//! Facts and policies side by side: what is found, in whole.

use super::*;
use crate::finding::Code;
use crate::policy::Policy;
use expect_test::{Expect, expect};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);
const SYSTEM: &str = r"NT AUTHORITY\SYSTEM";

fn autorun(kind: Kind, name: &str, exe: &str, user: &str) -> Autorun {
    Autorun {
        kind,
        name: name.into(),
        exe: exe.into(),
        arguments: Text::default(),
        library: None,
        user: (!user.is_empty()).then(|| user.into()),
        hidden: false,
        start: Some("automatic".into()),
        place: "where it stands".into(),
        unquoted: false,
    }
}

fn hosted(name: &str, library: &str) -> Autorun {
    let exe = r"C:\Windows\System32\svchost.exe";
    Autorun {
        arguments: "-k netsvcs -p".into(),
        library: Some(library.into()),
        ..autorun(Kind::Service, name, exe, SYSTEM)
    }
}

/// A host on which all is as the policy below says.
fn quiet() -> Vec<Autorun> {
    vec![
        autorun(Kind::Service, "Spooler", r"C:\Windows\System32\spoolsv.exe", SYSTEM),
        hosted("Themes", r"C:\Windows\System32\themeservice.dll"),
        hosted("gpsvc", r"C:\Windows\System32\gpsvc.dll"),
        autorun(Kind::Driver, "disk", r"C:\Windows\System32\drivers\disk.sys", ""),
        Autorun {
            arguments: "/c backup".into(),
            ..autorun(Kind::Task, r"\Acme\Backup", r"C:\Windows\System32\cmd.exe", SYSTEM)
        },
        autorun(Kind::Run, "Tray", r"C:\Program Files\Acme\tray.exe", "Everyone"),
    ]
}

const POLICY: &str = r#"
[[autorun]]
kind  = "service"
names = ["Spooler"]
exe   = 'c:\windows\system32\spoolsv.exe'
users = ['NT AUTHORITY\SYSTEM']

[[autorun]]
kind      = "service"
names     = ["gpsvc", "Themes"]
exe       = 'C:\Windows\System32\svchost.exe'
arguments = ["-k netsvcs*"]
libraries = ['C:\Windows\System32\gpsvc.dll', 'C:\Windows\System32\themeservice.dll']
users     = ['NT AUTHORITY\SYSTEM']

[[autorun]]
kind  = "driver"
names = ["disk"]
exe   = 'C:\Windows\System32\drivers\disk.sys'

[[autorun]]
kind      = "task"
names     = ['\Acme\*']
exe       = 'C:\Windows\System32\cmd.exe'
arguments = ["/c backup"]
why       = "the backup"

[[autorun]]
kind  = "run"
names = ["Tray"]
exe   = 'C:\Program Files\Acme\*.exe'
"#;

fn policy(text: &str) -> Rules {
    Policy::from_text("policy.toml", &format!("schema = 1\n{text}")).unwrap().autorun
}

fn findings(autoruns: &[Autorun], text: &str) -> Vec<Finding> {
    check::check(&AutorunFacts { autoruns: autoruns.to_vec() }, &policy(text), NOW)
}

/// The findings as a person reads them; what each suggests, added, silences it.
fn says(autoruns: &[Autorun], expected: &Expect) {
    let found = findings(autoruns, POLICY);
    let mut out = String::new();
    for finding in &found {
        out += &format!("{} {}: {}\n", finding.severity.as_str(), finding.code, finding.title);
        out += &format!("  subject: {}\n  evidence:", finding.subject);
        out += &finding.evidence.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
        if let Some(nearest) = &finding.nearest {
            out += &format!("\n  {}: {}", nearest.rule, nearest.why_not);
        }
        let suggest = finding.suggest.as_deref().unwrap();
        out += &format!("\n{suggest}");
        let left = findings(autoruns, &format!("{POLICY}\n{suggest}"));
        assert!(!left.contains(finding) && left.len() == found.len() - 1, "{suggest}\n{left:?}");
    }
    expected.assert_eq(&out);
}

#[test]
fn a_host_as_the_policy_says_is_quiet() {
    assert_eq!(findings(&quiet(), POLICY), []);
}

#[test]
fn a_new_run_entry_is_one_finding() {
    let mut autoruns = quiet();
    autoruns.push(Autorun {
        arguments: "-enc AAAA".into(),
        ..autorun(Kind::Run, "Updater", r"C:\Users\alice\evil.exe", r"WEB1\alice")
    });
    says(
        &autoruns,
        &expect![[r#"
        urgent unknown-autorun: unknown Run entry Updater starts C:\Users\alice\evil.exe as WEB1\alice
          subject: run Updater: C:\Users\alice\evil.exe -enc AAAA user=WEB1\alice
          evidence: kind="run" name="Updater" starts="C:\\Users\\alice\\evil.exe" arguments="-enc AAAA" user="WEB1\\alice" when="automatic" written in="where it stands"
        [[autorun]]
        kind      = "run"
        names     = ["Updater"]
        exe       = 'C:\Users\alice\evil.exe'
        arguments = ["-enc AAAA"]
        users     = ['WEB1\alice']
        why       = "…"
    "#]],
    );
}

#[test]
fn a_service_that_starts_something_else_says_what_it_was_allowed_as() {
    let mut autoruns = quiet();
    autoruns[0].exe = r"C:\Windows\System32\cmd.exe".into();
    autoruns[0].unquoted = true;
    says(
        &autoruns,
        &expect![[r#"
        urgent changed-autorun: service Spooler was changed, it now starts C:\Windows\System32\cmd.exe as NT AUTHORITY\SYSTEM
          subject: service Spooler: C:\Windows\System32\cmd.exe user=NT AUTHORITY\SYSTEM
          evidence: kind="service" name="Spooler" starts="C:\\Windows\\System32\\cmd.exe" user="NT AUTHORITY\\SYSTEM" when="automatic" written in="where it stands" weakness="the path has spaces and no quotes"
          autorun service Spooler (policy.toml:3): it starts c:\windows\system32\spoolsv.exe
        [[autorun]]
        kind  = "service"
        names = ["Spooler"]
        exe   = 'C:\Windows\System32\cmd.exe'
        users = ['NT AUTHORITY\SYSTEM']
        why   = "…"
    "#]],
    );
}

#[test]
fn another_library_another_user_and_other_arguments_are_changes_too() {
    let mut autoruns = quiet();
    autoruns[1].library = Some(r"C:\Windows\System32\evil.dll".into());
    autoruns[2].user = Some(r"WEB1\mallory".into());
    autoruns[4].arguments = "/c backup & evil".into();
    says(
        &autoruns,
        &expect![[r#"
        urgent changed-autorun: service Themes was changed, it now starts C:\Windows\System32\svchost.exe with C:\Windows\System32\evil.dll as NT AUTHORITY\SYSTEM
          subject: service Themes: C:\Windows\System32\svchost.exe -k netsvcs -p library=C:\Windows\System32\evil.dll user=NT AUTHORITY\SYSTEM
          evidence: kind="service" name="Themes" starts="C:\\Windows\\System32\\svchost.exe" arguments="-k netsvcs -p" library="C:\\Windows\\System32\\evil.dll" user="NT AUTHORITY\\SYSTEM" when="automatic" written in="where it stands"
          autorun service gpsvc, Themes (policy.toml:9): it allows other libraries
        [[autorun]]
        kind      = "service"
        names     = ["Themes"]
        exe       = 'C:\Windows\System32\svchost.exe'
        arguments = ["-k netsvcs -p"]
        libraries = ['C:\Windows\System32\evil.dll']
        users     = ['NT AUTHORITY\SYSTEM']
        why       = "…"
        urgent changed-autorun: service gpsvc was changed, it now starts C:\Windows\System32\svchost.exe with C:\Windows\System32\gpsvc.dll as WEB1\mallory
          subject: service gpsvc: C:\Windows\System32\svchost.exe -k netsvcs -p library=C:\Windows\System32\gpsvc.dll user=WEB1\mallory
          evidence: kind="service" name="gpsvc" starts="C:\\Windows\\System32\\svchost.exe" arguments="-k netsvcs -p" library="C:\\Windows\\System32\\gpsvc.dll" user="WEB1\\mallory" when="automatic" written in="where it stands"
          autorun service gpsvc, Themes (policy.toml:9): it runs as WEB1\mallory, not as NT AUTHORITY\SYSTEM
        [[autorun]]
        kind      = "service"
        names     = ["gpsvc"]
        exe       = 'C:\Windows\System32\svchost.exe'
        arguments = ["-k netsvcs -p"]
        libraries = ['C:\Windows\System32\gpsvc.dll']
        users     = ['WEB1\mallory']
        why       = "…"
        urgent changed-autorun: scheduled task \Acme\Backup was changed, it now starts C:\Windows\System32\cmd.exe as NT AUTHORITY\SYSTEM
          subject: task \Acme\Backup: C:\Windows\System32\cmd.exe /c backup & evil user=NT AUTHORITY\SYSTEM
          evidence: kind="task" name="\\Acme\\Backup" starts="C:\\Windows\\System32\\cmd.exe" arguments="/c backup & evil" user="NT AUTHORITY\\SYSTEM" when="automatic" written in="where it stands"
          autorun task \Acme\* (policy.toml:22): its arguments are /c backup
        [[autorun]]
        kind      = "task"
        names     = ['\Acme\Backup']
        exe       = 'C:\Windows\System32\cmd.exe'
        arguments = ["/c backup & evil"]
        users     = ['NT AUTHORITY\SYSTEM']
        why       = "…"
    "#]],
    );
}

#[test]
fn a_second_action_of_a_known_task_and_a_task_that_hides_are_told() {
    let mut autoruns = quiet();
    autoruns.push(autorun(Kind::Task, r"\Acme\Backup", r"C:\Temp\x.exe", SYSTEM));
    autoruns.push(Autorun { hidden: true, user: None, ..autorun(Kind::Task, r"\WinUpdate", UNKNOWN, "") });
    says(
        &autoruns,
        &expect![[r#"
        urgent changed-autorun: scheduled task \Acme\Backup was changed, it now starts C:\Temp\x.exe as NT AUTHORITY\SYSTEM
          subject: task \Acme\Backup: C:\Temp\x.exe user=NT AUTHORITY\SYSTEM
          evidence: kind="task" name="\\Acme\\Backup" starts="C:\\Temp\\x.exe" user="NT AUTHORITY\\SYSTEM" when="automatic" written in="where it stands"
          autorun task \Acme\* (policy.toml:22): it starts C:\Windows\System32\cmd.exe
        [[autorun]]
        kind  = "task"
        names = ['\Acme\Backup']
        exe   = 'C:\Temp\x.exe'
        users = ['NT AUTHORITY\SYSTEM']
        why   = "…"
        urgent unknown-autorun: unknown scheduled task \WinUpdate starts (unknown), and is hidden
          subject: task \WinUpdate: (unknown)
          evidence: kind="task" name="\\WinUpdate" starts="(unknown)" when="automatic" written in="where it stands" hidden="the tools that list such things do not show it"
        [[autorun]]
        kind   = "task"
        names  = ['\WinUpdate']
        exe    = "(unknown)"
        hidden = true
        why    = "…; it is HIDDEN: find out what it is"
    "#]],
    );
}

#[test]
fn a_new_service_in_a_known_host_comes_near_the_rule_for_its_neighbours() {
    let mut autoruns = quiet();
    autoruns.push(hosted("Evil", r"C:\Windows\System32\gpsvc.dll"));
    let found = findings(&autoruns, POLICY);
    let nearest: Vec<_> = found.iter().map(|f| (f.code, f.nearest.clone().unwrap())).collect();
    assert_eq!(nearest.len(), 1);
    assert_eq!(nearest[0].0, Code::UnknownAutorun);
    assert_eq!(nearest[0].1.rule, "autorun service gpsvc, Themes (policy.toml:9)");
    assert_eq!(nearest[0].1.why_not, "it is for other names");
}

#[test]
fn the_learned_policy_is_sorted_and_has_one_rule_for_all_that_one_file_hosts() {
    let learned = learn::learn(&AutorunFacts { autoruns: quiet() }, "test");
    expect![[r##"
        # What may start by itself, by kind, file and user.

        [[autorun]]
        kind  = "service"
        names = ["Spooler"]
        exe   = 'C:\Windows\System32\spoolsv.exe'
        users = ['NT AUTHORITY\SYSTEM']
        why   = "was set up when this policy was learned"
        by    = "test"

        [[autorun]]
        kind      = "service"
        names     = ["gpsvc", "Themes"]
        exe       = 'C:\Windows\System32\svchost.exe'
        arguments = ["-k netsvcs -p"]
        libraries = ['C:\Windows\System32\gpsvc.dll', 'C:\Windows\System32\themeservice.dll']
        users     = ['NT AUTHORITY\SYSTEM']
        why       = "was set up when this policy was learned"
        by        = "test"

        [[autorun]]
        kind  = "driver"
        names = ["disk"]
        exe   = 'C:\Windows\System32\drivers\disk.sys'
        why   = "was set up when this policy was learned"
        by    = "test"

        [[autorun]]
        kind      = "task"
        names     = ['\Acme\Backup']
        exe       = 'C:\Windows\System32\cmd.exe'
        arguments = ["/c backup"]
        users     = ['NT AUTHORITY\SYSTEM']
        why       = "was set up when this policy was learned"
        by        = "test"

        [[autorun]]
        kind  = "run"
        names = ["Tray"]
        exe   = 'C:\Program Files\Acme\tray.exe'
        users = ["Everyone"]
        why   = "was set up when this policy was learned"
        by    = "test"
    "##]]
    .assert_eq(&learned);
}

#[test]
fn many_services_of_one_host_process_stand_in_one_rule_a_line_each() {
    let many: Vec<Autorun> = (0..40)
        .map(|n| hosted(&format!("Service{n:02}"), &format!(r"C:\Windows\System32\service{n:02}.dll")))
        .collect();
    let learned = learn::learn(&AutorunFacts { autoruns: many.clone() }, "test");
    assert_eq!(learned.matches("[[autorun]]").count(), 1);
    assert!(learned.contains("names     = [\n    \"Service00\",\n    \"Service01\",\n"), "{learned}");
    assert!(learned.contains("'C:\\Windows\\System32\\service39.dll',\n]\n"), "{learned}");
    assert_eq!(findings(&many, &learned), []);
}

#[test]
fn a_rule_without_a_name_and_an_unknown_kind_are_errors_with_a_caret() {
    let mut out = String::new();
    for rule in ["kind = \"service\"\nnames = []", "kind = \"services\"\nnames = [\"x\"]", "kind = \"run\""] {
        let text = format!("schema = 1\n[[autorun]]\n{rule}\n");
        out += &format!("{}\n", Policy::from_text("policy.toml", &text).unwrap_err());
    }
    expect![[r#"
        policy.toml:4:9: a rule needs at least one name; ["*"] is any
          |
        4 | names = []
          |         ^^
        policy.toml:3:8: unknown variant `services`, expected one of `service`, `driver`, `task`, `run`, `run-once`, `startup`, `winlogon`, `app-init`, `boot-execute`, `debugger`, `lsa`
          |
        3 | kind = "services"
          |        ^^^^^^^^^^
        policy.toml:2:1: missing field `names`
          |
        2 | [[autorun]]
          | ^^^^^^^^^^^
    "#]]
    .assert_eq(&out);
}

#[test]
fn what_an_included_policy_allows_is_not_learned_again() {
    let mut autoruns = quiet();
    autoruns.push(autorun(Kind::Run, "Other", r"C:\other.exe", "Everyone"));
    let left = without_allowed(&AutorunFacts { autoruns }, &policy(POLICY), NOW);
    assert_eq!(left.autoruns.iter().map(|left| left.name.as_str()).collect::<Vec<_>>(), ["Other"]);
}

#[test]
fn a_rule_holds_to_its_last_day() {
    let text = POLICY.replace("names = [\"disk\"]", "names = [\"disk\"]\nexpires = 2026-11-17");
    let found = findings(&quiet(), &text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].nearest.as_ref().unwrap().why_not, "the rule expired on 2026-11-17");
}

prop_compose! {
    fn any_autorun()(
        kind in prop::sample::select(vec![Kind::Service, Kind::Driver, Kind::Task, Kind::Run, Kind::Lsa]),
        name in "[a-cA*\\\\ é\u{202e}]{0,4}",
        exe in "(C:\\\\|class:|)[a-cA*\\\\]{0,4}",
        arguments in "[ab*\\\\ \t]{0,4}",
        library in prop::option::of("C:\\\\[abA*]{1,3}"),
        user in prop::option::of("[abA\\\\]{1,3}"),
        hidden: bool,
    ) -> Autorun {
        Autorun {
            arguments: Text::new(&arguments),
            library: library.map(|library| Text::new(&library)),
            user: user.map(|user| Text::new(&user)),
            hidden,
            ..autorun(kind, &name, &exe, "")
        }
    }
}

proptest! {
    #[test]
    fn what_was_learned_allows_all_that_was_there(autoruns in prop::collection::vec(any_autorun(), 0..8)) {
        let learned = learn::learn(&AutorunFacts { autoruns: autoruns.clone() }, "test");
        prop_assert_eq!(findings(&autoruns, &learned), []);
    }

    #[test]
    fn what_is_suggested_silences(autorun in any_autorun()) {
        let found = findings(std::slice::from_ref(&autorun), "");
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(findings(&[autorun], found[0].suggest.as_deref().unwrap()), []);
    }
}
