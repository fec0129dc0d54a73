//! What the kernel lets the service see: its capabilities, and how /proc is mounted for it.

use super::{Case, Check};

const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const SYS_PTRACE: u64 = 1 << 19;

/// Whose rights are looked at: the service's, or ours where none runs.
fn whom(case: &Case) -> (String, &'static str) {
    match case.stored.process(case.host) {
        Some(pid) => (pid.to_string(), "the service"),
        None => ("self".to_owned(), "this program (no service runs)"),
    }
}

/// The effective capabilities of a process, from `/proc/PID/status`.
#[must_use]
pub fn parse_capabilities(status: &[u8]) -> Option<u64> {
    let line = status.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"CapEff:"))?;
    u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()
}

/// What the kernel lets the service read of others.
pub(super) fn capabilities(case: &Case) -> Vec<Check> {
    const NAME: &str = "capabilities";
    let (pid, who) = whom(case);
    let status = case.host.read(format!("/proc/{pid}/status")).unwrap_or_default();
    let Some(held) = parse_capabilities(&status) else {
        return vec![Check::unknown(NAME, format!("the capabilities of {who} cannot be read"))];
    };
    let mut lacks = Vec::new();
    if held & SYS_PTRACE == 0 {
        lacks.push((
            "CAP_SYS_PTRACE",
            "what other users' processes run, listen on and carry in their environment",
        ));
    }
    if held & (DAC_READ_SEARCH | DAC_OVERRIDE) == 0 {
        lacks.push(("CAP_DAC_READ_SEARCH", "logs and files that others may not read"));
    }
    if lacks.is_empty() {
        return vec![Check::ok(NAME, format!("{who} may see every process and read every file"))];
    }
    let is_ours = pid == "self";
    let check = |(name, what): (&str, &str)| {
        let says = format!("{who} lacks {name}, and so does not see {what}");
        if is_ours {
            return Check::warning(NAME, says).remedy("sudo watchdog doctor");
        }
        Check::fault(NAME, says)
            .remedy("take back what was changed in the unit: systemctl revert host-watchdog && systemctl restart host-watchdog")
            .remedy(format!("or, in a unit of your own: [Service] AmbientCapabilities={name}"))
    };
    lacks.into_iter().map(check).collect()
}

/// How `/proc` is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcMount {
    /// The value of `hidepid`, if it hides processes.
    pub hidepid: Option<String>,
    /// True if only processes are there, and nothing else.
    pub only_processes: bool,
}

/// How `/proc` is mounted, from `/proc/PID/mountinfo`; none if it is not.
#[must_use]
pub fn parse_proc_mount(mountinfo: &[u8]) -> Option<ProcMount> {
    let of_line = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        let (mount, kind) = line.split_once(" - ")?;
        if mount.split(' ').nth(4)? != "/proc" || kind.split(' ').next()? != "proc" {
            return None;
        }
        let options = || kind.split(' ').nth(2).unwrap_or_default().split(',');
        let hidepid = options().find_map(|option| option.strip_prefix("hidepid="));
        let hides = |value: &&str| !["0", "off"].contains(value);
        let only_processes = options().any(|option| option == "subset=pid");
        Some(ProcMount { hidepid: hidepid.filter(hides).map(str::to_owned), only_processes })
    };
    // The last mount lies on top of those before.
    mountinfo.split(|b| *b == b'\n').rev().find_map(of_line)
}

/// Whether `/proc` hides anything from the service.
pub(super) fn proc_mount(case: &Case) -> Vec<Check> {
    const NAME: &str = "proc";
    let (pid, who) = whom(case);
    let read = |file: &str| case.host.read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let Some(mount) = parse_proc_mount(&read("mountinfo")) else {
        return vec![Check::unknown(NAME, format!("how /proc is mounted for {who} cannot be read"))];
    };
    let may_all = parse_capabilities(&read("status")).is_some_and(|held| held & SYS_PTRACE != 0);
    if mount.only_processes {
        let says = format!("/proc shows {who} only processes: no sockets, no memory, no load");
        return vec![
            Check::fault(NAME, says)
                .remedy("systemctl edit host-watchdog, and write: [Service] ProcSubset=all"),
        ];
    }
    let check = match mount.hidepid {
        None => Check::ok(NAME, format!("/proc hides nothing from {who}")),
        Some(value) if may_all => Check::ok(
            NAME,
            format!("/proc hides other users' processes (hidepid={value}), but not from {who}"),
        ),
        Some(value) => {
            let says = format!("/proc hides other users' processes from {who} (hidepid={value})");
            Check::fault(NAME, says)
                .remedy("give the service CAP_SYS_PTRACE, as the packaged unit does, or: mount -o remount,hidepid=0 /proc")
        }
    };
    vec![check]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_as_the_kernel_writes_them() {
        let status = b"Name:\tx\nUid:\t998\t998\t998\t998\nCapEff:\t0000000000080004\n";
        assert_eq!(parse_capabilities(status), Some(SYS_PTRACE | DAC_READ_SEARCH));
        assert_eq!(parse_capabilities(b"CapEff:\tzz\n"), None);
        assert_eq!(parse_capabilities(b""), None);
    }

    #[test]
    fn the_topmost_mount_of_proc_counts() {
        let plain = "22 1 0:21 / /proc rw,nosuid shared:12 - proc proc rw";
        let hidden = "99 1 0:50 / /proc rw,nosuid - proc proc rw,hidepid=invisible,gid=4,subset=pid";
        let other = "23 1 0:22 / /sys rw shared:7 - sysfs sysfs rw,hidepid=2";
        let read = |lines: &[&str]| parse_proc_mount(lines.join("\n").as_bytes());
        assert_eq!(read(&[other]), None);
        assert_eq!(read(&[plain, other]), Some(ProcMount::default()));
        let hides = ProcMount { hidepid: Some("invisible".to_owned()), only_processes: true };
        assert_eq!(read(&[plain, hidden]), Some(hides));
        assert_eq!(
            read(&[&plain.replace("rw,nosuid shared:12 - proc proc rw", "rw - proc proc rw,hidepid=0")]),
            Some(ProcMount::default())
        );
    }
}
