//! `watchdog doctor`: what this host lacks, in a line each, with what to do about it.

use crate::command::step_down::step_down;
use crate::command::{COULD_NOT, DIFFERS};
use crate::doctor::{self, Case, Check, Verdict, mail_test, stored};
use crate::host::Host;
use crate::settings::Setup;
use crate::system;
use crate::text::clean;
use crate::{complain, say};
use anstyle::{AnsiColor, Style};
use anyhow::Result;
use std::process::ExitCode;

pub fn run(setup: Result<Setup>, json: bool, no_mail: bool) -> ExitCode {
    let host = Host::this();
    let setup = setup.map_err(|error| format!("{error:#}"));
    let stored = match &setup {
        Ok(setup) => stored::read(&setup.state_dir),
        Err(_) => stored::Stored::Nothing,
    };
    let case = Case {
        host: &host,
        setup: setup.as_ref().map_err(String::as_str),
        stored: &stored,
        ask: &doctor::ask,
        room: &system::room,
    };
    let mut verdicts = Vec::new();
    let mut show = |check: Check| {
        if json {
            // A check is plain text, which always serialises.
            say!("{}", serde_json::to_string(&check).unwrap_or_default());
        } else {
            print(&check);
        }
        verdicts.push(check.verdict);
    };
    doctor::examine(&case, &mut show);
    if !no_mail {
        let waiting = |words: &str| {
            if !json {
                complain!("{}", clean(words));
            }
        };
        mail_test::test(&case, step_down, waiting).into_iter().for_each(&mut show);
    }
    if !json {
        say!("{}", summary(&verdicts));
    }
    exit_code(&verdicts)
}

fn print(check: &Check) {
    let style = match check.verdict {
        Verdict::Ok => AnsiColor::Green.on_default(),
        Verdict::Note => Style::new().dimmed(),
        Verdict::Unknown => AnsiColor::Cyan.on_default().bold(),
        Verdict::Warning => AnsiColor::Yellow.on_default().bold(),
        Verdict::Fault => AnsiColor::Red.on_default().bold(),
    };
    say!("{style}{:7}{style:#}  {:13}  {}", check.verdict.as_str(), check.check, clean(&check.says));
    for line in &check.remedy {
        say!("                        → {}", clean(line));
    }
}

fn summary(verdicts: &[Verdict]) -> String {
    let count = |wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let words = [
        (Verdict::Fault, "fault", "faults"),
        (Verdict::Warning, "warning", "warnings"),
        (Verdict::Unknown, "thing could not be checked", "things could not be checked"),
    ];
    let parts: Vec<String> = words
        .iter()
        .map(|(verdict, one, many)| (count(*verdict), *one, *many))
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    if parts.is_empty() { "all is well".to_owned() } else { parts.join(", ") }
}

fn exit_code(verdicts: &[Verdict]) -> ExitCode {
    match verdicts.iter().max() {
        Some(Verdict::Warning | Verdict::Fault) => ExitCode::from(DIFFERS),
        Some(Verdict::Unknown) | None => ExitCode::from(COULD_NOT),
        Some(Verdict::Ok | Verdict::Note) => ExitCode::SUCCESS,
    }
}
