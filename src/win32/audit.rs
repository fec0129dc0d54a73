//! What the security log is told.

use std::io;
use windows::Win32::Security::Authentication::Identity::{AuditFree, AuditQuerySystemPolicy};
use windows::core::GUID;

/// Logins, as the audit policy calls them.
const LOGON: GUID = GUID::from_u128(0x0cce_9215_69ae_11d9_bed3_5050_5450_3030);

const SUCCESS: u32 = 1;
const FAILURE: u32 = 2;

/// Whether logins that succeed, and those that fail, are logged.
///
/// # Errors
/// The system's: above all that only an administrator may ask.
pub fn of_logins() -> io::Result<(bool, bool)> {
    let mut policy = std::ptr::null_mut();
    // SAFETY: one question, so one answer comes back, which is copied and then given back, once.
    unsafe {
        if !AuditQuerySystemPolicy(&[LOGON], &raw mut policy) || policy.is_null() {
            return Err(io::Error::last_os_error());
        }
        let information = (*policy).AuditingInformation;
        AuditFree(policy.cast());
        Ok((information & SUCCESS != 0, information & FAILURE != 0))
    }
}
