//! Whether the package manager is at work: it holds a lock as long as it is.

use super::Host;
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::fs::File;

/// apt holds the first from beginning to end, dpkg the second.
const LOCKS: [&str; 2] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];

/// True if packages are being installed, upgraded or removed just now. What cannot be asked is not at work.
#[must_use]
pub fn is_at_work(host: &Host) -> bool {
    LOCKS.iter().any(|lock| {
        let file = File::open(host.path(lock));
        file.is_ok_and(|file| matches!(fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)), Ok(Some(_))))
    })
}
