//! What to do, in this system's own words.

use std::path::Path;

/// How a full path is written.
pub const FULL_PATH: &str = "it begins with \"/\"";

/// Against a file that others can read.
pub const PRIVATE_FILE: &str = "chmod 600 it";

/// Against a file system that may only be read.
pub const READ_ONLY: &str = "See `dmesg`, then mount it for writing";

/// Why a file system may only be read.
pub const SEE_READ_ONLY: &str = "see why: dmesg | grep -i remount";

/// What takes the room of a folder's file system.
#[must_use]
pub fn what_fills(folder: &Path) -> String {
    let folder = folder.display();
    format!("see what fills it: du -xh --max-depth=3 $(findmnt -n -o TARGET -T {folder}) | sort -h | tail")
}

/// To begin with settings.
#[must_use]
pub fn first_settings(file: &Path) -> String {
    format!("printf '[mail]\\nto = [\"root\"]\\n' > {}", file.display())
}

/// Who may see everything.
pub const ADMINISTRATOR: &str = "root";

/// To see more than an ordinary user may.
pub const AS_ADMINISTRATOR: &str = "run this as root: sudo watchdog doctor";

/// To start the installed service.
pub const START: &str = "systemctl enable --now host-watchdog";

/// To start it anew.
pub const RESTART: &str = "systemctl restart host-watchdog";

/// To make it read its policy anew.
pub const RELOAD: &str = "systemctl reload host-watchdog";

/// What it says of itself.
pub const LOG: &str = "see why: journalctl -u host-watchdog";

/// What the program that mails says of itself.
pub const MAILER_LOG: &str = "see what the mailer does: journalctl -u host-watchdog-mail";

/// To start that anew.
pub const MAILER_RESTART: &str = "systemctl restart host-watchdog-mail";

/// Against a host without a mail server.
pub const MAIL_SERVER: Option<&str> =
    Some("install a mail server on this host: apt install postfix (or exim4, opensmtpd, dma)");

/// To give a host its time zone.
pub const TIME_ZONE: &str = "timedatectl set-timezone Europe/London (or yours)";

/// To start what mails.
pub const MAILER_START: &str = "systemctl enable --now host-watchdog-mail";

/// Where nothing is in the way of a mail.
pub const OUTSIDE: &str = "run this as root, outside any sandbox";
