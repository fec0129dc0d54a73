#![allow(clippy::needless_raw_string_hashes, reason = "they are written by the test tool")]

use super::*;
use crate::policy::PolicyError;
use expect_test::{Expect, expect};

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    mail: Settings,
}

/// Where full paths begin on this system.
const ROOT: &str = if cfg!(windows) { "C:" } else { "" };

fn read(toml: &str) -> Result<Settings, String> {
    let toml = &toml.replace("ROOT", ROOT);
    toml::from_str::<File>(toml)
        .map(|file| file.mail)
        .map_err(|error| PolicyError::toml("watchdog.toml", toml, &error).to_string())
}

fn envelope(toml: &str) -> String {
    let envelope = read(toml).unwrap().envelope(&Text::from("web1.example.org"));
    let to: Vec<_> = envelope.to.iter().map(ToString::to_string).collect();
    format!("{} -> {}", envelope.from, to.join(" "))
}

#[test]
fn with_nothing_written_mail_goes_to_root_by_this_hosts_own_mail_system() {
    for toml in ["", "[mail]", "[mail]\nvia = \"local\"\n[mail.local]"] {
        assert_eq!(read(toml).unwrap(), Settings::default());
        assert_eq!(envelope(toml), "watchdog@web1.example.org -> root");
    }
    let Via::Local(local) = Settings::default().via else { panic!() };
    let smtp = local.smtp();
    assert_eq!((smtp.host.as_str(), smtp.port.get(), smtp.security), ("localhost", 25, Security::None));
    let program = system::SENDMAIL.map(Path::new);
    assert_eq!(local.sendmail.as_ref().map(|sendmail| sendmail.program.as_ref()), program);
}

#[test]
fn whoever_names_a_mail_server_means_it() {
    for toml in ["[mail.smtp]", "[mail]\nvia = \"smtp\"", "[mail.smtp]\nhost = \"localhost\""] {
        assert_eq!(read(toml).unwrap().via, Via::Smtp(SmtpSettings::default()), "{toml}");
    }
    let both = "[mail]\nvia = \"local\"\n[mail.smtp]\nhost = \"mail.example.org\"";
    assert_eq!(read(both).unwrap().via, Via::Local(LocalSettings::default()));
}

#[test]
fn every_key_can_be_written() {
    let settings = read(
        "[mail]\nto = [\"root\", \"ops@example.org\", \"root\"]\nfrom = \"dog@example.org\"\nvia = \"smtp\"\ndeadline = \"30s\"\n\
         [mail.smtp]\nhost = \"mail.example.org\"\nport = 2525\nsecurity = \"tls\"\nhello = \"web1\"\nuser = \"u\"\n\
         password-file = \"ROOT/etc/host-watchdog/password\"\nca-file = \"ROOT/etc/ca.pem\"\n\
         [mail.sendmail]\nprogram = \"ROOT/usr/lib/sendmail\"\n[mail.folder]\npath = \"ROOT/var/mail\"\n",
    )
    .unwrap();
    expect![[r#"Settings { to: Recipients([MailAddress { local: "root", domain: None }, MailAddress { local: "ops", domain: Some(Domain("example.org")) }]), from: Some(MailAddress { local: "dog", domain: Some(Domain("example.org")) }), via: Smtp(SmtpSettings { host: ServerName("mail.example.org"), port: 2525, security: Tls, hello: Some(ServerName("web1")), login: Some(("u", AbsolutePath("/etc/host-watchdog/password"))), ca_file: Some(AbsolutePath("/etc/ca.pem")) }), deadline: Deadline(Span(30)) }"#]]
    .assert_eq(&format!("{settings:?}").replace(&format!("{ROOT}/"), "/"));
}

#[test]
fn the_port_and_the_protection_follow_from_the_server() {
    for (smtp, port, security) in [
        ("host = \"127.0.0.1\"", 25, Security::None),
        ("host = \"::1\"", 25, Security::None),
        ("host = \"mail.example.org\"", 465, Security::Tls),
        ("host = \"192.0.2.1\"\nsecurity = \"starttls\"", 587, Security::StartTls),
        ("host = \"192.0.2.1\"\nsecurity = \"none\"", 25, Security::None),
    ] {
        let Via::Smtp(read) = read(&format!("[mail.smtp]\n{smtp}")).unwrap().via else { panic!() };
        assert_eq!((read.port.get(), read.security), (port, security), "{smtp}");
    }
}

fn check(toml: &str, expected: &Expect) {
    expected.assert_eq(&read(toml).unwrap_err());
}

#[test]
fn what_is_wrong_is_said_with_a_caret() {
    check(
        "[mail]\nto = [\"root\", \"a b@c\"]",
        &expect![[r#"
        watchdog.toml:2:6: "a b@c" is not a mail address: write "name@domain", or a local user like "root"
          |
        2 | to = ["root", "a b@c"]
          |      ^^^^^^^^^^^^^^^^^"#]],
    );
    check(
        "[mail]\nto = []",
        &expect![[r#"
        watchdog.toml:2:6: nobody would get the mails: write at least one address, like ["root"]
          |
        2 | to = []
          |      ^^"#]],
    );
    check(
        "[mail]\nfrom = \"müller@example.org\"",
        &expect![[r#"
        watchdog.toml:2:8: müller@example.org is not plain ASCII: write the domain in its "xn--" form
          |
        2 | from = "müller@example.org"
          |        ^^^^^^^^^^^^^^^^^^^^"#]],
    );
    check(
        "[mail]\ndeadline = \"2h\"",
        &expect![[r#"
        watchdog.toml:2:12: a deadline is from "1s" to "1h", not "2h"
          |
        2 | deadline = "2h"
          |            ^^^^"#]],
    );
    check(
        "[mail]\nvia = \"post\"",
        &expect![[r#"
        watchdog.toml:2:7: unknown variant `post`, expected one of `local`, `smtp`, `sendmail`, `folder`
          |
        2 | via = "post"
          |       ^^^^^^"#]],
    );
    check(
        "[mail]\nvia = \"folder\"",
        &expect![[r#"
        watchdog.toml:1:1: via = "folder" needs to know which: add [mail.folder] with its path
          |
        1 | [mail]
          | ^^^^^^"#]],
    );
    check(
        "[mail]\nsubject = \"x\"",
        &expect![[r#"
            watchdog.toml:2:1: unknown field `subject`, expected one of `to`, `from`, `via`, `local`, `smtp`, `sendmail`, `folder`, `deadline`
              |
            2 | subject = "x"
              | ^^^^^^^"#]],
    );
    check(
        "[mail.smtp]\nhost = \"mail.example.org\\r\\nQUIT\"",
        &expect![[r#"
            watchdog.toml:2:8: "mail.example.org\x0d\x0aQUIT" is not a host: write a name like "mail.example.org", or an IP address
              |
            2 | host = "mail.example.org\r\nQUIT"
              |        ^^^^^^^^^^^^^^^^^^^^^^^^^^"#]],
    );
    check(
        "[mail.smtp]\nport = 0",
        &expect![[r#"
        watchdog.toml:2:8: invalid value: integer `0`, expected a nonzero u16
          |
        2 | port = 0
          |        ^"#]],
    );
    check(
        "[mail.smtp]\nuser = \"u\"",
        &expect![[r#"
        watchdog.toml:1:1: user needs a password-file
          |
        1 | [mail.smtp]
          | ^^^^^^^^^^^"#]],
    );
    check(
        "[mail.smtp]\nhost = \"mail.example.org\"\nsecurity = \"none\"\nuser = \"u\"\npassword-file = \"ROOT/p\"",
        &expect![[r#"
            watchdog.toml:1:1: the password would go to mail.example.org in the clear: set security to "tls" or "starttls"
              |
            1 | [mail.smtp]
              | ^^^^^^^^^^^"#]],
    );
    check(
        "[mail.smtp]\nca-file = \"ROOT/ca\"",
        &expect![[r#"
            watchdog.toml:1:1: ca-file needs security = "tls" or "starttls"
              |
            1 | [mail.smtp]
              | ^^^^^^^^^^^"#]],
    );
    check(
        "[mail.smtp]\npassword = \"secret\"",
        &expect![[r#"
        watchdog.toml:2:1: unknown field `password`, expected one of `host`, `port`, `security`, `hello`, `user`, `password-file`, `ca-file`
          |
        2 | password = "secret"
          | ^^^^^^^^"#]],
    );
    let here = advice::FULL_PATH;
    let said = read("[mail.sendmail]\nprogram = \"sendmail\"").unwrap_err();
    expect![[r#"
        watchdog.toml:2:11: "sendmail" is not a full path of this system: HERE
          |
        2 | program = "sendmail"
          |           ^^^^^^^^^^"#]]
    .assert_eq(&said.replace(here, "HERE"));
    check(
        "[mail.folder]",
        &expect![[r#"
        watchdog.toml:1:1: missing field `path`
          |
        1 | [mail.folder]
          | ^^^^^^^^^^^^^"#]],
    );
}

#[test]
fn a_path_of_another_system_is_none_of_this_one() {
    let (other, own) = if cfg!(windows) { ("/var/mail", r"C:\mail") } else { (r"C:\mail", "/var/mail") };
    for path in [other, r"\mail", "C:mail", "mail"] {
        let said = read(&format!("[mail.folder]\npath = '{path}'")).unwrap_err();
        assert!(said.contains("is not a full path of this system"), "{said}");
    }
    assert!(read(&format!("[mail.folder]\npath = '{own}'")).is_ok());
}

#[test]
fn where_there_is_no_sendmail_program_none_can_be_named() {
    let named = ["[mail]\nvia = \"sendmail\"", "[mail.local]\nprogram = \"ROOT/bin/mail\""].map(read);
    if cfg!(windows) {
        for said in named.map(Result::unwrap_err) {
            assert!(said.contains("has no sendmail program: name a mail server in [mail.smtp]"), "{said}");
        }
    } else {
        assert!(named.iter().all(Result::is_ok), "{named:?}");
    }
}
