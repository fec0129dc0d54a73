//! A service as its manager sees it: what it is told to do, and what it tells.
//!
//! The handler is our own: that of the windows-service crate gives its memory back at the first stop and reads it again at
//! whatever is asked after that.

use super::error::plain;
use super::text::wide;
use std::ffi::c_void;
use std::io;
use std::sync::OnceLock;
use windows::Win32::Foundation::{ERROR_CALL_NOT_IMPLEMENTED, ERROR_SERVICE_SPECIFIC_ERROR, NO_ERROR};
use windows::Win32::System::Services::{
    RegisterServiceCtrlHandlerExW, SERVICE_ACCEPT_PARAMCHANGE, SERVICE_ACCEPT_PRESHUTDOWN,
    SERVICE_ACCEPT_SHUTDOWN, SERVICE_ACCEPT_STOP, SERVICE_CONTROL_INTERROGATE, SERVICE_CONTROL_PARAMCHANGE,
    SERVICE_CONTROL_PRESHUTDOWN, SERVICE_CONTROL_SHUTDOWN, SERVICE_CONTROL_STOP, SERVICE_RUNNING,
    SERVICE_START_PENDING, SERVICE_STATUS, SERVICE_STATUS_HANDLE, SERVICE_STOP_PENDING, SERVICE_STOPPED,
    SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus, StartServiceCtrlDispatcherW,
};
use windows::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
use windows::core::{PCWSTR, PWSTR};

/// What the service is called.
pub const NAME: &str = "host-watchdog";

/// The manager waits so long, in milliseconds, for the next sign of a service that starts or stops.
const HINT: u32 = 30_000;

/// What the manager asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// To end: somebody stops the service, or the host is shut down.
    Stop,
    /// To read settings and policy anew (`sc control NAME paramchange`).
    Reload,
}

/// What the manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It starts; the number grows for as long as it comes on.
    Starting(u32),
    /// It works.
    Running,
    /// It ends; the number grows for as long as it comes on.
    Stopping(u32),
    /// It has ended well, or with this number of its own, which is what makes the manager start it again.
    Stopped(u32),
}

/// What the manager calls.
struct Service {
    work: fn(),
    heed: fn(Control),
}

static SERVICE: OnceLock<Service> = OnceLock::new();

/// The handle by which the manager knows us: a number, never closed.
static HANDLE: OnceLock<usize> = OnceLock::new();

/// True in a process that the manager started.
#[must_use]
pub fn is_one() -> bool {
    HANDLE.get().is_some()
}

/// Lets the manager call `work`, and `heed` with whatever it asks for; returns when the service has said that it stopped.
///
/// # Errors
/// `NotConnected` if it was not the manager that started this process; else the system's.
pub fn run(work: fn(), heed: fn(Control)) -> io::Result<()> {
    if SERVICE.set(Service { work, heed }).is_err() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut name = wide(NAME);
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: PWSTR(name.as_mut_ptr()), lpServiceProc: Some(entry) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry, and it and the name live until the call returns, which is at the end.
    let done = unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
    done.map_err(|error| {
        let error = plain(&error);
        // ERROR_FAILED_SERVICE_CONTROLLER_CONNECT
        if error.raw_os_error() == Some(1063) { io::ErrorKind::NotConnected.into() } else { error }
    })
}

/// Called by the manager on a thread of its own.
unsafe extern "system" fn entry(_count: u32, _arguments: *mut PWSTR) {
    let Some(service) = SERVICE.get() else { return };
    let name = wide(NAME);
    // SAFETY: the name ends in a zero and outlives the call; the handler is a function of this program and needs no context.
    let handle = unsafe { RegisterServiceCtrlHandlerExW(PCWSTR(name.as_ptr()), Some(handler), None) };
    // Without a handle nothing can be told to the manager; when we return it sees that the process ends.
    let Ok(handle) = handle else { return };
    let _ = HANDLE.set(handle.0 as usize);
    (service.work)();
}

/// Called by the manager on the thread that waits in [`run`].
unsafe extern "system" fn handler(
    control: u32,
    _kind: u32,
    _data: *mut c_void,
    _context: *mut c_void,
) -> u32 {
    let Some(service) = SERVICE.get() else { return ERROR_CALL_NOT_IMPLEMENTED.0 };
    match control {
        SERVICE_CONTROL_STOP | SERVICE_CONTROL_SHUTDOWN | SERVICE_CONTROL_PRESHUTDOWN => {
            (service.heed)(Control::Stop);
        }
        SERVICE_CONTROL_PARAMCHANGE => (service.heed)(Control::Reload),
        // It keeps what it was told last.
        SERVICE_CONTROL_INTERROGATE => {}
        _ => return ERROR_CALL_NOT_IMPLEMENTED.0,
    }
    NO_ERROR.0
}

/// Tells the manager.
///
/// # Errors
/// The system's; `NotConnected` where there is no manager.
pub fn tell(state: State) -> io::Result<()> {
    let handle = HANDLE.get().ok_or(io::ErrorKind::NotConnected)?;
    let mut status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: SERVICE_RUNNING,
        ..SERVICE_STATUS::default()
    };
    match state {
        State::Starting(checkpoint) => {
            status.dwCurrentState = SERVICE_START_PENDING;
            (status.dwCheckPoint, status.dwWaitHint) = (checkpoint, HINT);
        }
        State::Running => {
            status.dwControlsAccepted = SERVICE_ACCEPT_STOP
                | SERVICE_ACCEPT_SHUTDOWN
                | SERVICE_ACCEPT_PRESHUTDOWN
                | SERVICE_ACCEPT_PARAMCHANGE;
        }
        State::Stopping(checkpoint) => {
            status.dwCurrentState = SERVICE_STOP_PENDING;
            (status.dwCheckPoint, status.dwWaitHint) = (checkpoint, HINT);
        }
        State::Stopped(fault) => {
            status.dwCurrentState = SERVICE_STOPPED;
            if fault != 0 {
                status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR.0;
                status.dwServiceSpecificExitCode = fault;
            }
        }
    }
    // SAFETY: the handle is the manager's for this process, which it stays until the end; the status outlives the call.
    unsafe { SetServiceStatus(SERVICE_STATUS_HANDLE(*handle as *mut c_void), &raw const status) }
        .map_err(|error| plain(&error))
}

/// Ends this process at once, whatever its other threads are doing; to the manager that is a failure.
pub fn end_at_once(code: u32) -> ! {
    // SAFETY: the handle stands for this process itself; nothing of it is used any more.
    unsafe {
        let _ = TerminateProcess(GetCurrentProcess(), code);
    }
    std::process::abort()
}
