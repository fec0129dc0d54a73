//! The ways a mail leaves the host, and what can come of a try.

mod folder;
mod local;
mod sendmail;
mod smtp;

pub use sendmail::{KEPT, is_kept};

use super::address::{Envelope, MailAddress};
use super::pulse::Pulse;
use super::settings::{LocalSettings, SendmailSettings, Settings, Via};
use crate::text::{self, Text};
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A reason is cut after so many characters.
const REASON: usize = 500;

/// The way mails leave the host: where to, between whom, and how long a try may take.
#[derive(Debug)]
pub struct Route {
    via: Via,
    envelope: Envelope,
    deadline: Duration,
    hanging: Mutex<Vec<Hanging>>,
    /// Held by every try's thread, to know how many there are.
    tries: Arc<()>,
    sandbox: Sandbox,
    pulse: Arc<Pulse>,
}

/// Whether this program may run the `sendmail` program itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sandbox {
    /// Nothing is in the way.
    None,
    /// `NoNewPrivileges` is set: the helpers of `sendmail` would lack the rights they have of their own, and some of
    /// them hang then for ever. Somebody outside must run it.
    NoNewPrivileges,
}

impl Sandbox {
    /// That of this program.
    #[must_use]
    pub fn here() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let is_set = status.lines().any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"]));
        if is_set { Self::NoNewPrivileges } else { Self::None }
    }
}

/// What came of offering a mail to the route.
#[derive(Debug)]
pub(super) enum Offered {
    /// It was tried.
    Tried(Tried),
    /// It must go by the `sendmail` program, which somebody else has to run.
    HandOver,
}

/// A try whose mail is with the server, which has not answered by the deadline. It may yet.
#[derive(Debug)]
struct Hanging {
    name: String,
    outcome: Receiver<Tried>,
    since: Instant,
}

/// What a try comes to.
pub type Tried = Result<Acceptance, Failure>;

/// A server has taken a mail, for one recipient at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// What the server said: `250 2.0.0 Ok: queued as ABC`.
    pub reply: Text,
    /// Whom it took the mail for.
    pub accepted: Vec<MailAddress>,
    /// Whom it did not, and why.
    pub refused: Vec<(MailAddress, Failure)>,
}

/// A mail was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it is about.
    pub scope: Scope,
    /// Whether trying again is said to help.
    pub permanence: Permanence,
    /// Why, in the server's words if it had any.
    #[serde(deserialize_with = "one_line")]
    pub reason: String,
}

/// Reads a line back from a file that another user may have written: as clean and as short as we make them.
pub(super) fn one_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(cut(&String::deserialize(deserializer)?))
}

fn cut(line: &str) -> String {
    let mut line = text::clean(line).into_owned();
    // What is read back as it was written stays as it is.
    if let Some((at, last)) = line.char_indices().nth(REASON)
        && !(last == '…' && line.len() == at + last.len_utf8())
    {
        line.truncate(at);
        line.push('…');
    }
    line
}

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The way itself: any other mail would fail too.
    Route,
    /// This mail or its recipients.
    Mail,
}

/// Whether trying again is said to help. It is tried again all the same, but less often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permanence {
    /// It may.
    Temporary,
    /// It will not, until somebody changes something.
    Permanent,
}

impl Failure {
    /// A failure in one clean line.
    pub(super) fn new(scope: Scope, permanence: Permanence, reason: &str) -> Self {
        Self { scope, permanence, reason: cut(reason) }
    }

    /// No one there to take any mail just now.
    fn closed(reason: &str) -> Self {
        Self::new(Scope::Route, Permanence::Temporary, reason)
    }

    /// One failure for all, made of those of all recipients.
    pub(crate) fn of_all(refused: &[(MailAddress, Self)]) -> Self {
        let lasting = |(_, failure): &(MailAddress, Self)| failure.permanence == Permanence::Permanent;
        let permanence =
            if refused.iter().all(lasting) { Permanence::Permanent } else { Permanence::Temporary };
        let reasons: Vec<_> =
            refused.iter().map(|(to, failure)| format!("{to}: {}", failure.reason)).collect();
        Self::new(Scope::Mail, permanence, &reasons.join("; "))
    }
}

impl Failure {
    /// The same failure, with the place where it happened.
    fn at(self, place: &str) -> Self {
        Self::new(self.scope, self.permanence, &format!("{place}: {}", self.reason))
    }
}

impl Route {
    /// The route that the settings name, for the host of this name.
    #[must_use]
    pub fn new(settings: &Settings, host: &Text) -> Self {
        Self {
            via: settings.via.clone(),
            envelope: settings.envelope(host),
            deadline: settings.deadline.duration(),
            hanging: Mutex::default(),
            tries: Arc::default(),
            sandbox: Sandbox::None,
            pulse: Arc::default(),
        }
    }

    /// The same route, used from within a sandbox.
    #[must_use]
    pub fn within(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// The same route, which shows that it is alive by this pulse.
    #[must_use]
    pub fn with_pulse(mut self, pulse: &Arc<Pulse>) -> Self {
        self.pulse = Arc::clone(pulse);
        self
    }

    /// Whoever uses the route beats this pulse before each step.
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// How long a mail may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Between whom mails go.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The route in a few words: `SMTP to localhost:25`.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.via {
            Via::Local(local) => {
                let program = local.sendmail.as_ref().map(|sendmail| shown(sendmail.program.as_ref()));
                let or = program.map(|program| format!(", or {program}")).unwrap_or_default();
                format!("SMTP to localhost:{}{or}", local.port)
            }
            Via::Smtp(smtp) => format!("SMTP to {}:{}", smtp.host, smtp.port),
            Via::Sendmail(sendmail) => format!("the program {}", shown(sendmail.program.as_ref())),
            Via::Folder(folder) => format!("the folder {}", shown(folder.path.as_ref())),
        }
    }

    /// Offers a message for `to` once. Returns within the deadline and a second.
    ///
    /// In what was tried is why no one's mail was taken. After a deadline it may yet be: see [`Route::late`] and
    /// [`Route::hangs`].
    pub(super) fn offer(&self, name: &str, message: &[u8], to: &[MailAddress]) -> Offered {
        self.pulse.beat();
        match &self.via {
            Via::Local(settings) => local::offer(self, settings, name, message, to),
            Via::Smtp(settings) => Offered::Tried(smtp::send(self, settings, name, message, to)),
            Via::Sendmail(settings) => self.offer_to_program(settings, message, to),
            Via::Folder(settings) => Offered::Tried(folder::send(settings, message, to)),
        }
    }

    fn offer_to_program(&self, settings: &SendmailSettings, message: &[u8], to: &[MailAddress]) -> Offered {
        match self.sandbox {
            Sandbox::NoNewPrivileges => Offered::HandOver,
            Sandbox::None => {
                let tried = sendmail::send(settings, &self.envelope.from, message, to, self.deadline);
                Offered::Tried(tried)
            }
        }
    }

    /// Gives a message that was handed over to the `sendmail` program.
    ///
    /// # Errors
    /// Why it did not take it.
    pub(super) fn give_to_program(&self, message: &[u8], to: &[MailAddress], deadline: Duration) -> Tried {
        let settings = match &self.via {
            Via::Local(LocalSettings { sendmail: Some(settings), .. }) | Via::Sendmail(settings) => settings,
            // The settings were changed since it was laid aside.
            Via::Local(_) | Via::Smtp(_) | Via::Folder(_) => {
                let reason = format!("mail now goes another way, by {}", self.describe());
                return Err(Failure::closed(&reason));
            }
        };
        sendmail::send(settings, &self.envelope.from, message, to, deadline)
    }

    /// What has become, since their deadline, of tries that hung: an acceptance that comes late is one all the same.
    pub(super) fn late(&self) -> Vec<(String, Tried)> {
        let mut ended = Vec::new();
        self.hanging().retain(|hanging| match hanging.outcome.try_recv() {
            Ok(tried) => {
                ended.push((hanging.name.clone(), tried));
                false
            }
            Err(TryRecvError::Empty) => hanging.since.elapsed() < smtp::ANSWER,
            Err(TryRecvError::Disconnected) => false,
        });
        ended
    }

    /// True while a server has this mail and may yet answer: to send it again now would double it.
    pub(super) fn hangs(&self, name: &str) -> bool {
        self.hanging().iter().any(|hanging| hanging.name == name)
    }

    fn hanging(&self) -> MutexGuard<'_, Vec<Hanging>> {
        // The list is whole after every single step, so a panic elsewhere cannot have spoiled it.
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(path: &std::path::Path) -> Text {
    Text::new(path.as_os_str().as_encoded_bytes())
}
