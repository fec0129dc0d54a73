mod said;

use super::*;
use crate::alert::About;
use crate::finding::{Code, Finding};
use crate::host::Host;
use crate::policy::Policy;
use expect_test::expect;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::fs;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
}

fn length(written: &str) -> Length {
    Length::try_from(written.to_owned()).unwrap()
}

/// A host with an ordinary program, one in a folder of its user, and one where everybody may write.
#[cfg(target_os = "linux")]
fn host() -> (TempDir, Host) {
    let root = TempDir::new().unwrap();
    for (folder, mode) in [("usr/bin", 0o755), ("home/alice", 0o700), ("tmp/x", 0o755)] {
        let folder = root.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        for name in ["app", "open", "st*r\n"] {
            fs::write(folder.join(name), "").unwrap();
            let mode = if name == "open" { 0o757 } else { 0o755 };
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(root.path().join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    std::os::unix::fs::symlink("../../tmp/x/app", root.path().join("usr/bin/link")).unwrap();
    let host = Host::at(root.path());
    (root, host)
}

fn process(rule: &str) -> Finding {
    let suggested = format!("[[process]]\n{rule}\nwhy = \"…\"\n");
    Finding::new(Code::UnknownProcess, "exe=x", "unknown process").suggest(suggested)
}

#[cfg(target_os = "linux")]
fn listener(rule: &str) -> Finding {
    let suggested =
        format!("[[listener]]\nprotocol = \"tcp\"\nbind = \"any\"\nport = 80\n{rule}\nwhy = \"…\"\n");
    Finding::new(Code::NewListener, "tcp any 80", "tcp port 80").suggest(suggested)
}

/// What is learned of a finding, in words; or why it is not.
#[cfg(target_os = "linux")]
fn learned(finding: &Finding) -> Result<String, String> {
    let (_root, host) = host();
    learnable(&host, finding, &by("2026-11-22".parse().unwrap())).unwrap().map(|learned| {
        let policy = Policy::from_text("learned", &format!("schema = 1\n{}", learned.toml)).unwrap();
        assert_eq!(policy.rules(), 1);
        learned.words
    })
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_only_not_known_is_learned_in_its_narrowest_form() {
    let rule = "exe = \"/usr/bin/app\"\nusers = [\"alice\"]\npackage = \"app\"";
    let finding = process(rule).with("unit", "app.service").with("parent", "/usr/sbin/cron (7)");
    assert_eq!(learned(&finding).unwrap(), "process /usr/bin/app, as alice, of package app");
    let (_root, host) = host();
    let rule = learnable(&host, &finding, &by("2026-11-22".parse().unwrap())).unwrap().unwrap();
    expect![[r#"
        [[process]]
        exe     = "/usr/bin/app"
        package = "app"
        users   = ["alice"]
        why     = "ran while this host was observed, in app.service, started by /usr/sbin/cron (7)"
        by      = "watchdog observe 2026-11-22"
    "#]]
    .assert_eq(&rule.toml);
    for (finding, words) in [
        (process("exe = \"/home/alice/app\""), "process /home/alice/app"),
        (process("exe = '/usr/bin/st\\x2ar\\x0a'"), "process /usr/bin/st\\x2ar\\x0a"),
        (
            process("exe = \"/usr/bin/app\"\nscript = \"/home/alice/app\"\nusers = [\"a\"]"),
            "process /usr/bin/app running /home/alice/app, as a",
        ),
        (process("exe = \"/not/here\"\ncontainer = true"), "process /not/here, in a container"),
        (listener("exe = \"/usr/bin/app\""), "tcp port 80 on every address, opened by /usr/bin/app"),
    ] {
        assert_eq!(learned(&finding).unwrap(), words);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_odd_is_not_learned() {
    for (finding, why) in [
        (process("exe = \"/tmp/x/app\""), "it comes from a place where anybody may put a file"),
        (process("exe = \"/usr/bin/open\""), "it comes from a place where anybody may put a file"),
        (listener("exe = \"/tmp/x/app\""), "it comes from a place where anybody may put a file"),
        (
            process("exe = \"/usr/bin/app\"\nscript = \"/tmp/x/app\""),
            "it comes from a place where anybody may put a file",
        ),
        (
            process("exe = \"/usr/bin/app\"\nscript = \"(standard input)\""),
            "its script comes from its standard input and can be anything",
        ),
        (
            process("exe = \"/usr/bin/app\"\nscript = \"/usr/bin/link\""),
            "it comes from a place where anybody may put a file",
        ),
        (
            process("exe = \"/usr/bin/app\"\nscript = \"(unclear) no arguments\""),
            "it shows no arguments, so what it runs can be anything",
        ),
        (process("exe = \"/usr/bin/app\"\nscript = \"app.py\""), "where its script lies is not known"),
        (process("exe = \"memfd:x\""), "it has no file of its own"),
        (process("exe = \"(unreadable)\""), "it has no file of its own"),
        (process("exe = \"*\""), "it has no file of its own"),
        (listener("users = [\"root\"]"), "it has no file of its own"),
        (listener("exe = \"memfd:x\""), "it has no file of its own"),
        (process("exe = \"/usr/bin/app\"\ndeleted = true"), "a rule for it would have to expire"),
        (process("exe = \"/usr/bin/app\"\nexpires = 2026-12-01"), "a rule for it would have to expire"),
        (
            process("exe = \"/usr/bin/app\"").with("code from", "a deleted or replaced file"),
            "its code comes from a deleted or replaced file",
        ),
        (
            process("exe = \"/usr/bin/app\"").with("calls itself", "kworker/0:1"),
            "it calls itself like a thread of the kernel",
        ),
        (
            process("exe = \"/usr/bin/app\"").with("arguments", "[kworker/0:1]"),
            "it calls itself like a thread of the kernel",
        ),
        (
            process(&format!("exe = \"/usr/bin/app\"\nscript = \"-c {}\"", "x".repeat(5000))),
            "a rule for it would be too long to be read",
        ),
        (
            Finding::new(Code::UnknownProcess, "", "").suggest(
                "[[process]]\nexe = \"/usr/bin/app\"\nwhy = \"…; the file is NOT as package app brought it\"",
            ),
            "the file is NOT as package app brought it",
        ),
        (Finding::new(Code::UnknownProcess, "", "").suggest(""), "no rule is known that would allow it"),
        (Finding::new(Code::UnknownProcess, "", ""), "no rule is known that would allow it"),
    ] {
        assert_eq!(learned(&finding), Err(why.to_owned()), "{finding:?}");
    }
    let gone = learned(&process("exe = \"/usr/bin/gone\"")).unwrap_err();
    assert!(gone.starts_with("its file cannot be looked at: No such file"), "{gone}");
}

#[cfg(target_os = "linux")]
#[test]
fn of_all_codes_only_two_are_ever_learned() {
    let (_root, host) = host();
    for code in Code::ALL {
        let finding = Finding { code: *code, ..process("exe = \"/usr/bin/app\"") };
        let may = matches!(code, Code::UnknownProcess | Code::NewListener);
        assert_eq!(learnable(&host, &finding, "x").is_some(), may, "{code}");
    }
}

#[test]
fn a_length_is_a_time_of_at_most_ninety_days_or_none() {
    assert_eq!(length("7d").span(), Some(Span::days(7)));
    assert_eq!(length("2m").span(), Some(Span::minutes(2)));
    assert_eq!(length("90d").span(), Some(Span::days(90)));
    for none in ["none", "0d", "0s"] {
        assert_eq!(length(none).span(), None, "{none}");
    }
    for (wrong, why) in [
        ("91d", "\"13w\" is too long: nobody watches a host meanwhile, write \"90d\" or less"),
        (
            "a week",
            "\"a week\" is not a length of time: write a whole number and s, m, h, d or w, like \"10m\"",
        ),
    ] {
        assert_eq!(Length::try_from(wrong.to_owned()), Err(why.to_owned()));
    }
}

#[test]
fn it_ends_when_its_time_is_over_or_the_settings_say_so_and_never_begins_again() {
    let begun = Record::begin(at(0), Span::days(7));
    let mut record = begun.clone();
    assert_eq!(record.pass(at(1), length("7d")), State::On);
    assert_eq!(record, begun);
    assert_eq!(record.pass(at(1), length("14d")), State::On, "more time was given");
    assert_eq!(record.until, at(14 * 24));
    assert_eq!(record.pass(at(14 * 24), length("14d")), State::Ends);
    assert_eq!(record.pass(at(14 * 24), length("90d")), State::Over);
    assert_eq!(record.over, Some(at(14 * 24)));

    let mut record = begun.clone();
    assert_eq!(record.pass(at(2), length("none")), State::Ends);
    assert_eq!((record.until, record.over), (begun.until, Some(at(2))));
    assert_eq!(record.pass(at(3), length("7d")), State::Over);
}

#[test]
fn a_clock_that_was_set_back_gives_no_more_time_than_the_settings() {
    let mut record = Record::begin(at(100_000), Span::days(7));
    record.tell(at(100_000));
    assert_eq!(record.pass(at(0), length("7d")), State::On);
    assert_eq!((record.began, record.until, record.last_told), (at(0), at(7 * 24), Some(at(0))));
}

#[test]
fn it_tells_when_it_begins_once_a_day_while_something_was_learned_and_when_it_ends() {
    let mut record = Record::begin(at(0), Span::days(7));
    let mut told = Vec::new();
    for hour in 0..200 {
        if [3, 5, 50, 51, 160].contains(&hour) {
            record.note([format!("rule {hour}").as_str(), "rule 3"]);
        }
        let state = record.pass(at(hour), length("7d"));
        if let Some(news) = record.news(at(hour), state) {
            told.push((hour, news, record.untold().len()));
            record.tell(at(hour));
        }
    }
    let daily = |hour, rules| (hour, News::Daily, rules);
    let expected =
        [(0, News::Begun, 0), daily(24, 2), daily(50, 1), daily(74, 1), daily(160, 1), (168, News::Over, 0)];
    assert_eq!(told, expected);
    assert_eq!(record.learned.len(), 5);
}

fn rules() -> (TempDir, Rules) {
    let folder = TempDir::new().unwrap();
    let rules = Rules::at(folder.path());
    (folder, rules)
}

fn rule(exe: &str) -> Learned {
    let finding = process(&format!("exe = \"{exe}\"\ncontainer = true"));
    learnable(&Host::this(), &finding, &by("2026-11-22".parse().unwrap())).unwrap().unwrap()
}

#[test]
fn rules_are_added_to_the_file_and_what_a_person_wrote_stays() {
    let (_folder, mut file) = rules();
    file.make().unwrap();
    assert!(file.words().is_empty());
    file.add(&[rule("/a"), rule("/b")]).unwrap();
    let text = fs::read_to_string(file.path()).unwrap();
    let edited = text.replace("exe       = \"/a\"", "exe       = \"/c\" # mine") + "# the end";
    fs::write(file.path(), format!("{edited}\n[[process]]\nexe = \"/mine\"")).unwrap();
    file.read().unwrap();
    file.make().unwrap();
    file.add(&[rule("/d")]).unwrap();
    let words = ["process /c, in a container", "process /b, in a container", "process /d, in a container"];
    assert_eq!(file.words(), words);
    let text = fs::read_to_string(file.path()).unwrap();
    assert!(text.starts_with("# What the watchdog learned"), "{text}");
    assert!(
        text.contains("# mine\n") && text.contains("# the end\n[[process]]\nexe = \"/mine\"\n\n[["),
        "{text}"
    );
    let mut again = Rules::at(file.path().parent().unwrap());
    again.read().unwrap();
    assert_eq!(again, file);
}

#[test]
fn a_file_that_is_no_policy_is_left_alone() {
    let (_folder, mut file) = rules();
    fs::write(file.path(), "schema = 1\n[[proces]]\n").unwrap();
    let error = file.add(&[rule("/a")]).unwrap_err().to_string();
    assert!(error.contains("unknown field `proces`"), "{error}");
    assert!(file.read().is_err() && file.words().is_empty());
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "schema = 1\n[[proces]]\n");
}

#[test]
fn it_is_known_whether_a_policy_includes_the_file() {
    let (folder, file) = rules();
    let path = folder.path().join("policy.toml");
    let load = |include: &str| {
        fs::write(&path, format!("schema = 1\ninclude = [{include}]")).unwrap();
        file.is_part_of(&Policy::load(&path).unwrap())
    };
    assert!(!load(""));
    assert!(load("\"observed.toml\"") && load(&format!("{:?}", file.path())), "even before it is there");
    fs::write(file.path(), "schema = 1").unwrap();
    assert!(load("\"./observed.toml\"") && !load("\"debian-base\""));
}

proptest! {
    /// Whatever happens, something learned is told, once, and never more than one mail a day besides the first and
    /// the last.
    #[test]
    fn all_that_is_learned_is_told_once(learns in prop::collection::vec((0i64..200, 0usize..30), 0..60)) {
        let mut record = Record::begin(at(0), Span::days(7));
        let (mut told, mut mails) = (Vec::new(), Vec::new());
        for hour in 0..=168 {
            let words: Vec<String> =
                learns.iter().filter(|(when, _)| *when == hour).map(|(_, rule)| rule.to_string()).collect();
            record.note(words.iter().map(String::as_str));
            let state = record.pass(at(hour), length("7d"));
            if record.news(at(hour), state).is_some() {
                told.extend(record.untold().to_vec());
                record.tell(at(hour));
                mails.push(hour);
            }
        }
        prop_assert_eq!(&told, &record.learned);
        let mut once = told.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), told.len());
        prop_assert!(mails[..mails.len() - 1].windows(2).all(|pair| pair[1] - pair[0] >= 24), "{:?}", mails);
    }

    /// Words from the host never break the file.
    #[test]
    fn a_learned_rule_always_reads_back(exe in "/[ -~]{0,40}", script in "[ -~]{0,60}", user in "[ -~]{1,20}") {
        use crate::rule::{Pattern, to_toml};
        let suggested: String = to_toml("[[process]]", &toml::Table::from_iter([
            ("exe".to_owned(), Pattern::literal(&exe).as_str().into()),
            ("script".to_owned(), Pattern::literal(&script).as_str().into()),
            ("users".to_owned(), toml::Value::Array(vec![user.clone().into()])),
            ("container".to_owned(), true.into()),
            ("why".to_owned(), "…".into()),
        ]));
        let finding = Finding::new(Code::UnknownProcess, "", "").suggest(suggested);
        let Ok(rule) = learnable(&Host::this(), &finding, &by("2026-11-22".parse().unwrap())).unwrap() else {
            prop_assert!(script == "(standard input)" || !script.starts_with(['/', '-', '(']), "{}", script);
            return Ok(());
        };
        let (_folder, mut file) = rules();
        file.add(std::slice::from_ref(&rule)).unwrap();
        let written = file.words().to_vec();
        file.read().unwrap();
        prop_assert_eq!(file.words(), &written[..]);
        prop_assert_eq!(&written, &[rule.words]);
    }
}
