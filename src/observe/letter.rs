//! The mails that tell what was learned while observing.

use super::{News, Record};
use crate::alert::{About, message_id, words};
use crate::finding::Severity;
use crate::letter::Letter;
use crate::text::clean;
use jiff::Timestamp;
use std::path::Path;

/// A rule is cut to so many characters in a mail.
const RULE: usize = 300;

/// Where a person finds what there is to read and to change.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The file of the learned rules.
    pub rules: &'a Path,
    /// The settings, if they were read from a file.
    pub settings: Option<&'a Path>,
}

/// The mail for this news.
#[must_use]
pub fn write(news: News, record: &Record, now: Timestamp, places: Places, about: &About) -> Letter {
    let mut lines = words::wrap("", "  ", &headline(news, record, now, about));
    lines.push(String::new());
    let host = words::squeeze(&about.host, 80);
    lines.extend(words::wrap("", "  ", &format!("{host}, {}", words::date(now, &about.zone))));
    lines.push(String::new());
    for paragraph in paragraphs(news, record, places, about) {
        lines.extend(words::wrap("", "", &paragraph));
        lines.push(String::new());
    }
    lines.push(format!("LEARNED {} ({})", since(news), record.untold().len()));
    lines.push(String::new());
    if record.untold().is_empty() {
        lines.push("   nothing".to_owned());
    }
    for (number, rule) in record.untold().iter().enumerate() {
        lines.extend(words::wrap(&format!("{}. ", number + 1), "   ", &words::squeeze(rule, RULE)));
    }
    lines.extend([String::new(), "--".to_owned()]);
    lines.extend(words::wrap("", "  ", &format!("learned rules: {}", places.rules.display())));
    let digest: String = about.policy_digest.chars().take(12).collect();
    lines.extend(words::wrap("", "  ", &format!("policy {digest}: {}", about.policy_files.join(", "))));
    lines.extend(words::wrap("", "  ", &format!("host-watchdog {}", about.version)));
    let body: String = lines.iter().map(|line| format!("{}\n", clean(line.trim_end()))).collect();
    let parts = [b"observe".as_slice(), body.as_bytes()];
    Letter {
        message_id: message_id(&about.host, now, &parts),
        date: now,
        subject: subject(news, record, now, about),
        body,
        priority: Severity::Notice,
        references: Vec::new(),
    }
}

fn since(news: News) -> &'static str {
    match news {
        News::Begun => "SO FAR",
        News::Daily | News::Over => "SINCE THE LAST MAIL",
    }
}

fn subject(news: News, record: &Record, now: Timestamp, about: &About) -> String {
    let host = words::squeeze(&about.host, 40);
    let until = words::moment(record.until, now, &about.zone);
    match news {
        News::Begun => format!("{host}: observing until {until}: what is new is learned, not reported"),
        News::Daily => {
            let rules = words::count(record.untold().len() as u64, "rule");
            format!("{host}: {rules} learned while observing until {until}")
        }
        News::Over => {
            let rules = words::count(record.learned.len() as u64, "rule");
            format!("{host}: observing is over, {rules} learned; from now on all else is reported")
        }
    }
}

fn headline(news: News, record: &Record, now: Timestamp, about: &About) -> String {
    let until = words::moment(record.until, now, &about.zone);
    let learned = words::count(record.untold().len() as u64, "rule");
    match news {
        News::Begun => format!(
            "Observing until {until}: a process or a listening socket that is not known yet is learned as a rule \
             instead of being reported."
        ),
        News::Daily => format!("{learned} learned since the last mail; observing until {until}."),
        News::Over => {
            let all = words::count(record.learned.len() as u64, "rule");
            format!("Observing is over: {all} learned in all. From now on everything else is a finding.")
        }
    }
}

fn paragraphs(news: News, record: &Record, places: Places, about: &About) -> Vec<String> {
    let file = places.rules.display();
    let settings = places.settings.map_or("the settings".to_owned(), |file| file.display().to_string());
    let review = format!(
        "Read {file}: what should not run here is in it too, if it ran meanwhile. Take out what does not belong \
         here and reload the service; what is taken out is reported, not learned again."
    );
    let other = "Everything else is reported as ever: logins, sessions, requests, resources, updates, and code from \
                 memory, from deleted or changed files, or from places where anybody may write.";
    let end = format!("To end it now, write observe = \"none\" in {settings} and reload the service.");
    match news {
        News::Begun => {
            let known = format!(
                "What was there when the policy was made is allowed by it: {}. What is new is added to {file}, and a \
                 mail a day tells it.",
                about.add_to
            );
            vec![known, other.to_owned(), end]
        }
        News::Daily => vec![review, other.to_owned(), end],
        News::Over => {
            let early = record.over.is_some_and(|over| over < record.until);
            let early = early.then(|| "It was ended before its time by the settings.".to_owned());
            early.into_iter().chain([review]).collect()
        }
    }
}
