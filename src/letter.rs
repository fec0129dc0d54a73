//! A letter: what a digest says, before it is a message. The alerts write it, the store keeps it, the mail sends it.

use crate::finding::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One mail to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// `<left@right>`, made once and the same at every try: it is the mail's identity in the outbox and for everyone
    /// who gets it twice.
    pub message_id: String,
    /// When it was written.
    pub date: Timestamp,
    /// One line; whatever it holds, it becomes one clean header of a sane length.
    pub subject: String,
    /// Plain text, lines ended by `\n`, any length of line.
    pub body: String,
    /// The severity of its worst news; a mail of reminders and ends is a notice. Mail readers are asked to mark an
    /// urgent one.
    pub priority: Severity,
    /// The message ids of earlier mails of these alerts, oldest first, so that readers show one thread.
    pub references: Vec<String>,
}
