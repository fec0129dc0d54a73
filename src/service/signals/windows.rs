//! Signals of Windows: of the console.

use super::Signal;
use std::io;
use std::sync::mpsc::Sender;

/// Sends each signal of these kinds on as an event.
pub fn forward<E>(wanted: &[Signal], events: Sender<E>) -> io::Result<()>
where
    E: From<Signal> + Send + 'static,
{
    if !wanted.contains(&Signal::Stop) {
        return Ok(());
    }
    let stop = move || drop(events.send(Signal::Stop.into()));
    ctrlc::set_handler(stop).map_err(io::Error::other)
}
