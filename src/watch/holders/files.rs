//! The open files of one process, by their links in `/proc/PID/fd`.

use crate::host::Host;
use rustix::fs::{Dir, Mode, OFlags, fstat, open, readlinkat_raw};
use rustix::path::DecInt;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// The folder of the open files of a process.
pub struct Folder(OwnedFd);

impl Folder {
    /// Of the process, or the thread, of this folder in `/proc`; nothing if it is gone, or not for us to see.
    pub fn open(host: &Host, process: &str) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(host.path(format!("{process}/fd")), flags, Mode::empty()).ok().map(Self)
    }

    /// How many there are; 0 if the kernel does not tell (before Linux 6.2).
    pub fn count(&self) -> i64 {
        fstat(&self.0).map_or(0, |stat| stat.st_size)
    }

    /// Shows so many descriptors, and how the link of each begins. How many there were.
    pub fn walk(&self, most: usize, mut show: impl FnMut(u32, &[u8])) -> usize {
        let Ok(entries) = Dir::read_from(&self.0) else { return 0 };
        let mut count = 0;
        for entry in entries.filter_map(Result::ok) {
            let Some(fd) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            count += 1;
            self.read(fd, |link| show(fd, link));
            if count == most {
                break;
            }
        }
        count
    }

    /// The number of the socket that a descriptor is; none if it is closed or something else.
    fn socket(&self, fd: u32) -> Option<u64> {
        self.read(fd, parse_socket).flatten()
    }

    /// How the link of a descriptor begins: what is no socket may have one of any length.
    fn read<T>(&self, fd: u32, show: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut link = [MaybeUninit::uninit(); 48];
        let (link, _) = readlinkat_raw(&self.0, DecInt::new(fd), &mut link).ok()?;
        Some(show(link))
    }
}

/// A descriptor of a process that held a socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The process.
    pub pid: u32,
    /// The descriptor.
    pub fd: u32,
    /// The socket.
    pub inode: u64,
}

impl Link {
    /// True if it still is that socket.
    pub fn is_in(&self, files: Option<&Folder>) -> bool {
        files.and_then(|files| files.socket(self.fd)) == Some(self.inode)
    }
}

/// The number in `socket:[4711]`.
pub(in crate::watch) fn parse_socket(link: &[u8]) -> Option<u64> {
    std::str::from_utf8(link).ok()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
