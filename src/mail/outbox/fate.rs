//! What has become of one mail, for somebody who put it in and waits.

use super::{Outbox, file_name, read_state};
use crate::text::Text;
use std::io;

/// What has become of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It waits.
    Waits {
        /// Why it was not accepted; none if it was not tried yet.
        error: Option<String>,
    },
    /// It was accepted for everyone: for whom, and in the server's words. Empty while that is still being written.
    Accepted(Vec<(String, Text)>),
    /// It is nowhere: on its way from one place to the next, or taken out by hand.
    Nowhere,
}

impl Outbox {
    /// What has become of the mail with this message id.
    ///
    /// # Errors
    /// The system's.
    pub fn fate(&self, message_id: &str) -> io::Result<Fate> {
        let name = file_name(message_id);
        for part in ["queue", "handover"] {
            if self.path(part, &name, "eml").try_exists()? {
                let failure = self.state(&name).failure;
                return Ok(Fate::Waits { error: failure.map(|failure| failure.reason) });
            }
        }
        if !self.path("sent", &name, "eml").try_exists()? {
            return Ok(Fate::Nowhere);
        }
        let (state, _) = read_state(&self.path("sent", &name, "state"));
        Ok(Fate::Accepted(state.accepted.into_iter().map(|accepted| (accepted.to, accepted.reply)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::outbox::state::{Accepted, State};
    use crate::mail::route::{Failure, Scope};
    use crate::mail::{Message, Permanence};

    #[test]
    fn the_fate_of_a_mail_is_told_from_the_queue_to_the_acceptance() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path().join("outbox")).unwrap();
        let fate = || outbox.fate("<a@b>").unwrap();
        assert_eq!(fate(), Fate::Nowhere);
        outbox.enqueue(&Message { id: "<a@b>".to_owned(), bytes: b"x".to_vec() }).unwrap();
        assert_eq!(fate(), Fate::Waits { error: None });
        let mut state = State::default();
        let failure = Failure::new(Scope::Mail, Permanence::Temporary, "451 later");
        state.fail(failure, jiff::Timestamp::UNIX_EPOCH);
        outbox.note("a@b", state);
        assert_eq!(fate(), Fate::Waits { error: Some("451 later".to_owned()) });
        std::fs::rename(outbox.path("queue", "a@b", "eml"), outbox.path("sent", "a@b", "eml")).unwrap();
        assert_eq!(fate(), Fate::Accepted(Vec::new()), "the record of it comes a moment later");
        let reply = Text::from("250 ok");
        let accepted =
            vec![Accepted { to: "root".to_owned(), reply: reply.clone(), at: jiff::Timestamp::UNIX_EPOCH }];
        outbox.write_state("sent", "a@b", &State { accepted, ..State::default() }).unwrap();
        assert_eq!(fate(), Fate::Accepted(vec![("root".to_owned(), reply)]));
    }
}
