//! Delivery: takes what is due from the outbox and hands it to the route, until it has been accepted.

mod handed_over;

pub use handed_over::deliver_handed_over;

use super::outbox::{Outbox, Place, State};
use super::route::{Acceptance, Failure, Offered, Permanence, Route, Scope, Tried};
use super::{Letter, compose};
use crate::finding::Severity;
use crate::text::Text;
use jiff::{SignedDuration, Timestamp};
use std::io;

/// What one round of delivery did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Mails that a server took; one that some of its recipients' servers refused is in `failed` too.
    pub delivered: Vec<Delivered>,
    /// Mails that were tried and are not through.
    pub failed: Vec<Failed>,
    /// Mails that were laid aside for somebody else to give them to the `sendmail` program.
    pub handed_over: Vec<String>,
    /// Due mails that were not tried, because the route was seen to be closed.
    pub put_off: usize,
    /// Mails that now wait in the outbox.
    pub waiting: usize,
    /// When the next of them is due.
    pub next_try: Option<Timestamp>,
    /// What lay among the mails and was none; it was moved out of the way.
    pub foreign: Vec<Text>,
    /// Another thread or program is delivering just now; nothing was done.
    pub busy: bool,
}

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its name in the outbox.
    pub name: String,
    /// What the server said.
    pub reply: Text,
}

/// A mail that was not taken, or not for everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its name in the outbox.
    pub name: String,
    /// Why.
    pub failure: Failure,
    /// How often it has been tried by now.
    pub attempts: u32,
    /// When it is tried next.
    pub next_try: Option<Timestamp>,
}

/// How soon it is looked again whether another deliverer has left something.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// How soon it is looked again whether a server that has a mail has answered at last.
const STILL_HANGS: SignedDuration = SignedDuration::from_mins(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Due,
    All,
}

/// Delivers what is due at `now`. Takes at most the route's deadline for a mail whose server hangs, and then leaves
/// the others for later.
///
/// # Errors
/// The system's, if the outbox cannot be read. What a server says is no error: it is in the report.
pub fn deliver_due(outbox: &Outbox, route: &Route, now: Timestamp) -> io::Result<DeliveryReport> {
    deliver(outbox, route, now, Which::Due)
}

/// As [`deliver_due`], for all mails, due or not: somebody has repaired something and wants to see it.
///
/// # Errors
/// As [`deliver_due`].
pub fn deliver_all(outbox: &Outbox, route: &Route, now: Timestamp) -> io::Result<DeliveryReport> {
    deliver(outbox, route, now, Which::All)
}

/// Hands a small mail to the route at once, past the outbox, and returns the server's own words.
///
/// # Errors
/// Why it was not accepted; nothing is tried again.
pub fn send_test(route: &Route, host: &Text, now: Timestamp) -> Tried {
    let message = compose(&test_letter(route, host, now), route.envelope());
    match route.offer(&message.id, &message.bytes, &route.envelope().to) {
        Offered::Tried(tried) => tried,
        Offered::HandOver => Err(Failure::new(
            Scope::Route,
            Permanence::Permanent,
            "nobody listens for SMTP here, and the sendmail program cannot be run in this sandbox",
        )),
    }
}

/// The mail by which a person tries the way of the mails.
#[must_use]
pub fn test_letter(route: &Route, host: &Text, now: Timestamp) -> Letter {
    let home = &route.envelope().home;
    Letter {
        message_id: format!("<test-{}-{}@{home}>", now.as_nanosecond(), std::process::id()),
        subject: format!("{host}: a test of the watchdog's mail"),
        body: format!(
            "This is the mail you asked for on {host}, sent over {}.\n\nThat you read it means that alerts of \
             this host reach you.\n",
            route.describe()
        ),
        date: now,
        references: Vec::new(),
        priority: Severity::Notice,
    }
}

fn deliver(outbox: &Outbox, route: &Route, now: Timestamp, which: Which) -> io::Result<DeliveryReport> {
    let mut report = DeliveryReport::default();
    let Some(_lock) = outbox.deliverer()? else {
        report.busy = true;
        // The other may have begun before the newest mail was put in.
        report.next_try = Some(now.saturating_add(LOOK_AGAIN).unwrap_or(now));
        return Ok(report);
    };
    let mut round = Round { outbox, route, now, closed: None, report };
    for (name, tried) in route.late() {
        if let Ok(acceptance) = tried
            && outbox.message(&name, Place::Queue).is_ok()
        {
            round.accept(&name, outbox.state(&name), acceptance);
        }
    }
    handed_over::take_back(outbox, now, which == Which::All)?;
    // The least tried come first: a mail on which the server chokes must not hold up those behind it for ever.
    let queued = outbox.waiting()?.into_iter().filter(|mail| mail.place == Place::Queue);
    let mails = queued.map(|mail| (outbox.state(&mail.name), mail.name));
    let (due, early): (Vec<_>, Vec<_>) =
        mails.partition(|(state, _)| which == Which::All || state.is_due(now));
    for (state, name) in due {
        round.work_on(&name, state);
    }
    for (state, name) in early {
        // Where others get through, there is no use in waiting for the route any longer.
        if !round.report.delivered.is_empty() && round.closed.is_none() && state.waits_for_route() {
            round.work_on(&name, state);
        }
    }
    if !round.report.delivered.is_empty() {
        outbox.prune(now)?;
    }
    let waiting = outbox.waiting()?;
    round.report.waiting = waiting.len();
    round.report.next_try = waiting.iter().map(|mail| mail.next_try.unwrap_or(now)).min();
    Ok(round.report)
}

/// One round: what it works on and what it has done so far.
struct Round<'a> {
    outbox: &'a Outbox,
    route: &'a Route,
    now: Timestamp,
    /// Why the route is closed, once that was seen, and until when.
    closed: Option<(Failure, Timestamp)>,
    report: DeliveryReport,
}

impl Round<'_> {
    fn work_on(&mut self, name: &str, mut state: State) {
        if self.route.pulse().is_ending() {
            return;
        }
        let soon = self.now.saturating_add(STILL_HANGS).unwrap_or(self.now);
        let put_off = match (&self.closed, state.failure.clone()) {
            // Its server has it and may yet say so.
            (_, Some(failure)) if self.route.hangs(name) => Some((failure, soon)),
            (closed, _) => closed.clone(),
        };
        match put_off {
            Some((failure, until)) => {
                state.put_off(failure, until);
                self.outbox.note(name, state);
                self.report.put_off += 1;
            }
            None => self.try_one(name, state),
        }
    }

    fn try_one(&mut self, name: &str, state: State) {
        let to = state.left_of(&self.route.envelope().to);
        if to.is_empty() {
            return self.settle(name, state);
        }
        let message = match self.outbox.message(name, Place::Queue) {
            Ok(message) => message,
            // Somebody took it out by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let reason = format!("cannot read it: {error}");
                return self.fail(name, state, Failure::new(Scope::Mail, Permanence::Temporary, &reason));
            }
        };
        match self.route.offer(name, &message, &to) {
            Offered::Tried(Ok(acceptance)) => self.accept(name, state, acceptance),
            Offered::Tried(Err(failure)) => self.fail(name, state, failure),
            Offered::HandOver => match self.outbox.hand_over(name, state.clone(), self.now) {
                Ok(()) => self.report.handed_over.push(name.to_owned()),
                Err(error) => {
                    let reason = format!("it cannot be laid aside for the sendmail program: {error}");
                    self.fail(name, state, Failure::new(Scope::Route, Permanence::Temporary, &reason));
                }
            },
        }
    }

    fn accept(&mut self, name: &str, mut state: State, acceptance: Acceptance) {
        state.accept(&acceptance, self.now);
        self.report.delivered.push(Delivered { name: name.to_owned(), reply: acceptance.reply });
        if acceptance.refused.is_empty() {
            self.settle(name, state);
        } else {
            self.fail(name, state, Failure::of_all(&acceptance.refused));
        }
    }

    fn settle(&mut self, name: &str, state: State) {
        if let Err(error) = self.outbox.settle(name, Place::Queue, &state) {
            // It is noted who has it, so that the next round only has to move it.
            let reason = format!("accepted, but cannot be moved out of the queue: {error}");
            self.fail(name, state, Failure::new(Scope::Mail, Permanence::Temporary, &reason));
        }
    }

    fn fail(&mut self, name: &str, mut state: State, failure: Failure) {
        state.fail(failure.clone(), self.now);
        let (attempts, next_try) = (state.attempts, state.next_try);
        if failure.scope == Scope::Route {
            self.closed = next_try.map(|until| (failure.clone(), until));
        }
        self.outbox.note(name, state);
        self.report.failed.push(Failed { name: name.to_owned(), failure, attempts, next_try });
    }
}
