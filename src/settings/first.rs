//! The settings that an installation makes where there are none, with what it was told.

use std::path::Path;
use toml::Value;

/// The file, with two places to fill.
const TEMPLATE: &str = include_str!("../../packaging/windows/watchdog.toml");

/// What an installation was told; nothing: it was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// For how long to observe.
    pub observe: Option<String>,
    /// To whom: addresses with commas or semicolons between them.
    pub to: Option<String>,
    /// From whom.
    pub from: Option<String>,
    /// The mail server.
    pub server: Option<String>,
    /// Its port.
    pub port: Option<String>,
    /// `none`, `starttls` or `tls`.
    pub security: Option<String>,
    /// The account there.
    pub user: Option<String>,
    /// The file that holds its password.
    pub password_file: Option<String>,
}

/// The text of the settings; without a mail server, mails go to `folder`. An answer is taken as it is: whether it is right is said
/// by whoever reads the settings, with line and caret.
#[must_use]
pub fn settings(answers: &Answers, folder: &Path) -> String {
    let observe = line("observe", &text(answers.observe.as_deref().unwrap_or("7d")));
    // Git may give the template the line ends of its system.
    TEMPLATE
        .replace("\r\n", "\n")
        .replace("{observe}\n", &observe)
        .replace("{mail}\n", &mail(answers, folder))
}

fn mail(answers: &Answers, folder: &Path) -> String {
    let mut out = "[mail]\n".to_owned();
    if let Some(to) = &answers.to {
        let to = to.split([',', ';']).map(str::trim).filter(|to| !to.is_empty());
        out += &line("to", &Value::Array(to.map(text).collect()));
    }
    if let Some(from) = &answers.from {
        out += &line("from", &text(from));
    }
    let Some(server) = &answers.server else {
        out += &line("via", &text("folder"));
        out += "\n[mail.folder]\n";
        out += &line("path", &text(&folder.to_string_lossy()));
        return out;
    };
    out += "\n[mail.smtp]\n";
    out += &line("host", &text(server));
    if let Some(port) = &answers.port {
        out += &line("port", &port.parse().map_or_else(|_| text(port), Value::Integer));
    }
    let rest =
        [("security", &answers.security), ("user", &answers.user), ("password-file", &answers.password_file)];
    for (key, answer) in rest {
        if let Some(answer) = answer {
            out += &line(key, &text(answer));
        }
    }
    out
}

fn line(key: &str, value: &Value) -> String {
    format!("{key} = {value}\n")
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, parse_settings};
    use expect_test::expect;

    fn said(answers: &Answers) -> String {
        let text = settings(answers, Path::new(r"C:\ProgramData\Host Watchdog\State\mails"));
        let is_said = |line: &&str| !line.starts_with('#') && !line.is_empty();
        text.lines().filter(is_said).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn without_answers_it_observes_for_a_week_and_keeps_mails_in_a_folder() {
        expect![[r#"
            observe = "7d"
            [mail]
            via = "folder"
            [mail.folder]
            path = 'C:\ProgramData\Host Watchdog\State\mails'"#]]
        .assert_eq(&said(&Answers::default()));
    }

    #[test]
    fn answers_become_settings() {
        let answers = Answers {
            observe: Some("none".into()),
            to: Some("root@example.org; night@example.org".into()),
            from: Some("watchdog@web1.example.org".into()),
            server: Some("mail.example.org".into()),
            port: Some("587".into()),
            security: Some("starttls".into()),
            user: Some("web1".into()),
            password_file: Some(r"C:\ProgramData\Host Watchdog\mail-password".into()),
        };
        let text = said(&answers);
        expect![[r#"
            observe = "none"
            [mail]
            to = ["root@example.org", "night@example.org"]
            from = "watchdog@web1.example.org"
            [mail.smtp]
            host = "mail.example.org"
            port = 587
            security = "starttls"
            user = "web1"
            password-file = 'C:\ProgramData\Host Watchdog\mail-password'"#]]
        .assert_eq(&text);
    }

    #[test]
    fn every_answer_that_is_right_is_accepted() {
        let answers =
            Answers { to: Some("root".into()), server: Some("127.0.0.1".into()), ..Answers::default() };
        parse_settings("watchdog.toml", &settings(&answers, &std::env::temp_dir())).unwrap();
        parse_settings("watchdog.toml", &settings(&Answers::default(), &std::env::temp_dir())).unwrap();
    }

    #[test]
    fn an_answer_that_is_wrong_is_an_error_in_its_place_and_nothing_else() {
        let answers =
            Answers { server: Some("mail\"\n[alerts]\nremind = \"1h".into()), ..Answers::default() };
        let error = parse_settings("watchdog.toml", &settings(&answers, &std::env::temp_dir()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("host = "), "{error}");
        let answers =
            Answers { server: Some("mail".into()), port: Some("often".into()), ..Answers::default() };
        let error = parse_settings("watchdog.toml", &settings(&answers, &std::env::temp_dir()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("port = \"often\""), "{error}");
    }

    #[test]
    fn what_the_comments_say_of_defaults_holds() {
        let text = settings(&Answers::default(), &std::env::temp_dir());
        let uncommented: String = text
            .lines()
            .skip_while(|line| !line.contains("these are the defaults"))
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "))
            .map(|line| format!("{line}\n"))
            .collect();
        let read = parse_settings("defaults", &uncommented).unwrap();
        assert_eq!(read.alerts, Settings::default().alerts);
    }
}
