//! The service as the service control manager of Windows sees it, and the guard that ends it when it hangs.
//!
//! The manager never asks whether a service still does anything. So a thread of our own counts the seconds since the
//! deciding thread gave a sign of life, and ends the program when there are too many: then the manager starts it again.

use super::Signal;
use crate::win32::service_main::{self, Control, State};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The guard looks so often. It counts its turns and not the time, so that a host that slept is no hanging service.
const TURN: Duration = Duration::from_secs(1);

/// So many turns a start is waited for; then it is said to run. To learn a first policy may take minutes, and whoever waits
/// for us, like the boot or an installation, gains nothing by it.
const STARTS: u32 = 20;

/// So many turns may pass until the service watches.
const LEARNS: u32 = 15 * 60;

/// The deciding thread gives a sign of life at least this often.
pub const INTERVAL: Duration = Duration::from_mins(5);

/// So many turns the end may take: a mail that is under way is waited for.
const ENDS: u32 = 90;

/// The exit code of a service that hung, and of one that could not do it.
const HUNG: u32 = 3;
const FAILED: u32 = 2;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    /// It is said to run, but learns its first policy.
    Learning,
    Running,
    Stopping,
    Stopped,
}

/// What is said to the manager next, after so many turns without a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Nothing,
    Tell(State),
    /// It hangs.
    End(&'static str),
}

/// The service, as its threads know it.
struct Known {
    phase: Phase,
    /// Turns since the last sign of life, or since the phase began.
    turns: u32,
    /// To whom signals go, once somebody listens; until then they are kept.
    to: Option<Box<dyn Fn(Signal) + Send>>,
    kept: Vec<Signal>,
}

static KNOWN: Mutex<Known> =
    Mutex::new(Known { phase: Phase::Starting, turns: 0, to: None, kept: Vec::new() });

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Known {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.turns) = (phase, 0);
    }

    /// One more turn of the guard.
    fn turn(&mut self) -> Turn {
        self.turns += 1;
        let most = u32::try_from(INTERVAL.as_secs() / TURN.as_secs()).unwrap_or(u32::MAX);
        match self.phase {
            Phase::Starting if self.turns >= STARTS => {
                self.phase = Phase::Learning;
                Turn::Tell(State::Running)
            }
            Phase::Starting => Turn::Tell(State::Starting(self.turns)),
            Phase::Learning if self.turns > LEARNS => Turn::End("it does not come to watching"),
            Phase::Running if self.turns > most => Turn::End("the deciding thread gives no sign of life"),
            Phase::Stopping if self.turns > ENDS => Turn::End("it does not come to an end"),
            Phase::Stopping => Turn::Tell(State::Stopping(self.turns)),
            Phase::Learning | Phase::Running | Phase::Stopped => Turn::Nothing,
        }
    }
}

/// Lets the manager call `work`; returns when that has ended.
///
/// # Errors
/// `NotConnected` if it was not the manager that started this process; else the system's.
pub fn run(work: fn()) -> io::Result<()> {
    service_main::run(work, heed)
}

fn heed(control: Control) {
    let signal = match control {
        Control::Stop => Signal::Stop,
        Control::Reload => Signal::Reload,
    };
    let mut known = known();
    match &known.to {
        Some(to) => to(signal),
        None => known.kept.push(signal),
    }
}

/// From now on whatever the manager asks for goes here, what it asked for before first.
pub fn forward(to: impl Fn(Signal) + Send + 'static) {
    let mut known = known();
    known.kept.drain(..).for_each(&to);
    known.to = Some(Box::new(to));
}

/// Says that it starts, and begins to guard it.
///
/// # Errors
/// If there is no manager, or no thread.
pub fn starting() -> io::Result<()> {
    service_main::tell(State::Starting(0))?;
    thread::Builder::new().name("guard".to_owned()).spawn(guard)?;
    Ok(())
}

fn guard() {
    loop {
        thread::sleep(TURN);
        let turn = {
            let mut known = known();
            let turn = known.turn();
            // Within the lock: what is said later must not be overtaken.
            if let Turn::Tell(state) = turn {
                tell(state);
            }
            turn
        };
        if let Turn::End(why) = turn {
            tracing::error!("it hangs, and is ended so that it can be started again: {why}");
            service_main::end_at_once(HUNG);
        }
    }
}

fn tell(state: State) {
    if let Err(error) = service_main::tell(state) {
        tracing::warn!("the service control manager cannot be told how things are: {error}");
    }
}

/// It does what it is there for.
pub fn ready() {
    let mut known = known();
    if known.phase == Phase::Starting {
        tell(State::Running);
    }
    known.enter(Phase::Running);
}

/// It is alive.
pub fn alive() {
    let mut known = known();
    if known.phase == Phase::Running {
        known.turns = 0;
    }
}

/// It is about to end.
pub fn stopping() {
    let mut known = known();
    known.enter(Phase::Stopping);
    tell(State::Stopping(0));
}

/// It has ended.
pub fn stopped(how: &anyhow::Result<()>) {
    let mut known = known();
    known.enter(Phase::Stopped);
    tell(State::Stopped(if how.is_ok() { 0 } else { FAILED }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(phase: Phase, turns: u32) -> Known {
        Known { phase, turns, to: None, kept: Vec::new() }
    }

    #[test]
    fn a_start_shows_that_it_comes_on_and_is_said_to_run_before_anybody_gives_up_on_it() {
        let mut known = at(Phase::Starting, 0);
        for turn in 1..STARTS {
            assert_eq!(known.turn(), Turn::Tell(State::Starting(turn)));
        }
        assert_eq!(known.turn(), Turn::Tell(State::Running));
        assert_eq!((known.phase, known.turn()), (Phase::Learning, Turn::Nothing));
    }

    #[test]
    fn a_service_without_a_sign_of_life_is_ended_and_one_that_gives_one_is_not() {
        let most = 300;
        assert_eq!(at(Phase::Running, most - 1).turn(), Turn::Nothing);
        assert!(matches!(at(Phase::Running, most).turn(), Turn::End(_)));
        assert!(matches!(at(Phase::Learning, LEARNS).turn(), Turn::End(_)));
        assert_eq!(at(Phase::Learning, most).turn(), Turn::Nothing);
    }

    #[test]
    fn an_end_shows_that_it_comes_on_but_not_for_ever() {
        assert_eq!(at(Phase::Stopping, 4).turn(), Turn::Tell(State::Stopping(5)));
        assert!(matches!(at(Phase::Stopping, ENDS).turn(), Turn::End(_)));
        assert_eq!(at(Phase::Stopped, 1000).turn(), Turn::Nothing);
    }
}
