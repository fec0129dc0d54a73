//! Services that run, and in which process.

use super::error::plain;
use super::handle::Buffer;
use super::text::from_wide;
use std::ffi::OsString;
use std::io;
use windows::Win32::Foundation::{ERROR_MORE_DATA, WIN32_ERROR};
use windows::Win32::System::Services::{
    CloseServiceHandle, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW, OpenSCManagerW,
    SC_ENUM_PROCESS_INFO, SC_HANDLE, SC_MANAGER_ENUMERATE_SERVICE, SERVICE_ACTIVE, SERVICE_STATUS_PROCESS,
    SERVICE_WIN32,
};
use windows::core::PCWSTR;

/// What one call may hand out.
const ROOM: usize = 256 * 1024;

/// No Windows has that many calls' worth of services.
const CALLS: usize = 64;

/// The list of services, closed when it is dropped.
struct Manager(SC_HANDLE);

impl Drop for Manager {
    fn drop(&mut self) {
        // SAFETY: it was opened by us, and is closed only here.
        let _ = unsafe { CloseServiceHandle(self.0) };
    }
}

/// The services that run, with the number of their process.
///
/// # Errors
/// The system's; `InvalidData` if what it says makes no sense.
pub fn running() -> io::Result<Vec<(u32, OsString)>> {
    // SAFETY: it names this machine and its own list; the handle is ours.
    let manager = unsafe { OpenSCManagerW(PCWSTR::null(), PCWSTR::null(), SC_MANAGER_ENUMERATE_SERVICE) };
    let manager = Manager(manager.map_err(|error| plain(&error))?);
    let mut buffer = Buffer::new(ROOM);
    let mut all = Vec::new();
    let mut resume = 0;
    for _ in 0..CALLS {
        let (mut needed, mut count) = (0, 0);
        // SAFETY: the handle is open, and all that is written to is as large as is said and outlives the call.
        let listed = unsafe {
            EnumServicesStatusExW(
                manager.0,
                SC_ENUM_PROCESS_INFO,
                SERVICE_WIN32,
                SERVICE_ACTIVE,
                Some(buffer.bytes_mut()),
                &raw mut needed,
                &raw mut count,
                Some(&raw mut resume),
                PCWSTR::null(),
            )
        };
        let more = match listed {
            Ok(()) => false,
            Err(error) if WIN32_ERROR::from_error(&error) == Some(ERROR_MORE_DATA) => true,
            Err(error) => return Err(plain(&error)),
        };
        for at in 0..count as usize {
            all.push(entry(&buffer, at).ok_or(io::ErrorKind::InvalidData)?);
        }
        if !more {
            return Ok(all);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

fn entry(buffer: &Buffer, number: usize) -> Option<(u32, OsString)> {
    let at = number.checked_mul(size_of::<ENUM_SERVICE_STATUS_PROCESSW>())?;
    let pid = std::mem::offset_of!(ENUM_SERVICE_STATUS_PROCESSW, ServiceStatusProcess)
        + std::mem::offset_of!(SERVICE_STATUS_PROCESS, dwProcessId);
    Some((buffer.u32(at + pid)?, from_wide(&buffer.text(buffer.u64(at)?)?)))
}
