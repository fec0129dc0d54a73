//! A letter as an RFC 5322 message: what goes over the wire and lies in the outbox.
//!
//! Everything in it is ASCII, no line is longer than 998 bytes (78 in the body), and no character of the letter can
//! start a header, a line of a header or an encoded word. It is the last gate, whatever the words were made of.

use super::{Envelope, Letter};
use crate::finding::Severity;
use crate::text;
use jiff::Timestamp;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// A subject is cut after so many characters: what phones and lists show of it is far less.
const SUBJECT: usize = 200;
/// So many earlier mails are named; the first stays, it holds the thread together.
const REFERENCES: usize = 20;
/// A message id is at most so long, brackets and all.
const ID: usize = 200;
/// A body whose lines are all at most so long goes out as it is.
const LINE: usize = 78;

/// A finished message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its Message-ID with its angle brackets.
    pub id: String,
    /// All of it: ASCII, lines ended by CRLF, the last one too.
    pub bytes: Vec<u8>,
}

/// Makes a letter a message. The same letter and envelope give the same bytes.
#[must_use]
pub fn compose(letter: &Letter, envelope: &Envelope) -> Message {
    let id = message_id(&letter.message_id);
    let mailbox = |address: &super::MailAddress| Mailbox::new(None, address.qualified(&envelope.home));
    let mut builder = lettre::Message::builder().from(mailbox(&envelope.from));
    for to in &envelope.to {
        builder = builder.to(mailbox(to));
    }
    builder = builder.date(date(letter.date)).message_id(Some(id.clone())).subject(subject(&letter.subject));
    let references = references(&letter.references);
    if let Some(last) = references.last() {
        builder = builder.references(references.join(" ")).in_reply_to(last.clone());
    }
    builder = builder.raw_header(header("Auto-Submitted", "auto-generated"));
    if letter.priority == Severity::Urgent {
        builder = builder.raw_header(header("X-Priority", "1")).raw_header(header("Importance", "high"));
    }
    let message = builder.header(MIME_VERSION_1_0).header(ContentType::TEXT_PLAIN).body(body(&letter.body));
    // Only a missing sender could fail, and there is one.
    let mut bytes = message.map(|message| message.formatted()).unwrap_or_default();
    if !bytes.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    Message { id, bytes }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// One clean line: no control, no bidi mark, no run of blanks, nothing a reader would decode.
fn subject(written: &str) -> String {
    let clean = text::clean(written);
    let mut line = clean.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(SUBJECT) {
        line.truncate(at);
        line = format!("{}…", line.trim_end());
    }
    // Text like `=?utf-8?Q?=0A?=` is decoded by readers, after we have cleaned it: it is broken up.
    line.replace("=?", "=\\x3f")
}

/// A valid id stays as it is; any other becomes a valid one, always the same, so that doubles and threads are
/// still known.
fn message_id(written: &str) -> String {
    if is_message_id(written) {
        return written.to_owned();
    }
    format!("<{}@host-watchdog.invalid>", digest(written, 16))
}

/// The first `bytes` bytes of the SHA-256 of a text, in hexadecimal.
pub(super) fn digest(text: &str, bytes: usize) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(text.as_bytes()).iter().take(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn is_message_id(written: &str) -> bool {
    let is_part = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-=".contains(&b);
        !part.is_empty()
            && part.bytes().all(plain)
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
    };
    let parts = written.strip_prefix('<').and_then(|w| w.strip_suffix('>')).and_then(|w| w.split_once('@'));
    written.len() <= ID && parts.is_some_and(|(left, right)| is_part(left) && is_part(right))
}

fn references(written: &[String]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in written.iter().map(|id| message_id(id)) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let surplus = ids.len().saturating_sub(REFERENCES);
    if surplus > 0 {
        ids.drain(1..=surplus);
    }
    ids
}

/// The clock of a broken host may say anything; the library's dates go from 1970 to 9999.
fn date(written: Timestamp) -> SystemTime {
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(written.as_second()).unwrap_or(0).min(LAST);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Plain text as it is where every mail program passes that on unchanged, else quoted-printable, whose soft breaks
/// keep the wire's lines short and leave the text's lines whole.
fn body(written: &str) -> Body {
    let mut lines = String::with_capacity(written.len() + written.len() / 40);
    let mut plain = true;
    for line in written.lines() {
        let line = text::clean(line);
        plain &= line.is_ascii() && line.len() <= LINE && !line.ends_with(' ') && !line.starts_with("From ");
        lines += &line;
        lines += "\r\n";
    }
    if plain {
        return Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit);
    }
    let quoted = Body::new_with_encoding(lines, ContentTransferEncoding::QuotedPrintable);
    // This encoding takes anything.
    let quoted = quoted.map_or_else(|raw| raw, Body::into_vec);
    Body::dangerous_pre_encoded(hide_from(&quoted), ContentTransferEncoding::QuotedPrintable)
}

/// Mailboxes in one file put a `>` before a line that begins with "From ": such a line is written otherwise.
fn hide_from(quoted: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(quoted.len());
    for line in quoted.split_inclusive(|b| *b == b'\n') {
        if let Some(rest) = line.strip_prefix(b"F").filter(|rest| rest.starts_with(b"rom ")) {
            out.extend_from_slice(b"=46=\r\n");
            out.extend_from_slice(rest);
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

#[cfg(test)]
mod tests;
