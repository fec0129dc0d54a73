//! Files and volumes.

use super::error::plain;
use super::text::wide;
use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use windows::Win32::Foundation::HANDLE;
use windows::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FileBasicInfo, GetDiskFreeSpaceExW,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetVolumeInformationW, GetVolumePathNameW,
    MOVEFILE_REPLACE_EXISTING, MOVEFILE_WRITE_THROUGH, MoveFileExW,
};
use windows::core::PCWSTR;

/// Set on a volume on which nothing may be written.
const READ_ONLY_VOLUME: u32 = 0x0008_0000;

/// Renames a file over another, and returns only when it stands on the disk.
///
/// # Errors
/// The system's.
pub fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (wide(from), wide(to));
    // SAFETY: both texts end in a zero and outlive the call.
    unsafe {
        MoveFileExW(
            PCWSTR(from.as_ptr()),
            PCWSTR(to.as_ptr()),
            MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH,
        )
        .map_err(|error| plain(&error))
    }
}

/// The bytes that may still be written on the volume of a folder, and whether nothing may be.
///
/// # Errors
/// The system's.
pub fn room(folder: &Path) -> io::Result<(u64, bool)> {
    let path = wide(folder);
    let mut free = 0;
    let mut flags = 0;
    let mut volume = [0; 1024];
    // SAFETY: the path ends in a zero, and all that is written to lives longer than the calls.
    let asked = unsafe {
        GetDiskFreeSpaceExW(PCWSTR(path.as_ptr()), Some(&raw mut free), None, None)
            .and_then(|()| GetVolumePathNameW(PCWSTR(path.as_ptr()), &mut volume))
            .and_then(|()| {
                GetVolumeInformationW(PCWSTR(volume.as_ptr()), None, None, None, Some(&raw mut flags), None)
            })
    };
    asked.map_err(|error| plain(&error))?;
    Ok((free, flags & READ_ONLY_VOLUME != 0))
}

/// The number of the volume, and that of the file on it.
///
/// # Errors
/// The system's.
pub fn id(file: &File) -> io::Result<(u64, u64)> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is that of an open file, and what is written to lives longer than the call.
    unsafe { GetFileInformationByHandle(HANDLE(file.as_raw_handle()), &raw mut found) }
        .map_err(|error| plain(&error))?;
    let number = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
    Ok((u64::from(found.dwVolumeSerialNumber), number))
}

/// What tells one state of a file from another: where it lies, its size, when it was written and when anything of it was
/// changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    id: (u64, u64),
    size: u64,
    written: i64,
    changed: i64,
}

/// The stamp of an open file.
///
/// # Errors
/// The system's.
pub fn stamp(file: &File) -> io::Result<Stamp> {
    let mut found = FILE_BASIC_INFO::default();
    let size = u32::try_from(size_of::<FILE_BASIC_INFO>()).unwrap_or(0);
    // SAFETY: the handle is that of an open file, and what is written to is as large as is said and lives longer.
    unsafe {
        GetFileInformationByHandleEx(
            HANDLE(file.as_raw_handle()),
            FileBasicInfo,
            (&raw mut found).cast(),
            size,
        )
        .map_err(|error| plain(&error))?;
    }
    Ok(Stamp {
        id: id(file)?,
        size: file.metadata()?.len(),
        written: found.LastWriteTime,
        changed: found.ChangeTime,
    })
}
