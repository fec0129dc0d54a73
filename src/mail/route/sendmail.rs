//! The local `sendmail` program, which every mail server brings along.
//!
//! That it ends well means that it took the mail, not that anyone got it. It must not be run under
//! `NoNewPrivileges`: its helpers need their own group, and some then hang without a word.

use super::{Acceptance, Failure, Permanence, Scope, Tried, shown};
use crate::mail::address::MailAddress;
use crate::mail::settings::SendmailSettings;
use crate::program;
use crate::text::Text;
use std::path::Path;
use std::time::Duration;

/// In what is noted of a program that has taken a mail for a server that does not run.
pub const KEPT: &str = "to keep until OpenSMTPD runs";

/// True of what is noted here, and of nothing that a server says: its words stand behind a code of three digits.
#[must_use]
pub fn is_kept(reply: &str) -> bool {
    reply.starts_with('/') && reply.contains(KEPT)
}

/// More than this of its complaints nobody reads.
const MOST: usize = 16 * 1024;

pub fn send(
    settings: &SendmailSettings,
    from: &MailAddress,
    message: &[u8],
    to: &[MailAddress],
    deadline: Duration,
) -> Tried {
    let (from, to_names) = (from.to_string(), to.iter().map(ToString::to_string).collect::<Vec<_>>());
    // Without -i a line that holds a single dot would end the mail.
    let mut args = vec!["-i", "-f", &from, "--"];
    args.extend(to_names.iter().map(String::as_str));
    let name = shown(settings.program.as_ref());
    let output = program::feed(&settings.program, &args, &local_lines(message), deadline, MOST)
        .map_err(|error| Failure::closed(&format!("{}: {error}", &*name)))?;
    if output.status.success() {
        let reply = Text::new(format!("{} took it (exit status 0)", &*name));
        return Ok(Acceptance { reply, accepted: to.to_owned(), refused: Vec::new() });
    }
    let words = if output.stderr.trim_ascii().is_empty() { &output.stdout } else { &output.stderr };
    let words = Text::cut(words.trim_ascii(), 300);
    if output.status.code() == Some(75) && words.is_empty() && is_opensmtpd(settings.program.as_ref()) {
        let reply = Text::new(format!("{} took it, {KEPT} (exit status 75)", &*name));
        return Ok(Acceptance { reply, accepted: to.to_owned(), refused: Vec::new() });
    }
    let reason = format!("{}: {}: {}", &*name, output.status, &*words);
    // The numbers are those of sysexits.h.
    let (scope, permanence) = match output.status.code() {
        Some(65 | 67 | 68) => (Scope::Mail, Permanence::Permanent),
        Some(64 | 77 | 78) => (Scope::Route, Permanence::Permanent),
        _ => (Scope::Route, Permanence::Temporary),
    };
    Err(Failure::new(scope, permanence, &reason))
}

/// OpenSMTPD's program keeps a mail while its server is stopped, and ends then, without a word, with the number that says
/// elsewhere that nobody has it: to try again would double it. With that number it says nothing else.
fn is_opensmtpd(program: &Path) -> bool {
    program.canonicalize().is_ok_and(|path| path.file_name().is_some_and(|name| name == "smtpctl"))
}

/// A program on this host wants this host's line ends.
fn local_lines(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                out.extend_from_slice(text);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}
