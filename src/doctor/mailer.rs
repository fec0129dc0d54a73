//! Who sends the mails.

use super::{Case, Check};
#[cfg(target_os = "linux")]
use crate::settings::Setup;
use crate::system::advice;

/// A process that takes mails out of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailer {
    /// Its number.
    pub pid: u32,
    /// Which of the two it is.
    pub kind: Kind,
}

/// Who takes mails out of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `watchdog deliver --stay`.
    #[cfg_attr(windows, expect(dead_code, reason = "there the service delivers by itself"))]
    Deliver,
    /// `watchdog run`, which delivers itself.
    Run,
}

impl Mailer {
    /// In a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self.kind {
            Kind::Deliver => format!("the mailer (process {})", self.pid),
            Kind::Run => format!("the service itself (process {})", self.pid),
        }
    }
}

/// The processes that take mails out of an outbox, as far as that can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailers {
    /// They do; the one that does nothing else comes first.
    pub known: Vec<Mailer>,
    /// They look like it, but which program they are is kept from us.
    pub unclear: Vec<Mailer>,
}

/// Those of the outbox of these settings.
#[cfg(target_os = "linux")]
pub fn of(case: &Case, setup: &Setup) -> Mailers {
    super::mail::mailers(case.host, &setup.state_dir)
}

/// Those of the outbox of these settings: on Windows the service itself, as there is no other.
#[cfg(windows)]
pub fn of(case: &Case, _setup: &crate::settings::Setup) -> Mailers {
    let service = case.stored.process(case.host).map(|pid| Mailer { pid, kind: Kind::Run });
    Mailers { known: service.into_iter().collect(), unclear: Vec::new() }
}

/// Says of processes that look like a mailer that this cannot be told.
pub(super) fn unclear(name: &'static str, mailers: &[Mailer]) -> Check {
    let pids: Vec<String> = mailers.iter().take(5).map(|mailer| mailer.pid.to_string()).collect();
    let says = format!(
        "it cannot be told who sends the mails: process {} looks like it, but only {} can see which program that is",
        pids.join(", "),
        advice::ADMINISTRATOR
    );
    Check::unknown(name, says).remedy(advice::AS_ADMINISTRATOR)
}
