//! Mail: a digest as an RFC 5322 message, the outbox it waits in, and the ways it leaves the host.
//!
//! A [`Letter`] says what the mail says. [`compose`] makes it a message, [`Outbox::enqueue`] puts it on disk, and
//! [`deliver_due`] hands it to a mail server by a [`Route`] until the server has accepted it. What a mail says is
//! the business of the alerts; nothing here knows what a finding is.
//!
//! One case cannot be decided by anyone: if the server accepts a mail and its answer does not reach us, we send it
//! again. Every try carries the same Message-ID and the same bytes, by which servers and readers know the double.

mod address;
mod deliver;
mod disk;
mod message;
mod outbox;
mod pulse;
mod route;
mod settings;
mod user;

pub use address::{Domain, Envelope, MailAddress};
pub use deliver::{
    Delivered, DeliveryReport, Failed, deliver_all, deliver_due, deliver_handed_over, send_test, test_letter,
};
pub use message::{Message, compose};
pub use outbox::{Enqueued, Fate, Keep, Outbox, OutboxStatus, Place, Waiting};
pub use pulse::Pulse;
pub use route::{Acceptance, Failure, KEPT, Permanence, Route, Sandbox, Scope, is_kept};
pub use settings::{
    AbsolutePath, Deadline, FolderSettings, LocalSettings, Recipients, Security, SendmailSettings,
    ServerName, Settings, SmtpSettings, Via,
};
pub use user::user_of_group;

pub use crate::letter::Letter;
