//! What to do, in this system's own words: commands for PowerShell, run as administrator.

use std::path::Path;

/// How a full path is written.
pub const FULL_PATH: &str = r"it begins with a drive and stands in single quotes: 'C:\Folder'";

/// Against a file that others can read.
pub const PRIVATE_FILE: &str =
    "take that right away (icacls FILE /inheritance:r /grant *S-1-5-32-544:F *S-1-5-18:F)";

/// Against a volume that may only be read.
pub const READ_ONLY: &str = "The System log says why; `chkdsk /scan` looks at the volume";

/// Why a volume may only be read.
pub const SEE_READ_ONLY: &str = "see the System log, and: chkdsk /scan";

/// What takes the room of a folder's volume.
#[must_use]
pub fn what_fills(folder: &Path) -> String {
    let drive = folder.components().next().map(|drive| drive.as_os_str().to_string_lossy().into_owned());
    format!("see what fills {}: Settings, System, Storage; or: cleanmgr", drive.unwrap_or_default())
}

/// To begin with settings.
#[must_use]
pub fn first_settings(file: &Path) -> String {
    let lines = r#"'[mail]', 'to = ["you@example.org"]', '[mail.smtp]', 'host = "mail.example.org"'"#;
    format!("Set-Content -Encoding ascii '{}' {lines}", file.display())
}

/// Who may see everything.
pub const ADMINISTRATOR: &str = "an administrator";

/// To see more than an ordinary user may.
pub const AS_ADMINISTRATOR: &str = "run this in a PowerShell that was opened with \"Run as administrator\"";

/// To start the installed service.
pub const START: &str = "Start-Service host-watchdog";

/// To start it anew.
pub const RESTART: &str = "Restart-Service host-watchdog";

/// To make it read its policy anew.
pub const RELOAD: &str = RESTART;

/// What it says of itself.
pub const LOG: &str = "see why: Get-WinEvent -ProviderName 'Host Watchdog' -MaxEvents 20";

/// What the program that mails says of itself.
pub const MAILER_LOG: &str =
    "see what the service does: Get-WinEvent -ProviderName 'Host Watchdog' -MaxEvents 20";

/// To start that anew.
pub const MAILER_RESTART: &str = RESTART;

/// Against a host without a mail server: Windows brings none.
pub const MAIL_SERVER: Option<&str> = None;

/// To give a host its time zone.
pub const TIME_ZONE: &str = "tzutil /s \"GMT Standard Time\" (or yours: tzutil /l)";

/// To start what mails.
pub const MAILER_START: &str = START;

/// Where nothing is in the way of a mail.
pub const OUTSIDE: &str = AS_ADMINISTRATOR;
