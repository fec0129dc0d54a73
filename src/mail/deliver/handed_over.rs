//! Mails that must go by the `sendmail` program, while the deliverer sits in a sandbox in which that cannot work.
//!
//! The deliverer lays them aside; a unit of its own, outside of the sandbox, gives them to the program. A mail leaves
//! its place only once it is known what became of it, so nothing is lost by a kill; at worst it is given twice, with
//! the same Message-ID.

use super::{Delivered, DeliveryReport, Failed};
use crate::mail::outbox::{Outbox, Place, State, UNFETCHED};
use crate::mail::route::{Failure, Permanence, Route, Scope};
use jiff::Timestamp;
use std::io;
use std::time::{Duration, Instant};

/// One run gives mails to the program for at most so long; for what is left, another one is started.
const RUN: Duration = Duration::from_mins(8);
/// And waits for the program no longer than this, whatever the deadline is.
const LONGEST: Duration = Duration::from_mins(5);

/// Gives the mails that were laid aside to the `sendmail` program, each once: one that was taken is sent, one that was
/// not goes back into the queue.
///
/// # Errors
/// The system's, if the folders cannot be read.
pub fn deliver_handed_over(
    outbox: &Outbox,
    route: &Route,
    now: impl Fn() -> Timestamp,
) -> io::Result<DeliveryReport> {
    let mut report = DeliveryReport::default();
    let Some(lock) = outbox.fetcher()? else {
        report.busy = true;
        return Ok(report);
    };
    report.foreign = outbox.move_foreign(&lock)?;
    let started = Instant::now();
    for name in outbox.handed_over()? {
        if started.elapsed() > RUN {
            break;
        }
        give(outbox, route, &name, &now, &mut report);
    }
    report.waiting = outbox.handed_over()?.len();
    Ok(report)
}

fn give(
    outbox: &Outbox,
    route: &Route,
    name: &str,
    now: &impl Fn() -> Timestamp,
    report: &mut DeliveryReport,
) {
    let mut state = outbox.state(name);
    let to = state.left_of(&route.envelope().to);
    if to.is_empty() {
        let _ = outbox.settle(name, Place::Handover, &state);
        return;
    }
    let tried = match outbox.message(name, Place::Handover) {
        // Somebody took it out by hand.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => {
            let reason = format!("cannot read it: {error}");
            Err(Failure::new(Scope::Mail, Permanence::Temporary, &reason))
        }
        Ok(message) => route.give_to_program(&message, &to, route.deadline().min(LONGEST)),
    };
    let failure = match tried {
        Ok(acceptance) => {
            state.handed_over = None;
            state.accept(&acceptance, now());
            // If it cannot be moved now, it is at least known who has it.
            outbox.note(name, state.clone());
            report.delivered.push(Delivered { name: name.to_owned(), reply: acceptance.reply });
            match outbox.settle(name, Place::Handover, &state) {
                Ok(()) => return,
                Err(error) => {
                    let reason = format!("accepted, but cannot be moved out of the way: {error}");
                    Failure::new(Scope::Mail, Permanence::Temporary, &reason)
                }
            }
        }
        Err(failure) => failure,
    };
    state.fail(failure.clone(), now());
    let (attempts, next_try) = (state.attempts, state.next_try);
    // If that fails it stays, and is counted as waiting: the next run tries it again.
    let _ = outbox.take_back(name, state);
    report.failed.push(Failed { name: name.to_owned(), failure, attempts, next_try });
}

/// Puts what nobody has fetched for too long back into the queue; or all of it, if somebody asks to deliver all.
pub(super) fn take_back(outbox: &Outbox, now: Timestamp, all: bool) -> io::Result<()> {
    let names = outbox.handed_over()?;
    if names.is_empty() {
        return Ok(());
    }
    // Whoever has the lock is at it.
    let Some(_lock) = outbox.fetcher()? else { return Ok(()) };
    for name in names {
        let mut state = outbox.state(&name);
        // A time ahead of us was set by a clock that has gone back since.
        let is_old = |since: Timestamp| since > now || now.duration_since(since) >= UNFETCHED;
        match state.handed_over {
            _ if all => {}
            Some(since) if is_old(since) => fail(&mut state, now),
            Some(_) => continue,
            // Its state was lost: from now on the time counts.
            None => {
                state.handed_over = Some(now);
                outbox.note(&name, state);
                continue;
            }
        }
        outbox.take_back(&name, state)?;
    }
    Ok(())
}

fn fail(state: &mut State, now: Timestamp) {
    let minutes = UNFETCHED.as_mins();
    let reason = format!(
        "nobody has given it to the sendmail program for {minutes} minutes: is host-watchdog-sendmail.path running?"
    );
    state.fail(Failure::new(Scope::Route, Permanence::Temporary, &reason), now);
}
