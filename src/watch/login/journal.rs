//! What the journal says of logins, where there is no log file: read through `journalctl`.

use super::sshd::{Message, parse_message, speaks_of_logins};
use crate::host::Host;
use crate::program;
use jiff::Timestamp;
use serde_json::Value;
use std::fs;
use std::io;
use std::time::Duration;

/// How far the journal was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The journal's own name for the last entry that was read; none if there was none yet.
    cursor: Option<String>,
    /// Up to when it was read.
    until: Timestamp,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the journal.
    pub cursor: String,
    /// When it was written.
    pub at: Timestamp,
    /// The process that wrote it.
    pub pid: Option<u32>,
    /// What it tells of logins, if anything.
    pub message: Option<Message>,
}

/// What came of reading the journal.
#[derive(Debug, Default)]
pub struct Read {
    /// What is new.
    pub entries: Vec<Entry>,
    /// How far it was read now.
    pub place: Place,
    /// Why something may have been lost.
    pub lost: Option<String>,
}

const DEADLINE: Duration = Duration::from_mins(1);
const MOST: usize = 64 * 1024 * 1024;
const FOLDERS: [&str; 2] = ["/var/log/journal", "/run/log/journal"];

/// The folder of the journal, if there is one with files.
#[must_use]
pub fn folder(host: &Host) -> Option<&'static str> {
    FOLDERS.into_iter().find(|folder| files(host, folder).next().is_some())
}

fn files(host: &Host, folder: &str) -> impl Iterator<Item = std::path::PathBuf> {
    let machines = fs::read_dir(host.path(folder)).into_iter().flatten().flatten();
    let entries = machines.flat_map(|machine| fs::read_dir(machine.path()).into_iter().flatten().flatten());
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "journal"))
}

/// True if we may read the journal of the system, and not only our own user's.
#[must_use]
pub fn readable(host: &Host, folder: &str) -> bool {
    let systems = |path: &std::path::PathBuf| path.file_name().is_some_and(|name| name == "system.journal");
    let mut files = files(host, folder).filter(systems).peekable();
    files.peek().is_none() || files.any(|path| fs::File::open(path).is_ok())
}

/// Reads what is new since `place`, or with none what is newer than `since`.
///
/// # Errors
/// If `journalctl` cannot be run or fails.
pub fn read(
    host: &Host,
    folder: &str,
    place: Option<&Place>,
    since: Timestamp,
    now: Timestamp,
) -> io::Result<Read> {
    let folder = host.path(folder);
    let directory = format!("--directory={}", folder.display());
    let base = ["--no-pager", "--quiet", "--output=json", "--all", directory.as_str()];
    let start = match place {
        // The last entry that was read comes first again, and so proves that it is still there.
        Some(Place { cursor: Some(cursor), .. }) => format!("--cursor={cursor}"),
        Some(place) => format!("--since=@{}", place.until.as_second()),
        None => format!("--since=@{}", since.as_second()),
    };
    let mut args = base.to_vec();
    args.extend(["--output-fields=MESSAGE,_PID,SYSLOG_IDENTIFIER", start.as_str(), "_UID=0"]);
    args.extend(["-t", "sshd", "-t", "sshd-session", "-t", "sshd-auth", "-t", "login"]);
    let output = journalctl(&args)?;
    let mut entries = parse_journal(&output);
    let remembered = place.and_then(|place| place.cursor.as_deref());
    let mut lost = None;
    if let (Some(place), None) = (place, remembered) {
        entries.retain(|entry| entry.at > place.until);
    }
    if let Some(cursor) = remembered {
        let again = entries.iter().position(|entry| entry.cursor == cursor);
        if let Some(at) = again {
            entries.drain(..=at);
        } else {
            // It has been removed by age, which took all before it too: did it take what we had not read?
            let until = place.map(|place| place.until).unwrap_or_default();
            entries.retain(|entry| entry.at > until);
            let oldest = oldest(&base)?;
            if oldest.is_none_or(|oldest| oldest > until) {
                lost = Some(
                    "the journal no longer holds the last entry that was read, nor what followed it"
                        .to_owned(),
                );
            }
        }
    }
    let cursor = entries.last().map(|entry| entry.cursor.clone());
    let until = entries.last().map_or(now, |entry| entry.at);
    let cursor = cursor.or_else(|| remembered.filter(|_| lost.is_none()).map(str::to_owned));
    Ok(Read { entries, place: Place { cursor, until }, lost })
}

/// The moment of the oldest entry of all.
fn oldest(base: &[&str]) -> io::Result<Option<Timestamp>> {
    let mut args = base.to_vec();
    args.push("--output-fields=_PID");
    // It begins with the oldest; after one line it has said enough and is ended.
    let output = program::run("journalctl", &args, DEADLINE, 4096)?;
    Ok(parse_journal(&output.stdout).first().map(|entry| entry.at))
}

fn journalctl(args: &[&str]) -> io::Result<Vec<u8>> {
    let output = program::run("journalctl", args, DEADLINE, MOST)?;
    if !output.status.success() && !output.cut {
        let said = String::from_utf8_lossy(output.stderr.get(..200).unwrap_or(&output.stderr)).into_owned();
        return Err(io::Error::other(format!("journalctl ended with {}: {said}", output.status)));
    }
    Ok(output.stdout)
}

/// Parses the lines of `journalctl --output=json`; a line that is not whole, or no entry, is passed over.
#[must_use]
pub fn parse_journal(output: &[u8]) -> Vec<Entry> {
    output.split(|b| *b == b'\n').filter_map(parse_entry).collect()
}

fn parse_entry(line: &[u8]) -> Option<Entry> {
    let entry: serde_json::Map<String, Value> = serde_json::from_slice(line).ok()?;
    let field = |name: &str| entry.get(name).and_then(bytes);
    let number = |name: &str| String::from_utf8(field(name)?).ok()?.parse::<i64>().ok();
    let at = Timestamp::from_microsecond(number("__REALTIME_TIMESTAMP")?).ok()?;
    let cursor = String::from_utf8(field("__CURSOR")?).ok()?;
    let program = field("SYSLOG_IDENTIFIER").unwrap_or_default();
    let message = field("MESSAGE").filter(|_| speaks_of_logins(&program));
    let message = message.and_then(|message| parse_message(&program, &message));
    Some(Entry { cursor, at, pid: number("_PID").and_then(|pid| pid.try_into().ok()), message })
}

/// A field is a string, a list of bytes if it is not UTF-8, or a list of fields if it stands more than once.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(list) if list.first().is_some_and(Value::is_number) => {
            list.iter().map(|byte| byte.as_u64()?.try_into().ok()).collect()
        }
        Value::Array(list) => bytes(list.first().filter(|first| !first.is_array())?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(message: &str) -> String {
        format!(
            "{{\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":\"1795348800000000\",\"_PID\":\"77\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"MESSAGE\":{message}}}\n"
        )
    }

    #[test]
    fn entries_are_read_and_what_is_no_entry_is_passed_over() {
        let good = line("\"Failed password for root from 192.0.2.1 port 5 ssh2\"");
        let output = format!("{good}junk\n{{}}\n{}{}", line("\"Server listening\""), &good[..40]);
        let entries = parse_journal(output.as_bytes());
        let told: Vec<bool> = entries.iter().map(|entry| entry.message.is_some()).collect();
        assert_eq!((told, entries[0].pid), (vec![true, false], Some(77)));
        assert_eq!(entries[0].at.to_string(), "2026-11-22T12:00:00Z");
    }

    #[test]
    fn a_message_that_is_not_utf8_comes_as_a_list_of_bytes() {
        let message = b"Failed password for invalid user \xff\n from 192.0.2.1 port 5 ssh2";
        let list = serde_json::to_string(&message.to_vec()).unwrap();
        let entries = parse_journal(line(&list).as_bytes());
        let Some(Message::Failed(attempt)) = &entries[0].message else { panic!("not read") };
        assert_eq!((attempt.user.as_str(), attempt.from.as_str()), ("\\xff\\x0a", "192.0.2.1"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_entries_or_not(output: Vec<u8>, message in "\\PC{0,20}|\\[[0-9,\\[\\]\"a-z]{0,20}\\]") {
            let _ = parse_journal(&output);
            let _ = parse_journal(line(&message).as_bytes());
        }
    }
}
