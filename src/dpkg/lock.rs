//! Whether the package manager is at work: it holds a lock as long as it is.

use super::Host;

/// apt holds the first from beginning to end, dpkg the second; `apt-get update` the last.
#[cfg(target_os = "linux")]
const LOCKS: [&str; 3] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"];

/// True if packages are being installed, upgraded or removed just now, or their lists fetched. What cannot be asked is not at work.
#[cfg(target_os = "linux")]
#[must_use]
pub fn is_at_work(host: &Host) -> bool {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    use std::fs::File;
    LOCKS.iter().any(|lock| {
        let file = File::open(host.path(lock));
        file.is_ok_and(|file| matches!(fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)), Ok(Some(_))))
    })
}

/// There is no dpkg.
#[cfg(windows)]
#[must_use]
pub fn is_at_work(_host: &Host) -> bool {
    false
}
