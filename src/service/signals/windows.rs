//! Signals of Windows: of the service control manager, or else of the console.

use super::Signal;
use crate::service::manager;
use crate::win32::service_main;
use std::io;
use std::sync::mpsc::Sender;

/// Sends each signal of these kinds on as an event.
pub fn forward<E>(wanted: &[Signal], events: Sender<E>) -> io::Result<()>
where
    E: From<Signal> + Send + 'static,
{
    if service_main::is_one() {
        let wanted = wanted.to_vec();
        manager::forward(move |signal| {
            if wanted.contains(&signal) {
                // Nobody listens any more once it ends.
                let _ = events.send(signal.into());
            }
        });
        return Ok(());
    }
    if !wanted.contains(&Signal::Stop) {
        return Ok(());
    }
    let stop = move || drop(events.send(Signal::Stop.into()));
    ctrlc::set_handler(stop).map_err(io::Error::other)
}
