//! Volumes: which there are, where they are mounted, how full they are.

use super::error::plain;
use super::text::{from_wide, wide};
use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use windows::Win32::Foundation::ERROR_MORE_DATA;
use windows::Win32::Storage::FileSystem::{
    FindFirstVolumeW, FindNextVolumeW, FindVolumeClose, GetDiskFreeSpaceExW, GetDriveTypeW, GetLogicalDrives,
    GetVolumeInformationW, GetVolumePathNamesForVolumeNameW,
};
use windows::core::PCWSTR;

/// No host has more.
const MOST: usize = 1024;

/// Set on a volume on which nothing may be written.
const READ_ONLY: u32 = 0x0008_0000;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Volume {
    /// The name Windows gives it, of a drive that is none of its volumes that of the drive.
    pub name: OsString,
    /// Where it is mounted.
    pub mounts: Vec<PathBuf>,
}

/// What a volume says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// True for one that stays in its place.
    pub is_fixed: bool,
    /// True if nothing may be written to it.
    pub is_read_only: bool,
    /// `NTFS`.
    pub kind: OsString,
    /// In all, and left, for whoever asks.
    pub space: (u64, u64),
}

/// The volumes that are mounted anywhere, and the drives that are none of them.
///
/// # Errors
/// The system's.
pub fn list() -> io::Result<Vec<Volume>> {
    let mut volumes = Vec::new();
    let mut name = [0; 128];
    // SAFETY: the buffer outlives the calls, which are told its size; the handle is closed once, after the last use.
    unsafe {
        // Without any volume there may still be drives.
        if let Ok(search) = FindFirstVolumeW(&mut name) {
            loop {
                volumes.push(from_wide(&name));
                if volumes.len() >= MOST || FindNextVolumeW(search, &mut name).is_err() {
                    break;
                }
            }
            let _ = FindVolumeClose(search);
        }
    }
    let mut found = Vec::new();
    for name in volumes {
        let mounts = mounts(&name)?;
        if !mounts.is_empty() {
            found.push(Volume { name, mounts });
        }
    }
    // SAFETY: it takes nothing.
    let drives = unsafe { GetLogicalDrives() };
    for letter in (b'A'..=b'Z').filter(|letter| drives & 1 << (letter - b'A') != 0) {
        let drive = PathBuf::from(format!("{}:\\", char::from(letter)));
        if !found.iter().any(|volume| volume.mounts.contains(&drive)) {
            found.push(Volume { name: drive.clone().into(), mounts: vec![drive] });
        }
    }
    if found.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    found.sort();
    Ok(found)
}

/// Where a volume is mounted.
fn mounts(volume: &OsString) -> io::Result<Vec<PathBuf>> {
    let name = wide(volume);
    let mut paths = vec![0; 512];
    loop {
        let mut needed = 0;
        // SAFETY: the name ends in a zero, and the buffer is as large as the call is told; both outlive it.
        let asked = unsafe {
            GetVolumePathNamesForVolumeNameW(PCWSTR(name.as_ptr()), Some(&mut paths), &raw mut needed)
        };
        match asked {
            Ok(()) => break,
            Err(error) if error.code() == ERROR_MORE_DATA.to_hresult() && paths.len() < 1 << 20 => {
                paths.resize((needed as usize).max(paths.len() * 2), 0);
            }
            Err(error) => return Err(plain(&error)),
        }
    }
    // Each ends in a zero, and the last is empty.
    let each = paths.split(|unit| *unit == 0).take_while(|path| !path.is_empty());
    Ok(each.map(|path| OsString::from_wide(path).into()).collect())
}

/// True for a volume that stays in its place, as far as its driver says; the device itself is not asked.
#[must_use]
pub fn is_fixed(mount: &Path) -> bool {
    const FIXED: u32 = 3;
    const IN_MEMORY: u32 = 6;
    let path = wide(mount);
    // SAFETY: the path ends in a zero and outlives the call.
    matches!(unsafe { GetDriveTypeW(PCWSTR(path.as_ptr())) }, FIXED | IN_MEMORY)
}

/// Asks a volume by where it is mounted. It may take as long as its device does.
///
/// # Errors
/// The system's.
pub fn ask(mount: &Path) -> io::Result<Answer> {
    let path = wide(mount);
    let path = PCWSTR(path.as_ptr());
    let (mut available, mut total, mut flags, mut kind) = (0, 0, 0, [0; 64]);
    // SAFETY: the path ends in a zero, and all that is written to is as large as the calls are told and outlives them.
    unsafe {
        GetVolumeInformationW(path, None, None, None, Some(&raw mut flags), Some(&mut kind))
            .map_err(|error| plain(&error))?;
        GetDiskFreeSpaceExW(path, Some(&raw mut available), Some(&raw mut total), None)
            .map_err(|error| plain(&error))?;
    }
    Ok(Answer {
        is_fixed: is_fixed(mount),
        is_read_only: flags & READ_ONLY != 0,
        kind: from_wide(&kind),
        space: (total, available.min(total)),
    })
}
