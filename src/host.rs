//! The host that is watched: where its files are, who we are on it, and what time it is there.
//!
//! Every path goes through [`Host::path`], so that a fixture folder or a container's root can stand for a host.

use crate::file::{self, Links};
use crate::system;
use crate::text::Text;
use jiff::Timestamp;
use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The watched host.
#[derive(Debug, Clone)]
pub struct Host {
    root: PathBuf,
    clock: Clock,
}

#[derive(Debug, Clone, Copy)]
enum Clock {
    Real,
    Still(Timestamp),
}

/// What this program may read, which decides whether something unreadable is suspicious or just not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Privilege {
    /// The effective user.
    pub uid: u32,
    /// May read every process's executable, sockets and environment.
    pub sees_all_processes: bool,
    /// May read every file.
    pub reads_all_files: bool,
}

impl Host {
    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        Self { root: PathBuf::from("/"), clock: Clock::Real }
    }

    /// A host whose files lie below `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), clock: Clock::Real }
    }

    /// The same host at a moment that does not pass, for tests and recorded facts.
    #[must_use]
    pub fn at_moment(mut self, moment: Timestamp) -> Self {
        self.clock = Clock::Still(moment);
        self
    }

    fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where an absolute path of the host lies for us.
    #[must_use]
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        if self.is_this() {
            return system::own_path(absolute);
        }
        // Only the names count: neither a root nor a drive leads out of the folder.
        let names = absolute
            .components()
            .filter(|part| !matches!(part, Component::RootDir | Component::Prefix(_) | Component::CurDir));
        names.fold(self.root.clone(), |path, part| path.join(part))
    }

    /// Reads a whole file of the host.
    ///
    /// # Errors
    /// The system's, or `FileTooLarge` over 256 MiB.
    pub fn read(&self, absolute: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        file::read(&self.path(absolute), Links::Follow)
    }

    /// Reads the first so many bytes of a file of the host.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_start(&self, absolute: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
        file::read_start(&self.path(absolute), Links::Follow, most)
    }

    /// The present moment of the host.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
    pub fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Real => Timestamp::now(),
            Clock::Still(moment) => moment,
        }
    }

    /// The host's name, as the kernel has it (of a fixture, `etc/hostname`).
    #[must_use]
    pub fn name(&self) -> Text {
        // Asked of the kernel itself: a sandbox may hide the file that holds it.
        let bytes =
            if self.is_this() { system::host_name() } else { self.read("/etc/hostname").unwrap_or_default() };
        match bytes.trim_ascii() {
            [] => Text::from("localhost"),
            name => Text::cut(name, 253),
        }
    }

    /// The id of this boot: process ids and start times mean something only together with it.
    #[must_use]
    pub fn boot_id(&self) -> Text {
        #[cfg(windows)]
        if self.is_this() {
            return Text::new(crate::win32::host::boot_id());
        }
        Text::cut(self.read("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim_ascii(), 64)
    }

    /// The id of this installation, if the host has one.
    #[must_use]
    pub fn machine_id(&self) -> Text {
        #[cfg(windows)]
        if self.is_this() {
            return Text::new(crate::win32::host::machine_id().unwrap_or_default());
        }
        Text::cut(self.read("/etc/machine-id").unwrap_or_default().trim_ascii(), 64)
    }

    /// User names by number, from `/etc/passwd`.
    #[must_use]
    pub fn users(&self) -> Users {
        Users::parse(&self.read("/etc/passwd").unwrap_or_default())
    }

    /// What we may read here, from our effective capabilities.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn privilege(&self) -> Privilege {
        const DAC_OVERRIDE: u64 = 1 << 1;
        const DAC_READ_SEARCH: u64 = 1 << 2;
        const SYS_PTRACE: u64 = 1 << 19;
        let status = std::fs::read("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(name.as_bytes()))?;
            std::str::from_utf8(line).ok().map(str::trim)
        };
        let caps = field("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let euid = field("Uid:").and_then(|l| l.split_whitespace().nth(1)?.parse().ok());
        Privilege {
            uid: euid.unwrap_or(u32::MAX),
            sees_all_processes: caps & SYS_PTRACE != 0,
            reads_all_files: caps & (DAC_OVERRIDE | DAC_READ_SEARCH) != 0,
        }
    }

    /// What we may read here: an administrator everything that is not protected even from them.
    #[cfg(windows)]
    #[must_use]
    pub fn privilege(&self) -> Privilege {
        let is_administrator = system::is_administrator();
        Privilege { uid: 0, sees_all_processes: is_administrator, reads_all_files: is_administrator }
    }
}

/// User names by number. Users of a directory service are not in it and are shown by their number.
#[derive(Debug, Clone, Default)]
pub struct Users(HashMap<u32, Text>);

impl Users {
    /// Parses `/etc/passwd`; lines that are not entries are passed over.
    #[must_use]
    pub fn parse(passwd: &[u8]) -> Self {
        let entry = |line: &[u8]| {
            let mut fields = line.split(|b| *b == b':');
            let name = Text::cut(fields.next()?, 64);
            let uid = std::str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
            Some((uid, name))
        };
        let mut names = HashMap::new();
        for (uid, name) in passwd.split(|b| *b == b'\n').filter_map(entry) {
            // The first entry of a number is the one the system shows.
            names.entry(uid).or_insert(name);
        }
        Self(names)
    }

    /// The name of user number `uid`, or the number itself.
    #[must_use]
    pub fn name(&self, uid: u32) -> Text {
        self.0.get(&uid).cloned().unwrap_or_else(|| Text::new(uid.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_the_first_entry_and_else_by_number() {
        let users = Users::parse(b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\nx:y:z\n");
        assert_eq!(users.name(0), "root");
        assert_eq!(users.name(4711), "4711");
    }

    #[cfg(windows)]
    #[test]
    fn on_windows_a_path_of_another_system_is_nowhere() {
        let host = Host::this();
        for path in ["/etc/passwd", "/var/lib/dpkg/status", "/", r"\etc\hosts", "/windows"] {
            let error = host.read(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}: {error}");
            assert!(!host.path(path).exists(), "{path}");
        }
        assert_eq!(host.users().name(0), "0");
        let own = std::env::current_exe().unwrap();
        assert_eq!(host.path(&own), own);
        assert!(host.path(&own).exists());
    }

    #[test]
    fn no_path_leads_out_of_a_fixture_folder_by_its_root() {
        let host = Host::at("fixture");
        assert_eq!(host.path("/etc/passwd"), Path::new("fixture/etc/passwd"));
        assert_eq!(host.path("/"), Path::new("fixture"));
        #[cfg(windows)]
        assert_eq!(host.path(r"C:\Windows\x.exe"), Path::new(r"fixture\Windows\x.exe"));
    }

    #[test]
    fn a_fixture_folder_stands_for_a_host() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/hostname"), "web1\n").unwrap();
        let moment: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let host = Host::at(root.path()).at_moment(moment);
        assert_eq!((host.name(), host.now()), (Text::from("web1"), moment));
    }
}
