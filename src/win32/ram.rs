//! Memory, and the page files that stretch it.

use super::error::plain;
use std::ffi::c_void;
use std::io;
use windows::Win32::System::ProcessStatus::{ENUM_PAGE_FILE_INFORMATION, EnumPageFilesW};
use windows::Win32::System::SystemInformation::{
    GetSystemInfo, GlobalMemoryStatusEx, MEMORYSTATUSEX, SYSTEM_INFO,
};
use windows::core::{BOOL, PCWSTR};

/// So much, and so much of it left, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// In all.
    pub total: u64,
    /// Left; what Windows can take back at once counts as left.
    pub available: u64,
}

/// The memory of the host.
///
/// # Errors
/// The system's.
pub fn physical() -> io::Result<Amount> {
    let mut status = MEMORYSTATUSEX::default();
    status.dwLength = u32::try_from(size_of_val(&status)).unwrap_or(0);
    // SAFETY: what is written to says how large it is and outlives the call.
    unsafe { GlobalMemoryStatusEx(&raw mut status) }.map_err(|error| plain(&error))?;
    Ok(Amount { total: status.ullTotalPhys, available: status.ullAvailPhys })
}

/// All page files together, as large as they are now; nothing if there is none.
///
/// # Errors
/// The system's.
pub fn page_files() -> io::Result<Amount> {
    let mut system = SYSTEM_INFO::default();
    let mut pages = (0u64, 0u64);
    // SAFETY: what is written to outlives the calls; the callback is called only within the second and is given
    // the address of `pages`, to which nothing else refers meanwhile.
    unsafe {
        GetSystemInfo(&raw mut system);
        EnumPageFilesW(Some(add), (&raw mut pages).cast()).map_err(|error| plain(&error))?;
    }
    let (total, used) = pages;
    let bytes = |pages: u64| pages.saturating_mul(u64::from(system.dwPageSize));
    Ok(Amount { total: bytes(total), available: bytes(total.saturating_sub(used)) })
}

/// Adds one page file to what `context` points to.
unsafe extern "system" fn add(
    context: *mut c_void,
    file: *mut ENUM_PAGE_FILE_INFORMATION,
    _name: PCWSTR,
) -> BOOL {
    // SAFETY: Windows hands back the address it was given above, and that of a structure of its own.
    unsafe {
        if let (Some(pages), Some(file)) = (context.cast::<(u64, u64)>().as_mut(), file.as_ref()) {
            pages.0 = pages.0.saturating_add(file.TotalSize as u64);
            pages.1 = pages.1.saturating_add(file.TotalInUse as u64);
        }
    }
    true.into()
}
