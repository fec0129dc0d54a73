//! The host as a whole: its name, its boot, its installation.

use super::text::from_wide;
use windows::Win32::System::SystemInformation::{
    ComputerNamePhysicalDnsHostname, GetComputerNameExW, GetTickCount64,
};
use windows::core::PWSTR;

/// The name of this host.
#[must_use]
pub fn name() -> String {
    let mut buffer = [0; 256];
    let mut length = 256;
    // SAFETY: the buffer holds as many units as the length says.
    let asked = unsafe {
        GetComputerNameExW(ComputerNamePhysicalDnsHostname, Some(PWSTR(buffer.as_mut_ptr())), &raw mut length)
    };
    if asked.is_err() {
        return String::new();
    }
    from_wide(&buffer).to_string_lossy().into_owned()
}

/// When Windows was started, in seconds since 1970, by the clock as it is set now.
#[expect(clippy::disallowed_methods, reason = "the difference of two clocks, both of which are read here")]
fn booted() -> u64 {
    // SAFETY: it takes nothing and only reads a counter.
    let running = unsafe { GetTickCount64() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs().saturating_sub(running / 1000)
}

/// What Windows was given at its installation and keeps.
#[must_use]
pub fn machine_id() -> Option<String> {
    let key = windows_registry::LOCAL_MACHINE.open(r"SOFTWARE\Microsoft\Cryptography").ok()?;
    key.get_string("MachineGuid").ok()
}

/// What every boot has for itself: the number of starts that Windows counts, else the minute in which it started.
#[must_use]
pub fn boot_id() -> String {
    const KEY: &str =
        r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters";
    let count = windows_registry::LOCAL_MACHINE.open(KEY).and_then(|key| key.get_u32("BootId"));
    count.map_or_else(|_| format!("started {}", booted() / 60), |count| format!("boot {count}"))
}
