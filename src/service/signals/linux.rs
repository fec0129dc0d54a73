//! Signals of Linux.

use super::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::mpsc::Sender;
use std::thread;

/// Sends each signal of these kinds on as an event.
pub fn forward<E>(wanted: &[Signal], events: Sender<E>) -> io::Result<()>
where
    E: From<Signal> + Send + 'static,
{
    let mut numbers = Vec::new();
    for signal in wanted {
        match signal {
            Signal::Stop => numbers.extend([SIGTERM, SIGINT]),
            Signal::Reload => numbers.push(SIGHUP),
        }
    }
    if numbers.is_empty() {
        return Ok(());
    }
    let mut signals = Signals::new(numbers)?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for number in signals.forever() {
            let signal = if number == SIGHUP { Signal::Reload } else { Signal::Stop };
            if events.send(signal.into()).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
