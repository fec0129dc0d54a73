//! Folders that Windows knows by their purpose: asked of it, as anybody may set an environment variable.

use super::text::from_wide;
use std::path::PathBuf;
use windows::Win32::System::Com::CoTaskMemFree;
use windows::Win32::UI::Shell::{
    FOLDERID_LocalAppData, FOLDERID_ProgramData, FOLDERID_Windows, KF_FLAG_DEFAULT, SHGetKnownFolderPath,
};
use windows::core::GUID;

/// More units than any path has.
const MOST: usize = 32 * 1024;

/// Where programs keep what is the whole system's: `C:\\ProgramData`.
#[must_use]
pub fn program_data() -> PathBuf {
    known(&FOLDERID_ProgramData).unwrap_or_else(|| PathBuf::from(r"C:\ProgramData"))
}

/// Where programs keep what is this user's.
#[must_use]
pub fn local_app_data() -> Option<PathBuf> {
    known(&FOLDERID_LocalAppData)
}

/// Windows itself: `C:\\Windows`.
#[must_use]
pub fn windows() -> PathBuf {
    known(&FOLDERID_Windows).unwrap_or_else(|| PathBuf::from(r"C:\Windows"))
}

fn known(id: &GUID) -> Option<PathBuf> {
    // SAFETY: what comes back is a text that ends in a zero; it is read up to there and then given back, once.
    unsafe {
        let text = SHGetKnownFolderPath(id, KF_FLAG_DEFAULT, None).ok()?;
        let mut units = Vec::new();
        while units.len() < MOST && *text.0.add(units.len()) != 0 {
            units.push(*text.0.add(units.len()));
        }
        CoTaskMemFree(Some(text.0.cast()));
        Some(from_wide(&units).into())
    }
}
