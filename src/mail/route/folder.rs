//! A folder of `.eml` files, which any mail reader opens: for a host without mail, and for trying out.

use super::{Acceptance, Failure, Tried, shown};
use crate::file;
use crate::mail::address::MailAddress;
use crate::mail::message::digest;
use crate::mail::settings::FolderSettings;
use crate::text::Text;
use jiff::{Timestamp, fmt::rfc2822};
use std::path::Path;

/// So much of the subject stands in the file's name.
const SLUG: usize = 60;

pub fn send(settings: &FolderSettings, message: &[u8], to: &[MailAddress]) -> Tried {
    let folder: &Path = settings.path.as_ref();
    let name = file_name(message);
    let written = file::make_private_folder(folder).and_then(|()| {
        // The same mail written twice is the same file.
        let temporary = folder.join(format!(".{name}.tmp"));
        file::write_new(&temporary, message)?;
        file::rename_durably(&temporary, &folder.join(&name))
    });
    match written {
        Ok(()) => {
            let reply = Text::new(format!("written to {}", &*shown(&folder.join(&name))));
            Ok(Acceptance { reply, accepted: to.to_owned(), refused: Vec::new() })
        }
        Err(error) => Err(Failure::closed(&format!("{}: {error}", &*shown(folder)))),
    }
}

/// `20261122T120000Z-new-port-on-web1-1f2e3d4c.eml`: sorts by time, says what it is, and is the mail's own.
fn file_name(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let date = header(&text, "Date").and_then(|date| rfc2822::parse(&date).ok());
    let date =
        date.map_or(Timestamp::UNIX_EPOCH, |date| date.timestamp()).strftime("%Y%m%dT%H%M%SZ").to_string();
    let id = header(&text, "Message-ID").unwrap_or_default();
    let digest = digest(&id, 4);
    format!("{date}-{}{digest}.eml", slug(&header(&text, "Subject").unwrap_or_default()))
}

/// A header's value on one line, as it stands in the message.
fn header(message: &str, name: &str) -> Option<String> {
    let head = message.split("\r\n\r\n").next()?;
    let mut lines = head.split("\r\n").skip_while(|line| {
        let named = line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        !(named && line.get(name.len()..).is_some_and(|rest| rest.starts_with(':')))
    });
    let mut value = lines.next()?.get(name.len() + 1..)?.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    Some(value)
}

/// The words of a subject that a file's name can bear, with a hyphen after each; encoded ones are left out.
fn slug(subject: &str) -> String {
    let mut slug = String::new();
    for word in subject.split(' ').filter(|word| !word.starts_with("=?")) {
        for part in word.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
            if slug.len() + part.len() < SLUG {
                slug.push_str(&part.to_ascii_lowercase());
                slug.push('-');
            }
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_date_subject_and_id() {
        let message =
            b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nMessage-ID: <a@b>\r\nSubject: web1: new port\r\n \
            443/tcp ../../etc/passwd =?utf-8?b?w6k=?=\r\n\r\nSubject: body\r\n";
        assert_eq!(file_name(message), "20261122T120000Z-web1-new-port-443-tcp-etc-passwd-fd42a84f.eml");
        assert_eq!(file_name(b"\xff"), "19700101T000000Z-e3b0c442.eml");
    }
}
