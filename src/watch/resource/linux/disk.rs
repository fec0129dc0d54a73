//! The mounted file systems and how full they are.

use crate::coverage::Gap;
use crate::host::Host;
use crate::rule::Placed;
use crate::text::Text;
use crate::watch::resource::{Disk, DiskRule, Room, asking};
use rustix::fs::{StatVfs, statvfs};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Kinds that hold no files of anybody: views of the kernel, and images that are always full.
const NO_DISKS: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "udf",
];

/// Kinds that need somebody else to answer: a server, or a program of some user.
const SLOW: &[&str] = &[
    "9p",
    "afs",
    "autofs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "fuse",
    "fuseblk",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "smb3",
    "smbfs",
    "virtiofs",
];

/// File systems in memory that come and go with sessions, services and containers, or are the kernel's.
const PASSING: &[&str] = &["/run/user/", "/run/credentials/", "/run/netns", "/var/lib/", "/sys/", "/proc/"];

/// A line of `mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The device's number, `254:0`: the same for each place one file system is mounted at.
    pub device: Vec<u8>,
    /// Which folder of the file system is mounted.
    pub root: Vec<u8>,
    /// Where.
    pub point: Vec<u8>,
    /// The kind of file system.
    pub kind: Vec<u8>,
    /// What is mounted: a device, a server's folder.
    pub source: Vec<u8>,
    /// The file system itself cannot be written to.
    pub is_read_only: bool,
}

/// Parses `mountinfo`, in order; of what is not a line of it nothing can be said.
#[must_use]
pub fn parse_mountinfo(mountinfo: &[u8]) -> Vec<Mount> {
    mountinfo.split(|b| *b == b'\n').filter_map(parse_mount).collect()
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|b| *b == b' ');
    let device = fields.nth(2)?.to_vec();
    let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let (kind, source) = (unescape(fields.next()?), unescape(fields.next()?));
    let is_read_only = fields.next()?.split(|b| *b == b',').any(|option| option == b"ro");
    (point.first() == Some(&b'/')).then_some(Mount { device, root, point, kind, source, is_read_only })
}

/// Blanks, line breaks and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.first_chunk::<3>().filter(|digits| digits.iter().all(|b| (b'0'..=b'7').contains(b)));
        if let Some([a, b, c]) = digits.filter(|_| *first == b'\\') {
            out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
            rest = after.get(3..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

/// The file systems worth asking: each once, where it is mounted whole and by the shortest path; and any that
/// `is_named` by a rule, wherever it is mounted. What was mounted over is out of reach and left out.
#[must_use]
pub fn choose(mounts: Vec<Mount>, is_named: impl Fn(&Text) -> bool) -> Vec<Mount> {
    // The last one at a place hides those before it.
    let visible: BTreeMap<Vec<u8>, Mount> =
        mounts.into_iter().map(|mount| (mount.point.clone(), mount)).collect();
    let (named, others): (Vec<Mount>, Vec<Mount>) =
        visible.into_values().partition(|mount| is_named(&Text::new(&mount.point)));
    let mut chosen: BTreeMap<Vec<u8>, Mount> = BTreeMap::new();
    for mount in others.into_iter().filter(is_disk) {
        if named.iter().any(|other| other.device == mount.device) {
            continue;
        }
        let rank = |mount: &Mount| (mount.root != b"/", mount.point.len(), mount.point.clone());
        let best = chosen.entry(mount.device.clone()).or_insert_with(|| mount.clone());
        if rank(&mount) < rank(best) {
            *best = mount;
        }
    }
    let mut all: Vec<Mount> = named.into_iter().chain(chosen.into_values()).collect();
    all.sort_by(|a, b| a.point.cmp(&b.point));
    all
}

fn is_disk(mount: &Mount) -> bool {
    let is_one_of = |kinds: &[&str]| kinds.iter().any(|kind| kind.as_bytes() == mount.kind);
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| mount.point.starts_with(prefix.as_bytes()));
    if mount.is_read_only || is_one_of(NO_DISKS) {
        return false;
    }
    match mount.kind.as_slice() {
        // What is written to it goes to another disk; only of the root we may not see that one.
        b"overlay" => mount.point == b"/",
        b"tmpfs" => mount.point != b"/dev" && !starts(PASSING),
        _ => true,
    }
}

fn is_slow(mount: &Mount) -> bool {
    mount.kind.starts_with(b"fuse.") || SLOW.iter().any(|kind| kind.as_bytes() == mount.kind)
}

/// Questions to file systems that hang when whoever serves them does.
pub type Asking = asking::Asking<StatVfs>;

fn answer(path: &Path) -> io::Result<StatVfs> {
    Ok(statvfs(path)?)
}

/// The file systems of the host.
///
/// # Errors
/// If it cannot be read what is mounted.
pub fn read_disks(
    host: &Host,
    rules: &[Placed<DiskRule>],
    asking: &mut Asking,
    gaps: &mut Vec<Gap>,
) -> io::Result<Vec<Disk>> {
    // A sandboxed watchdog has mounts of its own; those of the host are those of its first process.
    let process = if has_own_mounts(host) && host.read("/proc/1/mountinfo").is_ok() { "1" } else { "self" };
    let mounts = parse_mountinfo(&host.read(format!("/proc/{process}/mountinfo"))?);
    let is_named = |point: &Text| rules.iter().any(|placed| placed.rule.mount.matches_path(point));
    let mounts = choose(mounts, is_named);
    let path = |mount: &Mount| {
        let point = OsStr::from_bytes(&mount.point);
        match process {
            "1" => {
                host.path("/proc/1/root").join(OsStr::from_bytes(mount.point.get(1..).unwrap_or_default()))
            }
            _ => host.path(point),
        }
    };
    for mount in mounts.iter().filter(|mount| is_slow(mount)) {
        asking.ask(path(mount), answer);
    }
    let mut silent = Vec::new();
    let mut disks = Vec::new();
    for mount in &mounts {
        let path = path(mount);
        let answer = if is_slow(mount) { asking.answer(&path) } else { statvfs(&path).map_err(Into::into) };
        let point = Text::new(&mount.point);
        let (space, inodes) = match answer {
            Ok(answer) => match rooms(&answer) {
                // It has neither space nor inodes: some view of the kernel that we do not know.
                (None, None) if !is_named(&point) => continue,
                rooms => rooms,
            },
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::TimedOut => "it does not answer".to_owned(),
                    _ => error.to_string(),
                };
                silent.push(format!("{point} ({why})"));
                (None, None)
            }
        };
        let (device, kind) = (Text::cut(&mount.source, 256), Text::cut(&mount.kind, 64));
        disks.push(Disk { mount: point, device, kind, space, inodes });
    }
    if !silent.is_empty() {
        gaps.push(Gap {
            gap: "disk-not-asked".to_owned(),
            seen: (mounts.len() - silent.len()) as u64,
            of: mounts.len() as u64,
            why: format!("it is not known how full these are: {}", silent.join(", ")),
        });
    }
    Ok(disks)
}

fn has_own_mounts(host: &Host) -> bool {
    let namespace =
        |process: &str| rustix::fs::readlink(host.path(format!("/proc/{process}/ns/mnt")), Vec::new());
    match (namespace("self"), namespace("1")) {
        (Ok(own), Ok(first)) => own != first,
        _ => false,
    }
}

/// Space in bytes as `df` counts it, without what is kept back for root, and inodes.
fn rooms(answer: &StatVfs) -> (Option<Room>, Option<Room>) {
    let used = answer.f_blocks.saturating_sub(answer.f_bfree);
    let bytes = |blocks: u64| blocks.saturating_mul(answer.f_frsize);
    let space =
        Room { total: bytes(used.saturating_add(answer.f_bavail)), available: bytes(answer.f_bavail) };
    let inodes = Room { total: answer.f_files, available: answer.f_ffree.min(answer.f_files) };
    ((answer.f_blocks > 0).then_some(space), (answer.f_files > 0).then_some(inodes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chosen(mountinfo: &str, named: &[&str]) -> Vec<String> {
        let mounts = choose(parse_mountinfo(mountinfo.as_bytes()), |point| named.contains(&point.as_str()));
        mounts.iter().map(|mount| Text::new(&mount.point).to_string()).collect()
    }

    const HOST: &str = "22 27 0:21 / /proc rw - proc proc rw\n\
        24 27 0:6 / /dev rw - devtmpfs devtmpfs rw,size=12k\n\
        27 1 254:0 / / rw shared:1 - ext4 /dev/vda rw,discard\n\
        28 27 254:0 /srv/data /mnt/bound rw - ext4 /dev/vda rw,discard\n\
        29 27 254:1 / /data rw master:1 propagate_from:2 - xfs /dev/vdb rw\n\
        30 27 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro\n\
        31 27 11:0 / /media/cd ro - ext4 /dev/sr0 ro\n\
        32 27 0:30 / /tmp rw - tmpfs  rw,size=100k\n\
        33 27 0:31 / /run/user/1000 rw - tmpfs tmpfs rw\n\
        34 27 0:32 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n\
        35 27 254:1 / /data/again rw - xfs /dev/vdb rw\n\
        36 27 0:33 / /mnt/with\\040blank\\134 rw - btrfs /dev/vdc rw\n";

    #[test]
    fn each_disk_is_chosen_once_and_what_is_none_is_not() {
        assert_eq!(chosen(HOST, &[]), ["/", "/data", "/mnt/with blank\\", "/tmp"]);
    }

    #[test]
    fn what_a_rule_names_is_chosen_whatever_it_is() {
        assert_eq!(
            chosen(HOST, &["/data/again", "/media/cd", "/run/user/1000"]),
            ["/", "/data/again", "/media/cd", "/mnt/with blank\\", "/run/user/1000", "/tmp"]
        );
    }

    #[test]
    fn what_was_mounted_over_is_hidden() {
        let twice = format!("{HOST}37 29 0:40 / /data ro - tmpfs x ro\n");
        assert_eq!(chosen(&twice, &[]), ["/", "/data/again", "/mnt/with blank\\", "/tmp"]);
    }

    #[test]
    fn names_are_any_bytes() {
        let mount = parse_mount(b"1 2 3:4 / /mnt/\xff\\012\\9 rw - nfs4 srv:/x\\011 rw").unwrap();
        assert_eq!(
            (mount.point.as_slice(), mount.source.as_slice()),
            (&b"/mnt/\xff\n\\9"[..], &b"srv:/x\t"[..])
        );
        assert!(is_slow(&mount));
        assert_eq!(
            parse_mountinfo(b"1 2 3:4 / relative rw - ext4 a rw\n1 2 3\n1 2 3:4 / /x rw ext4 a rw\n"),
            []
        );
    }

    #[test]
    fn space_is_counted_as_df_does() {
        let answer = statvfs("/").unwrap();
        let (space, _) = rooms(&StatVfs {
            f_frsize: 10,
            f_blocks: 1000,
            f_bfree: 200,
            f_bavail: 150,
            f_files: 0,
            ..answer
        });
        assert_eq!(space, Some(Room { total: 9500, available: 1500 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>, text in "([0-9]+ |/|-|\\\\[0-9]{3}| |\n|ro|tmpfs){0,60}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _ = choose(parse_mountinfo(bytes), |point| point.len() % 2 == 0);
            }
        }
    }
}
