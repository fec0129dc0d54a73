//! Noticing mails as they come into a folder.

use std::io;
use std::path::Path;

/// Calls `tell` once, and again for each mail that comes into the folder, until it says false or the folder goes away.
///
/// # Errors
/// If the folder cannot be watched.
#[cfg(target_os = "linux")]
pub fn tell_of_each(queue: &Path, tell: impl Fn() -> bool) -> io::Result<()> {
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    let notifier = inotify::init(CreateFlags::CLOEXEC)?;
    let wanted = WatchFlags::MOVED_TO | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF | WatchFlags::ONLYDIR;
    inotify::add_watch(&notifier, queue, wanted)?;
    // What came before we watched.
    let _ = tell();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(&notifier, &mut buffer);
    loop {
        let event = reader.next()?;
        if event.events().intersects(ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF | ReadFlags::IGNORED) {
            return Ok(());
        }
        let is_mail = event.file_name().is_none_or(|name| name.to_bytes().ends_with(b".eml"));
        if is_mail && !tell() {
            return Ok(());
        }
    }
}

/// Calls `tell` once, and again whenever other mails lie in the folder, until it says false or the folder goes away.
///
/// # Errors
/// If the folder cannot be read.
#[cfg(windows)]
pub fn tell_of_each(queue: &Path, tell: impl Fn() -> bool) -> io::Result<()> {
    const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);
    let mut before = None;
    loop {
        let written = std::fs::metadata(queue)?.modified()?;
        if before != Some(written) && !tell() {
            return Ok(());
        }
        before = Some(written);
        std::thread::sleep(PAUSE);
    }
}
