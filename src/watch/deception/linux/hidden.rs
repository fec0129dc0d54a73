//! Processes that are missing in the list of processes.
//!
//! What hides one shortens the list, or lays a mount over its folder in `/proc`. So the list is compared with what does
//! not come from it: the control groups, which name their processes, and the kernel itself, asked by number whether such a
//! process is there (a signal that is none). Asking for every number there may be is too dear for one pass: those that were
//! handed out since the pass before are asked, and a share of the others, so that each has its turn.

use crate::host::Host;
use crate::processes::{Executable, Listing, Process, parse};
use crate::text::Text;
use crate::watch::deception::{Deceit, Kind};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// So many numbers are asked in a pass besides those just handed out.
const SHARE: u32 = 8192;

/// So many of those just handed out; more are left to their turn.
const MOST: u32 = 32_768;

/// So many control groups are read.
const GROUPS: usize = 5000;

/// A number that no process ever has.
const NOBODY: u32 = 0x3fff_ffff;

/// Processes come and go while we look: one that hides must be missing so many times.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(30);

/// How far the round has come.
#[derive(Default)]
pub struct Search {
    next: u32,
    last: Option<u32>,
}

impl Search {
    /// Every process that is hidden; none if that cannot be asked here.
    pub fn look(&mut self, host: &Host, listing: &Listing) -> Option<Vec<Deceit>> {
        // Where others are hidden from us by the system (hidepid), nothing can be said.
        let listed = read_numbers(host).filter(|_| listing.get(1).is_some())?;
        // A sandbox that lets nobody send signals would answer for every number alike.
        if exists(NOBODY) {
            return None;
        }
        let grouped = read_groups(host);
        let mut suspects: BTreeSet<u32> =
            grouped.keys().filter(|pid| !listed.contains(pid) && !is_thread(host, **pid)).copied().collect();
        suspects.extend(
            self.numbers(host).filter(|pid| !listed.contains(pid) && exists(*pid) && !is_thread(host, *pid)),
        );
        for _ in 0..LOOKS {
            if suspects.is_empty() {
                break;
            }
            std::thread::sleep(PAUSE);
            let listed = read_numbers(host).unwrap_or_default();
            suspects.retain(|pid| !listed.contains(pid) && exists(*pid) && !is_thread(host, *pid));
        }
        let group = |pid: u32| grouped.get(&pid).map(|group| format!("its control group is {group}"));
        let missing = suspects.into_iter().map(|pid| Deceit {
            kind: Kind::HiddenProcess,
            what: "missing in /proc".into(),
            process: read_process(host, pid).map(Arc::new),
            note: Some(Text::new(
                [Some(format!("process {pid}")), group(pid)]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
        });
        let covered = read_covered(host).into_iter().map(|(pid, by)| Deceit {
            kind: Kind::HiddenProcess,
            what: Text::new(format!("its folder in /proc is covered by a mount of {by}")),
            process: None,
            note: Some(Text::new(
                [Some(format!("process {pid}")), group(pid)]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
        });
        let mut deceits: Vec<Deceit> = missing.chain(covered).collect();
        deceits.extend(unlisted_for_us(host, &listed));
        Some(deceits)
    }

    /// The numbers whose turn it is.
    fn numbers(&mut self, host: &Host) -> impl Iterator<Item = u32> + use<> {
        let highest =
            read_number(host, "/proc/sys/kernel/pid_max").unwrap_or(32_768).saturating_sub(1).max(1);
        let round = self.next;
        self.next = (round + SHARE) % highest;
        let last = read_last(host);
        let before = self.last.take();
        self.last = last;
        // Numbers begin anew behind the highest.
        let (from, count) = match (before, last) {
            (Some(from), Some(last)) if last >= from => (from, last - from),
            (Some(from), Some(last)) => (from, highest.saturating_sub(from) + last),
            _ => (0, 0),
        };
        let new = (0..=count.min(MOST)).map(move |at| (from + at) % highest + 1);
        let share = (0..SHARE.min(highest)).map(move |at| (round + at) % highest + 1);
        new.chain(share)
    }
}

/// The numbers that `/proc` lists, asked of the kernel itself: a library that was slipped into us cannot shorten this.
fn read_numbers(host: &Host) -> Option<BTreeSet<u32>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(host.path("/proc"), flags, Mode::empty()).ok()?;
    let mut numbers = BTreeSet::new();
    for entry in Dir::read_from(&folder).ok()? {
        numbers.extend(entry.ok()?.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
    }
    Some(numbers)
}

/// True if the kernel knows a process or a thread of this number.
fn exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
}

/// True if this is the number of a thread of another process: those are not listed.
fn is_thread(host: &Host, pid: u32) -> bool {
    // The kernel gives a handle on processes only, and says so of a thread; one of another age knows no handles.
    match i32::try_from(pid).ok().and_then(Pid::from_raw).map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
        Some(Ok(_)) => return false,
        Some(Err(Errno::INVAL | Errno::NOENT)) => return true,
        _ => {}
    }
    let status = host.read(format!("/proc/{pid}/status")).unwrap_or_default();
    let group = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Tgid:"));
    let group = group.and_then(|group| std::str::from_utf8(group).ok()?.trim().parse::<u32>().ok());
    group.is_some_and(|group| group != pid)
}

fn read_number(host: &Host, file: &str) -> Option<u32> {
    std::str::from_utf8(&host.read(file).ok()?).ok()?.trim().parse().ok()
}

/// The number that was handed out last.
fn read_last(host: &Host) -> Option<u32> {
    let text = host.read("/proc/loadavg").ok()?;
    std::str::from_utf8(&text).ok()?.split_whitespace().nth(4)?.parse().ok()
}

/// The processes that control groups name, with the group.
fn read_groups(host: &Host) -> BTreeMap<u32, Text> {
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
    let is_root = |root: &&&str| host.path(format!("{root}/cgroup.procs")).exists();
    let Some(root) = roots.iter().find(is_root) else { return BTreeMap::new() };
    let mut groups = BTreeMap::new();
    let mut folders = vec![PathBuf::from(root)];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        count += 1;
        if count > GROUPS {
            break;
        }
        // That of a group of threads cannot be read; its processes stand in the one above.
        let processes = host.read(folder.join("cgroup.procs")).unwrap_or_default();
        let name = folder.strip_prefix(root).unwrap_or(&folder);
        let name = Text::cut(&[b"/", name.as_os_str().as_encoded_bytes()].concat(), 256);
        let numbers = std::str::from_utf8(&processes).unwrap_or_default().lines();
        // 0 is one that lives in another space of numbers.
        let numbers = numbers.filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0);
        groups.extend(numbers.map(|pid| (pid, name.clone())));
        let Ok(entries) = std::fs::read_dir(host.path(&folder)) else { continue };
        let below = entries.filter_map(Result::ok);
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(below.map(|entry| folder.join(entry.file_name())));
    }
    groups
}

/// The processes whose folder, or a file in it, something was mounted over, as far as they still run, with what.
fn read_covered(host: &Host) -> BTreeMap<u32, String> {
    let mut covered = BTreeMap::new();
    for process in ["1", "self"] {
        let mounts = host.read(format!("/proc/{process}/mountinfo")).unwrap_or_default();
        covered.extend(parse_covered(&mounts).into_iter().filter(|(pid, _)| exists(*pid)));
    }
    covered
}

/// The numbers in mount points below `/proc`, with what was mounted there: the kind of file system and its folder.
#[must_use]
pub fn parse_covered(mounts: &[u8]) -> Vec<(u32, String)> {
    let line = |line: &[u8]| {
        let text = String::from_utf8_lossy(line);
        let fields: Vec<&str> = text.split(' ').collect();
        let name = fields.get(4)?.strip_prefix("/proc/")?.split('/').next()?;
        let pid = name.parse().ok()?;
        let dash = fields.iter().skip(6).position(|field| *field == "-")? + 6;
        let kind = fields.get(dash + 1)?;
        // The number of the process that was shown instead is another each time.
        let from = if *kind == "proc" { "another process" } else { fields.get(3)? };
        Some((pid, format!("{kind}, {from}")))
    };
    mounts.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// A process whose folder is not listed may still be there for who knows its number.
fn read_process(host: &Host, pid: u32) -> Option<Process> {
    let folder = host.path(format!("/proc/{pid}"));
    let stat = parse::parse_stat(&host.read(format!("/proc/{pid}/stat")).ok()?)?;
    let uid = parse::parse_status_uid(&host.read(format!("/proc/{pid}/status")).ok()?)?;
    let link = rustix::fs::readlink(folder.join("exe"), Vec::new()).ok()?.into_bytes();
    let exe = match (link.strip_prefix(b"/memfd:"), link.strip_suffix(b" (deleted)")) {
        (Some(name), _) => Executable::Memory(Text::new(name)),
        (None, Some(path)) => Executable::Deleted(Text::new(path)),
        (None, None) => Executable::Path(Text::new(&link)),
    };
    let boot = parse::parse_boot_time(&host.read("/proc/stat").ok()?)?;
    let ms = stat.start.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
    let since = Timestamp::from_second(boot).ok()?;
    let since = since.saturating_add(SignedDuration::from_millis(i64::try_from(ms).ok()?)).ok()?;
    let arguments = host.read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Process {
        pid,
        start: stat.start,
        since,
        parent: stat.parent,
        exe,
        script: None,
        name: Text::new(&stat.name),
        args: crate::processes::secret::masked(&parse::parse_cmdline(
            arguments.get(..4096).unwrap_or(&arguments),
        )),
        uid,
        user: host.users().name(uid),
        unit: None,
        container: false,
        files: None,
    })
}

/// Processes that the kernel lists and the C library does not: something was slipped into the watchdog itself, and so most
/// likely into every program.
fn unlisted_for_us(host: &Host, listed: &BTreeSet<u32>) -> Vec<Deceit> {
    let mut suspects = listed.clone();
    for _ in 0..LOOKS {
        if suspects.is_empty() {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir(host.path("/proc")) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let told: BTreeSet<u32> = names.collect();
        let listed = read_numbers(host).unwrap_or_default();
        suspects.retain(|pid| !told.contains(pid) && listed.contains(pid));
    }
    let deceit = |pid: u32| Deceit {
        kind: Kind::HiddenProcess,
        what: "missing in what the C library lists of /proc".into(),
        process: read_process(host, pid).map(Arc::new),
        note: Some(Text::new(format!("process {pid}"))),
    };
    suspects.into_iter().map(deceit).collect()
}
