//! How a service is set up and whether it runs, for whoever only wants to know.

use super::error::plain;
use std::io;
use windows_service::Error;
use windows_service::service::{ServiceAccess, ServiceState};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

/// What Windows says of a service that does not exist.
const NO_SUCH_SERVICE: i32 = 1060;

/// When a service is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With Windows.
    Automatic,
    /// A little after Windows.
    Delayed,
    /// When somebody asks for it.
    Manual,
    /// Never.
    Disabled,
}

/// A service that is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// When it is started.
    pub start: Start,
    /// True if it runs now.
    pub runs: bool,
}

/// The service of this name; none if it is not installed.
///
/// # Errors
/// The system's.
pub fn of(name: &str) -> io::Result<Option<Service>> {
    let plain = |error: Error| match error {
        Error::Winapi(error) => error,
        other => io::Error::other(other),
    };
    let manager =
        ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).map_err(plain)?;
    let service = match manager.open_service(name, ServiceAccess::QUERY_STATUS).map_err(plain) {
        Ok(service) => service,
        Err(error) if error.raw_os_error() == Some(NO_SUCH_SERVICE) => return Ok(None),
        Err(error) => return Err(error),
    };
    let runs = service.query_status().map_err(plain)?.current_state == ServiceState::Running;
    Ok(Some(Service { start: start(name)?, runs }))
}

/// As the registry has it: the crate does not tell of the delay.
fn start(name: &str) -> io::Result<Start> {
    let key = windows_registry::LOCAL_MACHINE
        .open(format!(r"SYSTEM\CurrentControlSet\Services\{name}"))
        .map_err(|error| plain(&error))?;
    let is_delayed = key.get_u32("DelayedAutostart").is_ok_and(|delayed| delayed != 0);
    Ok(match key.get_u32("Start").map_err(|error| plain(&error))? {
        0..=2 if is_delayed => Start::Delayed,
        0..=2 => Start::Automatic,
        3 => Start::Manual,
        _ => Start::Disabled,
    })
}
